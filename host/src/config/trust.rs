//! `trust` and `trusted_keys` of `[drivers]`: whom to believe that a driver file is harmless.

use std::path::Path;

use longshore_loader::{TrustRule, TrustedKey, TrustedKeyError};

use super::checked::Section;
use super::{Config, Lock};

/// Whom to believe that a driver file is harmless.
#[derive(Debug, Clone)]
pub struct DriverTrust {
    /// `trust`, default `shipped-or-pinned`: what is asked of a file beyond that it fits.
    pub rule: TrustRule,
    /// `trusted_keys`, default none: the public keys of minisign whose signatures are believed.
    pub keys: Vec<TrustedKey>,
}

impl DriverTrust {
    pub(super) fn read(keys: &mut Section<'_>) -> Self {
        let rules = [("shipped-or-pinned", TrustRule::ShippedOrPinned), ("pinned", TrustRule::Pinned), ("any", TrustRule::Any)];
        let key = |text: &str| text.parse().map_err(|error: TrustedKeyError| format!("must be a public key: {error}").into());
        Self { rule: keys.choice("trust", rules), keys: keys.each("trusted_keys", Vec::new(), key) }
    }
}

impl Config {
    /// What was locked, beside the configuration.
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    /// The command that pins the content of `driver`, a name or the path of a file.
    pub fn pin_command(&self, driver: &str) -> String {
        format!("longshore driver lock {} --config {}", word(driver), word(self.document.name()))
    }

    /// The configuration's file as it was given.
    pub fn file(&self) -> &Path {
        Path::new(self.document.name())
    }
}

/// A text as one word of a shell's command.
fn word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+=:@%".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{MAIN, read, report};
    use super::*;

    const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

    #[test]
    fn trust_is_read_with_its_keys() {
        let config = read(&format!("drivers.trust = 'pinned'\ndrivers.trusted_keys = ['{KEY}']\n{MAIN}"), &[]).unwrap();
        let trust = &config.drivers.trust;
        assert_eq!((trust.rule, trust.keys[0].id(), trust.keys[0].to_string().as_str()), (TrustRule::Pinned, "E7620F1842B4E81F", KEY));
        assert_eq!(read(MAIN, &[]).unwrap().drivers.trust.rule, TrustRule::ShippedOrPinned);
    }

    #[test]
    fn trust_that_is_none_is_reported_with_the_nearest() {
        let text = format!("[drivers]\ntrust = 'pined'\ntrusted_keys = ['{KEY}', 'RWQf6LRC']\n[storage]\n{}", &MAIN["storage.".len()..]);
        let expected = r#"registry.toml:2:9: trust is "pined", must be one of shipped-or-pinned, pinned, any
  trust = 'pined'
          ^^^^^^^ did you mean "pinned"?
registry.toml:3:77: trusted_keys has "RWQf6LRC", must be a public key: a public key is the second line of minisign.pub, 56 letters that begin with RW
  trusted_keys = ['RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3', 'RWQf6LRC']
                                                                              ^^^^^^^^^^
"#;
        assert_eq!(report(&text, &[]), expected);
    }

    #[test]
    fn command_that_pins_can_be_pasted_into_a_shell() {
        let config = Config::from_text("/etc/my registry/it's.toml", MAIN, std::iter::empty()).unwrap();
        assert_eq!(config.pin_command("s3"), r"longshore driver lock s3 --config '/etc/my registry/it'\''s.toml'");
    }
}
