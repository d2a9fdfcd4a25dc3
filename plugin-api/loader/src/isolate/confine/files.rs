//! Files and ports, through landlock.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, NetPort, PathBeneath, Ruleset, RulesetAttr, RulesetCreatedAttr, Scope, path_beneath_rules,
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

/// What landlock keeps a process from, each since which of its versions, which is that of a kernel.
const KEPT_FROM: [(ABI, &str, &str); 5] = [
    (ABI::V1, "files that its settings do not name", "5.13, with landlock switched on"),
    (ABI::V3, "cutting such files short", "6.2"),
    (ABI::V4, "TCP ports that its settings do not name", "6.7"),
    (ABI::V5, "commands to devices", "6.10"),
    (ABI::V6, "signals to other processes, and their abstract sockets", "6.12"),
];

/// Lets this thread, and those that it starts, use `paths`, read `read`, connect to `ports`, and nothing else beyond what programs need.
/// Answers what this kernel cannot do.
///
/// # Errors
/// That the kernel refuses rules which it knows.
pub(super) fn restrict(driver: &OwnedFd, (paths, read): (&[PathBuf], &[PathBuf]), ports: Option<&[u16]>) -> io::Result<Vec<String>> {
    let kernel = enforce(driver, (paths, read), ports).map_err(io::Error::other)?;
    Ok(lacking(kernel))
}

/// What a kernel with this version of landlock cannot do, in sentences for the log.
fn lacking(kernel: ABI) -> Vec<String> {
    let missing = KEPT_FROM.iter().filter(|(since, ..)| kernel < *since);
    let mut lacking: Vec<_> = missing
        .map(|(_, what, linux)| format!("this kernel does not keep the driver's process from {what}: that needs Linux {linux}"))
        .collect();
    if kernel == ABI::V1 {
        lacking.push("this kernel lets the driver's process move no file from one folder to another: that needs Linux 5.19".into());
    }
    lacking
}

/// Answers the kernel's version.
fn enforce(driver: &OwnedFd, (paths, read): (&[PathBuf], &[PathBuf]), ports: Option<&[u16]>) -> Result<ABI, landlock::RulesetError> {
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
    Ok(status.landlock.into())
}

/// The path, or the folder in which it can be made. Nobody is let into the root for the sake of a path that does not exist.
fn existing(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let found = path.ancestors().find(|path| path.exists()).filter(|found| found.parent().is_some());
    found.map_or(path.clone(), Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_is_said_to_lack_what_came_after_it() {
        let words = |version: i32| lacking(ABI::from(version)).join("\n");
        for (version, count) in [(0, 5), (1, 5), (2, 4), (3, 3), (4, 2), (5, 1), (6, 0), (7, 0)] {
            assert_eq!(lacking(ABI::from(version)).len(), count, "landlock {version}: {}", words(version));
        }
        assert_eq!(
            words(0).lines().next(),
            Some(
                "this kernel does not keep the driver's process from files that its settings do not name: that needs Linux 5.13, with \
                 landlock switched on"
            )
        );
        assert!(words(0).contains("TCP ports") && words(0).contains("signals"), "{}", words(0));
        assert!(words(1).contains("cutting such files short: that needs Linux 6.2") && !words(1).contains("5.13"), "{}", words(1));
        assert!(words(1).ends_with("move no file from one folder to another: that needs Linux 5.19"), "{}", words(1));
        assert_eq!(
            words(4),
            "this kernel does not keep the driver's process from commands to devices: that needs Linux 6.10\n\
             this kernel does not keep the driver's process from signals to other processes, and their abstract sockets: that needs Linux 6.12"
        );
    }

    /// All that is asked for has its words: a newer version is asked for together with them.
    #[test]
    fn newest_version_that_is_asked_for_has_words() {
        assert_eq!(KEPT_FROM.last().map(|(since, ..)| *since), Some(NEWEST));
    }
}
