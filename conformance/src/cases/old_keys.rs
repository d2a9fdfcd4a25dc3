//! Keys are literal, and each is separate from its neighbours.

use longshore_loader::api::ErrorClass::{Conflict, NotFound};
use longshore_loader::api::{Bytes, Capability, Driver};

use crate::check::{checks, hold, refused};
use crate::subject::{CALL, key};
use crate::{Breach, Need, Subject};

checks! {
    legal_keys_round_trip = "every legal key can be written, read, listed as it is, and deleted";
    longest_keys_round_trip = "a component may have 255 bytes, a key 1024, in as many components as fit";
    keys_are_literal = "keys are case-sensitive and literal: `A` is not `a`, `%41` is not `A`";
    neighbours_are_unrelated = "keys that extend one another are unrelated";
    nested_objects_are_both_kept (Need::Capability(Capability::NestedObjects)) = "`a` and `a/b` may both be objects";
    nested_object_is_a_conflict (Need::Without(Capability::NestedObjects)) =
        "of `a` and `a/b` the second is a `conflict`, always, and changes nothing";
}

async fn legal_keys_round_trip<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    let mut names = vec![
        "a",
        "...",
        "..a",
        "a..",
        ".hidden",
        ".tmp",
        ".lock",
        "x.tmp",
        "a.",
        "-",
        "-rf",
        "--",
        "~",
        "~root",
        "_",
        "_uploads",
        "@",
        "+",
        "=",
        ",",
        "%",
        "%2F",
        "%2e%2e",
        "%00",
        "con",
        "nul",
        "lost+found",
        "A-Z.a-z_0-9%+=@~,",
        "docker/registry/v2/blobs/sha256/00/0011/data",
        ".longshore/uploads/1",
        "b/.longshore",
        "tmp/x",
        "0/0/0",
        "sha256-0011.sig",
    ];
    for name in &names {
        it.put(name, name.as_bytes().to_vec()).await?;
    }
    for name in &names {
        let got = it.get(name).await?;
        hold!(got == name.as_bytes(), "{name:?} holds {got:?}");
    }
    names.sort_unstable();
    let listed = it.objects().await?;
    hold!(listed == names, "{listed:?} are listed, {names:?} were written");
    for name in names {
        it.driver.delete(&CALL, key(name)).await?;
    }
    let left = it.objects().await?;
    hold!(left.is_empty(), "{left:?} are left when all is deleted");
    Ok(())
}

async fn longest_keys_round_trip<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    let component = "c".repeat(255);
    let names = [
        component.clone(),
        ["x", &component, &component, &component, &component[..254]].join("/"), // 1024 bytes
        vec!["d"; 512].join("/"),
    ];
    for name in &names {
        let name = name.as_str();
        it.put(name, "long").await?;
        hold!(it.get(name).await? == "long", "a key of {} bytes holds something else", name.len());
        hold!(it.objects().await? == [name], "a key of {} bytes is not listed as it is", name.len());
        it.upload(name, &[Bytes::from("longer")]).await?;
        hold!(it.get(name).await? == "longer", "a key of {} bytes was uploaded and holds something else", name.len());
        it.driver.delete(&CALL, key(name)).await?;
    }
    Ok(())
}

async fn keys_are_literal<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    let names = ["%41", "A", "a", "a%2Fb", "a+b", "a%20b", "Dir/x", "dir/x"];
    it.put_all(&names).await?;
    for name in names {
        let got = it.get(name).await?;
        hold!(got == name, "{name:?} holds {got:?}");
    }
    Ok(())
}

async fn neighbours_are_unrelated<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    let names = ["a/b", "a/b-c", "a/b.c", "a/b0", "a/bc", "a-b", "ab", "a0/b"];
    for gone in names {
        it.put_all(&names).await?;
        it.driver.delete(&CALL, key(gone)).await?;
        for name in names.into_iter().filter(|name| *name != gone) {
            let got = it.get(name).await?;
            hold!(got == name, "after {gone:?} was deleted, {name:?} holds {got:?}");
        }
        hold!(!it.exists(gone).await?, "{gone:?} was deleted and is there");
    }
    Ok(())
}

async fn nested_objects_are_both_kept<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    for names in [["a", "a/b"], ["c/d/e", "c"]] {
        it.put(names[0], names[0].to_owned()).await?;
        it.upload(names[1], &[Bytes::from(names[1])]).await?;
        for name in names {
            let got = it.get(name).await?;
            hold!(got == name, "{name:?} holds {got:?}");
        }
    }
    it.driver.delete(&CALL, key("a")).await?;
    hold!(it.exists("a/b").await? && !it.exists("a").await?, "deleting \"a\" is about \"a/b\" too");
    Ok(())
}

async fn nested_object_is_a_conflict<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    for [first, second] in [["a", "a/b"], ["a", "a/b/c"], ["a/b", "a"], ["a/b/c", "a"]] {
        it.put(first, "first").await?;
        for _ in 0..2 {
            refused(it.put(second, "second").await, &[Conflict], format_args!("put of {second:?} beside {first:?}"))?;
            let upload = it.upload(second, &[Bytes::from("second")]).await;
            refused(upload, &[Conflict], format_args!("commit of {second:?} beside {first:?}"))?;
            refused(it.get(second).await, &[NotFound], format_args!("read of {second:?} beside {first:?}"))?;
        }
        hold!(it.get(first).await? == "first", "{first:?} was changed by a conflict");
        hold!(it.objects().await? == [first], "a conflict left something behind");
        it.driver.delete(&CALL, key(first)).await?;
        it.put(second, "second").await?;
        it.driver.delete(&CALL, key(second)).await?;
    }
    Ok(())
}
