//! Symbolic links that somebody planted, and files that are no objects: never followed, never shown, never a way out of the root.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use super::*;

/// A store with a link of each kind to a folder outside, and that folder.
fn planted() -> (Store, TempDir) {
    let (store, outside) = (Store::new(), TempDir::new().expect("a folder"));
    std::fs::write(outside.path().join("secret"), "secret").expect("a file");
    store.put("a/b", "1").expect("put");
    symlink(outside.path(), store.path("a/folder")).expect("a link");
    symlink(outside.path().join("secret"), store.path("a/file")).expect("a link");
    symlink(outside.path().join("absent"), store.path("a/dangling")).expect("a link");
    symlink("b", store.path("a/inside")).expect("a link");
    symlink("..", store.path("a/up")).expect("a link");
    (store, outside)
}

const PLANTED: [&str; 7] = ["a/folder", "a/folder/secret", "a/file", "a/dangling", "a/inside", "a/up", "a/up/a/b"];

/// Semantics: "Never outside its root even with planted symlinks."
#[test]
fn planted_links_are_no_objects() {
    let (store, _outside) = planted();
    for name in PLANTED {
        assert_eq!(class(store.stat(name)), ErrorClass::NotFound, "{name}");
        assert_eq!(class(store.get(name)), ErrorClass::NotFound, "{name}");
        assert_eq!(class(store.delete(name)), ErrorClass::NotFound, "{name}");
        assert_eq!(class(store.children(name)), ErrorClass::NotFound, "{name}");
        assert_eq!(class(store.delete_prefix(name)), ErrorClass::NotFound, "{name}");
        assert_eq!(class(block_on(store.driver.copy(&CALL, key(name), key("c")))), ErrorClass::NotFound, "{name}");
    }
    assert_eq!(store.objects("").expect("list"), ["a/b"]);
    assert_eq!(store.children("a").expect("list"), ["a/b"]);
}

#[test]
fn writes_replace_a_planted_link_and_never_follow_it() {
    let (store, outside) = planted();
    for name in ["a/folder/secret", "a/folder/new", "a/up/a/new", "a/up/new/b"] {
        assert_eq!(class(store.put(name, "2")), ErrorClass::Conflict, "{name}: no link leads to a key");
        let mut upload = store.begin();
        assert_eq!(class(commit(&mut upload, name)), ErrorClass::Conflict, "{name}");
    }
    for name in ["a/file", "a/dangling", "a/inside", "a/folder"] {
        assert_eq!(class(store.put_if_absent(name, "2")), ErrorClass::Conflict, "{name}: a link is no object");
        store.put(name, "2").expect("put");
        assert_eq!(store.get(name).expect("get"), b"2");
        assert!(store.path(name).symlink_metadata().expect("a file").is_file(), "{name} is the object now");
    }
    let names: Vec<_> = std::fs::read_dir(outside.path()).expect("the folder").collect();
    assert_eq!(names.len(), 1, "nothing was written outside");
    assert_eq!(std::fs::read(outside.path().join("secret")).expect("the file"), b"secret");
    assert_eq!(store.get("a/b").expect("get"), b"1", "what the inner link led to is untouched");
}

#[test]
fn delete_prefix_removes_links_and_not_what_they_lead_to() {
    let (store, outside) = planted();
    std::fs::create_dir_all(store.path("a/deep/er")).expect("folders");
    symlink(outside.path(), store.path("a/deep/er/link")).expect("a link");
    store.delete_prefix("a").expect("delete_prefix");
    assert!(!store.path("a").exists());
    assert_eq!(store.private("temporary"), [""; 0]);
    assert_eq!(std::fs::read(outside.path().join("secret")).expect("the file"), b"secret");
}

#[test]
fn a_link_in_the_private_folder_is_refused() {
    let outside = TempDir::new().expect("a folder");
    std::fs::write(outside.path().join("0123456789abcdef0123456789abcdef"), "secret").expect("a file");
    for place in [PRIVATE, ".longshore#/uploads", ".longshore#/temporary"] {
        let root = TempDir::new().expect("a folder");
        let link = root.path().join(place);
        std::fs::create_dir_all(link.parent().expect("it has a parent")).expect("folders");
        symlink(outside.path(), &link).expect("a link");
        assert_eq!(class(open(root.path(), "disk")), ErrorClass::Conflict, "{place}");
    }
    // A link in place of an upload's file.
    let store = Store::new();
    let mut upload = store.begin();
    write(&mut upload, "1");
    let token = suspend(&mut upload);
    drop(upload);
    let name = store.private("uploads").pop().expect("the upload's file");
    let file = store.path(PRIVATE).join("uploads").join(name);
    std::fs::remove_file(&file).expect("removed");
    symlink(outside.path().join("0123456789abcdef0123456789abcdef"), &file).expect("a link");
    assert_eq!(class(store.resume(&token)), ErrorClass::Conflict);
    assert_eq!(std::fs::read(outside.path().join("0123456789abcdef0123456789abcdef")).expect("the file"), b"secret");
}

/// Storage layout 4.14: "Ignore: … unknown files"; a pipe must not make a call wait.
#[test]
fn pipes_sockets_and_names_outside_the_alphabet_are_ignored() {
    let store = Store::new();
    store.put("a/b", "1").expect("put");
    for name in ["with space", "ümlaut", "hash#", "new\nline", "co:lon"] {
        std::fs::write(store.path("a").join(name), "stray").expect("a file");
        std::fs::create_dir(store.path("a").join(format!("{name}.d"))).expect("a folder");
        std::fs::write(store.path("a").join(format!("{name}.d/c")), "stray").expect("a file");
    }
    let _socket = UnixListener::bind(store.path("a/socket")).expect("a socket");
    let made = std::process::Command::new("mkfifo").arg(store.path("a/pipe")).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo works");
    for name in ["a/socket", "a/pipe"] {
        assert_eq!(class(store.get(name)), ErrorClass::NotFound, "{name}");
        assert_eq!(class(store.stat(name)), ErrorClass::NotFound, "{name}");
    }
    assert_eq!(store.children("a").expect("list"), ["a/b"]);
    assert_eq!(store.objects("").expect("list"), ["a/b"], "the private folder is not shown either");
    store.delete("a/b").expect("delete");
    assert_eq!(class(store.children("a")), ErrorClass::NotFound, "strays make no prefix");
}
