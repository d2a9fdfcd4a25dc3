//! What lies beside the objects: around the store, in the driver's own folders, and behind links that somebody planted.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use longshore_loader::api::ErrorClass::{InvalidArgument, NotFound};
use longshore_loader::api::{Bytes, Capability, Condition, Driver, DriverError, Key, ListRequest, Prefix, Upload, UploadToken};

use crate::case::Outcome;
use crate::config::StoreKind;
use crate::trial::files::{Fenced, Files};
use crate::trial::{CALL, Instance, Subject, get, key, prefix, walk};
use crate::verdict::{Stop, hold, refused, same};

const SENTINEL: &str = "this file lies outside of the store";

/// `Ok` if nothing around the store has changed.
fn unchanged(fenced: &Fenced, before: &Files, after: &str) -> Outcome {
    let now = fenced.around()?;
    let differs = |path: &&PathBuf| before.get(*path) != now.get(*path);
    let changed: Vec<_> = before.keys().chain(now.keys()).filter(differs).map(|path| path.display().to_string()).collect();
    hold!(changed.is_empty(), "{after} changed files outside of the store: {}", changed.join(", "));
    Ok(())
}

async fn put(driver: &Instance, name: &str, text: &str) -> Result<(), DriverError> {
    driver.put(&CALL, key(name), Bytes::copy_from_slice(text.as_bytes()), Condition::Always).await.map(drop)
}

async fn upload(driver: &Instance, name: &str, text: &str) -> Result<(), DriverError> {
    let mut upload = driver.upload_begin(&CALL, Some(key(name))).await?;
    upload.write(&CALL, Bytes::copy_from_slice(text.as_bytes())).await?;
    match upload.commit(&CALL, key(name), text.len() as u64).await {
        Ok(_) => Ok(()),
        Err(error) => {
            upload.abort(&CALL).await?;
            Err(error)
        }
    }
}

/// Legal keys that lead to a sentinel if they are decoded, expanded or joined carelessly.
fn ways_out(sentinel: &Path) -> Vec<String> {
    let mut ways: Vec<_> =
        ["%2e%2e", "%2E%2E", ".%2e", "%2e.", "%252e%252e", "%2e%2e%2f%2e%2e", "...", "....", "..%2f", "..%5c..", "~", "~root", "..%00"]
            .iter()
            .flat_map(|up| {
                [format!("{up}/sentinel"), format!("{up}/{up}/sentinel"), format!("a/{up}/{up}/sentinel"), format!("{up}%2fsentinel")]
            })
            .collect();
    let path = sentinel.to_string_lossy();
    let absolute = path.trim_start_matches('/');
    ways.extend([
        absolute.to_owned(),
        path.replace('/', "%2f"),
        path.replace('/', "%2F"),
        format!("%2f{absolute}"),
        format!("%2F{absolute}"),
    ]);
    ways.retain(|way| Key::parse(way).is_ok());
    ways
}

pub(super) async fn nothing_leads_outside(it: &Subject) -> Outcome {
    let fenced = Fenced::open(it).await?;
    let sentinels = fenced.plant("sentinel", SENTINEL)?;
    let before = fenced.around()?;
    let driver = &fenced.driver;
    // Those that go up are the same for each sentinel.
    let ways: BTreeSet<_> = sentinels.iter().flat_map(|sentinel| ways_out(sentinel)).collect();
    for way in &ways {
        let way = way.as_str();
        refused(driver.stat(&CALL, key(way)).await, &[NotFound], format_args!("stat of the key {way:?}, which nobody wrote"))?;
        refused(get(driver, way).await, &[NotFound], format_args!("read of the key {way:?}, which nobody wrote"))?;
        refused(driver.delete(&CALL, key(way)).await, &[NotFound], format_args!("delete of the key {way:?}, which nobody wrote"))?;
        put(driver, way, "put").await?;
        unchanged(&fenced, &before, &format!("a put to the key {way:?}"))?;
        same(b"put", &get(driver, way).await?, format!("the key {way:?}"))?;
        upload(driver, way, "uploaded").await?;
        unchanged(&fenced, &before, &format!("an upload to the key {way:?}"))?;
        let listed = walk(driver, "", true, 10).await?;
        hold!(listed == [way], "the key {way:?} is listed as {listed:?}");
        driver.delete(&CALL, key(way)).await?;
        unchanged(&fenced, &before, &format!("a delete of the key {way:?}"))?;
    }
    prefixes_and_texts(&fenced, &sentinels).await?;
    unchanged(&fenced, &before, "a prefix, a start of a list or a token")?;
    fenced.driver.close(&CALL).await?;
    Ok(())
}

/// What is no key: prefixes, the start of a page, tokens.
async fn prefixes_and_texts(fenced: &Fenced, sentinels: &[PathBuf]) -> Outcome {
    let driver = &fenced.driver;
    put(driver, "a/b", "x").await?;
    for up in ["%2e%2e", "%2E%2E/%2e%2e", "...", "..%2f", "~"] {
        refused(driver.list(&CALL, &ListRequest::children(prefix(up), 10)).await, &[NotFound], format_args!("list of the prefix {up:?}"))?;
        if driver.capabilities().has(Capability::DeletePrefix) {
            refused(driver.delete_prefix(&CALL, prefix(up)).await, &[NotFound], format_args!("delete_prefix of {up:?}"))?;
        }
    }
    for start in ["../", "..", "../../", "/", "./", "a/../../"] {
        let page = driver.list(&CALL, &ListRequest::objects(prefix(""), 10).after(Some(start))).await?;
        let expected = start < "a/b";
        hold!(page.entries.len() == usize::from(expected), "a list of one key after {start:?} has {:?}", page.entries);
    }
    let absolute = sentinels.iter().map(|sentinel| sentinel.to_string_lossy().into_owned());
    for token in
        ["../sentinel", "../../sentinel", "../../../sentinel", "../../../../sentinel"].map(str::to_owned).into_iter().chain(absolute)
    {
        let resumed = driver.upload_resume(&CALL, &UploadToken::new(token.clone().into_bytes())?).await;
        refused(resumed.map(drop), &[InvalidArgument, NotFound], format_args!("upload_resume of the token {token:?}"))?;
    }
    Ok(())
}

pub(super) async fn private_files_are_private(it: &Subject) -> Outcome {
    if it.setting.config.kind(it.info()) != StoreKind::Files {
        return beside_an_upload(&it.driver, None).await;
    }
    let fenced = Fenced::open(it).await?;
    beside_an_upload(&fenced.driver, Some(&fenced)).await?;
    fenced.driver.close(&CALL).await?;
    Ok(())
}

/// Tries to see and to overwrite what the driver keeps for an open and for a suspended upload.
async fn beside_an_upload(driver: &Instance, fenced: Option<&Fenced>) -> Outcome {
    put(driver, "seen/one", "one").await?;
    let mut open = driver.upload_begin(&CALL, Some(key("seen/two"))).await?;
    open.write(&CALL, vec![2; 100_000].into()).await?;
    open.suspend(&CALL).await?;
    open.write(&CALL, vec![3; 100_000].into()).await?;
    let mut dropped = driver.upload_begin(&CALL, None).await?;
    dropped.write(&CALL, "suspended".into()).await?;
    let token = dropped.suspend(&CALL).await?;
    drop(dropped);

    nothing_else_is_seen(driver, "with two uploads under way").await?;
    if let Some(fenced) = fenced {
        let private = fenced.inside()?;
        for name in names_of(&private) {
            intrude(driver, &name).await?;
        }
        nothing_else_is_seen(driver, "after keys with the names of the driver's own files were written and deleted").await?;
    }

    open.commit(&CALL, key("seen/two"), 200_000).await?;
    let expected = [vec![2; 100_000], vec![3; 100_000]].concat();
    same(&expected, &get(driver, "seen/two").await?, "an upload beside which keys with the names of the driver's own files were written")?;
    let mut resumed = driver.upload_resume(&CALL, &token).await?;
    hold!(resumed.offset() == 9, "a suspended upload of 9 bytes goes on at {}", resumed.offset());
    resumed.commit(&CALL, key("seen/three"), 9).await?;
    same(b"suspended", &get(driver, "seen/three").await?, "a suspended upload beside which such keys were written")?;
    same(b"one", &get(driver, "seen/one").await?, "an object beside which such keys were written")
}

async fn nothing_else_is_seen(driver: &Instance, when: &str) -> Outcome {
    let objects = walk(driver, "", true, 10).await?;
    hold!(objects == ["seen/one"], "{when} {objects:?} are listed, not only \"seen/one\"");
    for (below, expected) in [("", "seen/"), ("seen", "seen/one")] {
        let children = walk(driver, below, false, 10).await?;
        hold!(children == [expected], "{when} {children:?} are below {below:?}, not only {expected:?}");
    }
    Ok(())
}

/// Every legal key that is a path of a file or folder, or the end of one, shortest first.
fn names_of(files: &Files) -> Vec<String> {
    const MOST: usize = 200;
    let tails = files.keys().flat_map(|path| {
        let path = path.to_string_lossy().into_owned();
        let starts = std::iter::once(0).chain(path.match_indices('/').map(|(at, _)| at + 1)).collect::<Vec<_>>();
        starts.into_iter().map(|start| path[start..].to_owned()).collect::<Vec<_>>()
    });
    let objects = ["seen", "seen/one"];
    let mut names: Vec<_> = tails.filter(|name| Key::parse(name).is_ok() && !objects.contains(&name.as_str())).collect();
    names.sort_by_key(|name| (name.len(), name.clone()));
    names.dedup();
    names.truncate(MOST);
    names
}

/// Writes and deletes a key that is named as a file of the driver's own is.
async fn intrude(driver: &Instance, name: &str) -> Outcome {
    let what = format!("the key {name:?}, named as a file of the driver's own");
    refused(driver.stat(&CALL, key(name)).await, &[NotFound], format_args!("stat of {what}"))?;
    if Prefix::parse(name).is_ok() {
        refused(driver.list(&CALL, &ListRequest::objects(prefix(name), 10)).await, &[NotFound], format_args!("list below {what}"))?;
    }
    put(driver, name, "an intruder").await.map_err(|error| Stop::breach(format!("a put to {what}: {error}")))?;
    same(b"an intruder", &get(driver, name).await?, &what)?;
    driver.delete(&CALL, key(name)).await.map_err(|error| Stop::breach(format!("a delete of {what}: {error}")))
}

/// Where a link leads, outside of the store.
const FILE: &str = "outside-file";
const FOLDER: &str = "outside-folder";

pub(super) async fn links_are_not_followed(it: &Subject) -> Outcome {
    let fenced = Fenced::open(it).await?;
    let target = fenced.plant(FILE, SENTINEL)?.swap_remove(0);
    let folder = target.with_file_name(FOLDER);
    let made = std::fs::create_dir(&folder).and_then(|()| std::fs::write(folder.join("victim"), SENTINEL));
    made.map_err(|error| Stop::harness("a folder beside the store", error))?;
    let before = fenced.around()?;

    let marker = format!("the only object with this text: {:016x}", it.seed());
    put(&fenced.driver, "dir/victim", &marker).await?;
    put(&fenced.driver, "source", "copied").await?;
    let Some(object) = file_with(&fenced, marker.as_bytes())? else {
        return Err(Stop::not_testable("no file of the store holds the bytes of an object, so no link can take its place"));
    };
    for to in [&target, &target.with_file_name("not-there-yet")] {
        instead_of_the_object(&fenced, &before, &object, to).await?;
    }
    for dir in folders_named(&fenced, &object, "dir") {
        // What the key would be behind the link, if it were followed.
        let behind = folder.join(object.strip_prefix(dir).unwrap_or(&object));
        let made = std::fs::create_dir_all(behind.parent().unwrap_or(&folder)).and_then(|()| std::fs::write(&behind, SENTINEL));
        made.map_err(|error| Stop::harness("a folder beside the store", error))?;
        let before = fenced.around()?;
        instead_of_the_folder(&fenced, &before, dir, &folder).await?;
    }
    fenced.driver.close(&CALL).await?;
    Ok(())
}

/// The folders of the store above `object` whose names have `part` in them: where a driver keeps folders for components.
fn folders_named<'o>(fenced: &Fenced, object: &'o Path, part: &str) -> Vec<&'o Path> {
    let inside = object.ancestors().skip(1).take_while(|folder| fenced.roots.iter().all(|root| *folder != root));
    inside.filter(|folder| folder.file_name().is_some_and(|name| name.to_string_lossy().contains(part))).collect()
}

fn file_with(fenced: &Fenced, marker: &[u8]) -> Result<Option<PathBuf>, Stop> {
    let holds = |content: &[u8]| content.windows(marker.len()).any(|window| window == marker);
    let found = fenced.inside()?.into_iter().find(|(_, content)| holds(content));
    Ok(found.and_then(|(path, _)| fenced.roots.iter().map(|root| root.join(&path)).find(|path| path.is_file())))
}

/// Puts a link in the place of whatever is there.
fn plant_link(at: &Path, to: &Path) -> Result<(), Stop> {
    let removed = match at.symlink_metadata() {
        Ok(found) if found.is_dir() => std::fs::remove_dir_all(at),
        Ok(_) => std::fs::remove_file(at),
        // The driver may have removed what it found empty.
        Err(_) => at.parent().map_or(Ok(()), std::fs::create_dir_all),
    };
    removed.and_then(|()| symlink(to, at)).map_err(|error| Stop::harness("a link in the store", error))
}

/// What writes and deletes a key. Whether the driver refuses or replaces the link is its own affair.
const WRITES: [&str; 4] = ["put", "commit", "copy", "delete"];

async fn write(driver: &Instance, call: &str, name: &str) {
    let answer = match call {
        "put" => put(driver, name, "written").await,
        "commit" => upload(driver, name, "written").await,
        "copy" if driver.capabilities().has(Capability::Copy) => driver.copy(&CALL, key("source"), key(name)).await.map(drop),
        "copy" => Ok(()),
        _ => driver.delete(&CALL, key(name)).await,
    };
    // Both answers keep the rule; the trace has them.
    drop(answer);
}

async fn instead_of_the_object(fenced: &Fenced, before: &Files, object: &Path, to: &Path) -> Outcome {
    for call in WRITES {
        plant_link(object, to)?;
        write(&fenced.driver, call, "dir/victim").await;
        unchanged(fenced, before, &format!("a {call} to a key in whose place was a link to {}", to.display()))?;
    }
    Ok(())
}

async fn instead_of_the_folder(fenced: &Fenced, before: &Files, dir: &Path, to: &Path) -> Outcome {
    for name in ["dir/victim", "dir/new", "dir/deep/new"] {
        for call in WRITES {
            plant_link(dir, to)?;
            write(&fenced.driver, call, name).await;
            unchanged(fenced, before, &format!("a {call} to {name:?}, where dir was a link to {}", to.display()))?;
        }
    }
    if fenced.driver.capabilities().has(Capability::DeletePrefix) {
        plant_link(dir, to)?;
        // As above.
        drop(fenced.driver.delete_prefix(&CALL, prefix("dir")).await);
        unchanged(fenced, before, &format!("delete_prefix of dir, which was a link to {}", to.display()))?;
    }
    Ok(())
}
