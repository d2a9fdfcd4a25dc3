//! Where credentials come from. Each source is of a process, so that a test runs itself again as one with that environment.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};

use longshore_plugin_api::{Condition, Driver, Host, Method, OpenDriver, Settings};
use serde_json::{Value, json};

use super::{
    CALL, bytes, content, key, push, run, run_on,
    server::{Server, Store},
};

/// The settings of the store that the process opens, in its environment.
const SETTINGS: &str = "LONGSHORE_TEST_SETTINGS";

/// What such a process does: it uses the store, and tells in a URL for clients whose credentials it has.
#[test]
#[ignore = "run by the other tests, each with an environment of its own"]
fn with_what_the_environment_says() {
    let settings: Value = serde_json::from_str(&std::env::var(SETTINGS).expect("the other tests set it")).expect("it is JSON");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    runtime.block_on(async {
        let store = match Store::open(Settings::new(settings), Host::detached(), None).await {
            Ok(store) => store,
            Err(error) => return println!("refused {} {}", error.class(), error.message()),
        };
        let whole = content(6 << 20);
        store.put(&CALL, key("a"), "bytes".into(), Condition::Always).await.expect("it can be written");
        assert_eq!(bytes(&store, "a").await.expect("it can be read"), "bytes");
        push(&store, "b", &whole, false).await.expect("it can be pushed");
        assert!(bytes(&store, "b").await.expect("it can be read") == whole);
        let url = store.presign(&CALL, key("a"), Method::Get, 60_000).await.expect("there are credentials");
        println!("signed {url}");
    });
}

/// What that process says, with settings that name no keys, and these.
fn says(server: &Server, settings: &Value, environment: &[(&str, &str)]) -> String {
    let mut settings = server.settings(settings);
    for secret in ["access_key", "secret_key"] {
        settings.as_object_mut().expect("they are a table").remove(secret);
    }
    let mut process = Command::new(std::env::current_exe().expect("it runs"));
    process.args(["--exact", "identity::with_what_the_environment_says", "--ignored", "--nocapture"]);
    process.env_clear().env(SETTINGS, settings.to_string()).envs(environment.iter().copied());
    let done = process.stdin(Stdio::null()).output().expect("it runs again");
    assert!(done.status.success(), "{}\n{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// How many of the next requests Moto does not check.
fn unchecked(moto: &Server, requests: u32) {
    let url = format!("{}/moto-api/reset-auth", moto.env("ENDPOINT"));
    let mut curl = Command::new("curl");
    curl.args(["-sS", "-f", "--max-time", "20", "-H", "content-type: text/plain", "-d", &requests.to_string(), &url]);
    assert!(curl.stdin(Stdio::null()).output().is_ok_and(|done| done.status.success()), "Moto does not answer");
}

/// The first request is the only one that Moto does not check: it would want a signature of what has none. All others are signed with what that
/// one was answered.
#[test]
fn a_token_is_exchanged_for_the_credentials_of_a_role() {
    run_on("moto", async |moto| {
        let endpoint = moto.env("ENDPOINT");
        let environment = [
            ("AWS_ROLE_ARN", moto.env("ROLE")),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", moto.env("TOKEN_FILE")),
            ("AWS_ENDPOINT_URL_STS", endpoint),
        ];
        for credentials in ["web_identity", "auto"] {
            unchecked(moto, 1);
            let said = says(moto, &json!({ "credentials": credentials }), &environment);
            assert!(said.contains("X-Amz-Credential=ASIA") && said.contains("X-Amz-Security-Token="), "{credentials}: {said}");
        }

        let said = says(moto, &json!({ "credentials": "web_identity" }), &environment[..1]);
        assert!(said.contains("refused config") && said.contains("AWS_WEB_IDENTITY_TOKEN_FILE"), "{said}");
        let gone = [environment[0], ("AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent/token"), environment[2]];
        let said = says(moto, &json!({ "credentials": "web_identity" }), &gone);
        assert!(said.contains("refused config") && said.contains("/nonexistent/token: No such file"), "{said}");
    });
}

/// The metadata service of a machine whose role has these keys, in its second version: it answers nobody who has not asked for a token before.
fn metadata_service(id: &str, secret: &str) -> SocketAddr {
    let role = json!({ "Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": id, "SecretAccessKey": secret, "Token": "",
        "LastUpdated": "2026-01-01T00:00:00Z", "Expiration": "2099-01-01T00:00:00Z" });
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = listener.local_addr().expect("it listens");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = String::new();
            let mut reader = BufReader::new(&stream);
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).is_ok_and(|read| read > 0) {}
            let known = head.to_ascii_lowercase().contains("x-aws-ec2-metadata-token: 4711");
            let path = head.split(' ').nth(1).unwrap_or_default();
            let (status, body) = match path {
                "/latest/api/token" if head.starts_with("PUT") => (200, "4711".to_owned()),
                _ if !known => (401, String::new()),
                "/latest/meta-data/iam/security-credentials/" => (200, "registry".to_owned()),
                "/latest/meta-data/iam/security-credentials/registry" => (200, role.to_string()),
                _ => (404, String::new()),
            };
            let head = format!("HTTP/1.1 {status} IMDS\r\nx-aws-ec2-metadata-token-ttl-seconds: 600\r\nConnection: close\r\n");
            // Whoever is gone does not ask any more.
            let _ = stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
        }
    });
    address
}

#[test]
fn a_machine_has_credentials_of_its_own() {
    run(async |ceph| {
        let (id, secret) = (ceph.env("ACCESS_KEY"), ceph.env("SECRET_KEY"));
        let at = format!("http://{}", metadata_service(id, secret));
        let environment = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", &*at)];
        for credentials in ["instance", "auto"] {
            let said = says(ceph, &json!({ "credentials": credentials }), &environment);
            assert!(said.contains(&format!("X-Amz-Credential={id}")), "{credentials}: {said}");
        }
        let said = says(ceph, &json!({ "credentials": "instance" }), &[("AWS_EC2_METADATA_DISABLED", "true")]);
        assert!(said.contains("no credentials were found"), "{said}");
    });
}

#[test]
fn the_environment_and_files_have_credentials() {
    run(async |ceph| {
        let (id, secret) = (ceph.env("ACCESS_KEY"), ceph.env("SECRET_KEY"));
        let environment = [("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", secret)];
        let signed = format!("X-Amz-Credential={id}");
        for credentials in ["environment", "auto"] {
            assert!(says(ceph, &json!({ "credentials": credentials }), &environment).contains(&signed), "{credentials}");
        }
        let folder = tempfile::tempdir().expect("a folder can be made");
        let file = folder.path().join("credentials");
        let text = format!("[other]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n");
        std::fs::write(&file, text).expect("it can be written");
        let settings = |profile: &str| json!({ "credentials": "profile", "profile": profile, "credentials_file": file });
        assert!(says(ceph, &settings("other"), &[]).contains(&signed));
        let said = says(ceph, &settings("absent"), &[]);
        assert!(said.contains("refused unauthorized") && said.contains("absent"), "{said}");
        let said = says(ceph, &json!({ "credentials": "environment" }), &[]);
        assert!(said.contains("refused config") && said.contains("AWS_ACCESS_KEY_ID"), "{said}");
    });
}
