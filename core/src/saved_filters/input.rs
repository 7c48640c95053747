//! What may be written of a view.

use super::model::AudienceKind;
use crate::kernel::error::{Error, FieldError, Result};
use serde::Deserialize;
use uuid::Uuid;

/// A new view.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSavedFilter {
    /// The page: 1 to 50 of `a` to `z` and `_`.
    pub page: String,
    /// Name, 1 to 100 characters.
    pub name: String,
    /// The page's query, without `?`; at most 2000 characters.
    pub query: String,
    /// Who sees it; only oneself when absent.
    #[serde(default)]
    pub audience: AudienceKind,
    /// The team or role, where it is for one.
    #[serde(default)]
    pub audience_id: Option<Uuid>,
}

/// A change of a view; what is absent stays.
#[derive(Clone, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SavedFilterChange {
    /// Another name.
    #[serde(default)]
    pub name: Option<String>,
    /// Another query.
    #[serde(default)]
    pub query: Option<String>,
    /// Another audience, with `audience_id` where it is a team or role.
    #[serde(default)]
    pub audience: Option<AudienceKind>,
    /// See `audience`.
    #[serde(default)]
    pub audience_id: Option<Uuid>,
}

/// What a view says, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub page: String,
    pub name: String,
    pub query: String,
    pub audience: AudienceKind,
    pub audience_id: Option<Uuid>,
}

impl Written {
    /// Checks every field and names all that are not acceptable.
    pub fn checked(mut self) -> Result<Self> {
        self.name = String::from(self.name.trim());
        let mut errors = Vec::new();
        let mut refuse = |bad: bool, field: &str, code: &'static str, detail: &str| {
            if bad {
                errors.push(FieldError {
                    field: field.to_owned(),
                    code: code.into(),
                    detail: detail.to_owned(),
                });
            }
        };
        let page = (1..=50).contains(&self.page.len())
            && self
                .page
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        refuse(!page, "page", "unreadable", "A page is a word like users.");
        let long =
            |text: &str, most: usize| text.chars().count() > most || text.chars().any(char::is_control);
        let name = self.name.is_empty() || long(&self.name, 100);
        refuse(name, "name", "out_of_range", "A name has 1 to 100 characters.");
        let query = long(&self.query, 2_000) || self.query.starts_with('?');
        refuse(
            query,
            "query",
            "unreadable",
            "The page's query without its question mark, at most 2000 characters.",
        );
        let named = matches!(self.audience, AudienceKind::Team | AudienceKind::Role);
        let fits = named == self.audience_id.is_some();
        refuse(
            !fits,
            "audience_id",
            "does_not_fit",
            "Name the team or role, and nothing for others.",
        );
        if errors.is_empty() {
            Ok(self)
        } else {
            Err(Error::invalid(errors))
        }
    }
}
