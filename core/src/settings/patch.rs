//! Changing settings: JSON merge patch (RFC 7396) of what is set, section by section.

use super::Settings;
use crate::kernel::error::{Error, FieldError, Result};
use serde_json::{Map, Value};

/// What a change comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Patched {
    /// The settings then, checked.
    pub settings: Settings,
    /// Sections that are another then, as they are to be kept: what this version does not know included.
    pub sections: Vec<(String, Value)>,
    /// Fields that are another then, such as `sign_up.open`: before and after.
    pub changes: Vec<(String, Value, Value)>,
}

/// Lays `patch` over what is kept in `rows`. A field that there is not is refused; null sets one back to its default.
///
/// # Errors
/// Invalid, by field.
pub fn patched(rows: &Map<String, Value>, patch: &Map<String, Value>) -> Result<Patched> {
    require_known(patch)?;
    let mut kept = Value::Object(rows.clone());
    merge(&mut kept, &Value::Object(patch.clone()));
    let settings: Settings = serde_json::from_value(kept.clone()).map_err(|error| unfit(&error))?;
    settings.check()?;
    let was: Settings = serde_json::from_value(Value::Object(rows.clone()))?;
    let (was, is) = (serde_json::to_value(&was)?, serde_json::to_value(&settings)?);
    let mut changes = Vec::new();
    let mut sections = Vec::new();
    for (name, section) in is.as_object().into_iter().flatten() {
        let before = changes.len();
        for (field, after) in section.as_object().into_iter().flatten() {
            let old = &was[name][field];
            if old != after {
                changes.push((format!("{name}.{field}"), old.clone(), after.clone()));
            }
        }
        if changes.len() > before {
            sections.push((name.clone(), kept[name].clone()));
        }
    }
    Ok(Patched {
        settings,
        sections,
        changes,
    })
}

/// What may be set: two levels, as the settings are shown.
fn require_known(patch: &Map<String, Value>) -> Result<()> {
    let shown = serde_json::to_value(Settings::default())?;
    let mut unknown = Vec::new();
    for (name, section) in patch {
        match (shown.get(name), section.as_object()) {
            (Some(known), Some(fields)) => {
                let strange = fields.keys().filter(|field| known.get(field).is_none());
                unknown.extend(strange.map(|field| format!("{name}.{field}")));
            }
            _ => unknown.push(name.clone()),
        }
    }
    if unknown.is_empty() {
        return Ok(());
    }
    let errors = unknown.into_iter().map(|field| FieldError {
        field,
        code: "unknown_field".into(),
        detail: "There is no such setting; GET shows all there are.".to_owned(),
    });
    Err(Error::invalid(errors.collect()))
}

fn merge(target: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(target) = target.as_object_mut() else {
        return;
    };
    for (name, value) in fields {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

/// A value of the wrong type. serde names the type that it wants, and the value it got, which is the sender's own.
fn unfit(error: &serde_json::Error) -> Error {
    Error::field("settings", "wrong_type", format!("This does not fit: {error}."))
}
