//! How long sessions and API keys last. What is set holds for those that are there already.

use super::Faults;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use time::Duration;

/// Shortest and longest time without use, in seconds: five minutes (a use is written down within half of one) to 90 days.
const IDLE: RangeInclusive<u32> = 300..=7_776_000;
/// Shortest and longest life of a session, in seconds: fifteen minutes to a year.
const LIFE: RangeInclusive<u32> = 900..=31_536_000;
/// A session ends after this long, however often it is refreshed, where its organization says nothing else.
const ABSOLUTE: Duration = Duration::days(30);
/// Shortest and longest life of an API key, in days.
const KEY_DAYS: RangeInclusive<u32> = 1..=3_650;

/// How long sessions last. A shorter time ends those that are past it at once, with their streams; a longer absolute time
/// holds for sessions that begin from then on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = SessionSettings)]
#[serde(default)]
pub struct Sessions {
    /// Seconds without a request after which a session ends, 300 to 7,776,000; null: as the installation has it
    /// (`auth.refresh_token_seconds`), which is also the most.
    pub idle_seconds: Option<u32>,
    /// Seconds after sign-in after which a session ends whatever is done with it, 900 to 31,536,000; null: 30 days.
    pub absolute_seconds: Option<u32>,
}

impl Sessions {
    /// Life of a session that begins now.
    pub fn life(self) -> Duration {
        self.absolute_seconds
            .map_or(ABSOLUTE, |seconds| Duration::seconds(i64::from(seconds)))
    }

    pub(super) fn check(self, faults: &mut Faults) {
        within(
            faults,
            "sessions.idle_seconds",
            self.idle_seconds,
            IDLE,
            "seconds",
        );
        within(
            faults,
            "sessions.absolute_seconds",
            self.absolute_seconds,
            LIFE,
            "seconds",
        );
    }
}

/// How long API keys may live. Keys that would outlive it are shortened to it at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = ApiKeySettings)]
#[serde(default)]
pub struct ApiKeys {
    /// Longest life of a key in days, from when its secret was made, 1 to 3,650; null: as long as one likes.
    pub max_days: Option<u32>,
}

impl ApiKeys {
    /// Longest life of a key whose end is set now.
    pub fn longest(self) -> Option<Duration> {
        self.max_days.map(|days| Duration::days(i64::from(days)))
    }

    pub(super) fn check(self, faults: &mut Faults) {
        within(faults, "api_keys.max_days", self.max_days, KEY_DAYS, "days");
    }
}

fn within(faults: &mut Faults, field: &str, value: Option<u32>, range: RangeInclusive<u32>, unit: &str) {
    if value.is_some_and(|value| !range.contains(&value)) {
        let detail = format!("{} to {} {unit}, or null.", range.start(), range.end());
        faults.add(field, "out_of_range", detail);
    }
}
