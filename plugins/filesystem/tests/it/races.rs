//! Many at once: conditional creators, folders that come and go, readers beside writers, random operations against a model.

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::*;

/// Semantics: "among any number of racing creators exactly one wins".
#[test]
fn one_of_sixteen_conditional_creators_wins() {
    let store = Store::with("process");
    let another = store.another();
    for round in 0..50 {
        let (name, start, winners) = (format!("a/{round}/b"), Barrier::new(16), AtomicUsize::new(0));
        thread::scope(|scope| {
            for creator in 0..16_u8 {
                let (name, start, winners) = (&name, &start, &winners);
                let driver = if creator % 2 == 0 { &store.driver } else { &another };
                scope.spawn(move || {
                    start.wait();
                    match block_on(driver.put(&CALL, key(name), Bytes::from(vec![creator; 10]), Condition::IfAbsent)) {
                        Ok(_) => drop(winners.fetch_add(1, Ordering::Relaxed)),
                        Err(error) => assert_eq!(error.class(), ErrorClass::AlreadyExists, "{error}"),
                    }
                });
            }
        });
        assert_eq!(winners.into_inner(), 1);
        let bytes = store.get(&name).expect("get");
        assert!(bytes.len() == 10 && bytes.iter().all(|byte| *byte == bytes[0]), "the winner's bytes, whole");
    }
    assert_eq!(store.private("temporary"), [""; 0]);
}

/// Folders are made by writers while removers prune them: no write fails of it, and none is lost.
#[test]
fn writers_and_removers_share_folders() {
    let store = Store::with("process");
    thread::scope(|scope| {
        for writer in 0..8 {
            let store = &store;
            scope.spawn(move || {
                let name = format!("deep/er/and/deeper/{writer}");
                for round in 0..150 {
                    store.put(&name, format!("{round}")).expect("put");
                    assert_eq!(store.get(&name).expect("get"), format!("{round}").as_bytes());
                    store.delete(&name).expect("delete");
                }
            });
        }
    });
    assert!(!store.path("deep").exists(), "all was pruned");
}

/// A put beside the removal of its whole prefix lands before or after it.
#[test]
fn puts_beside_delete_prefix_come_before_or_after() {
    let store = Store::with("process");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let (store, done) = (&store, &done);
        scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                match store.delete_prefix("p") {
                    Ok(()) => {}
                    Err(error) => assert_eq!(error.class(), ErrorClass::NotFound, "{error}"),
                }
            }
        });
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                scope.spawn(move || (0..300).for_each(|round| drop(store.put(&format!("p/q/{}/{writer}", round % 3), "1").expect("put"))))
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().expect("the writer ends well"));
        done.store(true, Ordering::Relaxed);
    });
    store.put("p/q/0/0", "2").expect("put");
    assert_eq!(store.get("p/q/0/0").expect("get"), b"2", "what comes after the removal stays");
    assert_eq!(store.private("temporary"), [""; 0]);
}

/// Semantics: "at every instant a reader sees the old object, no object, or the complete new one".
#[test]
fn readers_see_whole_objects_only() {
    let store = Store::with("process");
    let done = AtomicBool::new(false);
    store.put("a", vec![0; 10_000]).expect("put");
    thread::scope(|scope| {
        let (store, done) = (&store, &done);
        for _ in 0..2 {
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let bytes = store.get("a").expect("get");
                    let content = usize::from(bytes[0]);
                    assert_eq!(bytes.len(), 10_000 + content * 1000, "the size is that of the content");
                    assert!(bytes.iter().all(|byte| usize::from(*byte) == content), "no mix");
                }
            });
        }
        for round in 0..400_usize {
            let content = round % 200;
            let bytes = vec![content as u8; 10_000 + content * 1000];
            if round % 2 == 0 {
                store.put("a", bytes).expect("put");
            } else {
                let mut upload = store.begin();
                write(&mut upload, bytes);
                commit(&mut upload, "a").expect("commit");
            }
        }
        done.store(true, Ordering::Relaxed);
    });
}

/// A random stream of calls against a map.
#[test]
fn random_calls_agree_with_a_model() {
    let mut random = Random::new("random calls");
    let store = Store::with("process");
    let mut model: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let names = ["a", "a/b", "a/b/c", "a/c", "ab", "b/c", "b/d/e", "b", "c"];
    let clashes = |model: &BTreeMap<String, Vec<u8>>, name: &str| {
        model.keys().any(|other| {
            other.strip_prefix(name).is_some_and(|rest| rest.starts_with('/'))
                || name.strip_prefix(other.as_str()).is_some_and(|rest| rest.starts_with('/'))
        })
    };
    for step in 0..3000 {
        let name = names[random.below(names.len())];
        let length = random.below(300);
        let bytes = random.bytes(length);
        let was = model.get(name).cloned();
        match random.below(6) {
            0 | 1 => match store.put(name, bytes.clone()) {
                Ok(info) => {
                    assert!(!clashes(&model, name), "step {step}: {name} clashes");
                    assert_eq!(info.size, bytes.len() as u64);
                    model.insert(name.to_owned(), bytes);
                }
                Err(error) => assert!(error.class() == ErrorClass::Conflict && clashes(&model, name), "step {step}: {error}"),
            },
            2 => match store.put_if_absent(name, bytes.clone()) {
                Ok(_) => {
                    assert!(was.is_none() && !clashes(&model, name), "step {step}: {name}");
                    model.insert(name.to_owned(), bytes);
                }
                Err(error) if was.is_some() => assert_eq!(error.class(), ErrorClass::AlreadyExists, "step {step}"),
                Err(error) => assert!(error.class() == ErrorClass::Conflict && clashes(&model, name), "step {step}: {error}"),
            },
            3 => match store.delete(name) {
                Ok(()) => assert!(model.remove(name).is_some(), "step {step}: {name}"),
                Err(error) => assert!(error.class() == ErrorClass::NotFound && was.is_none(), "step {step}: {error}"),
            },
            4 => match store.get(name) {
                Ok(got) => assert_eq!(Some(got), was, "step {step}: {name}"),
                Err(error) => assert!(error.class() == ErrorClass::NotFound && was.is_none(), "step {step}: {error}"),
            },
            _ if random.below(4) == 0 => {
                let below: Vec<_> = model.keys().filter(|other| prefix(name).strip(other).is_some()).cloned().collect();
                match store.delete_prefix(name) {
                    Ok(()) => assert!(!below.is_empty(), "step {step}: {name}"),
                    Err(error) => assert!(error.class() == ErrorClass::NotFound && below.is_empty(), "step {step}: {error}"),
                }
                below.iter().for_each(|name| drop(model.remove(name)));
            }
            _ => assert_eq!(store.objects("").expect("list"), model.keys().cloned().collect::<Vec<_>>(), "step {step}"),
        }
    }
}
