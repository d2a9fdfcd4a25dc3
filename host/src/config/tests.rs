//! Whole files: what is reported of them, and how variables stand above them.

use super::*;

pub(super) fn read(text: &str, variables: &[(&str, &str)]) -> Result<Config, Faults> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::from_text("registry.toml", text, variables)
}

pub(super) fn report(text: &str, variables: &[(&str, &str)]) -> String {
    read(text, variables).map(|_| ()).unwrap_err().render(false)
}

pub(super) const MAIN: &str = "storage.main = { driver = 'memory' }\n";

#[test]
fn faulty_file_is_reported_whole_in_the_order_of_its_lines() {
    let text = r#"
[server]
listn = "127.0.0.1:5000"
header_max_bytes = "1KB"
drain_secs = "5 parsecs"
connections_max = 0

[registry]
delete = "yes"
colour = 1
tags_page_max = -3

[log]
level = "inof"

[storage.main]
driver = "Filesystem"
settings = 3

[storage.old]
requierd = false

[storage.both]
driver = "s3"
path = "/x.so"
sha256 = "12"

[[route]]
repository = "team/*x"
storage = "mian"
"#;
    let expected = r#"registry.toml:3:1: unknown key "listn" in [server]
  listn = "127.0.0.1:5000"
  ^^^^^ did you mean "listen"?
registry.toml:4:20: header_max_bytes is "1KB", must be a whole number of bytes, or a text like "64KiB" or "4MiB"
  header_max_bytes = "1KB"
                     ^^^^^
registry.toml:5:14: drain_secs is "5 parsecs", must be a whole number of seconds, or a text like "30s" or "5m"
  drain_secs = "5 parsecs"
               ^^^^^^^^^^^
registry.toml:6:19: connections_max is 0, must be 1 to 1000000
  connections_max = 0
                    ^
registry.toml:9:10: delete is "yes", must be true or false
  delete = "yes"
           ^^^^^
registry.toml:10:1: unknown key "colour" in [registry]; the keys are catalog_page_max, manifest_max_bytes, blob_max_bytes, missing_references, upload_max_secs, upload_purge_secs, push_tags_max, tags_page_max, catalog_page_default, referrers_page_max, delete, upload_signing_keys
  colour = 1
  ^^^^^^
registry.toml:11:17: tags_page_max is -3, must be 1 to 10000
  tags_page_max = -3
                  ^^
registry.toml:14:9: level is "inof", must be one of info, error, warn, debug, trace
  level = "inof"
          ^^^^^^ did you mean "info"?
registry.toml:17:10: driver is "Filesystem", must be a driver's name like "filesystem"; a file is given as path = "/folder/file.so"
  driver = "Filesystem"
           ^^^^^^^^^^^^
registry.toml:18:12: settings must be a table such as { root = "data" }
  settings = 3
             ^
registry.toml:20:10: storage "old" has no driver, must have driver = "NAME" or path = "FILE"
  [storage.old]
           ^^^
registry.toml:21:1: unknown key "requierd" in [storage.old]
  requierd = false
  ^^^^^^^^ did you mean "required"?
registry.toml:23:10: storage "both" has a driver and a path, must have one of the two
  [storage.both]
           ^^^^
registry.toml:26:10: sha256 is "12", must be 64 hexadecimal digits
  sha256 = "12"
           ^^^^
registry.toml:29:14: repository is "team/*x", must not mix * with letters as in "*x": * stands for one whole component, ** for any number
  repository = "team/*x"
               ^^^^^^^^^
registry.toml:30:11: storage is "mian", must be the name of a storage: both, main, old
  storage = "mian"
            ^^^^^^ did you mean "main"?
"#;
    assert_eq!(report(text, &[]), expected);
}

#[test]
fn file_of_the_wrong_shape_says_what_the_shape_is() {
    let cases = [
        (
            "",
            "registry.toml: no storage is configured, must have at least one: [storage.main] with driver = \"filesystem\" and settings = { root = \"data\" }\n",
        ),
        (
            "storage.other = { driver = 'memory' }",
            "registry.toml: no storage is called \"main\" and there is no [[route]], must have one of the two\n",
        ),
        (
            "server = 3\n[storage.main]\ndriver = 'memory'",
            "registry.toml:1:10: server is a number, must be a table [server]\n  server = 3\n           ^\n",
        ),
        (
            "[storage.main]\ndriver = 'memory'\n[route]",
            "registry.toml:3:1: route is a table, must be a list: [[route]] before each one\n  [route]\n  ^^^^^^^\n",
        ),
        (
            "[storage.main]\ndriver = 'memory'\n[servr]",
            "registry.toml:3:2: unknown key \"servr\" at the top\n  [servr]\n   ^^^^^ did you mean \"server\"?\n",
        ),
        (
            "[storage]\nMain = { driver = 'memory' }\n[[route]]\nstorage = 'Main'\nrepository = '**'",
            "registry.toml:2:1: a storage is called \"Main\", must be 1 to 32 of a-z, 0-9, - and _, a letter first\n  Main = { driver = 'memory' }\n  ^^^^\n",
        ),
        (
            "[storage.main]\ndriver = 'memory'\n[[route]]",
            "registry.toml:3:1: a route has no repository, must have both, such as repository = \"team/**\" and storage = \"main\"\n  [[route]]\n  ^^^^^^^^^\nregistry.toml:3:1: a route has no storage, must have both, such as repository = \"team/**\" and storage = \"main\"\n  [[route]]\n  ^^^^^^^^^\n",
        ),
        ("[server\n", "registry.toml:1:8: cannot be read as TOML: unclosed table, expected `]`\n  [server\n         ^\n"),
        (
            "[storage.main]\ndriver = 'memory'\n[registry]\ncatalog_page_max = 50\ncatalog_page_default = 51",
            "registry.toml:5:24: catalog_page_default is 51, must be 1 to 50\n  catalog_page_default = 51\n                         ^^\n",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(report(text, &[]), expected, "{text}");
    }
}

#[test]
fn variable_stands_above_the_file_and_is_checked_like_it() {
    let variables =
        [("LONGSHORE_SERVER__LISTEN", "[::1]:80"), ("LONGSHORE_REGISTRY__DELETE", "false"), ("LONGSHORE_CACHE__TTL_SECS", "5m")];
    let config = read(&format!("server.listen = '127.0.0.1:1'\n{MAIN}"), &variables).unwrap();
    assert_eq!(config.server.listen.to_string(), "[::1]:80");
    assert!(!config.registry.delete);
    assert_eq!(config.cache.ttl.as_secs(), 300);

    let variables = [
        ("LONGSHORE_SERVER__DRAIN_SECS", "soon"),
        ("LONGSHORE_SERVER_LISTEN", "x"),
        ("LONGSHORE_SEVER__LISTEN", "x"),
        ("LONGSHORE_COLOUR", "x"),
        ("LONGSHORE_LOG", "debug"),
        ("LONGSHORE_CACHE", "{ tl_secs = 1 }"),
    ];
    let expected = r#"LONGSHORE_CACHE: unknown key "tl_secs" in [cache]
  did you mean "ttl_secs"?
LONGSHORE_COLOUR: names no key of the configuration
LONGSHORE_LOG: log is a text, must be a table [log]
  one key of it is set as LONGSHORE_LOG__KEY
LONGSHORE_SERVER_LISTEN: names no key of the configuration
  did you mean "LONGSHORE_SERVER__LISTEN"?
LONGSHORE_SERVER__DRAIN_SECS: drain_secs is "soon", must be a whole number of seconds, or a text like "30s" or "5m"
LONGSHORE_SEVER__LISTEN: names no key of the configuration
  did you mean "LONGSHORE_SERVER__LISTEN"?
"#;
    assert_eq!(report(MAIN, &variables), expected);
}

#[test]
fn file_that_is_missing_says_how_to_make_one() {
    let folder = tempfile::tempdir().unwrap();
    let faults = Config::load(&folder.path().join("registry.toml"), std::iter::empty()).map(|_| ()).unwrap_err();
    let expected = "registry.toml: there is no such file\n  make one with [storage.main], driver = \"filesystem\" and settings = { root = \"data\" }, or name another with --config\n";
    assert!(faults.render(false).ends_with(expected), "{faults}");
}
