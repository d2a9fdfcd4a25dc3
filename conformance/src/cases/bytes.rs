//! Bytes in, the same bytes out: a driver never decodes, encodes, compresses or inspects them.

use longshore_loader::api::convenience::Body;
use longshore_loader::api::{ByteRange, Bytes, Condition, Driver, Upload};
use sha2::{Digest, Sha256};

use super::sizes::{EDGES, PARTS};
use crate::case::{Outcome, cases};
use crate::config::StoreKind;
use crate::trial::files::Fenced;
use crate::trial::{CALL, Random, Subject, key};
use crate::verdict::{Stop, hold, same};

cases! { "bytes":
    store "BYT-01" Must Functional Core [] every_byte_value_survives, "driver receives bytes and returns bytes" =
        "all 256 byte values come back, each alone and all together";
    store "BYT-02" Must Functional Core [] text_is_not_text, "driver receives bytes and returns bytes" =
        "invalid UTF-8, runs of NUL, line ends of every kind, ^Z and byte order marks come back unchanged, and nothing is added";
    store "BYT-03" Must Functional Core [] runs_of_one_byte_survive, "driver receives bytes and returns bytes" =
        "long runs of zeros and of ones keep their length and content, also between other bytes and at the end";
    store "BYT-04" Must Functional Core [] every_way_in_and_out_is_the_same, "section 3, read and put; section 5" =
        "4 MiB of random bytes come back, whether put or uploaded, read at once or in parts";
    store "BYT-05" Must Functional Core [] compressed_bytes_stay_compressed, "driver receives bytes and returns bytes" =
        "bytes that are compressed already come back as they are";
    store "BYT-06" Must Functional Core [] framing_is_content, "driver receives bytes and returns bytes" =
        "content that looks like the driver's own files, tokens or metadata comes back";
    store "BYT-07" Must Functional Core [] key_says_nothing_of_the_bytes, "driver receives bytes and returns bytes" =
        "what comes back does not depend on the key's name or extension";
    store "BYT-08" Must Functional Core [] like_objects_never_alias, "section 2" =
        "a hundred objects that differ by one byte are a hundred objects, also when some are replaced or deleted";
    store "BYT-09" Must Functional Full [] digest_of_a_stream_is_that_of_the_input, "section 3, read; section 5" =
        "the SHA-256 of what is streamed out is that of what was streamed in, for sizes around every edge up to 32 MiB";
}

pub(crate) const LEFT_OUT: &[(&str, &str)] =
    &[("BYT-10", "the contract has no capability by which a driver claims integrity; the host compares digests itself")];

/// Puts and uploads `bytes`, and reads both back whole.
async fn survives(it: &Subject, name: &str, bytes: &[u8], what: &str) -> Outcome {
    it.put(name, bytes.to_vec()).await?;
    same(bytes, &it.get(name).await?, format!("{what}, put as {name:?}"))?;
    let (first, rest) = bytes.split_at(bytes.len() / 2);
    it.upload(name, &[Bytes::copy_from_slice(first), Bytes::copy_from_slice(rest)]).await?;
    same(bytes, &it.get(name).await?, format!("{what}, uploaded as {name:?} in two halves"))
}

async fn every_byte_value_survives(it: &Subject) -> Outcome {
    for value in 0..=255_u8 {
        it.put("a", vec![value]).await?;
        same(&[value], &it.get("a").await?, format!("the single byte {value:#04x}"))?;
    }
    let all: Vec<u8> = (0..=255).collect();
    survives(it, "all", &all, "all byte values").await?;
    let backwards: Vec<u8> = (0..=255).rev().cycle().take(70_000).collect();
    survives(it, "all", &backwards, "all byte values, backwards and again and again").await
}

async fn text_is_not_text(it: &Subject) -> Outcome {
    let texts: [&[u8]; 20] = [
        b"no line end at the end",
        b"a line end at the end\n",
        b"two\n\n",
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\r",
        b"one\r\ntwo\nthree\rfour",
        b"\xef\xbb\xbfwith a byte order mark",
        b"\xff\xfea\0b\0",
        b"\xfe\xff\0a\0b",
        b"\xff\xfe not UTF-8 \x80\xc3",
        b"\xc0\x80 overlong, \xed\xa0\x80 a surrogate",
        b"cut in a character \xe2\x82",
        b"before\0after",
        b"\0first",
        b"last\0",
        b"\0\0\0\0\0\0\0\0",
        b"before\x1aafter\x1a",
        b" \t trimmed? \t \x0b\x0c\x85\xc2\xa0",
    ];
    for (number, text) in texts.into_iter().enumerate() {
        survives(it, "text", text, &format!("text {number}")).await?;
        // A driver may look at the first bytes only, or at whole blocks.
        let long = text.repeat(4096 / text.len() + 1);
        survives(it, "text", &long, &format!("text {number}, again and again")).await?;
    }
    Ok(())
}

async fn runs_of_one_byte_survive(it: &Subject) -> Outcome {
    const RUN: usize = 1 << 20;
    for value in [0, 0xff] {
        let run = vec![value; RUN];
        let other = vec![!value; 5000];
        survives(it, "run", &run, &format!("1 MiB of {value:#04x}")).await?;
        survives(it, "run", &[&other[..], &run].concat(), &format!("5000 other bytes and 1 MiB of {value:#04x}")).await?;
        survives(it, "run", &[&run, &other[..], &run].concat(), &format!("twice 1 MiB of {value:#04x}, 5000 others between")).await?;
    }
    survives(it, "run", &[0; 4096], "a block of zeros").await?;
    survives(it, "run", &[0; 4097], "a block of zeros and one more").await
}

async fn every_way_in_and_out_is_the_same(it: &Subject) -> Outcome {
    const SIZE: usize = 4 << 20;
    let bytes = Bytes::from(Random::new(it.seed()).bytes(SIZE));
    it.put("put", bytes.clone()).await?;
    it.upload("uploaded", &(0..SIZE).step_by(1 << 18).map(|at| bytes.slice(at..at + (1 << 18))).collect::<Vec<_>>()).await?;
    for name in ["put", "uploaded"] {
        same(&bytes, &it.get(name).await?, format!("the {name} object, read at once"))?;
        let mut parts = Vec::new();
        for from in (0..SIZE).step_by(777_777) {
            let (_, part) = it.read(name, ByteRange::new(from as u64, 777_777)).await?;
            parts.extend_from_slice(&part);
        }
        same(&bytes, &parts, format!("the {name} object, read in parts of 777777 bytes"))?;
    }
    Ok(())
}

/// `hello ` five times and a line end, as four programs compress it.
const COMPRESSED: [(&str, &[u8]); 4] = [
    ("gzip", b"\x1f\x8b\x08\0\0\0\0\0\x02\x03\xcb\x48\xcd\xc9\xc9\x57\xc8\xc0\x4e\x72\x01\0\x68\x02\x31\x66\x1e\0\0\0"),
    ("zstd", b"\x28\xb5\x2f\xfd\x04\x58\x6d\0\0\x38\x68\x65\x6c\x6c\x6f\x20\x0a\x01\0\xa9\x4b\x11\x1a\x48\x72\xab"),
    (
        "xz",
        b"\xfd\x37\x7a\x58\x5a\0\0\x01\x69\x22\xde\x36\x02\0\x21\x01\x16\0\0\0\x74\x2f\xe5\xa3\xe0\0\x1d\0\x0d\x5d\0\x34\x19\x49\xee\x8d\
\xe9\x57\x3a\xc7\x09\x0c\x80\0\0\0\0\0\x68\x02\x31\x66\0\x01\x25\x1e\xaf\x58\x7a\x32\x90\x42\x99\x0d\x01\0\0\0\0\x01\x59\x5a",
    ),
    ("zlib", b"\x78\x9c\xcb\x48\xcd\xc9\xc9\x57\xc8\xc0\x4e\x72\x01\0\xad\xff\x0a\xef"),
];

async fn compressed_bytes_stay_compressed(it: &Subject) -> Outcome {
    for (format, bytes) in COMPRESSED {
        survives(it, "layer", bytes, &format!("a {format} file")).await?;
        survives(it, &format!("layer.{format}"), bytes, &format!("a {format} file under its own extension")).await?;
        // Several members one after the other are a legal file too, and one that is cut is none.
        survives(it, "layer", &bytes.repeat(300), &format!("300 {format} files in one")).await?;
        survives(it, "layer", &bytes[..bytes.len() - 1], &format!("a {format} file without its last byte")).await?;
    }
    survives(it, "layer", &b"hello ".repeat(20_000), "what compresses well").await
}

async fn framing_is_content(it: &Subject) -> Outcome {
    const FILE_MAX_BYTES: usize = 64 * 1024;
    let mut upload = it.driver.upload_begin(&CALL, Some(key("token"))).await?;
    upload.write(&CALL, "written before".into()).await?;
    let token = upload.suspend(&CALL).await?;
    let mut frames: Vec<(String, Vec<u8>)> = vec![
        ("a token of an upload".into(), token.as_bytes().to_vec()),
        ("metadata as JSON".into(), b"{\"size\":3,\"modified\":0,\"version\":\"1\"}\n".to_vec()),
        ("a list as JSON".into(), b"{\"keys\":[\"token\"],\"more\":false}".to_vec()),
        ("a length and bytes".into(), b"\x03\0\0\0\0\0\0\0abc".to_vec()),
        ("an HTTP answer".into(), b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc".to_vec()),
        ("HTTP chunks".into(), b"3\r\nabc\r\n0\r\n\r\n".to_vec()),
        ("a signed chunk".into(), b"3;chunk-signature=00\r\nabc\r\n0;chunk-signature=00\r\n\r\n".to_vec()),
        ("an error of a service".into(), b"<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code></Error>".to_vec()),
        ("an empty zip file".into(), [b"PK\x05\x06".as_slice(), &[0; 18]].concat()),
        ("a database".into(), b"SQLite format 3\0".to_vec()),
        ("a name of the driver".into(), it.info().name.clone().into_bytes()),
    ];
    upload.abort(&CALL).await?;
    if it.setting.config.kind(it.info()) == StoreKind::Files {
        frames.extend(own_files(it, FILE_MAX_BYTES).await?);
    }
    for (what, bytes) in &frames {
        survives(it, "framed", bytes, what).await?;
        survives(it, "framed", &[b"abc", &bytes[..]].concat(), &format!("{what}, after three bytes")).await?;
        survives(it, "framed", &[&bytes[..], b"abc"].concat(), &format!("{what}, before three bytes")).await?;
    }
    Ok(())
}

/// The files that the driver makes for an object and an upload in another store: its own framing, if it has one.
async fn own_files(it: &Subject, most: usize) -> Result<Vec<(String, Vec<u8>)>, Stop> {
    let other = Fenced::open(it).await?;
    other.driver.put(&CALL, key("a/b"), "abc".into(), Condition::Always).await?;
    let mut upload = other.driver.upload_begin(&CALL, Some(key("a/c"))).await?;
    upload.write(&CALL, "written before".into()).await?;
    upload.suspend(&CALL).await?;
    let files = other.inside()?.into_iter().filter(|(_, content)| !content.is_empty() && content.len() <= most);
    let files = files.take(20).map(|(path, content)| (format!("the driver's own file {}", path.display()), content)).collect();
    upload.abort(&CALL).await?;
    drop(upload);
    other.driver.close(&CALL).await?;
    Ok(files)
}

async fn key_says_nothing_of_the_bytes(it: &Subject) -> Outcome {
    let names = [
        "a",
        "a.gz",
        "a.tgz",
        "a.tar.gz",
        "a.zst",
        "a.xz",
        "a.json",
        "a.txt",
        "a.html",
        "a.xml",
        "a.b64",
        "a.hex",
        "a.enc",
        "a.sha256",
        "a.tmp",
        "a.bin",
        "index.html",
        "README.md",
        "link",
        "blobs/sha256/00/data",
        "repositories/x/_manifests/revisions/sha256/00/link",
    ];
    let contents: [(&str, &[u8]); 4] = [
        ("a text", b"line one\nline two"),
        ("spaced JSON", b"{ \"b\" : 1 ,\r\n \"a\" : 2 }"),
        ("a gzip file", COMPRESSED[0].1),
        ("no text", b"\xff\0\x80\xfe"),
    ];
    for (what, bytes) in contents {
        for name in names {
            survives(it, name, bytes, what).await?;
        }
    }
    Ok(())
}

async fn like_objects_never_alias(it: &Subject) -> Outcome {
    const OBJECTS: usize = 100;
    const SIZE: usize = 9_000;
    let common = Random::new(it.seed()).bytes(SIZE);
    // Each differs from the common bytes in one place of its own; the first and the last byte are among them.
    let content = |number: usize| {
        let mut bytes = common.clone();
        bytes[number * (SIZE - 1) / (OBJECTS - 1)] ^= 1 << (number % 8);
        bytes
    };
    let name = |number: usize| format!("like/{number:02}");
    for number in 0..OBJECTS {
        it.put(&name(number), content(number)).await?;
    }
    for number in 0..OBJECTS {
        same(&content(number), &it.get(&name(number)).await?, format!("object {number} of {OBJECTS} that differ by one byte"))?;
    }
    // Two of the same content; then one of them, and others, go or change.
    it.put("like/twin", content(0)).await?;
    it.driver.delete(&CALL, key(&name(0))).await?;
    for number in (3..OBJECTS).step_by(3) {
        it.put(&name(number), content(number - 1)).await?;
    }
    same(&content(0), &it.get("like/twin").await?, "one of two equal objects, once the other was deleted")?;
    for number in 1..OBJECTS {
        let expected = if number >= 3 && number % 3 == 0 { content(number - 1) } else { content(number) };
        same(&expected, &it.get(&name(number)).await?, format!("object {number}, after others were replaced or deleted"))?;
    }
    Ok(())
}

async fn digest_of_a_stream_is_that_of_the_input(it: &Subject) -> Outcome {
    let mut random = Random::new(it.seed());
    for size in EDGES.iter().chain(PARTS).copied().chain([(32 << 20) - 1, 32 << 20, (32 << 20) + 1]) {
        let mut upload = it.driver.upload_begin(&CALL, Some(key("a"))).await?;
        let mut hash = Sha256::new();
        let mut left = size;
        while left > 0 {
            let length = (1 + random.below(300_000)).min(left);
            let chunk = Bytes::from(random.bytes(length));
            hash.update(&chunk);
            left -= chunk.len();
            upload.write(&CALL, chunk).await?;
        }
        upload.commit(&CALL, key("a"), size as u64).await?;
        let read = it.driver.read(&CALL, key("a"), ByteRange::ALL).await?;
        let (mut body, mut got, mut count) = (Body::new(read.body), Sha256::new(), 0);
        while let Some(chunk) = body.next().await? {
            got.update(&chunk);
            count += chunk.len();
        }
        hold!(count == size, "an object of {size} bytes is streamed as {count}");
        hold!(hash.finalize() == got.finalize(), "an object of {size} bytes is streamed with another SHA-256");
    }
    Ok(())
}
