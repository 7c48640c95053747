//! Opening what stands sealed, and putting names to people, at the moment something is shown.
//!
//! Logs and outbox hold no name and no address in the clear. Whoever shows or publishes such rows calls [`open`] on the
//! whole batch: one statement, whatever the number of rows and people.
//!
//! Invariant: nothing is masked here; that is `live::view`'s work, with each viewer's rights.

use crate::db::PgConnection;
use crate::kernel::error::Result;
use crate::kernel::id::UserId;
use crate::kernel::seal::{self, Person, Sealer};
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap};
use uuid::Uuid;

/// Members that point at somebody, and the member of them that takes the name.
const POINTERS: &[(&str, &str)] = &[
    ("actor", "name"),
    ("on_behalf_of", "name"),
    ("subject", "label"),
    ("requested_by", "name"),
    ("created_by", "name"),
];

/// Opens every sealed value in `values`, and names the people in members `actor`, `on_behalf_of`, `subject`, `requested_by` and `created_by` (shaped
/// `{kind: "user", id}`; without `kind` a person is meant, except in `subject`). Whoever was erased stays nameless.
pub async fn open(connection: &mut PgConnection, sealer: &Sealer, values: &mut [Value]) -> Result<()> {
    let mut people = BTreeSet::new();
    for value in values.iter_mut() {
        seal::owners(value, &mut people);
        each_pointer(value, &mut |pointer, _| people.extend(pointed_at(pointer)));
    }
    if people.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = people.into_iter().map(|id| id.0).collect();
    let rows = sqlx::query!("SELECT id, name, seal_salt FROM users WHERE id = ANY($1)", &ids)
        .fetch_all(connection)
        .await?;
    let mut salts = HashMap::new();
    let mut names = HashMap::new();
    for row in rows {
        salts.insert(UserId(row.id), row.seal_salt);
        names.insert(UserId(row.id), row.name);
    }
    for value in values {
        sealer.open(&salts, value);
        each_pointer(value, &mut |pointer, member| {
            if let Some(name) = pointed_at(pointer).and_then(|id| names.get(&id)) {
                pointer.insert(member.to_owned(), Value::String(name.clone()));
            }
        });
    }
    Ok(())
}

/// With whose key what is said of `user` is sealed.
pub async fn person(connection: &mut PgConnection, user: UserId) -> Result<Person> {
    let salt = sqlx::query_scalar!("SELECT seal_salt FROM users WHERE id = $1", user.0)
        .fetch_one(connection)
        .await?;
    Ok(Person { id: user, salt })
}

/// Calls `visit` for every pointer at somebody, at any depth, with the member that takes the name.
fn each_pointer(value: &mut Value, visit: &mut impl FnMut(&mut Map<String, Value>, &'static str)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| each_pointer(item, visit)),
        Value::Object(map) => {
            for (key, member) in map {
                if let Some((key, name)) = POINTERS.iter().find(|(pointer, _)| pointer == key)
                    && let Some(pointer) = member.as_object_mut()
                    && (*key != "subject" || pointer.contains_key("kind"))
                {
                    visit(pointer, name);
                } else {
                    each_pointer(member, visit);
                }
            }
        }
        _ => {}
    }
}

fn pointed_at(pointer: &Map<String, Value>) -> Option<UserId> {
    match pointer.get("kind").and_then(Value::as_str) {
        None | Some("user") => pointer.get("id")?.as_str()?.parse().ok(),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::seal::Person;
    use crate::testing;
    use serde_json::json;

    #[tokio::test]
    async fn a_batch_is_opened_and_named_and_the_erased_stay_unnamed() {
        let test = testing::store().await;
        let (ada, gone) = (UserId::new(), UserId::new());
        let salt = Uuid::new_v4();
        let mut tx = test.store.db.bookkeeping().await.unwrap();
        sqlx::query("INSERT INTO users (id, organization_id, email, name, seal_salt) VALUES ($1, $2, 'ada@example.com', 'Ada', $3)")
            .bind(ada)
            .bind(test.organization)
            .bind(salt)
            .execute(&mut *tx)
            .await
            .unwrap();
        let seal = |id, salt| {
            test.store
                .sealer
                .seal(Person { id, salt }, &json!("secret"))
                .unwrap()
        };
        let mut values = [
            json!({"actor": {"kind": "user", "id": ada}, "subject": {"kind": "user", "id": ada, "label": null},
                   "patch": {"email": seal(ada, salt)}, "audit": {"actor": {"kind": "user", "id": ada, "name": ""}}}),
            json!({"actor": {"kind": "system", "name": "jobs"}, "subject": {"kind": "job", "id": ada},
                   "patch": {"email": seal(gone, salt), "requested_by": {"id": ada}}}),
        ];
        open(&mut tx, &test.store.sealer, &mut values).await.unwrap();
        assert_eq!(
            values[0],
            json!({"actor": {"kind": "user", "id": ada, "name": "Ada"}, "subject": {"kind": "user", "id": ada, "label": "Ada"},
                   "patch": {"email": "secret"}, "audit": {"actor": {"kind": "user", "id": ada, "name": "Ada"}}})
        );
        assert_eq!(
            values[1],
            json!({"actor": {"kind": "system", "name": "jobs"}, "subject": {"kind": "job", "id": ada},
                   "patch": {"email": null, "requested_by": {"id": ada, "name": "Ada"}}})
        );
    }
}
