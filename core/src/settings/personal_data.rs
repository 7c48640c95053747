//! What becomes of people who are erased.

use super::Faults;
use serde::{Deserialize, Serialize};

/// Days that may be left to think again at most.
const MOST_DAYS: u16 = 90;

/// What becomes of people who are erased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = PersonalDataSettings)]
#[serde(default)]
pub struct PersonalData {
    /// Days between asking for an erasure and its beginning, in which it can be taken back: 0 to 90.
    pub cooling_days: u16,
    /// True: a keyed hash of the address is kept, and nobody is added under it again. False: the address is free.
    pub bar_addresses: bool,
}

impl Default for PersonalData {
    fn default() -> Self {
        Self {
            cooling_days: 7,
            bar_addresses: false,
        }
    }
}

impl PersonalData {
    pub(super) fn check(&self, faults: &mut Faults) {
        if self.cooling_days > MOST_DAYS {
            faults.add(
                "personal_data.cooling_days",
                "out_of_range",
                format!("0 to {MOST_DAYS} days."),
            );
        }
    }
}
