//! Who vouches for a driver file, and who may have written it.

mod bad_files;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use bad_files::{DriverFile, Marker};
use longshore_loader::{Policy, Refusal, RefusalCode, Sha256, Trust, TrustRule, TrustSource, inspect, platform, verify};

const STRANGER: u32 = 54_321;

fn trust(rule: TrustRule) -> Trust {
    Trust { rule, lock_file: "registry.lock".into(), pin_command: "longshore driver lock memory".into(), ..Trust::default() }
}

fn verified(path: &Path, trust: Trust) -> Result<TrustSource, Refusal> {
    verify(&inspect(path).expect("it is sound"), &Policy { trust, ..Policy::of_this_host() })
}

fn sha256(path: &Path) -> Sha256 {
    inspect(path).expect("it is sound").sha256().expect("it can be read")
}

/// A program beside the file, as a host is.
fn program(file: &DriverFile) -> PathBuf {
    let program = file.folder().join("host");
    fs::write(&program, "").expect("the folder is writable");
    program
}

/// Whether it could be given to another user or group, which root alone may do.
fn given_away(path: &Path, user: Option<u32>, group: Option<u32>) -> bool {
    chown(path, user, group).is_ok()
}

#[test]
fn file_that_came_with_the_host_is_believed() {
    let file = DriverFile::memory();
    let (path, program) = (file.write(), program(&file));
    let shipped = |rule| Trust { program: Some(program.clone()), ..trust(rule) };
    assert_eq!(verified(&path, shipped(TrustRule::ShippedOrPinned)), Ok(TrustSource::Shipped));
    assert_eq!(verified(&path, shipped(TrustRule::Pinned)).expect_err("it is not pinned").code, RefusalCode::PolicyUnpinned);

    // A link beside the program to a file elsewhere, and the other way round.
    let elsewhere = DriverFile::memory();
    symlink(elsewhere.write(), file.folder().join("link.so")).expect("the folder is writable");
    let stranger = verified(&file.folder().join("link.so"), shipped(TrustRule::ShippedOrPinned));
    assert_eq!(stranger.expect_err("its file lies elsewhere").code, RefusalCode::PolicyUnpinned);
    symlink(&path, elsewhere.folder().join("link.so")).expect("the folder is writable");
    assert_eq!(verified(&elsewhere.folder().join("link.so"), shipped(TrustRule::ShippedOrPinned)), Ok(TrustSource::Shipped));

    if given_away(&program, Some(STRANGER), None) {
        let other_owner = verified(&path, shipped(TrustRule::ShippedOrPinned));
        assert_eq!(other_owner.expect_err("the program has another owner").code, RefusalCode::PolicyUnpinned);
    }
}

#[test]
fn stranger_needs_a_digest_or_a_process_of_its_own() {
    let file = DriverFile::memory();
    let path = file.write();
    let refusal = verified(&path, trust(TrustRule::ShippedOrPinned)).expect_err("nobody vouches for it");
    assert_eq!(refusal.code, RefusalCode::PolicyUnpinned);
    assert_eq!(
        refusal.to_string().replace(file.folder().to_str().expect("a path in UTF-8"), "DIR"),
        "cannot load driver \"memory\" from \"DIR/liblongshore_driver_memory.so\": nobody vouches for its content: it did not come with the \
         host, \"registry.lock\" has no sha256 of it and no key of drivers.trusted_keys has signed it; if you trust this file, pin it: \
         `longshore driver lock memory`"
    );
    for rule in [TrustRule::ShippedOrPinned, TrustRule::Pinned] {
        let locked = Trust { locked: Some(sha256(&path)), ..trust(rule) };
        assert_eq!(verified(&path, locked), Ok(TrustSource::Lock));
    }
    let isolated = |rule| Trust { isolated: true, ..trust(rule) };
    assert_eq!(verified(&path, isolated(TrustRule::ShippedOrPinned)), Ok(TrustSource::Isolation));
    assert_eq!(verified(&path, isolated(TrustRule::Pinned)).expect_err("not pinned").code, RefusalCode::PolicyUnpinned);
    assert_eq!(verified(&path, trust(TrustRule::Any)), Ok(TrustSource::Nobody));
}

/// Also where nobody has to vouch for it: what is locked is what is loaded.
#[test]
fn file_that_differs_from_its_lock_is_refused_under_every_rule() {
    let file = DriverFile::memory();
    let (path, program) = (file.write(), program(&file));
    let other: Sha256 = "0".repeat(64).parse().expect("64 hex digits");
    for rule in [TrustRule::Any, TrustRule::ShippedOrPinned, TrustRule::Pinned] {
        let lock = Trust { locked: Some(other), program: Some(program.clone()), isolated: true, ..trust(rule) };
        let refusal = verified(&path, lock.clone()).expect_err("the lock has another");
        assert_eq!(refusal.code, RefusalCode::PolicyLock);
        assert_eq!(refusal.why, format!("its sha256 is {}, that in \"registry.lock\" is {other}", sha256(&path)));
        assert_eq!(refusal.fix, "if you installed this file yourself, run `longshore driver lock memory`; if not, find out who changed it");
        // What is written into the configuration is nearer.
        let policy = Policy { sha256: Some(sha256(&path)), trust: lock, ..Policy::of_this_host() };
        assert_eq!(verify(&inspect(&path).expect("it is sound"), &policy), Ok(TrustSource::Configuration));
    }
}

#[test]
fn lock_for_another_platform_says_so() {
    let file = DriverFile::memory();
    let lock = Trust { locked_elsewhere: vec!["riscv64-unknown-linux-gnu".into()], ..trust(TrustRule::ShippedOrPinned) };
    let refusal = verified(&file.write(), lock).expect_err("it is locked elsewhere");
    assert_eq!(refusal.code, RefusalCode::PolicyLockPlatform);
    let why = format!("\"registry.lock\" pins this driver for riscv64-unknown-linux-gnu and not for {}, which this host is", platform());
    assert_eq!(refusal.why, why);
    let fix = "if you trust this file, run `longshore driver lock memory` on this machine: it keeps what is there and adds this platform";
    assert_eq!(refusal.fix, fix);
}

#[test]
fn file_or_folder_of_somebody_else_is_refused() {
    let file = DriverFile::memory();
    let path = file.write();
    let pinned = || Trust { locked: Some(sha256(&path)), ..trust(TrustRule::Pinned) };
    let user = rustix::process::geteuid().as_raw();
    for (what, place) in [("it", path.clone()), (&*format!("its folder {:?}", file.folder()), file.folder().to_owned())] {
        if !given_away(&place, Some(STRANGER), None) {
            return eprintln!("skipped: only root may give files away");
        }
        let refusal = verified(&path, pinned()).expect_err("it is somebody else's");
        assert_eq!(refusal.code, RefusalCode::PolicyOwner);
        let why = format!("{what} belongs to user {STRANGER}, neither to root nor to the user that runs the host ({user})");
        assert_eq!(refusal.why, why);
        assert_eq!(refusal.fix, format!("make sure that it is still the file you installed, then run chown root {place:?}"));
        assert_eq!(verified(&path, Trust { locked: Some(sha256(&path)), ..trust(TrustRule::Any) }), Ok(TrustSource::Lock), "nobody asked");
        chown(&place, Some(user), None).expect("root takes it back");
    }
    assert_eq!(verified(&path, pinned()), Ok(TrustSource::Lock));
}

#[test]
fn file_or_folder_of_another_group_is_refused() {
    let file = DriverFile::memory();
    let path = file.write();
    let pinned = || Trust { locked: Some(sha256(&path)), ..trust(TrustRule::Pinned) };
    for (place, mode) in [(path.clone(), 0o664), (file.folder().to_owned(), 0o775)] {
        fs::set_permissions(&place, Permissions::from_mode(mode)).expect("it is ours");
        assert_eq!(verified(&path, pinned()), Ok(TrustSource::Lock), "the host's own group may write");
        if !given_away(&place, None, Some(STRANGER)) {
            return eprintln!("skipped: only root may give files away");
        }
        let refusal = verified(&path, pinned()).expect_err("others may change it");
        assert_eq!(refusal.code, RefusalCode::PolicyGroup);
        assert!(refusal.why.ends_with(&format!("may be changed by the members of group {STRANGER} (mode {mode:04o})")), "{refusal}");
        fs::set_permissions(&place, Permissions::from_mode(mode & 0o755)).expect("it is ours");
        assert_eq!(verified(&path, pinned()), Ok(TrustSource::Lock), "they may only read");
    }
}

/// Each folder up to the root counts, and a sticky one protects the folders in it.
#[test]
fn folder_far_above_counts_unless_it_is_sticky() {
    let top = tempfile::tempdir().expect("a temporary folder");
    let folder = top.path().join("a/b");
    fs::create_dir_all(&folder).expect("the folder is writable");
    let path = folder.join("liblongshore_driver_memory.so");
    fs::write(&path, DriverFile::memory().bytes).expect("the folder is writable");
    let any = || verified(&path, trust(TrustRule::Any));
    fs::set_permissions(top.path(), Permissions::from_mode(0o777)).expect("it is ours");
    let refusal = any().expect_err("anyone may exchange the folder in it");
    assert_eq!(refusal.code, RefusalCode::PolicyWritableFolder);
    assert!(refusal.why.contains(&format!("{:?}", top.path())), "{refusal}");
    fs::set_permissions(top.path(), Permissions::from_mode(0o1777)).expect("it is ours");
    assert_eq!(any(), Ok(TrustSource::Nobody));
}

#[test]
fn library_that_comes_with_a_driver_is_refused() {
    let marker = Marker::new().with_missing_library("libown.so").with_flag("-Wl,-rpath,$ORIGIN/gone");
    let path = marker.build();
    let folder = path.parent().expect("it has a folder").join("gone");
    fs::rename(folder.join("libown.so"), folder.join("else.so")).expect("it is ours");
    verified(&path, trust(TrustRule::Any)).expect("there is none yet, so the system's would be taken");
    fs::rename(folder.join("else.so"), folder.join("libown.so")).expect("it is ours");
    let refusal = verified(&path, trust(TrustRule::Any)).expect_err("nobody vouches for the library");
    assert_eq!(refusal.code, RefusalCode::DependencyBeside);
    let why = format!("it needs \"libown.so\" out of {folder:?}, a library that comes with it and that nothing vouches for");
    assert_eq!(refusal.why, why);
    assert!(!marker.ran());
}
