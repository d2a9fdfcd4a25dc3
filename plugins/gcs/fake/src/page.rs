//! Pages of names: one rule for objects in both interfaces, and for uploads.

/// What is asked for.
pub(crate) struct PageRequest<'a> {
    pub(crate) prefix: &'a str,
    pub(crate) delimiter: Option<&'a str>,
    /// True if a name may stand on this page, apart from the prefix: offsets.
    pub(crate) wanted: &'a dyn Fn(&str) -> bool,
    /// The last result of the page before.
    pub(crate) after: Option<&'a str>,
    pub(crate) max: usize,
}

/// A page: names and prefixes are in the order of their bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) names: Vec<String>,
    pub(crate) prefixes: Vec<String>,
    /// The last result, if more follow.
    pub(crate) last: Option<String>,
}

/// One page out of `names`, which are sorted.
pub(crate) fn page<'a>(names: impl Iterator<Item = &'a str>, request: &PageRequest<'_>) -> Page {
    let mut page = Page::default();
    let mut last: Option<String> = None;
    for name in names.filter(|name| name.starts_with(request.prefix) && (request.wanted)(name)) {
        let (result, is_prefix) = rolled_up(name, request);
        // A prefix stands for all names that begin with it, and comes once.
        let is_old = request.after.is_some_and(|after| result.as_str() <= after) || last.as_ref() == Some(&result);
        if is_old {
            continue;
        }
        if page.names.len() + page.prefixes.len() == request.max {
            page.last = last;
            break;
        }
        let of_its_kind = if is_prefix { &mut page.prefixes } else { &mut page.names };
        of_its_kind.push(result.clone());
        last = Some(result);
    }
    page
}

/// The name; or the part of it up to the first delimiter behind the prefix, and that it is one.
fn rolled_up(name: &str, request: &PageRequest<'_>) -> (String, bool) {
    let rest = &name[request.prefix.len()..];
    let delimiter = request.delimiter.filter(|delimiter| !delimiter.is_empty());
    match delimiter.and_then(|delimiter| Some(rest.find(delimiter)? + delimiter.len())) {
        Some(end) => (name[..request.prefix.len() + end].to_owned(), true),
        None => (name.to_owned(), false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[&str] = &["a", "a-b", "a/", "a/1", "a/2", "a/2/x", "a0", "b/1"];

    fn ask(prefix: &str, delimiter: Option<&str>, after: Option<&str>, max: usize) -> Page {
        page(NAMES.iter().copied(), &PageRequest { prefix, delimiter, wanted: &|_| true, after, max })
    }

    #[test]
    fn levels_come_once_in_the_order_of_bytes() {
        let found = ask("", Some("/"), None, 10);
        assert_eq!(found.names, ["a", "a-b", "a0"]);
        assert_eq!(found.prefixes, ["a/", "b/"]);
        assert_eq!(found.last, None);
    }

    #[test]
    fn the_next_page_begins_behind_the_last_result() {
        let first = ask("", Some("/"), None, 3);
        assert_eq!((first.names, first.prefixes, first.last.as_deref()), (vec!["a".into(), "a-b".into()], vec!["a/".into()], Some("a/")));
        let second = ask("", Some("/"), Some("a/"), 3);
        assert_eq!((second.names, second.prefixes, second.last), (vec!["a0".to_owned()], vec!["b/".to_owned()], None));
    }

    #[test]
    fn a_name_that_is_the_prefix_is_listed_below_it() {
        let found = ask("a/", Some("/"), None, 10);
        assert_eq!((found.names, found.prefixes), (vec!["a/".to_owned(), "a/1".into(), "a/2".into()], vec!["a/2/".to_owned()]));
    }
}
