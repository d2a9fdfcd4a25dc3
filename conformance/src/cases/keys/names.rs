//! What legal keys can look like.

use longshore_loader::api::ErrorClass::NotFound;
use longshore_loader::api::{Bytes, Capability, Driver};

use crate::case::Outcome;
use crate::trial::{CALL, Subject, key, prefix};
use crate::verdict::{Stop, hold, refused, same};

/// A key for people: of a long one its beginning and its length.
pub(super) fn shown(name: &str) -> String {
    const MOST: usize = 80;
    name.get(..MOST).map_or_else(|| name.to_owned(), |begin| format!("{begin}… of {} bytes", name.len()))
}

/// Keeps an object with its own name as content under each name, all at once; reads, lists and deletes them.
pub(super) async fn round_trip(it: &Subject, names: &[&str]) -> Outcome {
    let failed = |call: &str, name: &str, error| Stop::breach(format!("{call} of the key {:?}: {error}", shown(name)));
    for (number, name) in names.iter().enumerate() {
        let bytes = Bytes::copy_from_slice(name.as_bytes());
        match number % 2 {
            0 => it.put(name, bytes).await.map_err(|error| failed("put", name, error))?,
            _ => it.upload(name, &[bytes]).await.map_err(|error| failed("an upload", name, error))?,
        };
    }
    for name in names {
        let stat = it.driver.stat(&CALL, key(name)).await.map_err(|error| failed("stat", name, error))?;
        hold!(stat.size == name.len() as u64, "the key {:?} has {} bytes, {} were written", shown(name), stat.size, name.len());
        let got = it.get(name).await.map_err(|error| failed("read", name, error))?;
        same(name.as_bytes(), &got, format!("the key {:?}", shown(name)))?;
    }
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    let listed = it.objects().await?;
    let missing: Vec<_> = sorted.iter().filter(|name| !listed.iter().any(|listed| listed == *name)).collect();
    let strange: Vec<_> = listed.iter().filter(|listed| !sorted.contains(&listed.as_str())).collect();
    hold!(listed == sorted, "the keys are not listed as they are: {missing:?} are missing, {strange:?} are strange");
    for name in names {
        it.driver.delete(&CALL, key(name)).await.map_err(|error| failed("delete", name, error))?;
        refused(it.driver.stat(&CALL, key(name)).await, &[NotFound], format_args!("stat of the deleted key {name:?}"))?;
    }
    let left = it.objects().await?;
    hold!(left.is_empty(), "{left:?} are left when all is deleted");
    Ok(())
}

pub(super) async fn legal_keys_round_trip(it: &Subject) -> Outcome {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-%+=@~,";
    let mut names = vec![
        "A-Z.a-z_0-9%+=@~,",
        "00/0/0",
        "x/...",
        "x/..a",
        "x/a..",
        "x/.a",
        "x/a.",
        "x/a..b",
        "docker/registry/v2/blobs/sha256/00/0011/data",
        "docker/registry/v2/repositories/library/alpine/_manifests/tags/3.19/current/link",
        "docker/registry/v2/repositories/a/_uploads/4dc1b5fb-6e0c-4e1a-8a1c-b6a3c9c7b7f0/startedat",
        "v2/name/with.dots-and--dashes__and_underscores/MixedCase",
        "v2/sha256-0011.sig",
        "long/chain/of/many/short/components/a/b/c/d/e/f/g/h/i/j/k",
    ];
    let alone: Vec<_> = ALPHABET.chars().filter(|one| *one != '.').map(|one| format!("alone/{one}")).collect();
    let ends: Vec<_> = ALPHABET.chars().flat_map(|one| [format!("ends/{one}x"), format!("ends/x{one}"), format!("{one}x")]).collect();
    names.extend(alone.iter().chain(&ends).map(String::as_str));
    names.sort_unstable();
    names.dedup();
    round_trip(it, &names).await
}

pub(super) async fn special_names_round_trip(it: &Subject) -> Outcome {
    // What systems and shells treat specially.
    let systems = [
        "con",
        "CON",
        "nul",
        "aux",
        "com1",
        "lpt1",
        "con.txt",
        "a.",
        "a..",
        "a...",
        "...",
        "-",
        "-rf",
        "--",
        "--help",
        "~",
        "~root",
        "@",
        "+",
        "=",
        ",",
        "%",
        "%2F",
        "%2e%2e",
        "%00",
        "%s%n",
        "..a",
        "lost+found",
        ".git",
        ".DS_Store",
        "Thumbs.db",
        "desktop.ini",
        ".nfs0123",
        ".Trash",
        ".snapshot",
        ".htaccess",
        "index.html",
        "core",
        "null",
        "0",
        "-0",
        "1e3",
        "true",
    ];
    // What drivers and programs that copy files name their own: beside an object of the same beginning.
    let drivers = [
        "obj",
        "obj.meta",
        "obj.metadata",
        "obj.json",
        "obj.tmp",
        "obj.temp",
        "obj.part",
        "obj.partial",
        "obj.lock",
        "obj.lck",
        "obj.new",
        "obj.old",
        "obj.bak",
        "obj.1",
        "obj~",
        ".obj",
        ".obj.tmp",
        ".obj.swp",
        "_obj",
        "obj-wal",
        "obj-journal",
        "obj.sha256",
        "obj.size",
        "obj.info",
        "obj.etag",
        "obj.upload",
        "obj.data",
        "obj.d",
        "obj_",
        "tmp-obj",
        "obj@1",
        "obj,v",
        "obj.%tmp",
        ".tmp",
        ".lock",
        "lock",
        "LOCK",
        "tmp",
        "temp",
        "temporary",
        ".temporary",
        "uploads",
        ".uploads",
        "_uploads",
        "metadata",
        ".metadata",
        "meta",
        "index",
        "data",
        "objects",
        "blobs",
        "version",
        "VERSION",
        "format.json",
        "MANIFEST",
        "CURRENT",
        "journal",
        "trash",
        ".trash",
        ".longshore",
        "longshore",
        "private",
        "staging",
        ".staging",
        "multipart",
        ".multipart",
        "deleted",
        "quarantine",
    ];
    round_trip(it, &systems).await?;
    round_trip(it, &drivers).await?;
    // The same as folders.
    let inside: Vec<_> = systems.iter().chain(&drivers).map(|name| format!("{name}/{name}")).collect();
    round_trip(it, &inside.iter().map(String::as_str).collect::<Vec<_>>()).await
}

pub(super) async fn percent_is_a_percent(it: &Subject) -> Outcome {
    let groups = [
        vec!["A", "%41", "%2541", "%252541"],
        vec!["p/x", "p%2Fx", "p%2fx", "p%252Fx"],
        vec!["a+b", "a%20b", "a%2Bb", "a%2bb", "a-b", "a_b"],
        vec!["q%", "q%2", "q%25", "q%zz", "q%%", "q%u0041"],
        vec!["a=b", "a%3Db", "a%3db", "a@b", "a%40b", "a,b", "a%2Cb", "a~b", "a%7Eb", "a%7eb"],
        vec!["t%3F", "t%23", "t%26", "t%22", "t%5C", "t%00", "t%0A"],
    ];
    for names in groups {
        // Each alone: the others must not be there, whatever it is decoded or encoded to.
        for name in &names {
            it.put(name, *name).await?;
            for other in names.iter().filter(|other| *other != name) {
                hold!(!it.exists(other).await?, "{name:?} was written and {other:?} exists");
            }
            let listed = it.objects().await?;
            hold!(listed == [*name], "{name:?} was written and {listed:?} is listed");
            it.driver.delete(&CALL, key(name)).await?;
        }
        round_trip(it, &names).await?;
    }
    Ok(())
}

pub(super) async fn case_is_kept(it: &Subject) -> Outcome {
    for [one, other] in [["a", "A"], ["Dir/x", "dir/x"], ["x/Abc.JSON", "x/abc.json"], ["sha256/AB", "sha256/ab"]] {
        it.put(one, one).await?;
        hold!(!it.exists(other).await?, "{one:?} was written and {other:?} exists");
        refused(it.driver.delete(&CALL, key(other)).await, &[NotFound], format_args!("delete of {other:?} where only {one:?} is"))?;
        let listed = it.objects().await?;
        hold!(listed == [one], "{one:?} was written and {listed:?} is listed");
        it.driver.delete(&CALL, key(one)).await?;
        round_trip(it, &[one, other]).await?;
    }
    it.put_all(&["Dir/x", "dir/y"]).await?;
    for (below, expected) in [("Dir", "Dir/x"), ("dir", "dir/y")] {
        let listed = it.walk(below, true, 10).await?;
        hold!(listed == [expected], "below {below:?} are {listed:?}, not only {expected:?}");
    }
    Ok(())
}

pub(super) async fn deep_keys_work(it: &Subject) -> Outcome {
    let deep = (0..64).map(|level| format!("l{level}")).collect::<Vec<_>>().join("/");
    let beside = format!("{}/beside", deep.rsplit_once('/').map_or("", |(above, _)| above));
    round_trip(it, &[&deep, &beside]).await?;
    it.put(&deep, "deep").await?;
    let mut below = String::new();
    for level in 0..63 {
        let text = if below.is_empty() { "l0/".to_owned() } else { format!("{below}/l{level}/") };
        let listed = it.walk(&below, false, 10).await?;
        hold!(listed == [text.as_str()], "below {below:?} is {listed:?}, not only {text:?}");
        below = text.trim_end_matches('/').to_owned();
    }
    if it.capabilities.has(Capability::DeletePrefix) {
        it.driver.delete_prefix(&CALL, prefix("l0")).await?;
        hold!(!it.exists(&deep).await?, "a key of 64 components is there after delete_prefix of its first");
    }
    Ok(())
}

pub(super) async fn neighbours_are_unrelated(it: &Subject) -> Outcome {
    let names = ["a/b/c", "a/b-c", "a/b.c", "a/b0", "a/bc", "a/b,", "a-b", "ab", "aa", "a0/b", "a.b/b"];
    it.put_all(&names).await?;
    for gone in names {
        it.driver.delete(&CALL, key(gone)).await?;
        others_are_there(it, &names, &[gone], &format!("{gone:?} was deleted")).await?;
        it.put(gone, gone).await?;
    }
    for (below, expected) in [("a", vec!["a/b,", "a/b-c", "a/b.c", "a/b/c", "a/b0", "a/bc"]), ("a/b", vec!["a/b/c"]), ("a0", vec!["a0/b"])]
    {
        let listed = it.walk(below, true, 3).await?;
        hold!(listed == expected, "below {below:?} are {listed:?}, not {expected:?}");
    }
    if it.capabilities.has(Capability::DeletePrefix) {
        it.driver.delete_prefix(&CALL, prefix("a/b")).await?;
        others_are_there(it, &names, &["a/b/c"], "delete_prefix of \"a/b\"").await?;
        it.driver.delete_prefix(&CALL, prefix("a")).await?;
        let left = it.objects().await?;
        hold!(left == ["a-b", "a.b/b", "a0/b", "aa", "ab"], "after delete_prefix of \"a\" are left {left:?}");
    }
    Ok(())
}

async fn others_are_there(it: &Subject, names: &[&str], gone: &[&str], after: &str) -> Outcome {
    for name in names {
        if gone.contains(name) {
            hold!(!it.exists(name).await?, "after {after} {name:?} is still there");
            continue;
        }
        let got = it.get(name).await.map_err(|error| Stop::breach(format!("after {after} {name:?} is lost: {error}")))?;
        hold!(got == name, "after {after} {name:?} holds {got:?}");
    }
    Ok(())
}
