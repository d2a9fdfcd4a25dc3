//! Which cases are tried.

use std::fmt;
use std::str::FromStr;

use longshore_loader::api::metadata::DriverInfo;
use longshore_loader::api::schema::nearest;

use crate::case::{Case, Lane, Level, Profile};
use crate::cases::{all, groups};
use crate::config::DriverConfig;
use crate::trial::has;

/// Conditions that a case must meet, all of them: `RNG-*`, `group=ranges`, `level=must`, `lane=K`, separated by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(Vec<Condition>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    /// An id, with `*` for any text at its end.
    Id(String),
    Group(String),
    Level(Level),
    Lane(Lane),
}

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split(',').map(str::trim).map(Condition::from_str).collect::<Result<_, _>>().map(Self)
    }
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some(("group", name)) => {
                let known = groups();
                if known.contains(&name) {
                    return Ok(Self::Group(name.to_owned()));
                }
                let near = nearest(name, known.iter().copied()).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                Err(format!("there is no group {name:?}{near} The groups are {}", known.join(", ")))
            }
            Some(("level", name)) => name.parse().map(Self::Level).map_err(|error| format!("level: {error}")),
            Some(("lane", name)) => name.parse().map(Self::Lane).map_err(|error| format!("lane: {error}")),
            Some((other, _)) => Err(format!("{other:?} is none of group, level, lane; an id stands alone, e.g. RNG-02 or RNG-*")),
            None => {
                let id = text.to_ascii_uppercase();
                let condition = Self::Id(id.clone());
                if all().any(|case| condition.holds(case)) {
                    return Ok(condition);
                }
                let near = nearest(&id, all().map(|case| case.id)).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                Err(format!("no case has the id {text:?}{near} (`longshore-conformance list` shows all)"))
            }
        }
    }
}

impl Condition {
    fn holds(&self, case: &Case) -> bool {
        match self {
            Self::Id(id) => id.strip_suffix('*').map_or(case.id == id, |begin| case.id.starts_with(begin)),
            Self::Group(group) => case.group == group,
            Self::Level(level) => case.level == *level,
            Self::Lane(lane) => case.lane == *lane,
        }
    }
}

impl Filter {
    /// True if `case` meets every condition.
    pub fn holds(&self, case: &Case) -> bool {
        self.0.iter().all(|condition| condition.holds(case))
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = self.0.iter().map(|condition| match condition {
            Condition::Id(id) => id.clone(),
            Condition::Group(group) => format!("group={group}"),
            Condition::Level(level) => format!("level={level}"),
            Condition::Lane(lane) => format!("lane={lane}"),
        });
        f.write_str(&texts.collect::<Vec<_>>().join(","))
    }
}

/// What to try.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The largest profile whose cases are tried.
    pub profile: Profile,
    /// A case is tried if any of these holds, or if there is none.
    pub filters: Vec<Filter>,
    /// Cases that the user leaves out, with the reason.
    pub skipped: Vec<(Filter, String)>,
}

/// A case, and why it is not tried.
pub struct Planned {
    /// The case.
    pub case: &'static Case,
    /// The reason to skip it, if there is one.
    pub skip: Option<String>,
}

impl Plan {
    /// The cases of this plan, in the order of the catalogue. A case that is named by its id is tried whatever its profile.
    pub fn cases(&self) -> Vec<&'static Case> {
        let named = |case: &Case| self.filters.iter().any(|filter| filter.0 == [Condition::Id(case.id.to_owned())]);
        let wanted = |case: &Case| self.filters.is_empty() || self.filters.iter().any(|filter| filter.holds(case));
        all().filter(|case| wanted(case) && (case.profile <= self.profile || named(case))).collect()
    }

    /// The cases, and which of them are not about this driver.
    pub fn for_driver(&self, info: &DriverInfo, config: &DriverConfig) -> Vec<Planned> {
        let skip = |case: &'static Case| {
            let by_user =
                self.skipped.iter().find(|(filter, _)| filter.holds(case)).map(|(_, reason)| format!("left out by the user: {reason}"));
            let by_need = || case.needs.iter().find(|need| !has(**need, info, config)).map(|need| format!("it needs {need}"));
            Planned { case, skip: by_user.or_else(by_need) }
        };
        self.cases().into_iter().map(skip).collect()
    }
}
