//! JUnit XML: a suite for each group, a test case for each case.
//!
//! Texts are cut, since viewers refuse files beyond some megabytes, and so is what XML 1.0 cannot hold (the crate drops it).

use std::collections::BTreeMap;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{cut, explain};
use crate::record::{CaseRecord, Record, Standing};

/// The longest text of one case, in bytes.
const TEXT_MAX_BYTES: usize = 16 * 1024;

/// The report.
pub(super) fn render(record: &Record) -> Result<String, String> {
    let header = &record.header;
    let mut report = Report::new(format!("longshore-conformance {}", header.driver));
    report.set_time(Duration::from_secs_f64(record.summary.seconds.max(0.0)));
    let mut groups: BTreeMap<&str, Vec<&CaseRecord>> = BTreeMap::new();
    for case in &record.cases {
        groups.entry(&case.group).or_default().push(case);
    }
    for (group, cases) in groups {
        let mut suite = TestSuite::new(format!("{}.{group}", header.driver));
        suite.set_time(Duration::from_secs_f64(cases.iter().map(|case| case.seconds).sum::<f64>().max(0.0)));
        for (name, value) in [("driver", &header.file), ("sha256", &header.sha256), ("abi", &header.abi), ("kernel", &header.kernel)] {
            suite.add_property((name, value.as_str()));
        }
        suite.add_property(("seed", header.seed.to_string().as_str()));
        for case in cases {
            suite.add_test_case(test_case(case, &header.driver));
        }
        report.add_test_suite(suite);
    }
    report.to_string().map_err(|error| format!("the JUnit report cannot be written: {error}"))
}

fn test_case(case: &CaseRecord, driver: &str) -> TestCase {
    let mut test_case = TestCase::new(format!("{} {}", case.id, case.rule), status(case));
    test_case.set_classname(format!("{driver}.{}", case.group));
    test_case.set_time(Duration::from_secs_f64(case.seconds.max(0.0)));
    for (name, value) in [("id", &case.id), ("level", &case.level), ("lane", &case.lane), ("source", &case.source)] {
        test_case.add_property((name, value.as_str()));
    }
    for (name, value) in &case.notes {
        test_case.add_property((name.as_str(), value.as_str()));
    }
    if !case.output.is_empty() {
        test_case.set_system_out(cut(&case.output, TEXT_MAX_BYTES));
    }
    test_case
}

fn status(case: &CaseRecord) -> TestCaseStatus {
    let sentence = case.verdict.sentence();
    let non_success = |kind: NonSuccessKind| {
        let mut status = TestCaseStatus::non_success(kind);
        status.set_type(case.verdict.name()).set_message(cut(&sentence, 1024)).set_description(cut(&explain(case), TEXT_MAX_BYTES));
        status
    };
    match case.standing() {
        Standing::Passed => TestCaseStatus::success(),
        Standing::Skipped | Standing::Untested | Standing::Warned | Standing::ExpectedFailure => {
            let mut status = TestCaseStatus::skipped();
            let why = match (&case.expected, case.standing()) {
                (Some(reason), _) => format!("expected to fail ({reason}): {sentence}"),
                (None, Standing::Warned) => format!("broken, but only a {}: {sentence}", case.level.to_uppercase()),
                _ => format!("{}: {sentence}", case.verdict.name()),
            };
            status.set_message(cut(&why, 1024));
            status
        }
        Standing::UnexpectedPass | Standing::Failed => non_success(NonSuccessKind::Failure),
        Standing::Unknown => non_success(NonSuccessKind::Error),
    }
}
