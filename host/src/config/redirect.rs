//! `redirect` of a storage: which clients fetch which blobs from where the driver keeps them, by URLs that it signs.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use longshore_loader::api::schema::Kind;

use super::checked::{Refusal, Section};
use super::glob::Glob;
use super::network::Network;
use super::written::{Node, Origin, Table, Value};

/// From here on a blob is worth a second request, and often a second connection with a handshake of its own: at 100 Mbit/s its bytes
/// take about as long as those. It also keeps images' configurations here, which are small and are read by many programs that know
/// less of redirects than those which pull layers.
const MIN_BYTES: u64 = 1 << 20;
/// What CNCF distribution gives its URLs. It covers clocks that differ by minutes, which a much shorter life would not.
const EXPIRES_SECS: u64 = 20 * 60;
/// The longest life that S3 signs.
const EXPIRES_MAX_SECS: u64 = 7 * 86_400;

/// `[storage.<name>.redirect]`, or `redirect = true` for its defaults: GETs of blobs are answered with presigned URLs.
///
/// The rules say who can reach the driver's store and follow a redirect, not who may read: that is decided before.
#[derive(Debug, Clone)]
pub struct Redirect {
    /// `min_bytes`, default 1 MiB: smaller blobs are served by the registry. It is the size of the blob, whatever range of it is asked
    /// for: a client that reads parts keeps the URL that it gets for the first one.
    pub min_bytes: u64,
    /// `expires_secs`, default 20 minutes: how long a URL is good.
    pub expires: Duration,
    /// `repositories`, default all.
    pub repositories: Vec<Glob>,
    /// `except_repositories`, default none.
    pub except_repositories: Vec<Glob>,
    /// `networks`, default all: of the connection's other end, which may be a proxy.
    pub networks: Vec<Network>,
    /// `except_networks`, default none.
    pub except_networks: Vec<Network>,
    /// `except_user_agents`, default none: clients that cannot follow a redirect.
    pub except_user_agents: Vec<AgentPattern>,
    /// Where it is switched on.
    pub(super) at: Origin,
}

impl Redirect {
    /// Reads the key of a storage; `None` if it is off.
    pub(super) fn read(storage: &mut Section<'_>) -> Option<Self> {
        const KEY: &str = "redirect";
        let entry = storage.take(KEY);
        storage.takes(Kind::Boolean, Some(false.into()));
        let Some(entry) = entry else {
            storage.note(KEY, false, None, Origin::Default);
            return None;
        };
        let (table, at) = match (entry.node.as_flag(), entry.node) {
            (Some(false), node) => {
                storage.note(KEY, false, None, node.origin);
                return None;
            }
            (Some(true), node) => (Table::new(), node.origin),
            (None, Node { value: Value::Table(table), .. }) => (table, entry.key),
            (None, other) => {
                storage.reveal(&other);
                let rule = r#"must be true, false, or a table such as { min_bytes = "1MiB" }"#;
                storage.fault(&other.origin, format!("{KEY} is {}, {rule}", other.found()));
                return None;
            }
        };
        Some(Self::rules(storage.below(KEY, table, at.clone()), at))
    }

    fn rules(mut keys: Section<'_>, at: Origin) -> Self {
        let everywhere = || ["0.0.0.0/0", "::/0"].iter().filter_map(|text| Network::parse(text).ok()).collect();
        let rules = Self {
            min_bytes: keys.bytes("min_bytes", MIN_BYTES, 0..=1 << 40),
            expires: keys.seconds("expires_secs", EXPIRES_SECS, 10..=EXPIRES_MAX_SECS),
            repositories: keys.each("repositories", vec![Glob::all()], glob),
            except_repositories: keys.each("except_repositories", Vec::new(), glob),
            networks: keys.each("networks", everywhere(), Network::parse),
            except_networks: keys.each("except_networks", Vec::new(), Network::parse),
            except_user_agents: keys.each("except_user_agents", Vec::new(), AgentPattern::parse),
            at,
        };
        keys.finish();
        rules
    }

    /// Whether this client is sent away for the blobs of this repository. `address` is the other end of its connection, `user_agent` what
    /// it calls itself, empty if it does not say.
    pub fn takes(&self, repository: &str, address: IpAddr, user_agent: &[u8]) -> bool {
        let named = |globs: &[Glob]| globs.iter().any(|glob| glob.matches(repository));
        let within = |networks: &[Network]| networks.iter().any(|network| network.contains(address));
        named(&self.repositories)
            && !named(&self.except_repositories)
            && within(&self.networks)
            && !within(&self.except_networks)
            && !self.except_user_agents.iter().any(|pattern| pattern.matches(user_agent))
    }
}

fn glob(text: &str) -> Result<Glob, Refusal> {
    Ok(Glob::parse(text)?)
}

/// A pattern over what clients call themselves: `*` stands for any characters, capitals for small letters too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentPattern(String);

impl AgentPattern {
    /// How much of a client's name is compared: its product stands in front, and a header may have 64 KiB.
    const COMPARED_MAX_BYTES: usize = 512;

    fn parse(text: &str) -> Result<Self, Refusal> {
        match text.len() {
            1..=Self::COMPARED_MAX_BYTES => Ok(Self(text.to_owned())),
            _ => Err(format!(
                r#"must be 1 to {} bytes of a client's name, with * for the rest of it, like "curl/*""#,
                Self::COMPARED_MAX_BYTES
            )
            .into()),
        }
    }

    /// True if the pattern stands for this name.
    pub fn matches(&self, user_agent: &[u8]) -> bool {
        let (pattern, name) = (self.0.as_bytes(), &user_agent[..user_agent.len().min(Self::COMPARED_MAX_BYTES)]);
        let (mut at, mut next) = (0, 0);
        let mut retry = None; // where the last * stands, and the first byte that it has not swallowed yet
        while next < name.len() {
            match pattern.get(at) {
                Some(b'*') => {
                    retry = Some((at, next));
                    at += 1;
                    continue;
                }
                Some(byte) if byte.eq_ignore_ascii_case(&name[next]) => {
                    at += 1;
                    next += 1;
                    continue;
                }
                _ => {}
            }
            let Some((star, first)) = retry else { return false };
            retry = Some((star, first + 1));
            (at, next) = (star + 1, first + 1);
        }
        pattern[at..].iter().all(|rest| *rest == b'*')
    }
}

impl fmt::Display for AgentPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{read, report};
    use super::super::{Config, Faults, Place};
    use super::*;

    fn config(redirect: &str) -> Config {
        read(&format!("[storage.main]\ndriver = 'memory'\n{redirect}\n"), &[]).unwrap()
    }

    fn redirect(redirect: &str) -> Option<Redirect> {
        config(redirect).storage["main"].redirect.clone()
    }

    fn takes(rules: &str, repository: &str, address: &str, user_agent: &str) -> bool {
        let redirect = redirect(&format!("redirect = {{ {rules} }}")).unwrap();
        redirect.takes(repository, address.parse().unwrap(), user_agent.as_bytes())
    }

    fn values(config: &Config) -> Vec<(String, String)> {
        let rules = config.rows.iter().filter(|row| row.path.iter().any(|step| step == "redirect"));
        rules.map(|row| (row.path.join("."), row.value.to_string())).collect()
    }

    #[test]
    fn file_of_the_repository_shows_the_defaults() {
        let text = include_str!("../../../registry.toml");
        let lines = text.lines().skip_while(|line| *line != "#   [storage.main.redirect]");
        let lines: Vec<_> = lines.map_while(|line| line.strip_prefix("#   ")).collect();
        let written = config(&lines.join("\n"));
        assert_eq!(values(&written), values(&config("redirect = true")), "a commented key shows its default");
        let unwritten = written.rows.iter().filter(|row| row.path.len() > 3 && row.origin == Origin::Default);
        assert_eq!(unwritten.map(|row| row.path.join(".")).collect::<Vec<_>>(), [""; 0], "every key is in the file");
    }

    #[test]
    fn redirect_is_off_unless_it_is_switched_on() {
        assert!(redirect("").is_none() && redirect("redirect = false").is_none());
        for on in ["redirect = true", "redirect = {}", "[storage.main.redirect]"] {
            let redirect = redirect(on).unwrap();
            assert_eq!((redirect.min_bytes, redirect.expires.as_secs()), (1 << 20, 1_200), "{on}");
            for address in ["10.0.0.1", "fe80::1"] {
                assert!(redirect.takes("a/b", address.parse().unwrap(), b""), "{on} is for everyone");
            }
        }
    }

    #[test]
    fn variable_switches_redirects_and_changes_one_rule() {
        let with = |file: &str, name: &str, value: &str| {
            let config = read(&format!("[storage.main]\ndriver = 'memory'\n{file}\n"), &[(name, value)]).unwrap();
            config.storage["main"].redirect.as_ref().map(|redirect| redirect.min_bytes)
        };
        assert_eq!(with("", "LONGSHORE_STORAGE__MAIN__REDIRECT", "true"), Some(1 << 20));
        assert_eq!(with("redirect = true", "LONGSHORE_STORAGE__MAIN__REDIRECT", "false"), None);
        assert_eq!(with("redirect = {}", "LONGSHORE_STORAGE__MAIN__REDIRECT__MIN_BYTES", "1KiB"), Some(1 << 10));
    }

    #[test]
    fn repositories_are_chosen_by_pattern() {
        let rules = "repositories = ['team/**', 'base'], except_repositories = ['team/secret/**']";
        for (repository, expected) in [("team/a", true), ("base", true), ("base/a", false), ("other", false), ("team/secret/a", false)] {
            assert_eq!(takes(rules, repository, "10.0.0.1", ""), expected, "{repository}");
        }
        assert!(!takes("repositories = []", "a", "10.0.0.1", ""), "an empty list names none");
    }

    #[test]
    fn clients_are_chosen_by_network() {
        let rules = "networks = ['10.0.0.0/8', 'fd00::/8'], except_networks = ['10.9.0.0/16']";
        for (address, expected) in
            [("10.1.2.3", true), ("::ffff:10.1.2.3", true), ("fd00::7", true), ("10.9.1.1", false), ("192.168.0.1", false), ("::1", false)]
        {
            assert_eq!(takes(rules, "a", address, ""), expected, "{address}");
        }
    }

    #[test]
    fn clients_that_cannot_follow_are_chosen_by_name() {
        let rules = "except_user_agents = ['oldtool/1.*', '*Java*']";
        for (name, expected) in
            [("oldtool/1.2", false), ("OldTool/1.2 linux", false), ("oldtool/2.0", true), ("x java/17", false), ("", true)]
        {
            assert_eq!(takes(rules, "a", "10.0.0.1", name), expected, "{name:?}");
        }
        assert!(!takes("except_user_agents = ['*']", "a", "10.0.0.1", ""), "* stands for no name too");
        let pattern = AgentPattern("*a*a*a*a*a*a*b".to_owned());
        assert!(!pattern.matches(&[b'a'; 100_000]) && pattern.matches(b"aaaaaab"), "many stars answer at once");
    }

    #[test]
    fn faults_of_redirects_stand_at_their_elements() {
        let text = r#"[storage.main]
driver = "memory"
[storage.main.redirect]
min_byte = 5
expires_secs = "1s"
repositories = ["team/**", "Team"]
networks = ["10.0.0.1/8", "lan"]
except_networks = "10.0.0.0/8"
except_user_agents = [""]
[storage.other]
driver = "memory"
redirect = "yes"
"#;
        let expected = r#"registry.toml:4:1: unknown key "min_byte" in [storage.main.redirect]
  min_byte = 5
  ^^^^^^^^ did you mean "min_bytes"?
registry.toml:5:16: expires_secs is "1s", must be 10s to 7d
  expires_secs = "1s"
                 ^^^^
registry.toml:6:28: repositories has "Team", can match nothing: no repository has "Team" in its name, which is a-z and 0-9 with . _ - between them
  repositories = ["team/**", "Team"]
                             ^^^^^^
registry.toml:7:13: networks has "10.0.0.1/8", must have zeros behind its first 8 bits
  networks = ["10.0.0.1/8", "lan"]
              ^^^^^^^^^^^^ did you mean "10.0.0.0/8"?
registry.toml:7:27: networks has "lan", must be a network like "10.0.0.0/8" or "fd00::/8", or one address
  networks = ["10.0.0.1/8", "lan"]
                            ^^^^^
registry.toml:8:19: except_networks is "10.0.0.0/8", must be a list of texts
  except_networks = "10.0.0.0/8"
                    ^^^^^^^^^^^^
registry.toml:9:23: except_user_agents has "", must be 1 to 512 bytes of a client's name, with * for the rest of it, like "curl/*"
  except_user_agents = [""]
                        ^^
registry.toml:12:12: redirect is "yes", must be true, false, or a table such as { min_bytes = "1MiB" }
  redirect = "yes"
             ^^^^^
"#;
        assert_eq!(report(text, &[]), expected);
    }

    #[test]
    fn redirect_is_shown_as_a_file_that_means_the_same() {
        let shown = config("redirect = { networks = ['10.1.2.3'] }").show(|_| None).unwrap().to_toml();
        for line in [
            "\nredirect.min_bytes = 1048576  # 1MiB, default\n",
            "\nredirect.expires_secs = 1200  # 20m, default\n",
            "\nredirect.repositories = [\"**\"]  # default\n",
            "\nredirect.networks = [\"10.1.2.3/32\"]  # from line 3\n",
        ] {
            assert!(shown.contains(line), "{line} is in\n{shown}");
        }
        let again = Config::from_text("again.toml", &shown, std::iter::empty()).unwrap();
        assert_eq!(values(&again), values(&config("redirect = { networks = ['10.1.2.3'] }")));
        assert!(config("").show(|_| None).unwrap().to_toml().contains("\nredirect = false  # default\n"));
    }

    #[test]
    fn fault_at_a_redirect_stands_where_it_is_switched_on() {
        let fault = |config: Config| config.fault_at_redirect(&config.storage["main"], "x");
        let place = |redirect: &str| match fault(config(redirect)).place {
            Place::Line { line, column, .. } => (line, column),
            other => panic!("{other:?} is no line: {}", Faults::default()),
        };
        assert_eq!(place("redirect = true"), (3, 12));
        assert_eq!(place("[storage.main.redirect]\nmin_bytes = 0"), (3, 15));
    }
}
