//! What an organization has set, typed.
//!
//! Table: `organization_settings`, one row for each section of [`Settings`], of which it holds what was set. Written by
//! `organizations`, so that reading stands below whoever has settings.
//!
//! A part of the hub that has settings adds a section: a struct with `#[serde(default)]` in a file of its own beside
//! `sections`, a field of [`Settings`], and its line in [`Settings::check`]. Sections and fields are only ever added.
//!
//! Invariant: a field that this version does not know (an older node beside a newer) is left as it is.
//! Invariant: what is kept in memory is what was committed last, as far as this node has heard; a reading that was
//! overtaken by a change is not kept.

mod book;
mod lifetimes;
mod patch;
mod personal_data;
mod sections;

pub use book::{Book, read};
pub use lifetimes::{ApiKeys, Sessions};
pub use patch::{Patched, patched};
pub use personal_data::PersonalData;
pub use sections::{General, Invitations, SignUp};

use crate::kernel::error::{Error, FieldError, Result};
use serde::{Deserialize, Serialize};

/// Everything an organization can set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = OrganizationSettings)]
#[serde(default)]
pub struct Settings {
    /// How the organization is found.
    pub general: General,
    /// Whether people may sign themselves up.
    pub sign_up: SignUp,
    /// How people are invited.
    pub invitations: Invitations,
    /// What becomes of people who are erased.
    pub personal_data: PersonalData,
    /// How long sessions last.
    pub sessions: Sessions,
    /// How long API keys may live.
    pub api_keys: ApiKeys,
}

impl Settings {
    /// Passes when every value is acceptable; else says by field what is not.
    pub fn check(&self) -> Result<()> {
        let mut faults = Faults::default();
        self.general.check(&mut faults);
        self.sign_up.check(&mut faults);
        self.invitations.check(&mut faults);
        self.personal_data.check(&mut faults);
        self.sessions.check(&mut faults);
        self.api_keys.check(&mut faults);
        faults.none()
    }
}

/// Collects what is wrong, so that a form shows all of it at once.
#[derive(Debug, Default)]
pub struct Faults(Vec<FieldError>);

impl Faults {
    /// `field`, such as `sign_up.role`, is not acceptable.
    pub fn add(&mut self, field: impl Into<String>, code: &'static str, detail: impl Into<String>) {
        self.0.push(FieldError {
            field: field.into(),
            code: code.into(),
            detail: detail.into(),
        });
    }

    fn none(self) -> Result<()> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Error::invalid(self.0))
        }
    }
}

#[cfg(test)]
mod tests;
