//! Where a store is, and where the process is.

use std::path::Path;

use longshore_loader::api::ErrorClass::Missing;
use longshore_loader::api::{Condition, Driver};

use crate::case::Outcome;
use crate::config::StoreKind;
use crate::trial::files::{Fenced, files_below, respell};
use crate::trial::peer::{Content, Peer, PeerOptions, Question};
use crate::trial::{CALL, Setting, Subject, Trial, get, key, walk};
use crate::verdict::{Stop, hold, refused};

pub(super) async fn health_tells_the_truth(it: &Subject) -> Outcome {
    it.put("a/b", "c").await?;
    let before = it.objects().await?;
    for _ in 0..3 {
        it.driver.health(&CALL).await?;
    }
    let after = it.objects().await?;
    hold!(before == after, "health changed the store: {before:?} were listed before, {after:?} after");
    if it.setting.config.kind(it.info()) != StoreKind::Files {
        return Ok(());
    }
    let fenced = Fenced::open(it).await?;
    fenced.driver.put(&CALL, key("a/b"), "c".into(), Condition::Always).await?;
    let before = fenced.inside()?;
    fenced.driver.health(&CALL).await?;
    hold!(before.keys().eq(fenced.inside()?.keys()), "health left files in the store");
    for root in fenced.roots.iter().filter(|root| root.is_dir()) {
        std::fs::remove_dir_all(root).map_err(|error| Stop::harness("removing a store", error))?;
    }
    refused(fenced.driver.health(&CALL).await, &[Missing], "health of a store whose folder was removed")?;
    fenced.driver.close(&CALL).await?;
    Ok(())
}

pub(super) async fn spelling_of_the_folder_does_not_matter(it: &Subject) -> Outcome {
    it.put("a/b", "written first").await?;
    type Spelling = fn(&str) -> String;
    let spellings: [(&str, Spelling); 5] = [
        ("a final slash", |path| format!("{path}/")),
        ("two final slashes", |path| format!("{path}//")),
        ("a final dot", |path| format!("{path}/.")),
        ("two slashes in a row", |path| path.replacen('/', "//", 2)),
        ("a dot in between", |path| match path.rsplit_once('/') {
            Some((above, name)) => format!("{above}/./{name}"),
            None => path.to_owned(),
        }),
    ];
    for (what, spelling) in spellings {
        let mut settings = it.settings();
        if respell(&mut settings, it.folder(), &spelling) == 0 {
            return Err(Stop::not_testable("no setting names a folder of the case"));
        }
        let opened = it.try_open(&settings).await?;
        let other = opened.map_err(|error| Stop::breach(format!("the driver does not open a folder with {what}: {error}")))?;
        let got = get(&other, "a/b").await.map_err(|error| Stop::breach(format!("a/b, of the folder with {what}: {error}")))?;
        hold!(got == "written first", "a/b is {got:?} in the folder with {what}");
        other.put(&CALL, key("c/d"), what.into(), Condition::Always).await?;
        let got = it.get("c/d").await?;
        hold!(got == what, "c/d, written to the folder with {what}, is {got:?} in the folder without");
        let listed = walk(&other, "", true, 10).await?;
        hold!(listed == ["a/b", "c/d"], "{listed:?} are listed in the folder with {what}");
        other.close(&CALL).await?;
    }
    deep_folder(it).await
}

async fn deep_folder(it: &Subject) -> Outcome {
    let opened = it.try_open(&it.settings_elsewhere("a/deep/folder/for the store")?).await?;
    let deep = opened.map_err(|error| Stop::breach(format!("the driver does not open in a deep folder: {error}")))?;
    deep.put(&CALL, key("a/b"), "deep".into(), Condition::Always).await?;
    let got = get(&deep, "a/b").await?;
    hold!(got == "deep", "a/b is {got:?} in a deep folder");
    let listed = walk(&deep, "", true, 10).await?;
    hold!(listed == ["a/b"], "{listed:?} are listed in a deep folder");
    deep.close(&CALL).await?;
    Ok(())
}

fn empty_folder(beside: &Path, name: &str) -> Result<std::path::PathBuf, Stop> {
    let folder = beside.with_file_name(name);
    std::fs::create_dir_all(&folder).map_err(|error| Stop::harness("a folder to work in", error))?;
    Ok(folder)
}

pub(super) async fn working_directory_does_not_matter(it: &Subject) -> Outcome {
    let (work, home) = (empty_folder(it.folder(), "work")?, empty_folder(it.folder(), "home")?);
    it.put("a/here", "written here").await?;
    // The program may have been given the file's path from where it stands.
    let file = it.setting.file.canonicalize().map_err(|error| Stop::harness("the path of the driver's file", error))?;
    let trial = Trial::new(Setting { file, ..it.setting.clone() })?;
    let environment = vec![("HOME".to_owned(), home.to_string_lossy().into_owned())];
    let options = PeerOptions { environment, folder: Some(work.clone()), ..PeerOptions::default() };
    let (peer, opened) = Peer::start_with(&trial, options).await?;
    opened?;
    if it.setting.config.is_shared(it.info()) {
        let got = peer.ask(Question::Get { key: "a/here".into() }).await?.text;
        hold!(got.as_deref() == Some("written here"), "a process that works elsewhere, with another HOME, reads {got:?}");
    }
    peer.ask(Question::Put { key: "a/there".into(), content: Content::Text("written there".into()), if_absent: false }).await?;
    peer.ask(Question::Begin { upload: 1, destination: None }).await?;
    peer.ask(Question::Write { upload: 1, content: Content::Random { seed: it.seed(), size: 100_000 } }).await?;
    peer.ask(Question::Suspend { upload: 1 }).await?;
    peer.ask(Question::Commit { upload: 1, key: "a/uploaded".into(), size: 100_000 }).await?;
    let got = peer.ask(Question::Get { key: "a/there".into() }).await?.text;
    hold!(got.as_deref() == Some("written there"), "a process that works elsewhere, with another HOME, reads {got:?} of its own");
    peer.ask(Question::Health).await?;
    peer.end().await?;
    if it.setting.config.is_shared(it.info()) {
        let got = it.get("a/there").await?;
        hold!(got == "written there", "what a process wrote that works elsewhere, with another HOME, is {got:?} here");
        let listed = it.objects().await?;
        hold!(listed == ["a/here", "a/there", "a/uploaded"], "{listed:?} are listed after a process elsewhere wrote");
    }
    for (folder, what) in [(work, "working directory"), (home, "HOME")] {
        let left = files_below(&folder)?;
        hold!(left.is_empty(), "the driver left files in the process's {what}: {:?}", left.keys());
    }
    Ok(())
}
