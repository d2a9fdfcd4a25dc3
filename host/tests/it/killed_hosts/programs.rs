//! Real clients: programs that push and pull OCI layouts. Exit code 0 is their acknowledgement.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::images::Image;
use crate::support::Client;

/// A client's program.
pub(super) enum Program {
    Skopeo,
    Crane(PathBuf),
}

impl Program {
    /// Those that push at the same time: skopeo twice, and crane where there is one.
    pub(super) fn all() -> Vec<Self> {
        let crane = std::env::var_os("LONGSHORE_TEST_CRANE").map(|file| Self::Crane(file.into()));
        [Self::Skopeo, Self::Skopeo].into_iter().chain(crane).collect()
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Skopeo => "skopeo",
            Self::Crane(_) => "crane",
        }
    }

    /// Pushes an image; true if the program says that it did.
    pub(super) fn push(&self, image: &Image, front: Client, repository: &str, tag: &str) -> bool {
        let layout = tempfile::tempdir().expect("a folder can be made");
        image.write_layout(layout.path());
        let (folder, remote) = (layout.path().display(), format!("{}/{repository}:{tag}", front.address));
        match self {
            Self::Skopeo => skopeo(layout.path(), &["--dest-tls-verify=false", &format!("oci:{folder}"), &format!("docker://{remote}")]),
            Self::Crane(program) => succeeds(Command::new(program).args(["push", "--insecure", &folder.to_string(), &remote])),
        }
    }

    /// Pulls an image by its digest; true if the program is content with all of it. It checks each digest.
    pub(super) fn pull(&self, image: &Image, host: SocketAddr, repository: &str) -> bool {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let (to, remote) = (folder.path().join("image"), format!("{host}/{repository}@{}", image.digest));
        let to = to.display();
        match self {
            Self::Skopeo => skopeo(folder.path(), &["--src-tls-verify=false", &format!("docker://{remote}"), &format!("oci:{to}")]),
            Self::Crane(program) => succeeds(Command::new(program).args(["pull", "--insecure", "--format=oci", &remote, &to.to_string()])),
        }
    }
}

/// Copies with the program's own retries. Its memory of where blobs are is the test's own.
fn skopeo(home: &Path, arguments: &[&str]) -> bool {
    let mut command = Command::new("skopeo");
    command.env("HOME", home).env("XDG_DATA_HOME", home);
    succeeds(command.args(["--insecure-policy", "copy", "--quiet", "--preserve-digests", "--retry-times=2"]).args(arguments))
}

fn succeeds(command: &mut Command) -> bool {
    let program = format!("{:?} can be run", command.get_program());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().expect(&program).success()
}
