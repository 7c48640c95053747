//! Names of connected members, for whoever may see people.

use std::collections::HashMap;

use serde_json::{Value, json};
use signalbox_core::Store;
use signalbox_core::kernel::ctx::Ctx;
use signalbox_core::kernel::error::Result;
use signalbox_core::people;
use signalbox_core::users::search::Query;
use signalbox_core::users::service;

/// Most people a search in names stands for.
const FOUND: u32 = 100;

/// Names by id; nobody's where the caller may not see people.
pub(super) async fn names<'a>(
    store: &Store,
    ctx: &Ctx,
    ids: impl Iterator<Item = &'a str>,
) -> Result<HashMap<String, String>> {
    if !ctx.permissions.has("users:read") {
        return Ok(HashMap::new());
    }
    let mut pointers: Vec<Value> = ids
        .filter(|id| !id.is_empty())
        .map(|id| json!({"actor": {"id": id}}))
        .collect();
    if pointers.is_empty() {
        return Ok(HashMap::new());
    }
    let mut tx = store.db.read(ctx.organization).await?;
    people::open(&mut tx, &store.sealer, &mut pointers).await?;
    let named = pointers.iter().filter_map(|pointer| {
        let actor = &pointer["actor"];
        Some((
            actor["id"].as_str()?.to_owned(),
            actor["name"].as_str()?.to_owned(),
        ))
    });
    Ok(named.collect())
}

/// Ids of people in whose name (or what else the caller may search by) `text` is found; the first hundred.
pub(super) async fn called(store: &Store, ctx: &Ctx, text: &str) -> Result<Vec<String>> {
    if !ctx.permissions.has("users:read") {
        return Ok(Vec::new());
    }
    let query = Query {
        q: Some(text.to_owned()),
        limit: Some(FOUND),
        ..Query::default()
    };
    let found = service::list(store, ctx, &query).await?;
    Ok(found.items.iter().map(|item| item.id.to_string()).collect())
}
