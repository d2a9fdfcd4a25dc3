//! Units of settings: sizes and durations as numbers, and as texts such as `64MiB` and `250ms`.

/// The unit of an integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Bytes: `B`, `KiB`, `MiB`, `GiB`, `TiB` in steps of 1024, `kB`, `MB`, `GB`, `TB` in steps of 1000.
    Bytes,
    /// Seconds: `s`, `m`, `h`, `d`, and `ms` where it makes whole seconds.
    Seconds,
    /// Milliseconds: `ms`, `s`, `m`, `h`, `d`.
    Milliseconds,
}

const BYTES: &[(&str, u64)] = &[
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];
const MILLISECONDS: &[(&str, u64)] = &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl Unit {
    /// Every unit.
    pub const ALL: [Self; 3] = [Self::Bytes, Self::Seconds, Self::Milliseconds];

    /// The name that `x-unit` has in a schema.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Seconds => "seconds",
            Self::Milliseconds => "milliseconds",
        }
    }

    /// Reads a text such as `64MiB` or `5 m` as a number in this unit; `None` unless it is a whole one that fits in 64 bits.
    ///
    /// The letters are read as they are written: `mb` is none of ours, and guessing is for people.
    pub fn parse(self, text: &str) -> Option<u64> {
        let digits = text.find(|c: char| !c.is_ascii_digit())?;
        let (number, name) = text.split_at(digits);
        let number: u64 = number.parse().ok()?;
        let (_, step) = self.steps().iter().find(|(known, _)| *known == name.trim_start_matches(' '))?;
        let total = number.checked_mul(*step)?;
        total.is_multiple_of(self.scale()).then_some(total / self.scale())
    }

    /// The number as a person would write it, in the largest unit of 1024 or of time that keeps it whole.
    pub fn words(self, number: u64) -> String {
        let Some(total) = number.checked_mul(self.scale()) else {
            return format!("{number} {}", self.name());
        };
        // A step of 1000 bytes is never chosen: 64000 is as likely a count of bytes as 64kB.
        let steps = self.steps().iter().filter(|(name, _)| self != Self::Bytes || *name == "B" || name.ends_with("iB"));
        match steps.rev().find(|(_, step)| total >= *step && total.is_multiple_of(*step)) {
            Some((name, step)) => format!("{}{name}", total / step),
            None => number.to_string(),
        }
    }

    /// What a setting in this unit has to be, as the end of a sentence.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Bytes => r#"must be a whole number of bytes, or a text like "64KiB" or "4MiB""#,
            Self::Seconds => r#"must be a whole number of seconds, or a text like "30s" or "5m""#,
            Self::Milliseconds => r#"must be a whole number of milliseconds, or a text like "250ms" or "10s""#,
        }
    }

    const fn steps(self) -> &'static [(&'static str, u64)] {
        match self {
            Self::Bytes => BYTES,
            Self::Seconds | Self::Milliseconds => MILLISECONDS,
        }
    }

    /// How many of the smallest step make one of this unit.
    const fn scale(self) -> u64 {
        match self {
            Self::Bytes | Self::Milliseconds => 1,
            Self::Seconds => 1_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_of_a_text_gives_a_number_in_the_schemas_unit() {
        let cases = [
            (Unit::Bytes, "64MiB", Some(64 << 20)),
            (Unit::Bytes, "4 MiB", Some(4 << 20)),
            (Unit::Bytes, "5TiB", Some(5 << 40)),
            (Unit::Bytes, "7B", Some(7)),
            (Unit::Bytes, "2MB", Some(2_000_000)),
            (Unit::Seconds, "10s", Some(10)),
            (Unit::Seconds, "5m", Some(300)),
            (Unit::Seconds, "2000ms", Some(2)),
            (Unit::Seconds, "1d", Some(86_400)),
            (Unit::Milliseconds, "250ms", Some(250)),
            (Unit::Milliseconds, "2h", Some(7_200_000)),
        ];
        for (unit, text, number) in cases {
            assert_eq!(unit.parse(text), number, "{text} in {}", unit.name());
        }
    }

    #[test]
    fn unit_of_a_text_that_is_not_a_whole_number_is_refused() {
        let bytes =
            ["", "MiB", "64", "1.5GiB", "-1B", "64mib", "64M", "10s", "18446744073709551615KiB", "99999999999999999999B", "1 MiB ", "٣B"];
        for text in bytes {
            assert_eq!(Unit::Bytes.parse(text), None, "{text:?}");
        }
        for text in ["250ms", "10", "10 parsecs", "1s1s"] {
            assert_eq!(Unit::Seconds.parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn words_of_a_number_read_back_as_the_number() {
        assert_eq!(Unit::Bytes.words(4 << 20), "4MiB");
        assert_eq!(Unit::Bytes.words(65_537), "65537B");
        assert_eq!(Unit::Bytes.words(0), "0");
        assert_eq!(Unit::Seconds.words(90), "90s");
        assert_eq!(Unit::Seconds.words(3_600), "1h");
        assert_eq!(Unit::Milliseconds.words(1_500), "1500ms");
        assert_eq!(Unit::Seconds.words(u64::MAX), "18446744073709551615 seconds");
        for unit in Unit::ALL {
            for number in [1, 2, 59, 60, 1_000, 1_024, 86_400, 1 << 33, 123_456_789] {
                assert_eq!(unit.parse(&unit.words(number)), Some(number), "{number} {}", unit.name());
            }
        }
    }
}
