//! Settings: the schema in the file, what opens, what is refused and how, what never leaves.

mod independent;
mod refused;
mod secrets;
mod understood;
mod unusable;
mod values;

use independent::*;
use refused::*;
use secrets::*;
use understood::*;
use unusable::*;
pub(super) use unusable::{first_answer, unusable};
pub(super) use values::{schema_of, settings_of};

use longshore_loader::api::{Driver, DriverError};
use serde_json::Value;

use crate::case::{Need, cases};
use crate::trial::{CALL, Instance, LIMITS, Trial};
use crate::verdict::Stop;

cases! { "configuration":
    file "CFG-01" Must Static Core [] schema_is_whole, "section 6, settings" =
        "the file carries a readable schema in which every setting has a type and a sentence for people";
    file "CFG-02" Must Load Core [] least_and_most_settings_open, "section 6, settings" =
        "the required settings alone open the driver (of a service, all without a default), and so do they with every default written out; \
         every example fits";
    file "CFG-03" Must Load Core [] unknown_setting_is_refused, "section 3, open" =
        "an unknown setting is refused as `config`, by its name";
    file "CFG-04" Must Load Core [Need::AnySetting] every_fault_is_named_at_once, "section 3, open" =
        "a missing setting, a wrong type, a value out of range and a bad unit are refused as `config`, all at once, each by its name";
    file "CFG-05" Should Load Full [Need::AnySetting] schema_and_driver_agree, "section 6, settings" within 300 =
        "the driver takes what its schema allows, or names the settings that do not go together, and refuses what its schema does not allow";
    file "CFG-06" Must Load Core [] unusable_store_is_a_classified_error, "section 3, open" within 120 =
        "an `open` that cannot succeed answers in time with a class that tells why, and leaves nothing";
    file "CFG-07" Must Load Core [Need::SecretSetting] secrets_stay_inside, "section 7" within 120 =
        "the value of a secret setting is in no error, no log line and nothing printed";
    file "CFG-09" Should Load Core [] environment_changes_nothing, "section 3, open" =
        "settings come from the settings alone: variables of the environment change nothing";
    file "CFG-10" Must Load Core [] same_settings_open_two_instances, "section 3, open" =
        "two instances, with the same settings or others, are independent";
    file "CFG-11" Must Load Core [] strange_settings_are_answered, "section 3, open" =
        "settings of great size, great depth, any script and no text at all are answered, and the driver opens afterwards";
    file "CFG-12" Should Load Core [Need::DeprecatedSetting] deprecated_setting_still_works, "section 6, settings" =
        "a deprecated setting still works, and is warned about once";
}

pub(crate) const LEFT_OUT: &[(&str, &str)] =
    &[("CFG-08", "settings are checked against the schema before `open` sees them: there is no call that checks them and could do I/O")];

/// Opens an instance with settings that nobody checked.
pub(super) async fn open_unchecked(it: &Trial, settings: &Value) -> Result<Result<Instance, DriverError>, Stop> {
    let opened = it.load()?.open("trial", settings, &LIMITS).await;
    Ok(opened.map(|handle| Instance::new(handle, &it.setting.config, it.trace.clone())))
}

/// The answer to settings that nobody checked; an instance that opens is closed again.
pub(super) async fn answer_to(it: &Trial, settings: &Value) -> Result<Option<DriverError>, Stop> {
    match open_unchecked(it, settings).await? {
        Err(error) => Ok(Some(error)),
        Ok(driver) => {
            driver.close(&CALL).await?;
            Ok(None)
        }
    }
}
