//! Files and ports, through landlock.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, NetPort, PathBeneath, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
    path_beneath_rules,
};

use crate::trust::is_sealed;

/// Read by every program: libraries, time zones, what a runtime asks of its machine.
const READ: [&str; 18] = [
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/share/zoneinfo",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/passwd",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/vm/overcommit_memory",
    "/sys/fs/cgroup",
    "/sys/devices/system/cpu",
    "/dev/urandom",
    "/dev/random",
];
/// Read by programs that use the network: names and certificates.
const READ_FOR_NETWORK: [&str; 13] = [
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/run/systemd/resolve",
    "/run/resolvconf",
];
const WRITE: [&str; 2] = ["/dev/null", "/dev/zero"];

/// The newest rights that are asked for; a kernel that knows fewer enforces those.
const NEWEST: ABI = ABI::V6;

/// Lets this thread, and those that it starts, use `paths`, read `read`, connect to `ports`, and nothing else beyond what programs need.
///
/// # Errors
/// That the kernel refuses rules which it knows.
pub(super) fn restrict(
    driver: &OwnedFd,
    (paths, read): (&[PathBuf], &[PathBuf]),
    ports: Option<&[u16]>,
) -> io::Result<Option<&'static str>> {
    let status = enforce(driver, (paths, read), ports).map_err(io::Error::other)?;
    Ok(match status {
        RulesetStatus::FullyEnforced => None,
        RulesetStatus::PartiallyEnforced => Some("all that landlock should keep it from (a newer kernel can)"),
        RulesetStatus::NotEnforced => Some("files and ports (landlock is not there)"),
    })
}

fn enforce(
    driver: &OwnedFd,
    (paths, read): (&[PathBuf], &[PathBuf]),
    ports: Option<&[u16]>,
) -> Result<RulesetStatus, landlock::RulesetError> {
    let (reading, all) = (AccessFs::from_read(NEWEST), AccessFs::from_all(NEWEST));
    let network = if ports.is_some() { &READ_FOR_NETWORK[..] } else { &[] };
    // Memory that no path leads to: landlock has no rules for it, and keeps nobody from it.
    let driver =
        (!is_sealed(driver)).then(|| Ok::<_, landlock::RulesetError>(PathBeneath::new(driver, AccessFs::ReadFile | AccessFs::Execute)));
    let ports = ports.unwrap_or(&[]).iter().map(|port| Ok::<_, landlock::RulesetError>(NetPort::new(*port, AccessNet::ConnectTcp)));
    let status = Ruleset::default()
        .handle_access(all)?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .add_rules(path_beneath_rules(READ, reading))?
        .add_rules(path_beneath_rules(network, reading))?
        .add_rules(path_beneath_rules(read, reading))?
        .add_rules(path_beneath_rules(WRITE, AccessFs::from_file(NEWEST)))?
        .add_rules(path_beneath_rules(paths.iter().map(|path| existing(path)), all))?
        .add_rules(driver)?
        .add_rules(ports)?
        .restrict_self()?;
    Ok(status.ruleset)
}

/// The path, or the folder in which it can be made. Nobody is let into the root for the sake of a path that does not exist.
fn existing(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let found = path.ancestors().find(|path| path.exists()).filter(|found| found.parent().is_some());
    found.map_or(path.clone(), Path::to_owned)
}
