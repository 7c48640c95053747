//! What happened, as features say it and as it is stored.
//!
//! An [`Event`] carries its audit entry, its activity line, its outbox row and its counters, so that no change can
//! write one and forget another. On the wire it becomes the shape of `live::wire`.

use super::id::OrganizationId;
use super::permission::ResourceFacts;
use super::seal::Person;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use uuid::Uuid;

/// What an event is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// `user`, `job`, `import`, ...
    pub kind: Cow<'static, str>,
    /// Its id.
    pub id: Uuid,
    /// Its version after the change.
    pub version: i64,
}

/// How loudly it is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Everyday.
    #[default]
    Info,
    /// Worth a look.
    Warn,
    /// Somebody should act.
    Bad,
}

/// Facts that decide who may see a row, as ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// The teams the row belongs to; of a person, those they are in. Sorted.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub teams: Vec<Uuid>,
    /// The person the row belongs to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner: Option<Uuid>,
}

impl Scope {
    /// As what a row of `kind` in `organization` is asked by.
    pub fn facts<'a>(&'a self, organization: OrganizationId, kind: &'a str, id: Uuid) -> ResourceFacts<'a> {
        ResourceFacts {
            organization,
            kind,
            id,
            owner: self.owner,
            teams: &self.teams,
        }
    }
}

/// One recorded change. Build with [`Event::new`] and the methods below; hand to `Change::record`.
#[derive(Clone, Debug)]
pub struct Event {
    /// Past tense: `user.banned`.
    pub kind: &'static str,
    /// The act: `users.ban`; audit action, operation id and metric label alike.
    pub action: &'static str,
    /// What it is about.
    pub subject: Subject,
    /// The subject's full visible post-image.
    pub patch: Option<Value>,
    /// What the row's state allows, the same for all: `users.ban`, ...
    pub acts: Vec<&'static str>,
    /// More members of the wire event's `data`; never personal.
    pub data: Map<String, Value>,
    /// Post-images of a bulk act's rows, at most 50, each with the person whose key seals it.
    pub rows: Vec<(Value, Option<Person>)>,
    /// Whose values `patch` and `changes` hold.
    pub person: Option<Person>,
    /// `{field: {before, after}}` for the audit entry.
    pub changes: Map<String, Value>,
    /// More of the audit entry; never personal.
    pub details: Map<String, Value>,
    /// Why, in the words of whoever did it.
    pub reason: Option<String>,
    /// Template with field references, never a finished sentence: `{actor} banned {subject}`.
    pub text: &'static str,
    /// How loudly.
    pub severity: Severity,
    /// Wire channel names, such as `feed:users`.
    pub channels: Vec<String>,
    /// Scope facts before; `None` where there was no row.
    pub scope_before: Option<Scope>,
    /// Scope facts after; `None` where there is no row any more.
    pub scope_after: Option<Scope>,
    /// What it adds to the Overview's counters.
    pub counters: BTreeMap<&'static str, i64>,
    /// False for steps of a bulk act, which is audited as one (DESIGN §3).
    pub audited: bool,
}

impl Event {
    /// An audited event about `subject` on `channel`.
    pub fn new(
        kind: &'static str,
        action: &'static str,
        subject: Subject,
        channel: impl Into<String>,
        text: &'static str,
    ) -> Self {
        Self {
            kind,
            action,
            subject,
            patch: None,
            acts: Vec::new(),
            data: Map::new(),
            rows: Vec::new(),
            person: None,
            changes: Map::new(),
            details: Map::new(),
            reason: None,
            text,
            severity: Severity::Info,
            channels: vec![channel.into()],
            scope_before: Some(Scope::default()),
            scope_after: Some(Scope::default()),
            counters: BTreeMap::new(),
            audited: true,
        }
    }

    /// The subject's full visible post-image, and what its state allows.
    pub fn patch(mut self, patch: Value, acts: Vec<&'static str>) -> Self {
        self.patch = Some(patch);
        self.acts = acts;
        self
    }

    /// Whose values the patch and the changes hold.
    pub fn person(mut self, person: Person) -> Self {
        self.person = Some(person);
        self
    }

    /// One field's values before and after, for the audit entry.
    pub fn changed(mut self, field: &str, before: impl Into<Value>, after: impl Into<Value>) -> Self {
        let (before, after) = (before.into(), after.into());
        if before != after {
            self.changes.insert(
                field.to_owned(),
                serde_json::json!({"before": before, "after": after}),
            );
        }
        self
    }

    /// One more member of the event's `data`.
    pub fn data(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.data.insert(name.to_owned(), value.into());
        self
    }

    /// One more member of the audit entry's details.
    pub fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// Why.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// How loudly.
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// One more channel.
    pub fn also(mut self, channel: impl Into<String>) -> Self {
        self.channels.push(channel.into());
        self
    }

    /// Scope facts before and after.
    pub fn scope(mut self, before: Option<Scope>, after: Option<Scope>) -> Self {
        self.scope_before = before;
        self.scope_after = after;
        self
    }

    /// Adds `by` to the Overview's counter `name` when the event is ordered.
    pub fn counts(mut self, name: &'static str, by: i64) -> Self {
        if by != 0 {
            *self.counters.entry(name).or_default() += by;
        }
        self
    }

    /// A step of a bulk act: an event without an audit entry or activity line of its own.
    pub fn unaudited(mut self) -> Self {
        self.audited = false;
        self
    }
}
