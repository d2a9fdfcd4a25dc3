//! Uploads of distribution that are in progress: objects that count as absent.

use longshore_gcs_fake::Fake;
use longshore_plugin_api::{ByteRange, Condition, Driver as _, ErrorClass, ListRequest, Prefix};

use crate::support::{CALL, ask, key, open, open_to_all, read, run};

const SESSION: &[(&str, &str)] = &[("Content-Type", "application/x-docker-upload-session"), ("x-goog-meta-Offset", "10")];

fn write_session(fake: &Fake, name: &str) {
    assert_eq!(ask(fake, "PUT", &format!("/bucket/r/{name}"), SESSION, b"tail").0, 200);
}

#[test]
fn session_of_distribution_is_absent_for_stat_list_and_read() {
    let fake = open_to_all();
    run(async {
        let driver = open(&fake).await;
        write_session(&fake, "up/1/data");
        let stat = driver.stat(&CALL, key("up/1/data")).await.map(|_| ()).map_err(|error| error.class());
        assert_eq!(stat, Err(ErrorClass::NotFound), "stat");
        let read = driver.read(&CALL, key("up/1/data"), ByteRange::ALL).await.map(|_| ()).map_err(|error| error.class());
        assert_eq!(read, Err(ErrorClass::NotFound), "read");
        let prefix = Prefix::parse("up/1").expect("a prefix");
        let request = ListRequest { prefix, start_after: None, limit: 10, recursive: true };
        let list = driver.list(&CALL, &request).await.map(|_| ()).map_err(|error| error.class());
        assert_eq!(list, Err(ErrorClass::NotFound), "a level with a session only has no key below it");
        for name in ["up/1/a", "up/1/b", "up/1/c", "up/1/e", "up/1/f"] {
            driver.put(&CALL, key(name), "x".into(), Condition::Always).await.expect("it is written");
        }
        let page = driver.list(&CALL, &request).await.expect("objects are listed");
        let names: Vec<String> = page.entries.iter().map(|entry| entry.text()).collect();
        assert_eq!(names, ["up/1/a", "up/1/b", "up/1/c", "up/1/e", "up/1/f"], "the session stands between them");
    });
}

#[test]
fn object_is_created_where_a_session_is() {
    let fake = open_to_all();
    run(async {
        let driver = open(&fake).await;
        write_session(&fake, "a");
        driver.put(&CALL, key("a"), "new".into(), Condition::IfAbsent).await.expect("nothing is there");
        assert_eq!(read(&driver, "a").await.expect("it is there"), "new");
        let again = driver.put(&CALL, key("a"), "newer".into(), Condition::IfAbsent).await.map(|_| ()).map_err(|error| error.class());
        assert_eq!(again, Err(ErrorClass::AlreadyExists), "now an object is there");
    });
}
