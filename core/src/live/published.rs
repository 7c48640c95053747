//! A publication as it travels between nodes and stands in history: the event in full, opened, with its scope facts. It
//! becomes a viewer's event by [`Published::seen_by`], the only way out.

use super::view::ViewClass;
use crate::kernel::event::Scope;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a publication's payload is. The payload is one line of JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Published {
    /// The event of the wire (CONSOLE §2) without `channel` and `offset`, nothing masked.
    pub event: Value,
    /// What `event.patch` and `event.rows` are rows of, for masking: `user`, `job`, `audit_entry`, ...
    pub row: String,
    /// Scope facts before.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub before: Option<Scope>,
    /// Scope facts after.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub after: Option<Scope>,
}

impl Published {
    /// The event as a viewer of `class` may see it, with its place in `channel`. `offset` is `None` for what is state and
    /// not event (progress, counters).
    pub fn seen_by(&self, class: ViewClass, channel: &str, offset: Option<u64>) -> Value {
        let mut event = self.event.clone();
        if let Some(patch) = event.get_mut("patch") {
            if self.row == "audit_entry" {
                class.mask_audit(patch);
            } else {
                class.mask(&self.row, patch);
            }
        }
        if let Some(rows) = event.get_mut("rows").and_then(Value::as_array_mut) {
            for row in rows {
                class.mask("user", row);
            }
        }
        if let Some(members) = event.as_object_mut() {
            members.insert("channel".to_owned(), json!(channel));
            if let Some(offset) = offset {
                members.insert("offset".to_owned(), json!(offset));
            }
        }
        event
    }
}
