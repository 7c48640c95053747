//! Spans of time as settings: `300`, `"300s"`, `"5m"`, `"24h"`, `"1h30m"`. Whole seconds.

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserializer, Serializer};
use std::fmt::Formatter;
use std::time::Duration;

const EXPECTED: &str = "whole seconds, or text such as \"300s\", \"5m\" or \"24h\"";
/// Longer than anybody keeps anything; keeps every sum of spans within range.
const LONGEST: u64 = 100 * 366 * 86_400;

/// Reads a span. `None` when it is not one, is not whole seconds, or is longer than a hundred years.
pub fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (mut total, mut rest) = (0_u64, text);
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        let letters = after.len() - after.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (unit, after) = after.split_at(letters);
        let seconds = match unit {
            "s" => 1,
            // a bare number only as the whole text
            "" if after.is_empty() && rest.len() == text.len() => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return None,
        };
        total = number
            .parse::<u64>()
            .ok()?
            .checked_mul(seconds)?
            .checked_add(total)?;
        rest = after;
    }
    (!text.is_empty() && total <= LONGEST).then(|| Duration::from_secs(total))
}

/// Writes a span as `parse` reads it.
pub fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&format_args!("{}s", span.as_secs()))
}

/// Reads a span from text or a number of seconds.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    from.deserialize_any(Span)
}

struct Span;

impl Visitor<'_> for Span {
    type Value = Duration;

    fn expecting(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<Duration, E> {
        if seconds > LONGEST {
            return Err(E::invalid_value(Unexpected::Unsigned(seconds), &EXPECTED));
        }
        Ok(Duration::from_secs(seconds))
    }

    fn visit_i64<E: Error>(self, seconds: i64) -> Result<Duration, E> {
        let unsigned = u64::try_from(seconds);
        unsigned.map_or_else(
            |_| Err(E::invalid_value(Unexpected::Signed(seconds), &EXPECTED)),
            |seconds| self.visit_u64(seconds),
        )
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        parse(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &EXPECTED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_span_is_seconds_or_a_number_with_its_unit() {
        let cases = [
            ("0", 0),
            ("300", 300),
            ("300s", 300),
            ("5m", 300),
            ("24h", 86_400),
            ("30d", 2_592_000),
            ("1h30m", 5_400),
            (" 10s ", 10),
        ];
        for (text, seconds) in cases {
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_span_of_whole_seconds_is_refused() {
        for text in [
            "",
            " ",
            "s",
            "h5",
            "5 m",
            "-1s",
            "1.5h",
            "500ms",
            "5m3",
            "9999999d",
            "99999999999999999999s",
            "5µ",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_never_panics(text in "\\PC{0,12}") {
            let _ = parse(&text);
        }

        #[test]
        fn what_is_written_is_read_again(seconds in 0..LONGEST) {
            prop_assert_eq!(parse(&format!("{seconds}s")), Some(Duration::from_secs(seconds)));
        }
    }
}
