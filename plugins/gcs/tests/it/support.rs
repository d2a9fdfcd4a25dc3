//! A fake, a driver on it, and requests without the driver.

use std::io::{Read, Write};
use std::net::TcpStream;

use longshore_bucket::BucketDriver;
use longshore_driver_gcs::Gcs;
use longshore_gcs_fake::{Fake, Options};
use longshore_plugin_api::schema::Schema;
use longshore_plugin_api::{Bytes, Call, DriverError, Host, Key, OpenDriver, Settings};
use serde_json::{Value, json};

pub(crate) type Driver = BucketDriver<Gcs>;

/// A store of a test's own. It lets everybody in, so that a test can look at it without the driver.
pub(crate) fn open_to_all() -> Fake {
    Fake::start(Options { anonymous: true, page_max: 3, ..Options::default() }).expect("the fake starts")
}

/// The settings of a driver on the fake; `more` stands above them.
pub(crate) fn settings(fake: &Fake, more: &Value) -> Settings {
    let mut settings = json!({ "endpoint": format!("http://{}", fake.address()), "bucket": "bucket", "root": "r" });
    if more.get("key").is_none() && more.get("credentials").is_none() {
        settings["key"] = fake.key_file().into();
    }
    for (key, value) in more.as_object().expect("settings are an object") {
        settings[key] = value.clone();
    }
    let schema = serde_json::from_str(include_str!("../../settings.schema.json")).expect("the schema is JSON");
    let checked = Schema::from_json(&schema).expect("it is a schema").check(&settings);
    Settings::new(checked.expect("the settings fit"))
}

pub(crate) async fn opened(fake: &Fake, more: &Value) -> Result<Driver, DriverError> {
    Driver::open(settings(fake, more), Host::detached(), None).await
}

pub(crate) async fn open(fake: &Fake) -> Driver {
    opened(fake, &json!({})).await.expect("the driver opens")
}

pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(test)
}

pub(crate) fn key(text: &str) -> &Key {
    Key::parse(text).expect("a legal key")
}

pub(crate) const CALL: Call = Call::unbounded();

/// The whole object.
pub(crate) async fn read(driver: &Driver, name: &str) -> Result<Bytes, DriverError> {
    longshore_plugin_api::convenience::get(driver, &CALL, key(name), 64 << 20).await
}

/// Status and body of a request to the fake.
pub(crate) fn ask(fake: &Fake, method: &str, target: &str, fields: &[(&str, &str)], body: &[u8]) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(fake.address()).expect("the fake listens");
    let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let head =
        format!("{method} {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {length}\r\n{fields}\r\n", fake.address());
    stream.write_all(&[head.as_bytes(), body].concat()).expect("the request is sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the answer ends");
    let status = answer.get(9..12).and_then(|status| std::str::from_utf8(status).ok()?.parse().ok()).expect("a status");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("an empty line ends the fields");
    (status, answer.split_off(end + 4))
}

/// Orders something of the fake itself.
pub(crate) fn order(fake: &Fake, what: &str, value: &Value) {
    assert_eq!(ask(fake, "POST", &format!("/_fake/{what}"), &[], value.to_string().as_bytes()).0, 200, "{what} {value}");
}
