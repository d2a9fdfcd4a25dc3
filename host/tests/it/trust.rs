//! Whose driver files are loaded: the lock, signatures, owners, and files that change while they are checked or while they run.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use longshore_loader::platform;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Registry, Start, command, sha256};

/// A folder with a driver that nobody knows, and a configuration that names it.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().expect("a folder") };
        fs::create_dir(place.at("drivers")).expect("the test may write there");
        fs::copy(shipped("memory"), place.driver()).expect("the test may write there");
        place.configure("");
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn driver(&self) -> PathBuf {
        self.at("drivers/liblongshore_driver_memory.so")
    }

    fn lock(&self) -> String {
        fs::read_to_string(self.at("registry.lock")).expect("there is a lock")
    }

    /// Writes the configuration, with more keys of `[drivers]`. The address cannot be listened on, so a start ends once its drivers are open.
    fn configure(&self, keys: &str) {
        let folder = self.at("drivers");
        let text =
            format!("server.listen = \"192.0.2.1:1\"\n[drivers]\npath = [{folder:?}]\n{keys}\n[storage.main]\ndriver = \"memory\"\n");
        fs::write(self.at("registry.toml"), text).expect("the test may write there");
    }

    /// Runs a command in the folder.
    fn run(&self, arguments: &[&str]) -> Ran {
        let ran = command().args(arguments).current_dir(self.folder.path()).stdin(Stdio::null()).output();
        Ran::new(&ran.expect("it can be run"))
    }

    /// What `serve` says of the driver; all of it if it was loaded.
    fn start(&self) -> Ran {
        self.run(&["serve"])
    }
}

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    fn new(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Asserts that the driver was opened: only its address kept the registry from serving.
    #[track_caller]
    fn loaded(&self) {
        assert!(self.code == Some(5) && self.err.contains("cannot listen on 192.0.2.1:1"), "it is loaded: {:?} {}", self.code, self.err);
    }

    #[track_caller]
    fn refused(&self, code: &str) -> &Self {
        assert!(self.code == Some(3) && self.err.contains(&format!("[{code}]")), "{code}: {:?} {}", self.code, self.err);
        self
    }
}

fn shipped(driver: &str) -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_longshore")).with_file_name(format!("liblongshore_driver_{driver}.so"))
}

/// The same driver as another build: behind all that a linker reads, so it works, but is not the same content.
fn other_build(path: &Path) -> Vec<u8> {
    let mut bytes = fs::read(path).expect("it can be read");
    bytes.push(b'\n');
    bytes
}

#[test]
fn stranger_is_refused_until_the_command_of_the_refusal_pins_it() {
    let place = Place::new();
    let said = place.start();
    said.refused("policy-unpinned");
    let command_line = said.err.split('`').nth(1).expect("the refusal has a command").to_owned();
    assert_eq!(command_line, "longshore driver lock memory --config registry.toml");
    assert_eq!(place.run(&["config", "check"]).refused("policy-unpinned").code, Some(3));

    let arguments: Vec<_> = command_line.split(' ').skip(1).collect();
    let locked = place.run(&arguments);
    assert!(locked.code == Some(0) && locked.out.contains("added"), "{}{}", locked.out, locked.err);
    place.start().loaded();

    let again = place.run(&["driver", "lock"]);
    assert!(again.code == Some(0) && again.out.contains("unchanged"), "{}{}", again.out, again.err);
}

#[test]
fn lock_says_what_is_loaded() {
    let place = Place::new();
    assert_eq!(place.run(&["driver", "lock", "--check"]).code, Some(9), "nothing is locked yet");
    assert!(!place.at("registry.lock").exists(), "a check writes nothing");
    assert_eq!(place.run(&["driver", "lock"]).code, Some(0));
    assert_eq!(place.run(&["driver", "lock", "--check"]).code, Some(0));
    let sum = sha256(&fs::read(place.driver()).expect("it can be read"))["sha256:".len()..].to_owned();
    let lock = place.lock();
    for line in [
        "name = \"memory\"".to_owned(),
        format!("platform = \"{}\"", platform()),
        format!("sha256 = \"{sum}\""),
        format!("seen = {:?}", place.driver()),
    ] {
        assert!(lock.lines().any(|other| other == line), "{line} is in\n{lock}");
    }

    fs::write(place.driver(), other_build(&place.driver())).expect("the test may write there");
    let said = place.start();
    said.refused("policy-lock");
    assert!(said.err.contains(&sum) && said.err.contains("`longshore driver lock memory --config registry.toml`"), "{}", said.err);
    let check = place.run(&["driver", "lock", "--check", "--json"]);
    let json: Value = serde_json::from_str(&check.out).expect("it is JSON");
    assert_eq!((check.code, &json["drivers"][0]["lock"]), (Some(9), &"changed".into()), "{}", check.out);
    assert_eq!(place.lock(), lock, "a check writes nothing");

    // Also where nobody has to vouch for a file.
    place.configure("trust = \"any\"");
    place.start().refused("policy-lock");
    assert_eq!(place.run(&["driver", "lock"]).code, Some(0));
    place.start().loaded();
}

#[test]
fn lock_for_another_platform_is_kept_and_does_not_count() {
    let place = Place::new();
    assert_eq!(place.run(&["driver", "lock"]).code, Some(0));
    let other = place.lock().replace(&platform(), "riscv64-unknown-linux-gnu");
    fs::write(place.at("registry.lock"), &other).expect("the test may write there");
    let said = place.start();
    said.refused("policy-lock-platform");
    assert!(said.err.contains("riscv64-unknown-linux-gnu") && said.err.contains(&platform()), "{}", said.err);
    assert_eq!(place.run(&["driver", "lock"]).code, Some(0));
    let both = place.lock();
    assert!(both.contains("riscv64-unknown-linux-gnu") && both.contains(&platform()), "{both}");
    place.start().loaded();
}

#[test]
fn lock_that_is_faulty_is_reported_with_its_line_and_kept() {
    let place = Place::new();
    assert_eq!(place.run(&["driver", "lock"]).code, Some(0));
    let faulty = place.lock().replace("platform =", "platfrom =");
    fs::write(place.at("registry.lock"), &faulty).expect("the test may write there");
    for arguments in [["serve"].as_slice(), &["config", "check"], &["driver", "lock"]] {
        let said = place.run(arguments);
        assert_eq!(said.code, Some(3), "{arguments:?}: {}", said.err);
        assert!(said.err.contains("registry.lock:7:1: unknown key \"platfrom\" in [driver.0]"), "{}", said.err);
        assert!(said.err.contains("did you mean \"platform\"?"), "{}", said.err);
    }
    assert_eq!(place.lock(), faulty, "what it may still hold is not thrown away");
}

/// What the configuration does not use any more is not vouched for either.
#[test]
fn lock_of_all_forgets_what_is_not_used() {
    let place = Place::new();
    let count = shipped("count").display().to_string();
    let named = place.run(&["driver", "lock", "memory", &count]);
    assert!(named.code == Some(0) && named.out.contains("count"), "{}{}", named.out, named.err);
    let all = place.run(&["driver", "lock"]);
    assert!(all.code == Some(0) && all.out.lines().any(|line| line.starts_with("count") && line.contains("removed")), "{}", all.out);
    assert!(!place.lock().contains("\"count\""));
    let bad = place.run(&["driver", "lock", "/no/such/file.so"]);
    assert!(bad.code == Some(4) && bad.err.contains("[file-not-found]"), "{}", bad.err);
}

#[test]
fn signature_by_a_configured_key_is_enough() {
    let place = Place::new();
    let signer = || minisign::KeyPair::generate_unencrypted_keypair().expect("there are random numbers");
    let (ours, other) = (signer(), signer());
    let sign = |key: &minisign::KeyPair, content: &[u8]| {
        let signature = minisign::sign(None, &key.sk, content, Some("file:liblongshore_driver_memory.so"), None).expect("it can be signed");
        fs::write(place.at("drivers/liblongshore_driver_memory.so.minisig"), signature.to_string()).expect("the test may write there");
    };
    let content = fs::read(place.driver()).expect("it can be read");
    place.configure(&format!("trust = \"pinned\"\ntrusted_keys = [{:?}]", ours.pk.to_base64()));
    place.start().refused("policy-unpinned");
    sign(&other, &content);
    let said = place.start();
    said.refused("policy-signature-key");
    assert!(said.err.contains("drivers.trusted_keys"), "{}", said.err);
    sign(&ours, b"another file");
    place.start().refused("policy-signature");
    sign(&ours, &content);
    place.start().loaded();
    fs::write(place.driver(), other_build(&place.driver())).expect("the test may write there");
    place.start().refused("policy-signature");
}

#[test]
fn rule_decides_who_has_to_vouch() {
    let place = Place::new();
    place.configure("trust = \"any\"");
    place.start().loaded();
    // Those that came with the host load as they are, unless the rule asks more.
    let folder = shipped("memory").parent().expect("it has one").to_owned();
    let ask = |rule: &str| {
        let text = format!("server.listen = \"192.0.2.1:1\"\ndrivers.path = [{folder:?}]\n{rule}\n[storage.main]\ndriver = \"memory\"\n");
        fs::write(place.at("registry.toml"), text).expect("the test may write there");
        place.start()
    };
    ask("").loaded();
    ask("drivers.trust = \"pinned\"").refused("policy-unpinned");
    assert_eq!(place.run(&["driver", "lock"]).code, Some(0));
    place.start().loaded();
}

#[test]
fn folder_of_somebody_else_is_refused() {
    let place = Place::new();
    assert_eq!(place.run(&["driver", "lock"]).code, Some(0));
    let folder = place.at("drivers");
    fs::set_permissions(&folder, Permissions::from_mode(0o775)).expect("it is ours");
    if chown(&folder, None, Some(54_321)).is_err() {
        return eprintln!("skipped: only root may give a folder away");
    }
    place.start().refused("policy-group");
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).expect("it is ours");
    place.start().loaded();
    chown(&folder, Some(54_321), None).expect("root may");
    place.start().refused("policy-owner");
    assert_eq!(place.run(&["driver", "lock", "--check"]).code, Some(4), "it would not be loaded, so it is not locked");
}

#[test]
fn verify_tells_every_check_and_who_decided() {
    let place = Place::new();
    let refused = place.run(&["driver", "verify"]);
    assert!(refused.code == Some(4) && refused.err.contains("[policy-unpinned]"), "{}", refused.err);
    let words = |line: &str| line.split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>();
    let lines: Vec<_> = refused.out.lines().map(words).collect();
    let expected = [
        ["memory", "refused"],
        ["file", "good"],
        ["owner", "good"],
        ["digest", "good"],
        ["abi", "good"],
        ["entry", "good"],
        ["signature", "good"],
        ["trust", "policy-unpinned"],
    ];
    assert_eq!(lines, expected, "{}", refused.out);

    assert_eq!(place.run(&["driver", "lock"]).code, Some(0));
    let count = shipped("count").display().to_string();
    let verified = place.run(&["driver", "verify", "--json", "memory", &count, "/no/such/file.so"]);
    let json: Value = serde_json::from_str(&verified.out).expect("it is JSON");
    assert_eq!(verified.code, Some(4), "one of them cannot be loaded");
    assert_eq!((&json[0]["loads"], &json[0]["trusted_by"]), (&true.into(), &"lock".into()), "{json}");
    assert_eq!((&json[1]["loads"], &json[1]["trusted_by"]), (&true.into(), &"shipped".into()), "{json}");
    assert_eq!((&json[2]["loads"], &json[2]["checks"][0]["code"]), (&false.into(), &"file-not-found".into()), "{json}");
    assert_eq!(place.run(&["driver", "verify", "memory"]).code, Some(0));
}

/// Starts a registry while its driver's file is exchanged again and again, by rename and in place: what runs is what is pinned, or nothing.
#[test]
fn file_that_changes_while_the_host_starts_is_the_pinned_one_or_refused() {
    const STARTS: usize = 12;
    let place = Place::new();
    assert_eq!(place.run(&["driver", "lock"]).code, Some(0));
    let good = fs::read(place.driver()).expect("it can be read");
    // Another version by its own words, in the note and where `describe` finds it.
    let (from, to) = (br#""version":"0.1.0""#, br#""version":"6.6.6""#);
    let mut bad = good.clone();
    let places: Vec<_> = (0..good.len() - from.len()).filter(|at| good[*at..].starts_with(from)).collect();
    assert!(!places.is_empty(), "the note has a version");
    places.into_iter().for_each(|at| bad[at..at + to.len()].copy_from_slice(to));

    let stop = Arc::new(AtomicBool::new(false));
    let (path, next) = (place.driver(), place.at("drivers/next"));
    let exchanging = std::thread::spawn({
        let stop = stop.clone();
        move || {
            while !stop.load(Ordering::Relaxed) {
                for (content, in_place) in [(&bad, true), (&good, true), (&bad, false), (&good, false)] {
                    let target = if in_place { &path } else { &next };
                    fs::write(target, content).expect("the test may write there");
                    if !in_place {
                        fs::rename(&next, &path).expect("the test may write there");
                    }
                }
            }
        }
    });
    for _ in 0..STARTS {
        let said = place.start();
        assert!(matches!(said.code, Some(3..=5)), "it ends with a sentence, not by a signal: {:?} {}", said.code, said.err);
        assert!(!said.err.contains("6.6.6"), "what nobody pinned was opened: {}", said.err);
    }
    stop.store(true, Ordering::Relaxed);
    exchanging.join().expect("the files were exchanged");
    place.start().loaded();
}

#[test]
fn driver_overwritten_while_it_serves_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("liblongshore_driver_memory.so");
    fs::copy(shipped("memory"), &path).expect("the test may write there");
    let pin = sha256(&fs::read(&path).expect("it can be read"))["sha256:".len()..].to_owned();
    let storage = format!("path = {path:?}\nsha256 = {pin:?}\n");
    let registry = Registry::start_with(Start { storage: Some(storage), ..Start::default() });
    let manifest = registry.push_image("a", "v1", b"layer");
    for content in [vec![0xcc; 20_000_000], Vec::new()] {
        fs::write(&path, content).expect("the test may write there");
        assert_eq!(registry.get("/v2/a/manifests/v1").is(200, "a pull goes on").body, manifest);
        let layer = format!("a layer of {}", fs::metadata(&path).expect("it is there").len());
        let other = registry.push_image("b", "v1", layer.as_bytes());
        assert_eq!(registry.get("/v2/b/manifests/v1").is(200, "so does a push").body, other);
    }
}
