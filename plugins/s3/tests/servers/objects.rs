//! URLs for clients, and copies in parts.

use std::io::{Read, Write};
use std::net::TcpStream;

use longshore_plugin_api::{Bytes, Condition, Driver, ErrorClass, Method};
use serde_json::json;

use super::{CALL, bytes, content, key, push, run};

/// The status and the body of a plain GET.
fn fetch(url: &str) -> (u16, Vec<u8>) {
    let (authority, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("the store has a plain URL");
    let mut stream = TcpStream::connect(authority).expect("the store listens");
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n").expect("it can be asked");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("the answer has a head");
    let status = std::str::from_utf8(&answer[9..12]).ok().and_then(|status| status.parse().ok()).expect("the head has a status");
    (status, answer[end + 4..].to_vec())
}

#[test]
fn a_presigned_url_gives_one_object_until_it_is_over() {
    run(async |ceph| {
        let store = ceph.open(json!({})).await.expect("the store opens");
        for name in ["some/key", "other/key"] {
            store.put(&CALL, key(name), Bytes::from(name.to_owned()), Condition::Always).await.expect("it can be written");
        }
        let url = store.presign(&CALL, key("some/key"), Method::Get, 60_000).await.expect("the store signs");
        assert_eq!(fetch(&url), (200, b"some/key".to_vec()));
        assert_eq!(fetch(&url.replace("some/key", "other/key")).0, 403, "signed for another object");
        assert_eq!(fetch(&url.replace("X-Amz-Expires=60", "X-Amz-Expires=600")).0, 403, "made to last longer");
        let too_long = store.presign(&CALL, key("some/key"), Method::Get, 8 * 24 * 3600 * 1000).await;
        assert_eq!(too_long.map_err(|error| error.class()), Err(ErrorClass::InvalidArgument));
    });
}

#[test]
fn large_objects_are_copied_in_parts() {
    run(async |ceph| {
        let store = ceph.open(json!({ "root": "copies" })).await.expect("the store opens");
        let whole = content(12 << 20);
        push(&store, "a", &whole, true).await.expect("it is pushed");
        let info = store.copy(&CALL, key("a"), key("b")).await.expect("it copies");
        assert_eq!(info.size, whole.len() as u64);
        assert!(bytes(&store, "b").await.expect("it is there") == whole, "the copy has other bytes");
    });
}
