//! Instances that share nothing but what their settings say.

use longshore_loader::api::schema::Kind;
use longshore_loader::api::{Condition, Driver};

use super::values::schema_of;
use crate::case::{Need, Outcome};
use crate::trial::peer::{Content, Peer, PeerOptions, Question};
use crate::trial::workload::mixed;
use crate::trial::{CALL, Trial, get, key};
use crate::verdict::hold;

pub(super) async fn same_settings_open_two_instances(it: &Trial) -> Outcome {
    let shared = it.lacks(&[Need::SharedStore]).is_none();
    let (first, second) = (it.open().await?, it.open().await?);
    first.put(&CALL, key("of/the-first"), "1".into(), Condition::Always).await?;
    let seen = second.stat(&CALL, key("of/the-first")).await.is_ok();
    hold!(seen == shared, "two instances with the same settings {} a store", if seen { "share" } else { "do not share" });
    // A third one elsewhere must not take the others with it.
    let elsewhere = it.try_open(&it.settings_elsewhere("elsewhere")?).await??;
    elsewhere.put(&CALL, key("of/the-third"), "3".into(), Condition::Always).await?;
    for (name, driver) in [("first", &first), ("second", &second)] {
        let strayed = driver.stat(&CALL, key("of/the-third")).await.is_ok();
        hold!(!strayed, "the {name} instance sees what one with other settings wrote");
    }
    let got = get(&first, "of/the-first").await?;
    hold!(got == "1", "once another instance was opened, the first one reads {got:?}");
    first.close(&CALL).await?;
    mixed(&second).await?;
    mixed(&elsewhere).await?;
    elsewhere.close(&CALL).await?;
    mixed(&second).await?;
    second.close(&CALL).await?;
    Ok(())
}

/// Variables that libraries are known to look at, and one for each way in which a driver might name its own.
fn poisoned(it: &Trial) -> Vec<(String, String)> {
    let nowhere = "/nonexistent/longshore-conformance";
    let address = "http://127.0.0.1:1";
    let mut all: Vec<(String, String)> = ["HOME", "TMPDIR", "TMP", "TEMP", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "PWD"]
        .map(|name| (name.to_owned(), nowhere.to_owned()))
        .into();
    let proxies = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];
    all.extend(proxies.map(|name| (name.to_owned(), address.to_owned())));
    let clouds = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_PROFILE", "AZURE_STORAGE_ACCOUNT", "REDIS_URL"];
    all.extend(clouds.map(|name| (name.to_owned(), "poisoned".to_owned())));
    let clean = |text: &str| text.to_ascii_uppercase().replace(['-', '.'], "_");
    let driver = clean(&it.info().name);
    for (name, property) in schema_of(it).iter().flat_map(|schema| schema.properties().map(|(name, property)| (clean(name), property))) {
        // A value that would show: a place where nothing can be, or the smallest number.
        let value = match &property.kind {
            Kind::String { .. } => nowhere.to_owned(),
            Kind::Boolean => "false".to_owned(),
            _ => "1".to_owned(),
        };
        let prefixes = ["".to_owned(), format!("{driver}_"), "LONGSHORE_".to_owned(), format!("LONGSHORE_{driver}_")];
        // Some names mean something to the harness's own process.
        let free = prefixes
            .map(|prefix| format!("{prefix}{name}"))
            .into_iter()
            .filter(|name| !["PATH", "LONGSHORE_SEED"].contains(&name.as_str()));
        all.extend(free.map(|name| (name, value.clone())));
    }
    all
}

pub(super) async fn environment_changes_nothing(it: &Trial) -> Outcome {
    // Opened here first, so that a peer that cannot open is no fault of the settings.
    let driver = it.open().await?;
    mixed(&driver).await?;
    driver.put(&CALL, key("written/here"), "by this process".into(), Condition::Always).await?;
    driver.close(&CALL).await?;
    let (peer, opened) = Peer::start_with(it, PeerOptions { environment: poisoned(it), ..PeerOptions::default() }).await?;
    if let Err(unanswered) = opened {
        return Err(match unanswered {
            crate::trial::peer::Unanswered::Failed(failure) => {
                crate::verdict::Stop::breach(format!("with other variables in the environment the driver does not open: {failure}"))
            }
            gone @ crate::trial::peer::Unanswered::Gone => gone.into(),
        });
    }
    if it.lacks(&[Need::SharedStore, Need::Durable]).is_none() {
        let answer = peer.ask(Question::Get { key: "written/here".into() }).await?;
        hold!(answer.text.as_deref() == Some("by this process"), "with other variables in the environment {:?} is read", answer.text);
    }
    let put = Question::Put { key: "written/there".into(), content: Content::Random { seed: it.seed(), size: 300_000 }, if_absent: false };
    peer.ask(put).await?;
    let answer = peer.ask(Question::Get { key: "written/there".into() }).await?;
    hold!(answer.size == 300_000, "with other variables in the environment {} bytes of 300000 are read", answer.size);
    peer.ask(Question::Health).await?;
    peer.end().await?;
    Ok(())
}
