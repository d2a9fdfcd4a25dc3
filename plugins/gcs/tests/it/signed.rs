//! URLs that need no credentials.

use longshore_gcs_fake::{Fake, Options};
use longshore_plugin_api::{Condition, Driver as _, ErrorClass, Method};
use serde_json::json;

use crate::support::{CALL, ask, key, open, opened, order, read, run};

/// What follows scheme and host.
fn target<'u>(fake: &Fake, url: &'u str) -> &'u str {
    url.strip_prefix(&format!("http://{}", fake.address())).expect("it is of the endpoint")
}

#[test]
fn signed_url_permits_what_it_was_made_for() {
    let fake = Fake::start(Options::default()).expect("the fake starts");
    run(async {
        let driver = open(&fake).await;
        let key = key("a+b/c=d@e~f,g%41");
        driver.put(&CALL, key, "signed".into(), Condition::Always).await.expect("it is written");
        let url = driver.presign(&CALL, key, Method::Get, 60_000).await.expect("it is signed");
        let target = target(&fake, &url).to_owned();
        assert_eq!(ask(&fake, "GET", &target, &[], b""), (200, b"signed".to_vec()));
        assert_eq!(ask(&fake, "GET", &target, &[("Range", "bytes=1-2")], b""), (206, b"ig".to_vec()));
        assert_eq!(ask(&fake, "PUT", &target, &[], b"x").0, 403, "another method");
        assert_eq!(ask(&fake, "GET", &target.replace("/a%2Bb/", "/a%2Bc/"), &[], b"").0, 403, "another object");
        let head = driver.presign(&CALL, key, Method::Head, 60_000).await.expect("it is signed");
        assert_eq!(ask(&fake, "HEAD", self::target(&fake, &head), &[], b"").0, 200);
        let put = driver.presign(&CALL, key, Method::Put, 60_000).await.expect("it is signed");
        assert_eq!(ask(&fake, "PUT", self::target(&fake, &put), &[], b"new").0, 200);
        assert_eq!(read(&driver, key.as_str()).await.expect("it is there"), "new");
        order(&fake, "clock", &json!({ "ahead_secs": 61 }));
        assert_eq!(ask(&fake, "GET", &target, &[], b"").0, 400, "after its time");
    });
}

#[test]
fn signed_url_for_too_long_or_without_a_key_is_refused() {
    let fake = Fake::start(Options { anonymous: true, ..Options::default() }).expect("the fake starts");
    run(async {
        let driver = open(&fake).await;
        for expires_ms in [0, 7 * 24 * 3600 * 1000 + 1] {
            let answer = driver.presign(&CALL, key("a"), Method::Get, expires_ms).await.map_err(|error| error.class());
            assert_eq!(answer, Err(ErrorClass::InvalidArgument), "{expires_ms} ms");
        }
        let nobody = opened(&fake, &json!({ "credentials": "anonymous" })).await.expect("an open store");
        let answer = nobody.presign(&CALL, key("a"), Method::Get, 1000).await.map_err(|error| error.class());
        assert_eq!(answer, Err(ErrorClass::Unsupported));
    });
}
