//! Each viewer sees what they may see, field by field, from one rule.
//!
//! A view class is the set of field groups a viewer may see. A publication is masked and encoded once per class, not
//! once per viewer.

use crate::kernel::permission::{PermissionSet, ResourceFacts};
use serde_json::{Map, Value};

/// Which fields of which kind of row need which permission. The bit of a class is the permission's place in [`GROUPS`].
const GUARDED: &[(&str, &str, &str)] = &[
    ("user", "email", "users:read_pii"),
    ("user", "phone", "users:read_pii"),
    ("user", "employment_equity", "users:read_pii"),
    ("invitation", "email", "users:read_pii"),
];
const GROUPS: &[&str] = &["users:read_pii"];

/// The field groups a viewer may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ViewClass(u8);

impl ViewClass {
    /// The class of whoever holds `permissions`: what they see of every row.
    pub fn of(permissions: &PermissionSet) -> Self {
        Self::holding(Self::groups().map(|group| permissions.has(group)))
    }

    /// What whoever holds `permissions` sees of the row that `facts` are about.
    pub fn of_row(permissions: &PermissionSet, facts: &ResourceFacts<'_>) -> Self {
        Self::holding(Self::groups().map(|group| permissions.permits(group, facts)))
    }

    /// The permissions that guard fields.
    pub(super) fn groups() -> impl Iterator<Item = &'static str> {
        GROUPS.iter().copied()
    }

    /// The class of those of the groups that are held, in their order.
    pub(super) fn holding(held: impl Iterator<Item = bool>) -> Self {
        let held = held.enumerate().filter(|(_, held)| *held);
        Self(held.fold(0, |bits, (bit, _)| bits | 1 << bit))
    }

    pub(super) fn bits(self) -> u8 {
        self.0
    }

    /// True when this class sees `field` of a row of `kind`: who may not see it may not search, filter or sort by it.
    pub fn sees(self, kind: &str, field: &str) -> bool {
        !GUARDED
            .iter()
            .any(|(of, name, permission)| *of == kind && *name == field && !self.holds(permission))
    }

    /// Masks a row of `kind` in place: hidden fields become null and are named in `masked`.
    pub fn mask(self, kind: &str, row: &mut Value) {
        let Some(row) = row.as_object_mut() else { return };
        let hidden: Vec<&str> = self
            .hidden(kind)
            .filter(|field| row.contains_key(*field))
            .collect();
        for field in &hidden {
            row.insert((*field).to_owned(), Value::Null);
        }
        row.insert("masked".to_owned(), Value::from(hidden));
    }

    /// Masks an audit entry in place: its changes about a row of `kind`.
    pub fn mask_audit(self, entry: &mut Value) {
        let kind = entry["subject"]["kind"].as_str().unwrap_or_default().to_owned();
        let Some(entry) = entry.as_object_mut() else {
            return;
        };
        let mut masked = Vec::new();
        if let Some(changes) = entry.get_mut("changes").and_then(Value::as_object_mut) {
            for field in self.hidden(&kind) {
                if let Some(change) = changes.get_mut(field) {
                    *change = Value::Object(Map::from_iter([
                        ("before".to_owned(), Value::Null),
                        ("after".to_owned(), Value::Null),
                    ]));
                    masked.push(field);
                }
            }
        }
        entry.insert("masked".to_owned(), Value::from(masked));
    }

    fn hidden(self, kind: &str) -> impl Iterator<Item = &'static str> {
        let kind = kind.to_owned();
        GUARDED
            .iter()
            .filter(move |(of, _, permission)| *of == kind && !self.holds(permission))
            .map(|(_, field, _)| *field)
    }

    fn holds(self, permission: &str) -> bool {
        GROUPS
            .iter()
            .position(|group| *group == permission)
            .is_some_and(|bit| self.0 & 1 << bit != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn without_read_pii_a_person_has_neither_address_nor_number() {
        let mut row = json!({"name": "Ada", "email": "a@example.com", "phone": "1", "department": "Ops"});
        ViewClass::of(&PermissionSet::default()).mask("user", &mut row);
        assert_eq!(
            row,
            json!({"name": "Ada", "email": null, "phone": null, "department": "Ops", "masked": ["email", "phone"]})
        );
    }

    #[test]
    fn with_read_pii_everything_is_there_and_nothing_is_named_as_masked() {
        let class = ViewClass::of(&PermissionSet::from_iter(["users:read_pii"]));
        let mut row = json!({"email": "a@example.com"});
        class.mask("user", &mut row);
        assert_eq!(row, json!({"email": "a@example.com", "masked": []}));
        assert!(
            class.sees("user", "email") && !ViewClass::of(&PermissionSet::default()).sees("user", "email")
        );
    }

    #[test]
    fn an_audit_entry_keeps_that_a_hidden_field_changed_and_not_what_it_was() {
        let mut entry = json!({"subject": {"kind": "user"}, "changes": {"email": {"before": "a@x.io", "after": "b@x.io"}, "name": {"before": "A", "after": "B"}}});
        ViewClass::of(&PermissionSet::default()).mask_audit(&mut entry);
        assert!(!entry.to_string().contains("x.io"));
        assert_eq!(entry["changes"]["name"]["after"], "B");
        assert_eq!(entry["masked"], json!(["email"]));
    }
}
