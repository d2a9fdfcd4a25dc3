//! Pages that are made from what is read and from drivers' schemas: tables of keys in Markdown, and a storage with every setting as TOML.

use std::fmt::Write as _;

use longshore_loader::api::schema::{Kind, Object, Property, Schema};

use super::keys::{self, Uptake};
use super::show::{dotted, toml};
use super::words;

/// Every key of `registry.toml`, as a page in Markdown.
pub fn keys_page() -> String {
    let mut page = String::from(
        "# Keys of registry.toml\n\n`longshore config reference` writes this page. [configuration.md](../configuration.md) tells how values are read and what\nbelongs together; `longshore config explain KEY` says the same of one key, with the value that takes effect.\n\n`NAME` stands for the name of a storage, `N` for a position in a list. A driver's settings are on its own page.\n",
    );
    let mut section = String::new();
    for key in keys::all() {
        let (table, name) = key.about.key.rsplit_once('.').unwrap_or(("", key.about.key));
        if table != section {
            let _ = write!(page, "\n## [{table}]\n\n| key | type | default | a change takes effect with | |\n|---|---|---|---|---|\n"); // writing to a string cannot fail, here and below
            table.clone_into(&mut section);
        }
        let default = words::default(&key.property).map_or_else(|| key.about.absent.to_owned(), |default| format!("`{default}`"));
        let uptake = match key.about.uptake {
            Uptake::Reload => "a reload",
            Uptake::Restart => "a restart",
        };
        let _ = writeln!(
            page,
            "| `{name}` | {} | {} | {uptake} | {} |",
            cell(&words::kind(&key.property)),
            cell(&default),
            meaning(&key.property)
        );
    }
    page
}

/// The settings of a driver, as a page in Markdown with the example in it.
pub fn driver_page(driver: &str, is_layer: bool, schema: &Schema) -> String {
    let mut page = format!(
        "# Settings of the driver {driver}\n\n`longshore config reference {driver}` writes this page from the schema in the driver's file.\n\n"
    );
    page.push_str("| setting | type | default | |\n|---|---|---|---|\n");
    rows(schema.as_object(), &mut Vec::new(), &mut page);
    let _ = write!(
        page,
        "\n`longshore config example {driver}` writes the same as a part of `registry.toml`:\n\n```toml\n{}```\n",
        driver_example(driver, is_layer, schema)
    );
    page
}

fn rows(object: &Object, path: &mut Vec<String>, page: &mut String) {
    for (name, property) in object.properties() {
        path.push(name.to_owned());
        let default = match words::default(property) {
            Some(default) => format!("`{default}`"),
            None if property.required => "has to be written".to_owned(),
            None => String::new(),
        };
        let _ = writeln!(page, "| `{}` | {} | {} | {} |", dotted(path), cell(&words::kind(property)), cell(&default), meaning(property));
        let depth = path.len();
        let below = match &property.kind {
            Kind::Array(items) => {
                path.push(keys::POSITION.to_owned());
                &items.kind
            }
            kind => kind,
        };
        if let Kind::Object(below) = below {
            rows(below, path, page);
        }
        path.truncate(depth - 1);
    }
}

fn meaning(property: &Property) -> String {
    let examples: Vec<_> = property.examples.iter().map(|example| format!("`{}`", words::written(property, example))).collect();
    let examples = if examples.is_empty() { String::new() } else { format!("; such as {}", examples.join(", ")) };
    let deprecation = words::deprecation(property).map_or_else(String::new, |words| format!("**{words}**; "));
    cell(&format!("{deprecation}{}{examples}", property.description))
}

/// A text that stays in its cell.
fn cell(text: &str) -> String {
    text.replace('|', r"\|").replace('\n', " ")
}

/// A storage on this driver, or over it, with every setting: those that have to be written as they could be, the others as comments with
/// their defaults.
pub fn driver_example(driver: &str, is_layer: bool, schema: &Schema) -> String {
    let (driver_key, table) = (toml(&driver.into()), if is_layer { "storage.main.layers.settings" } else { "storage.main.settings" });
    let mut text = if is_layer {
        format!(
            "[storage.main]\ndriver = \"filesystem\"\nsettings = {{ root = \"data\" }}\n\n[[storage.main.layers]]\ndriver = {driver_key}\n"
        )
    } else {
        format!("[storage.main]\ndriver = {driver_key}\n")
    };
    let _ = writeln!(text, "\n[{table}]");
    let (required, others): (Vec<_>, Vec<_>) = schema.properties().partition(|(_, property)| property.required);
    for (name, property) in required.into_iter().chain(others) {
        for line in [property.description.as_str(), &words::kind(property)].into_iter().filter(|line| !line.is_empty()) {
            let _ = writeln!(text, "# {line}");
        }
        if let Some(deprecation) = words::deprecation(property) {
            let _ = writeln!(text, "# {deprecation}");
        }
        let mark = if property.required { "" } else { "# " };
        let _ = writeln!(text, "{mark}{} = {}\n", dotted(&[name.to_owned()]), sample(property));
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// The default, or a value that fits.
fn sample(property: &Property) -> String {
    let given = property.default.as_ref().or_else(|| property.examples.first()).or_else(|| property.allowed.first());
    match (&property.kind, given) {
        (Kind::String { .. }, _) if property.secret => words::REFERENCE.to_owned(),
        (_, Some(value)) => words::written(property, value),
        (Kind::String { .. }, None) => r#""…""#.to_owned(),
        (Kind::Integer { minimum, .. }, None) => minimum.unwrap_or(0).to_string(),
        (Kind::Number { minimum, .. }, None) => minimum.unwrap_or(0.0).to_string(),
        (Kind::Boolean, None) => "true".to_owned(),
        (Kind::Array(_), None) => "[]".to_owned(),
        (Kind::Object(_), None) => "{}".to_owned(),
    }
}
