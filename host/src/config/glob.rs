//! The patterns of routes and redirects: which repositories they stand for.

use std::fmt;

/// The longest pattern, in bytes; repository names are at most 255.
const GLOB_MAX_BYTES: usize = 255;

/// A pattern over repository names, component by component.
///
/// `*` stands for exactly one component, `**` for any number of them, none included: `team/**` is `team` and everything below it.
/// Everything else stands for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(Vec<Component>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Component {
    Literal(String),
    One,
    Any,
}

impl Glob {
    /// Reads a pattern.
    ///
    /// # Errors
    /// The end of a sentence that says what a pattern has to be.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > GLOB_MAX_BYTES {
            return Err(format!("must be at most {GLOB_MAX_BYTES} bytes long"));
        }
        text.split('/').map(component).collect::<Result<_, _>>().map(Self)
    }

    /// The pattern `**`, which stands for every repository.
    pub(super) fn all() -> Self {
        Self(vec![Component::Any])
    }

    /// True if the pattern stands for this repository.
    ///
    /// It takes steps in proportion to the product of both lengths at most: `**` never needs to be tried again once a later one matched.
    pub fn matches(&self, repository: &str) -> bool {
        let names: Vec<&str> = repository.split('/').collect();
        let (mut at, mut name) = (0, 0);
        let mut retry = None; // where the last `**` stands, and the first name that it has not swallowed yet
        while name < names.len() {
            match self.0.get(at) {
                Some(Component::Any) => {
                    retry = Some((at, name + 1));
                    at += 1;
                    continue;
                }
                Some(component) if component.is(names[name]) => {
                    at += 1;
                    name += 1;
                    continue;
                }
                _ => {}
            }
            let Some((any, next)) = retry else { return false };
            retry = Some((any, next + 1));
            (at, name) = (any + 1, next);
        }
        self.0[at..].iter().all(|rest| *rest == Component::Any)
    }
}

impl Component {
    fn is(&self, name: &str) -> bool {
        match self {
            Self::Literal(literal) => literal == name,
            Self::One | Self::Any => true,
        }
    }
}

/// A literal has to be possible in a repository's name; a route that can never match is a mistake.
fn component(text: &str) -> Result<Component, String> {
    let end = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let inner = |byte: u8| end(Some(&byte)) || b"._-".contains(&byte);
    match text {
        "*" => Ok(Component::One),
        "**" => Ok(Component::Any),
        "" => Err("must have a name, * or ** between any two slashes, and no slash at either end".to_owned()),
        _ if text.contains('*') => {
            Err(format!("must not mix * with letters as in {text:?}: * stands for one whole component, ** for any number"))
        }
        _ if end(text.as_bytes().first()) && end(text.as_bytes().last()) && text.bytes().all(inner) => {
            Ok(Component::Literal(text.to_owned()))
        }
        _ => Err(format!("can match nothing: no repository has {text:?} in its name, which is a-z and 0-9 with . _ - between them")),
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let components = self.0.iter().map(|component| match component {
            Component::Literal(literal) => literal.as_str(),
            Component::One => "*",
            Component::Any => "**",
        });
        f.write_str(&components.collect::<Vec<_>>().join("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn glob_matches_whole_components() {
        let cases = [
            ("**", "a", true),
            ("**", "a/b/c", true),
            ("*", "a", true),
            ("*", "a/b", false),
            ("team/**", "team", true),
            ("team/**", "team/a/b", true),
            ("team/**", "teams/a", false),
            ("team/*", "team", false),
            ("team/*", "team/a", true),
            ("team/*", "team/a/b", false),
            ("**/cache", "cache", true),
            ("**/cache", "a/b/cache", true),
            ("**/cache", "a/cache/b", false),
            ("a/**/b/*/c", "a/b/b/x/c", true),
            ("a/**/b/*/c", "a/x/y/b/b/c", true),
            ("a/**/b/*/c", "a/x/c", false),
            ("**/a/**/a", "a", false),
            ("a", "a", true),
            ("a", "ab", false),
            ("a-b.c_d", "a-b.c_d", true),
        ];
        for (pattern, repository, expected) in cases {
            let glob = Glob::parse(pattern).unwrap();
            assert_eq!(glob.matches(repository), expected, "{pattern} on {repository}");
            assert_eq!(glob.to_string(), pattern);
        }
    }

    #[test]
    fn glob_that_nothing_can_match_is_refused() {
        for pattern in ["", "/a", "a/", "a//b", "Team/**", "a/../b", "a b", "-a", "a*", "***", "é"] {
            assert!(Glob::parse(pattern).is_err(), "{pattern}");
        }
        assert!(Glob::parse(&"a/".repeat(200)).unwrap_err().contains("255 bytes"));
    }

    #[test]
    fn glob_with_many_stars_answers_at_once() {
        let glob = Glob::parse(&format!("{}b", "**/a/".repeat(40))).unwrap();
        assert!(!glob.matches(&["a"; 128].join("/")));
    }
}
