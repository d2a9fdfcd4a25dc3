//! Prometheus' text format. By hand: the crates for it keep their histograms behind a lock and own the counters, which here are plain atomics
//! where things happen.
//!
//! Source: "Exposition formats", text format 0.0.4.

use std::fmt::{Display, Write};

/// Labels of a sample: names and values.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

/// A page of metrics.
#[derive(Debug, Default)]
pub struct Exposition(String);

impl Exposition {
    /// Begins a family: what follows it are samples of that name. A counter's name ends in `_total`.
    pub fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(self.0, "# HELP {name} {}\n# TYPE {name} {kind}", help.replace('\\', r"\\").replace('\n', r"\n"));
    }

    /// A family of one sample without labels.
    pub fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    /// One sample.
    pub fn sample(&mut self, name: &str, labels: Labels<'_>, value: impl Display) {
        self.0.push_str(name);
        self.labels(labels);
        let _ = writeln!(self.0, " {value}");
    }

    /// The samples of a histogram: `counts` are those of each bound alone, with one more for what lies above all.
    pub fn histogram(&mut self, name: &str, labels: Labels<'_>, bounds: &[f64], counts: &[u64], sum: f64) {
        let ends = bounds.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
        let mut all = 0;
        for (end, count) in ends.zip(counts) {
            all += count;
            let labels: Vec<_> = labels.iter().copied().chain([("le", end.as_str())]).collect();
            self.sample(&format!("{name}_bucket"), &labels, all);
        }
        self.sample(&format!("{name}_sum"), labels, sum);
        self.sample(&format!("{name}_count"), labels, all);
    }

    /// The page.
    pub fn into_text(self) -> String {
        self.0
    }

    fn labels(&mut self, labels: Labels<'_>) {
        let mut before = '{';
        for (name, value) in labels {
            let value = value.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
            let _ = write!(self.0, "{before}{name}=\"{value}\"");
            before = ',';
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_is_written_as_prometheus_reads_it() {
        let mut page = Exposition::default();
        page.single("up", "gauge", "a \\ and\na line", 1);
        page.family("calls_total", "counter", "calls");
        page.sample("calls_total", &[("a", "x\"y\\z\n"), ("b", "")], 7);
        page.family("took_seconds", "histogram", "time");
        page.histogram("took_seconds", &[("a", "b")], &[0.5, 1.0], &[1, 0, 2], 9.25);
        let expected = r#"# HELP up a \\ and\na line
# TYPE up gauge
up 1
# HELP calls_total calls
# TYPE calls_total counter
calls_total{a="x\"y\\z\n",b=""} 7
# HELP took_seconds time
# TYPE took_seconds histogram
took_seconds_bucket{a="b",le="0.5"} 1
took_seconds_bucket{a="b",le="1"} 1
took_seconds_bucket{a="b",le="+Inf"} 3
took_seconds_sum{a="b"} 9.25
took_seconds_count{a="b"} 3
"#;
        assert_eq!(page.into_text(), expected);
    }
}
