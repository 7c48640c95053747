//! Settings as this node has read them.
//!
//! The race this settles: a reading begins, a change commits and is heard of, and then the reading arrives. Whoever began
//! to read before a change was heard of reads again.

use super::Settings;
use crate::bus::control::{Revocation, RevocationKind};
use crate::db::{Db, PgConnection};
use crate::kernel::error::{Error, Result};
use crate::kernel::id::OrganizationId;
use parking_lot::RwLock;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Organizations whose settings are kept.
const MOST: usize = 1_000;
/// Read again after this long, whatever was heard: it bounds memory and mends what a node could not hear.
const REFRESH: Duration = Duration::from_mins(1);
/// Readings that a change may overtake before the last is handed out unkept.
const ATTEMPTS: usize = 3;

#[derive(Debug, Default)]
struct Kept {
    settings: HashMap<OrganizationId, (Instant, Arc<Settings>)>,
    /// Counts the changes that were heard of, whosever they were.
    heard: u64,
}

/// The settings of all organizations that were asked for lately.
#[derive(Debug, Default)]
pub struct Book(RwLock<Kept>);

impl Book {
    /// Forgets what changed.
    pub fn hear(&self, revocation: &Revocation) {
        if revocation.kind == RevocationKind::Settings {
            let mut kept = self.0.write();
            kept.heard += 1;
            kept.settings.remove(&revocation.organization);
        }
    }

    /// The settings of `organization`: from memory, or from the primary.
    pub async fn of(&self, db: &Db, organization: OrganizationId) -> Result<Arc<Settings>> {
        if let Some((read_at, settings)) = self.0.read().settings.get(&organization)
            && read_at.elapsed() < REFRESH
        {
            return Ok(Arc::clone(settings));
        }
        let mut attempts = 0;
        loop {
            let (heard, began) = (self.0.read().heard, Instant::now());
            let mut tx = db.primary(organization).await?;
            let settings = Arc::new(read(&mut tx, organization).await?);
            attempts += 1;
            if self.keep(organization, heard, (began, &settings)) || attempts == ATTEMPTS {
                return Ok(settings);
            }
        }
    }

    fn keep(
        &self,
        organization: OrganizationId,
        heard: u64,
        (began, settings): (Instant, &Arc<Settings>),
    ) -> bool {
        let mut kept = self.0.write();
        if kept.heard != heard {
            return false;
        }
        if kept.settings.len() >= MOST {
            kept.settings.clear();
        }
        kept.settings.insert(organization, (began, Arc::clone(settings)));
        true
    }
}

/// Reads the settings of `organization` within a transaction.
pub async fn read(connection: &mut PgConnection, organization: OrganizationId) -> Result<Settings> {
    let rows = sqlx::query!(
        "SELECT key, value FROM organization_settings WHERE organization_id = $1",
        organization.0,
    )
    .fetch_all(connection)
    .await?;
    let sections: Map<String, Value> = rows.into_iter().map(|row| (row.key, row.value)).collect();
    // not the default in its place: that could open what was closed
    serde_json::from_value(Value::Object(sections))
        .map_err(|error| Error::internal(format!("the settings of {organization} cannot be read: {error}")))
}
