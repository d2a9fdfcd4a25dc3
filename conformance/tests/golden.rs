//! Golden drivers (`conformance/golden`): files that were built long ago are put to the cases of today by the program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};
use longshore_loader::api::abi::{ABI_LAYOUT, ABI_MAJOR};
use longshore_loader::inspect;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// What a recording says of itself, `set.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    version: String,
    recorded: String,
    abi_major: u32,
    abi_layout: String,
    compiler: String,
    target: String,
    source: Source,
    driver: Vec<Recorded>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    sha256: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    name: String,
    file: String,
    sha256: String,
}

#[derive(Debug, Clone)]
struct Set {
    folder: PathBuf,
    manifest: Manifest,
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut tests = vec![Trial::test("golden::moved_layout_is_told", moved_layout_is_told)];
    match sets() {
        Ok(sets) => tests.extend(sets.iter().flat_map(trials)),
        Err(error) => tests.push(Trial::test("golden::sets_are_there", || Err(error.into()))),
    }
    libtest_mimic::run(&arguments, tests).exit_code()
}

/// Every recording; at least one, for a test of nothing proves nothing.
fn sets() -> Result<Vec<Set>, String> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let entries = fs::read_dir(&home).map_err(|error| format!("cannot read {}: {error}", home.display()))?;
    let mut folders: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()).collect();
    folders.sort();
    if folders.is_empty() {
        return Err("there are no golden drivers: record them with conformance/golden/record.sh".into());
    }
    folders.into_iter().map(read).collect()
}

fn read(folder: PathBuf) -> Result<Set, String> {
    let file = folder.join("set.toml");
    let text = fs::read_to_string(&file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let manifest = toml::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(Set { folder, manifest })
}

fn trials(set: &Set) -> Vec<Trial> {
    let manifest = &set.manifest;
    let name = format!("{}-{}", manifest.abi_major, manifest.version);
    let fits = fits(manifest, ABI_MAJOR, ABI_LAYOUT);
    // A driver of other tables is refused for the one reason that `fits_this_tree` gives; one for another processor cannot be loaded here.
    let loads = fits.is_ok() && manifest.target.starts_with(std::env::consts::ARCH);
    let source = set.clone();
    let mut trials = vec![
        Trial::test(format!("{name}::fits_this_tree"), move || fits.map_err(Failed::from)),
        Trial::test(format!("{name}::source_is_as_recorded"), move || Ok(source_is_as_recorded(&source)?)),
    ];
    for driver in &manifest.driver {
        let (set, driver) = (set.clone(), driver.clone());
        let trial = Trial::test(format!("{name}::{}_keeps_the_contract", driver.name), move || Ok(keeps_the_contract(&set, &driver)?));
        trials.push(trial.with_ignored_flag(!loads));
    }
    trials
}

/// Whether drivers of the recording can be loaded by a host with those tables.
fn fits(manifest: &Manifest, major: u32, layout: &str) -> Result<(), String> {
    let Manifest { version, recorded, abi_major, abi_layout, .. } = manifest;
    if *abi_major != major {
        return Err(format!("the golden drivers {version} are of ABI major {abi_major}, this tree has {major}: remove their folder"));
    }
    if abi_layout != layout {
        return Err(format!(
            "the golden drivers {version} were recorded ({recorded}) for ABI layout {abi_layout}, this tree has {layout}: \
             re-record and say so in CHANGELOG.md; after the first release undo the change of the tables instead (conformance/golden/README.md)"
        ));
    }
    Ok(())
}

fn moved_layout_is_told() -> Result<(), Failed> {
    for mut set in sets()? {
        set.manifest.abi_major = 1;
        set.manifest.abi_layout = "0123456789abcdef".into();
        let told = fits(&set.manifest, 1, "fedcba9876543210").err().unwrap_or_default();
        for part in ["for ABI layout 0123456789abcdef, this tree has fedcba9876543210", "re-record and say so in CHANGELOG.md"] {
            if !told.contains(part) {
                return Err(format!("a moved layout is told with {part:?}, not with {told:?}").into());
            }
        }
        if fits(&set.manifest, 2, "0123456789abcdef").is_ok() {
            return Err("drivers of another major do not fit".into());
        }
    }
    Ok(())
}

/// What a build from the source proves (`compilers.sh`), it proves of the source that was recorded.
fn source_is_as_recorded(set: &Set) -> Result<(), String> {
    let file = set.folder.join("source.tar.xz");
    let bytes = fs::read(&file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    same("source.tar.xz has the sha256", &hex(&Sha256::digest(bytes)), &set.manifest.source.sha256)
}

/// The old file is the recorded one, and passes all cases of the profile core, as the program says.
fn keeps_the_contract(set: &Set, driver: &Recorded) -> Result<(), String> {
    let folder = tempfile::Builder::new().prefix("longshore-golden-").tempdir().map_err(|error| format!("no folder: {error}"))?;
    let file = unpack(set, driver, &folder)?;
    let inspection = inspect(&file).map_err(|refusal| refusal.to_string())?;
    let sha256 = inspection.sha256().map_err(|error| error.to_string())?;
    same("the file has the sha256", &sha256.to_string(), &driver.sha256)?;
    same("the file's note has the ABI layout", &inspection.info().abi.layout, &set.manifest.abi_layout)?;
    same("the file's note has the compiler", &inspection.info().compiler, &set.manifest.compiler)?;
    judge(set, driver, &file)
}

fn unpack(set: &Set, driver: &Recorded, folder: &TempDir) -> Result<PathBuf, String> {
    let mut tar = Command::new("tar");
    tar.arg("-xJf").arg(set.folder.join("drivers.tar.xz")).arg("-C").arg(folder.path()).arg(&driver.file);
    let output = tar.output().map_err(|error| format!("cannot start tar: {error}"))?;
    if !output.status.success() {
        return Err(format!("tar cannot unpack the driver (it needs the program xz): {}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(folder.path().join(&driver.file))
}

fn judge(set: &Set, driver: &Recorded, file: &Path) -> Result<(), String> {
    let mut program = Command::new(env!("CARGO_BIN_EXE_longshore-conformance"));
    program.arg("run").arg(file).args(["--profile", "core"]);
    // Faults of the old driver that a newer case found: none of the boundary.
    let known = set.folder.join(format!("{}.known.toml", driver.name));
    if known.exists() {
        program.arg("--baseline").arg(known);
    }
    let output = program.output().map_err(|error| format!("cannot start the program: {error}"))?;
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(()) } else { Err(format!("{}: {complained}\n{said}", output.status)) }
}

fn same(what: &str, found: &str, recorded: &str) -> Result<(), String> {
    if found == recorded { Ok(()) } else { Err(format!("{what} {found:?}, but {recorded:?} was recorded")) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
