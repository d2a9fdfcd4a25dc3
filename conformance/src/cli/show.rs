//! `list` and `explain`: the catalogue.

use std::io::Write;

use serde_json::json;

use super::complain;
use crate::case::{Case, Profile};
use crate::exit::Exit;
use crate::run::{Filter, Plan};

#[derive(Debug, clap::Args)]
pub(super) struct ListArguments {
    /// Only cases that meet all of these, separated by commas: RNG-*, group=ranges, level=must, lane=K. Repeat it for more.
    #[arg(long, value_name = "FILTER")]
    filter: Vec<Filter>,
    /// Only cases of this profile and the smaller ones: core, full or soak.
    #[arg(long, default_value = "soak")]
    profile: Profile,
    /// Print the ids that are no cases instead, each with the reason.
    #[arg(long, conflicts_with_all = ["filter", "profile"])]
    left_out: bool,
    /// Print JSON for programs.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct ExplainArguments {
    /// The case's id, e.g. RNG-02.
    id: String,
}

/// Prints the cases of a plan.
pub(super) fn list(arguments: &ListArguments) -> Exit {
    if arguments.left_out {
        return list_left_out(arguments.json);
    }
    let plan = Plan { profile: arguments.profile, filters: arguments.filter.clone(), skipped: Vec::new() };
    let cases = plan.cases();
    let mut text = String::new();
    if arguments.json {
        let cases: Vec<_> = cases.iter().map(|case| as_json(case)).collect();
        text = format!("{}\n", json!(cases));
    } else {
        for case in &cases {
            text += &format!("{:<7} {:<6} {} {:<4}  {}\n", case.id, case.level, case.lane, case.profile, case.rule);
        }
    }
    // Whoever reads may have seen enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
    if cases.is_empty() { Exit::NothingRan } else { Exit::Conformant }
}

fn list_left_out(json: bool) -> Exit {
    let left_out = crate::cases::left_out();
    let text = if json {
        let all: Vec<_> = left_out.map(|(id, reason)| json!({ "id": id, "reason": reason })).collect();
        format!("{}\n", json!(all))
    } else {
        left_out.map(|(id, reason)| format!("{id}  {reason}\n")).collect()
    };
    let _ = std::io::stdout().write_all(text.as_bytes());
    Exit::Conformant
}

fn as_json(case: &Case) -> serde_json::Value {
    json!({
        "id": case.id, "group": case.group, "rule": case.rule, "source": case.source, "level": case.level, "lane": case.lane,
        "profile": case.profile, "needs": case.needs.iter().map(ToString::to_string).collect::<Vec<_>>(), "limit_secs": case.limit().as_secs(),
    })
}

/// Prints all about one case.
pub(super) fn explain(arguments: &ExplainArguments) -> Exit {
    let filter = match arguments.id.parse::<Filter>() {
        Ok(filter) => filter,
        Err(error) => {
            complain(error);
            return Exit::Usage;
        }
    };
    let mut text = String::new();
    for case in crate::cases::all().filter(|case| filter.holds(case)) {
        let needs = case.needs.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        text += &format!("{}  {}\n\n", case.id, case.rule);
        text += &format!("  level    {}\n  source   driver contract, {}\n  group    {}\n", case.level, case.source, case.group);
        text += &format!("  lane     {} ({})\n  profile  {}\n", case.lane, lane_words(case), case.profile);
        text += &format!("  needs    {}\n  limit    {} s\n\n", if needs.is_empty() { "nothing" } else { &needs }, case.limit().as_secs());
    }
    let _ = std::io::stdout().write_all(text.as_bytes());
    Exit::Conformant
}

fn lane_words(case: &Case) -> &'static str {
    use crate::case::Lane;
    match case.lane {
        Lane::Static => "the file is read, nothing of it runs",
        Lane::Load => "the file is loaded and opened",
        Lane::Functional => "calls, one after the other",
        Lane::Concurrent => "calls at the same time",
        Lane::Kill => "a process is killed and the store opened again",
        Lane::Fault => "the system or the back-end fails on purpose",
        Lane::Resource => "what is used is counted",
        Lane::Measured => "something is measured",
    }
}
