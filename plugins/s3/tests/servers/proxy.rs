//! Requests through a proxy, which alone knows where the store is.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use longshore_plugin_api::{Condition, Driver, ErrorClass};
use serde_json::json;

use super::{CALL, bytes, content, key, push, run};

/// A forward proxy as long as the process runs.
struct Proxy {
    address: SocketAddr,
    passed: Arc<AtomicUsize>,
}

impl Proxy {
    /// Passes all to `store`, whatever host is asked for; or answers with a head of its own.
    fn start(store: &str, instead: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let proxy = Self { address: listener.local_addr().expect("it listens"), passed: Arc::default() };
        let (store, passed) = (authority(store).to_owned(), proxy.passed.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (store, passed) = (store.clone(), passed.clone());
                std::thread::spawn(move || pass(client, &store, instead, &passed));
            }
        });
        proxy
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn passed(&self) -> usize {
        self.passed.load(Ordering::SeqCst)
    }
}

fn authority(url: &str) -> &str {
    url.split_once("://").expect("it is a URL").1
}

/// One tunnel, or one request.
fn pass(mut client: TcpStream, store: &str, instead: Option<&str>, passed: &AtomicUsize) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    if let Some(answer) = instead {
        client.write_all(answer.as_bytes())?;
        return client.shutdown(Shutdown::Write);
    }
    passed.fetch_add(1, Ordering::SeqCst);
    let mut upstream = TcpStream::connect(store)?;
    let mut answers = upstream.try_clone()?;
    if head.starts_with("CONNECT ") {
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        std::thread::spawn(move || std::io::copy(&mut reader, &mut upstream).and_then(|_| upstream.shutdown(Shutdown::Write)));
    } else {
        let length = head.to_ascii_lowercase().split_once("content-length: ").and_then(|(_, rest)| rest.split_once("\r\n")?.0.parse().ok());
        // `GET http://host/path` becomes `GET /path`.
        let (method, rest) = head.split_once(" http://").expect("a proxy is told the host");
        let path = &rest[rest.find('/').expect("there is a path")..];
        let (line, headers) = path.split_once("\r\n").expect("the head has lines");
        write!(upstream, "{method} {line}\r\nConnection: close\r\n{headers}")?;
        std::io::copy(&mut reader.by_ref().take(length.unwrap_or(0)), &mut upstream)?;
    }
    std::io::copy(&mut answers, &mut client)?;
    client.shutdown(Shutdown::Write)
}

#[test]
fn all_requests_go_through_the_proxy() {
    run(async |ceph| {
        for endpoint in ["http://store.invalid", "https://127.0.0.1"] {
            let proxy = Proxy::start(ceph.env(if endpoint.starts_with("https") { "TLS_ENDPOINT" } else { "ENDPOINT" }), None);
            // Port 1 has no store.
            let settings = json!({ "endpoint": format!("{endpoint}:1"), "proxy": proxy.url(), "ca_file": ceph.env("CA_FILE") });
            let store = ceph.open(settings).await.expect("the proxy knows the way");
            let before = proxy.passed();
            assert!(before > 0);
            store.put(&CALL, key("a"), "bytes".into(), Condition::Always).await.expect("it can be written");
            let whole = content(12 << 20);
            push(&store, "large", &whole, false).await.expect("it is pushed");
            assert_eq!(bytes(&store, "a").await.expect("it can be read"), "bytes");
            assert!(bytes(&store, "large").await.expect("it can be read") == whole, "it has other bytes");
            // A tunnel is used again; without one there are two requests for `a`, and six at least for the other.
            assert!(endpoint.starts_with("https") || proxy.passed() >= before + 8, "{} of {before}", proxy.passed());
        }
    });
}

#[test]
fn a_proxy_that_refuses_is_named() {
    run(async |ceph| {
        let nobody = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("there is a free port");
        let wants = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
        let denies = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
        let (plain, tls) = (ceph.env("ENDPOINT"), ceph.env("TLS_ENDPOINT"));
        for (endpoint, answer, class, words) in [
            (plain, Some(wants), ErrorClass::Config, "write proxy as http://USER:PASSWORD@"),
            (plain, Some(denies), ErrorClass::Unauthorized, "may be that of a proxy"),
            (plain, None, ErrorClass::Unreachable, "is the endpoint right, and proxy if there is one?"),
            (tls, Some(wants), ErrorClass::Config, "write proxy as http://USER:PASSWORD@"),
            (tls, Some(denies), ErrorClass::Unreachable, "does it permit this endpoint?"),
            (tls, None, ErrorClass::Unreachable, "the proxy cannot be reached"),
        ] {
            let address = answer.map_or(nobody, |answer| Proxy::start(endpoint, Some(answer)).address);
            let settings =
                json!({ "endpoint": endpoint, "proxy": format!("http://user:parole@{address}"), "ca_file": ceph.env("CA_FILE") });
            let error = ceph.open(settings).await.err().expect("it is refused");
            assert_eq!(error.class(), class, "{endpoint} {answer:?}: {error}");
            assert!(error.message().contains(words), "{endpoint} {answer:?}: {error}");
            assert!(!error.to_string().contains("parole"), "a password is told: {error}");
        }
    });
}
