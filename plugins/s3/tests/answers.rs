//! What stores refuse that no server of the tests does by itself: a stand-in answers as they do. Clocks that differ, a bucket elsewhere.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, SystemTime};

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use longshore_bucket::BucketDriver;
use longshore_driver_s3::S3;
use longshore_plugin_api::{ByteRange, Call, Condition, Driver, DriverError, ErrorClass, Host, Key, OpenDriver, Settings};
use serde_json::json;

type Store = BucketDriver<S3>;

const CALL: Call = Call::unbounded();
const EMPTY: &str = r#"<?xml version="1.0"?><ListBucketResult><Name>images</Name><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>"#;

/// The head of a request.
struct Asked(String);

impl Asked {
    fn method(&self) -> &str {
        self.0.split(' ').next().unwrap_or_default()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let of = |line: &'_ str| line.split_once(':').is_some_and(|(key, _)| key.eq_ignore_ascii_case(name));
        self.0.lines().find(|line| of(line)).and_then(|line| Some(line.split_once(':')?.1.trim()))
    }
}

/// An answer as it goes out, with a request id.
fn answer(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} S3\r\nx-amz-request-id: 4711\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len())
}

fn refusal(status: u16, headers: &str, code: &str, more: &str) -> String {
    answer(status, headers, &format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>It cannot be.</Message>{more}</Error>"))
}

/// Answers each request on its own port, as long as the process runs.
fn stand_in(respond: impl Fn(&Asked) -> String + Send + Clone + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = listener.local_addr().expect("it listens");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let respond = respond.clone();
            std::thread::spawn(move || serve(stream, &respond));
        }
    });
    address
}

/// Requests of one connection, until it ends.
fn serve(mut stream: TcpStream, respond: &impl Fn(&Asked) -> String) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut asked = Asked(String::new());
        while !asked.0.ends_with("\r\n\r\n") {
            if reader.read_line(&mut asked.0).ok()? == 0 {
                return None;
            }
        }
        let length = asked.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink()).ok()?;
        let answer = respond(&asked);
        // A HEAD has the head of an answer only.
        let head = answer.find("\r\n\r\n")? + 4;
        stream.write_all(if asked.method() == "HEAD" { &answer.as_bytes()[..head] } else { answer.as_bytes() }).ok()?;
    }
}

async fn open(address: SocketAddr) -> Result<Store, DriverError> {
    let settings = json!({ "bucket": "images", "endpoint": format!("http://{address}"), "access_key": "AK", "secret_key": "SK",
        "part_bytes": 5 << 20, "copy_part_bytes": 5 << 20, "sending_max_bytes": 64 << 20, "attempts": 2, "requests_max": 16, "parallel_reads": 1,
        "connect_timeout_ms": 2000, "answer_timeout_ms": 20_000, "idle_timeout_ms": 20_000, "conditional_create": "yes" });
    Store::open(Settings::new(settings), Host::detached(), None).await
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made").block_on(test);
}

fn key() -> &'static Key {
    Key::parse("some/key").expect("it is a key")
}

/// That it was refused for this reason and in these words, and that the request's number is told.
fn refused<T>(answer: Result<T, DriverError>, class: ErrorClass, words: &[&str]) {
    let error = answer.err().expect("it is refused");
    assert_eq!(error.class(), class, "{error}");
    for words in words {
        assert!(error.message().contains(words), "{words:?}: {error}");
    }
    assert!(error.causes().iter().any(|cause| cause.kind == "request_id" && cause.value == "4711"), "{error}");
}

/// A store whose clock is `ahead` seconds before ours, and which refuses as S3 does what was not signed within 15 minutes of it.
fn store_with_clock(ahead: i64, from: fn(&Asked) -> bool) -> SocketAddr {
    stand_in(move |asked| {
        let here = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970").as_secs().cast_signed();
        let date = DateTime::from_secs(here + ahead).fmt(DateTimeFormat::HttpDate).expect("it has a form");
        let signed = asked.header("x-amz-date").expect("it is signed");
        let signed =
            format!("{}-{}-{}T{}:{}:{}Z", &signed[..4], &signed[4..6], &signed[6..8], &signed[9..11], &signed[11..13], &signed[13..15]);
        let signed = DateTime::from_str(&signed, DateTimeFormat::DateTime).expect("it is a date").secs();
        if from(asked) && (here + ahead - signed).abs() > 15 * 60 {
            return refusal(403, &format!("Date: {date}\r\n"), "RequestTimeTooSkewed", "");
        }
        answer(200, &format!("Date: {date}\r\n"), EMPTY)
    })
}

#[test]
fn clocks_that_differ_say_by_how_much_and_which_is_behind() {
    run(async {
        for (ahead, words) in [(3600, "behind the store's by 60 min"), (-3600, "ahead of the store's by 60 min")] {
            let words = [words, "set the clock"];
            let store = store_with_clock(ahead, |_| true);
            // The client does not sign by a clock that it believes to be the store's: what is true of one request is of the next.
            for _ in 0..2 {
                refused(open(store).await, ErrorClass::Unauthorized, &words);
            }
            // The clock goes wrong later.
            let store = open(store_with_clock(ahead, |asked| !asked.0.contains("list-type"))).await.expect("it opens");
            for _ in 0..2 {
                refused(store.put(&CALL, key(), "bytes".into(), Condition::Always).await, ErrorClass::Unauthorized, &words);
                // This answer has no body that says why.
                refused(store.stat(&CALL, key()).await, ErrorClass::Unauthorized, &words);
            }
        }
    });
}

#[test]
fn a_refusal_while_clocks_agree_is_no_matter_of_clocks() {
    run(async {
        let store = stand_in(|asked| match asked.method() {
            "HEAD" => answer(403, "", ""),
            _ => answer(200, "", EMPTY),
        });
        let error = open(store).await.expect("it opens").stat(&CALL, key()).await.expect_err("it is refused");
        assert!(error.message().contains("are the credentials right") && !error.message().contains("clock"), "{error}");
        // A store that tells no time.
        refused(open(stand_in(|_| refusal(403, "", "RequestTimeTooSkewed", ""))).await, ErrorClass::Unauthorized, &["set the clock"]);
    });
}

/// A bucket that is elsewhere, as AWS and as Garage say it.
#[test]
fn a_wrong_region_names_the_right_one() {
    run(async {
        let region = "set region to \"eu-central-1\"";
        let header = "x-amz-bucket-region: eu-central-1\r\n";
        let malformed = stand_in(|_| refusal(400, "", "AuthorizationHeaderMalformed", "<Region>eu-central-1</Region>"));
        refused(open(malformed).await, ErrorClass::Config, &[region]);
        let moved = |_: &Asked| refusal(301, header, "PermanentRedirect", "<Endpoint>images.s3-eu-central-1.amazonaws.com</Endpoint>");
        refused(open(stand_in(moved)).await, ErrorClass::Config, &[region, "endpoint to that of images.s3-eu-central-1.amazonaws.com"]);
        let unknown = stand_in(|_| refusal(400, "", "AuthorizationHeaderMalformed", ""));
        refused(open(unknown).await, ErrorClass::Config, &["is region right?"]);
        // The bucket is moved while the registry runs: an answer without a body.
        let head = |asked: &Asked| if asked.method() == "HEAD" { answer(301, header, "") } else { answer(200, "", EMPTY) };
        refused(open(stand_in(head)).await.expect("it opens").stat(&CALL, key()).await, ErrorClass::Config, &[region]);
    });
}

/// What the store was asked is answered by nobody any more: each call says so before its deadline, which is all that it waits for.
#[test]
fn a_store_that_falls_silent_costs_a_call_its_deadline_and_no_more() {
    run(async {
        let store = stand_in(|asked| if asked.0.contains("list-type") { answer(200, "", EMPTY) } else { silence() });
        let store = open(store).await.expect("it opens");
        let soon = || {
            let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970") + Duration::from_millis(300);
            Call::new(at.as_millis().try_into().expect("it is soon"), 0)
        };
        for class in [
            store.stat(&soon(), key()).await.map(drop).map_err(|error| error.class()),
            store.read(&soon(), key(), ByteRange::ALL).await.map(drop).map_err(|error| error.class()),
            store.put(&soon(), key(), "bytes".into(), Condition::Always).await.map(drop).map_err(|error| error.class()),
            store.delete(&soon(), key()).await.map_err(|error| error.class()),
        ] {
            assert_eq!(class, Err(ErrorClass::Timeout));
        }
        store.health(&CALL).await.expect("the instance is usable after it");
        store.close(&CALL).await.expect("it closes");
    });
}

/// Never an answer: longer than any test lasts.
fn silence() -> String {
    loop {
        std::thread::park();
    }
}
