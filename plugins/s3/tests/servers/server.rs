//! A server of the test's own, and drivers of it.

use std::path::Path;
use std::process::{Command, Stdio};

use longshore_bucket::BucketDriver;
use longshore_driver_s3::S3;
use longshore_plugin_api::{DriverError, Host, OpenDriver, Settings};
use serde_json::{Value, json};

pub(super) type Store = BucketDriver<S3>;

/// A server of the test's own.
pub(super) struct Server {
    name: &'static str,
    folder: tempfile::TempDir,
    settings: Value,
    /// What the script told.
    env: String,
}

impl Server {
    /// The one that a script of `plugins/servers` starts; `None`, with a line that says so, where it is not installed.
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    pub(super) fn start(name: &'static str) -> Option<Self> {
        if !script(name, &["present"]).status().is_ok_and(|status| status.success()) {
            eprintln!("skipped: {name} is not installed");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder can be made");
        let place = folder.path().join("server");
        let started =
            script(name, &["start", place.to_str().expect("its name is ASCII")]).stderr(Stdio::inherit()).output().expect("bash runs");
        assert!(started.status.success(), "{name} does not start");
        let told = String::from_utf8(started.stdout).expect("it is text");
        let of = |name: &str| value(&told, name);
        let settings = json!({ "bucket": of("BUCKET"), "endpoint": of("ENDPOINT"), "access_key": of("ACCESS_KEY"),
            "secret_key": of("SECRET_KEY"), "part_bytes": 5 << 20, "copy_part_bytes": 5 << 20, "sending_max_bytes": 64 << 20, "attempts": 2,
            "requests_max": 16, "parallel_reads": 1, "connect_timeout_ms": 2000, "answer_timeout_ms": 20_000, "idle_timeout_ms": 20_000 });
        Some(Self { name, folder, settings, env: told })
    }

    /// What the operator of Ceph does.
    pub(super) fn admin(&self, arguments: &[&str]) {
        let mut command = Command::new("radosgw-admin");
        let done = command.args(arguments).env("CEPH_CONF", self.env("CEPH_CONF")).stdin(Stdio::null()).output();
        let done = done.expect("it is installed with Ceph");
        assert!(done.status.success(), "{done:?}");
    }

    pub(super) fn let_everybody_read(&self) {
        let url = format!("{}/{}?acl=", self.env("ENDPOINT"), self.env("BUCKET"));
        let keys = format!("{}:{}", self.env("ACCESS_KEY"), self.env("SECRET_KEY"));
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-f", "--max-time", "20", "-X", "PUT", "--aws-sigv4", "aws:amz:us-east-1:s3", "-u", &keys]);
        curl.args(["-H", "x-amz-acl: public-read", "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", "-H", "Content-Length: 0", &url]);
        let done = curl.stdin(Stdio::null()).output().expect("the server needs it as well");
        assert!(done.status.success(), "{done:?}");
    }

    pub(super) fn env(&self, name: &str) -> &str {
        value(&self.env, name)
    }

    pub(super) async fn open(&self, other: Value) -> Result<Store, DriverError> {
        Store::open(Settings::new(self.settings(&other)), Host::detached(), None).await
    }

    /// Those of the bucket, with others in their places.
    pub(super) fn settings(&self, other: &Value) -> Value {
        let mut settings = self.settings.clone();
        for (key, value) in other.as_object().into_iter().flatten() {
            settings[key] = value.clone();
        }
        settings
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let place = self.folder.path().join("server");
        let _ = script(self.name, &["stop", place.to_str().unwrap_or_default()]).status();
    }
}

fn value<'t>(told: &'t str, name: &str) -> &'t str {
    told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).expect("the server tells it")
}

fn script(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../servers").join(format!("{name}.sh")));
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::null());
    command
}
