//! A publication as it travels between nodes and stands in history: the event in full, opened, with its scope facts. It
//! becomes a viewer's event by [`Published::seen_by`], or by its two steps [`Published::showing`] and [`Published::shown`]:
//! the only way out.

use super::scope::{Narrow, Showing, Sight, What};
use super::view::ViewClass;
use crate::kernel::event::Scope;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use uuid::Uuid;

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

/// Carry rows of people, each with its own facts.
const TOGETHER: &[&str] = &["users.imported", "users.bulk_changed"];
/// What a row that is out of sight now is told as.
const REMOVED: &str = "user.removed";

impl Published {
    /// The event as a viewer may see it, with its place in `channel`. `offset` is `None` for what is state and not event
    /// (progress, counters). `None` for what they see nothing of.
    pub fn seen_by(&self, sight: &Sight, channel: &str, offset: Option<u64>) -> Option<Value> {
        let showing = self.showing(sight)?;
        Some(self.shown(showing, sight, channel, offset))
    }

    /// How it shows to a viewer; `None` when not at all. In sight before and not after is a removal; not before and after
    /// is a row that came.
    pub fn showing(&self, sight: &Sight) -> Option<Showing> {
        let Some(narrow) = sight.narrow() else {
            return Some(Showing::whole(sight.fields()));
        };
        if self.event["type"]
            .as_str()
            .is_some_and(|kind| TOGETHER.contains(&kind))
        {
            let shows = narrow.rows.everywhere || self.bulk(narrow).concerns();
            return shows.then(|| Showing {
                fields: sight.fields(),
                what: What::Some(narrow.mark()),
            });
        }
        if self.row != "user" {
            return None;
        }
        let id = id_of(&self.event["subject"])?;
        let before = narrow.admits(id, self.before.as_ref());
        match &self.after {
            Some(after) if narrow.admits(id, Some(after)) => Some(Showing {
                fields: narrow.fields_of(id, after),
                what: What::Event {
                    came: !before && self.before.is_some(),
                    named: self.names(narrow, id),
                },
            }),
            _ => before.then(|| Showing {
                fields: sight.fields(),
                what: What::Removal,
            }),
        }
    }

    /// Whether its row is in sight before and after, for whoever sees some rows; of whose row that is. `None` for others, and
    /// where it is of no single row.
    pub fn moves(&self, sight: &Sight) -> Option<(Uuid, bool, bool)> {
        let narrow = sight.narrow().filter(|_| self.row == "user")?;
        let id = id_of(&self.event["subject"])?;
        let [before, after] = [&self.before, &self.after].map(|facts| narrow.admits(id, facts.as_ref()));
        Some((id, before, after))
    }

    /// The people whose rows it carries.
    pub fn people(&self) -> Vec<Uuid> {
        let rows = self.event["rows"].as_array().into_iter().flatten();
        let subject = Some(&self.event["subject"]).filter(|_| self.row == "user");
        rows.chain(subject).filter_map(id_of).collect()
    }

    /// Whether everybody of whose row it shows something is in sight by the facts of `now`: what went by is not shown of
    /// whoever is out of sight since. Whoever sees every row sees them in the past too.
    pub fn is_in_sight_now(&self, sight: &Sight, now: &HashMap<Uuid, Scope>) -> bool {
        let Some(narrow) = sight.narrow() else { return true };
        let subject = id_of(&self.event["subject"]).filter(|_| self.row == "user");
        let rows = self.bulk(narrow).rows;
        let mut shown = rows.iter().filter_map(id_of).chain(subject);
        shown.all(|id| narrow.admits(id, now.get(&id)))
    }

    /// The event as it shows so to a viewer of `sight`.
    pub fn shown(&self, showing: Showing, sight: &Sight, channel: &str, offset: Option<u64>) -> Value {
        let mut event = match (showing.what, sight.narrow()) {
            (What::Some(_), Some(narrow)) => self.some(narrow),
            (What::Event { came, named }, _) => self.whole(showing.fields, came, named),
            // of what they see all of nobody is shown some
            (What::Removal, _) | (What::Some(_), None) => self.removal(),
        };
        if let Some(members) = event.as_object_mut() {
            members.insert("channel".to_owned(), json!(channel));
            if let Some(offset) = offset {
                members.insert("offset".to_owned(), json!(offset));
            }
        }
        event
    }

    fn whole(&self, fields: ViewClass, came: bool, named: bool) -> Value {
        let mut event = self.event.clone();
        if let Some(patch) = event.get_mut("patch") {
            if self.row == "audit_entry" {
                fields.mask_audit(patch);
            } else {
                fields.mask(&self.row, patch);
            }
        }
        if let Some(rows) = event.get_mut("rows").and_then(Value::as_array_mut) {
            for row in rows {
                fields.mask("user", row);
            }
        }
        if came {
            event["came"] = json!(true);
        }
        if !named {
            hide_actor(&mut event);
        }
        event
    }

    /// That the row is gone, and nothing of it but its id.
    fn removal(&self) -> Value {
        let (event, subject) = (&self.event, &self.event["subject"]);
        let kind = event["type"].as_str().filter(|_| self.after.is_none());
        json!({
            "id": event["id"],
            "type": kind.unwrap_or(REMOVED),
            "at": event["at"],
            "subject": {"kind": subject["kind"], "id": subject["id"], "version": subject["version"]},
        })
    }

    /// Of many rows those that are seen, and whether there may be more.
    fn some(&self, narrow: &Narrow) -> Value {
        let bulk = self.bulk(narrow);
        let mut event = self.event.clone();
        if !narrow.rows.everywhere {
            let mut data = Map::new();
            data.insert("inserted".to_owned(), json!(0));
            data.insert(
                "updated".to_owned(),
                json!(bulk.rows.len() + usize::from(bulk.more)),
            );
            event["data"] = Value::Object(data);
        }
        event["rows"] = Value::Array(bulk.rows);
        if !self.names(narrow, Uuid::nil()) {
            hide_actor(&mut event);
        }
        event
    }

    fn bulk(&self, narrow: &Narrow) -> Bulk {
        let rows = self.event["rows"].as_array().map_or(&[][..], Vec::as_slice);
        let updated = rows.iter().filter(|row| row["version"] != 1).count() as u64;
        let seen = rows.iter().filter_map(|row| {
            let id = id_of(row)?;
            let scope = scope_of(id, row);
            narrow.admits(id, Some(&scope)).then(|| {
                let mut row = row.clone();
                narrow.fields_of(id, &scope).mask("user", &mut row);
                row
            })
        });
        Bulk {
            rows: seen.collect(),
            more: self.event["data"]["updated"].as_u64().unwrap_or_default() > updated,
        }
    }

    /// Whether whoever did it is shown: no person, the row's own, or somebody in sight.
    fn names(&self, narrow: &Narrow, subject: Uuid) -> bool {
        let actor = &self.event["actor"];
        if actor["kind"] == "system" {
            return true;
        }
        id_of(actor).is_some_and(|actor| actor == subject || narrow.knows(actor))
    }
}

/// What one sight has of many rows.
struct Bulk {
    rows: Vec<Value>,
    /// Rows changed that are not carried, of which nothing is known.
    more: bool,
}

impl Bulk {
    fn concerns(&self) -> bool {
        self.more || !self.rows.is_empty()
    }
}

/// Neither who did it nor who did it as them.
fn hide_actor(event: &mut Value) {
    event["actor"] = nobody();
    if let Some(members) = event.as_object_mut() {
        members.remove("on_behalf_of");
    }
}

fn nobody() -> Value {
    json!({"kind": "user", "id": null, "name": null})
}

fn id_of(row: &Value) -> Option<Uuid> {
    row["id"].as_str()?.parse().ok()
}

/// The facts of a person's row, from the row itself.
fn scope_of(id: Uuid, row: &Value) -> Scope {
    let teams = row["teams"].as_array().into_iter().flatten();
    Scope {
        teams: teams.filter_map(id_of).collect(),
        owner: Some(id),
    }
}
