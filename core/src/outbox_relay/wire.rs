//! An outbox row as its listeners get it: opened, named, in the shape of the channel. Pure but for the opening.

use super::Stream;
use crate::db::PgConnection;
use crate::fault;
use crate::kernel::error::Result;
use crate::kernel::seal::Sealer;
use crate::live::published::Published;
use crate::outbox::{SCHEMA, StoredEvent};
use crate::{audit, people};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

/// A row of `outbox` at its position in one channel.
#[derive(Debug)]
pub(super) struct Row {
    pub position: i64,
    pub id: Uuid,
    pub kind: String,
    pub schema: i32,
    pub at: OffsetDateTime,
    pub subject_kind: String,
    pub subject_id: Option<Uuid>,
    pub subject_version: Option<i64>,
    pub scope_before: Option<Value>,
    pub scope_after: Option<Value>,
    pub event: Value,
}

/// The payloads of `rows` for `stream`, one line of JSON each.
pub(super) async fn payloads(
    connection: &mut PgConnection,
    sealer: &Sealer,
    stream: &Stream,
    mut rows: Vec<Row>,
) -> Result<Vec<Vec<u8>>> {
    let mut events: Vec<Value> = rows.iter_mut().map(|row| row.event.take()).collect();
    people::open(connection, sealer, &mut events).await?;
    let mut payloads = Vec::with_capacity(rows.len());
    for (row, event) in rows.iter().zip(events) {
        payloads.push(serde_json::to_vec(&published(row, event, &stream.channel))?);
    }
    // an audit entry is written once: two of them in another order would be no mistake that anybody could see
    if stream.channel != audit::CHANNEL {
        misplace(&rows, &mut payloads);
    }
    Ok(payloads)
}

/// A row that this node cannot read (a newer node's schema, or damage) must neither hold up the events behind it nor
/// leave a hole in the offsets: it goes out without a patch, which tells a listener to fetch the row, and is counted.
fn published(row: &Row, event: Value, channel: &str) -> Published {
    let event = readable(row, event, channel).unwrap_or_else(|| {
        metrics::counter!("signalbox_outbox_unreadable_total").increment(1);
        tracing::warn!(event = %row.id, schema = row.schema, "an event cannot be read by this node; it is published without its content");
        bare(row)
    });
    let scope = |facts: &Option<Value>| {
        facts
            .as_ref()
            .and_then(|facts| Deserialize::deserialize(facts).ok())
    };
    Published {
        row: event["subject"]["kind"].as_str().unwrap_or_default().to_owned(),
        event,
        before: scope(&row.scope_before),
        after: scope(&row.scope_after),
    }
}

fn readable(row: &Row, mut event: Value, channel: &str) -> Option<Value> {
    if row.schema > SCHEMA || StoredEvent::deserialize(&event).is_err() {
        return None;
    }
    let mut wire = Map::new();
    let mut take = |from: &str, to: &str| {
        if let Some(value) = event.get_mut(from) {
            wire.insert(to.to_owned(), value.take());
        }
    };
    take("id", "id");
    take("time", "at");
    take("actor", "actor");
    take("on_behalf_of", "on_behalf_of");
    take("cause", "cause");
    take("severity", "severity");
    take("text", "text");
    if channel == audit::CHANNEL {
        take("audit", "patch");
        let entry = wire.get("patch")?.get("id")?.clone();
        wire.insert("type".to_owned(), json!("audit.recorded"));
        wire.insert(
            "subject".to_owned(),
            json!({"kind": "audit_entry", "id": entry, "version": 1}),
        );
    } else {
        for name in ["type", "subject", "patch", "acts", "data", "rows"] {
            take(name, name);
        }
    }
    let actor = wire.get_mut("actor")?.as_object_mut()?;
    for member in ["id", "name"] {
        actor.entry(member).or_insert(Value::Null);
    }
    Some(Value::Object(wire))
}

fn bare(row: &Row) -> Value {
    json!({
        "id": row.id,
        "type": row.kind,
        "at": row.at.format(&Rfc3339).unwrap_or_default(),
        "actor": {"id": null, "name": null},
        "subject": {"kind": row.subject_kind, "id": row.subject_id, "version": row.subject_version},
        "severity": "info",
        "text": "",
    })
}

/// The mistakes a referee must see, made only where a fault test asks for them: two events of one row in the wrong
/// order, and one event twice.
fn misplace(rows: &[Row], payloads: &mut [Vec<u8>]) {
    let again = (1..rows.len()).find_map(|later| {
        let earlier = (0..later).find(|at| rows[*at].subject_id == rows[later].subject_id)?;
        Some((earlier, later))
    });
    if let Some((earlier, later)) = again
        && fault::mistake("relay.swap_two")
    {
        payloads.swap(earlier, later);
    }
    if payloads.len() > 1 && fault::mistake("relay.double_one") {
        let (first, rest) = payloads.split_at_mut(1);
        rest[0].clone_from(&first[0]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(schema: i32) -> Row {
        Row {
            position: 1,
            id: Uuid::nil(),
            kind: "user.banned".to_owned(),
            schema,
            at: OffsetDateTime::UNIX_EPOCH,
            subject_kind: "user".to_owned(),
            subject_id: Some(Uuid::nil()),
            subject_version: Some(3),
            scope_before: None,
            scope_after: Some(json!({})),
            event: Value::Null,
        }
    }

    fn stored() -> Value {
        json!({"specversion": "1.0", "id": Uuid::nil(), "source": "/signalbox", "type": "user.banned",
            "time": "2026-01-01T00:00:00Z", "schema": 1, "action": "users.ban", "actor": {"kind": "system", "name": "jobs"},
            "subject": {"kind": "user", "id": Uuid::nil(), "version": 3}, "patch": {"name": "Ada"}, "acts": ["users.unban"],
            "severity": "info", "text": "t", "audit": {"id": Uuid::max(), "action": "users.ban"}})
    }

    #[test]
    fn one_event_is_itself_on_its_feed_and_an_entry_on_the_audit_feed() {
        let user = published(&row(1), stored(), "feed:users");
        assert_eq!(
            (user.row.as_str(), &user.event["type"]),
            ("user", &json!("user.banned"))
        );
        assert_eq!(user.event["patch"], json!({"name": "Ada"}));
        assert_eq!(
            user.event["actor"],
            json!({"kind": "system", "id": null, "name": "jobs"})
        );
        assert!(user.event.get("audit").is_none() && user.event.get("action").is_none());
        let entry = published(&row(1), stored(), audit::CHANNEL);
        assert_eq!(
            (entry.row.as_str(), &entry.event["type"]),
            ("audit_entry", &json!("audit.recorded"))
        );
        assert_eq!(entry.event["patch"]["action"], "users.ban");
        assert_eq!(
            entry.event["subject"],
            json!({"kind": "audit_entry", "id": Uuid::max(), "version": 1})
        );
    }

    #[test]
    fn what_cannot_be_read_goes_out_without_its_content() {
        for (row, event) in [
            (row(SCHEMA + 1), stored()),
            (row(1), json!({"damaged": true})),
            (row(1), Value::Null),
        ] {
            let bare = published(&row, event, "feed:users");
            assert_eq!(bare.event["subject"]["version"], 3);
            assert!(bare.event.get("patch").is_none());
        }
    }
}
