//! Each viewer sees what they may see, field by field, from one rule.
//!
//! A view class is the set of field groups a viewer may see. A publication is masked and encoded once per class, not
//! once per viewer.

use crate::kernel::permission::PermissionSet;
use crate::live::position::Position;
use serde_json::{Map, Value};

/// Which fields of which kind of row need which permission. The bit of a class is the permission's place in [`GROUPS`].
const GUARDED: &[(&str, &str, &str)] = &[
    ("user", "email", "users:read_pii"),
    ("user", "phone", "users:read_pii"),
    ("user", "employment_equity", "users:read_pii"),
];
const GROUPS: &[&str] = &["users:read_pii"];

/// The field groups a viewer may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ViewClass(u8);

impl ViewClass {
    /// The class of whoever holds `permissions`.
    pub fn of(permissions: &PermissionSet) -> Self {
        let held = GROUPS
            .iter()
            .enumerate()
            .filter(|(_, permission)| permissions.has(permission));
        Self(held.fold(0, |bits, (bit, _)| bits | 1 << bit))
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

    /// An epoch as this class is told it. A client that comes back with what another class was shown is given the present
    /// state: to go on from there would leave it with fields that are hidden now, or without those that it may see.
    pub fn epoch_told(self, epoch: &str) -> String {
        if self.0 == 0 || epoch.is_empty() {
            return epoch.to_owned();
        }
        format!("{epoch}.{:x}", self.0)
    }

    /// The epoch that this class was told as `told`; for one that another class was told, one that no stream has.
    pub fn epoch_meant(self, told: &str) -> &str {
        if self.0 == 0 || told.is_empty() {
            return told;
        }
        let class = format!(".{:x}", self.0);
        told.strip_suffix(class.as_str()).unwrap_or("?")
    }

    /// A position as this class is told it.
    pub fn position_told(self, at: Position) -> Position {
        Position {
            epoch: self.epoch_told(&at.epoch),
            ..at
        }
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
    fn a_place_of_one_class_is_none_of_another() {
        let (low, high) = (
            ViewClass::of(&PermissionSet::default()),
            ViewClass::of(&PermissionSet::from_iter(["users:read_pii"])),
        );
        for class in [low, high] {
            assert_eq!(class.epoch_meant(&class.epoch_told("ab12")), "ab12");
            assert_eq!((&*class.epoch_told(""), class.epoch_meant("")), ("", ""));
        }
        assert_ne!(high.epoch_meant(&low.epoch_told("ab12")), "ab12");
        assert_ne!(low.epoch_meant(&high.epoch_told("ab12")), "ab12");
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
