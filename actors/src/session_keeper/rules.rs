//! Which addresses each organization lets in, as this node has read it.
//!
//! The race this settles is that of `loading`: whoever began to read before a change was heard must not keep what they read.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use signalbox_core::db::Db;
use signalbox_core::ip_rules::{self, Rules};
use signalbox_core::kernel::error::Result;
use signalbox_core::kernel::id::OrganizationId;

/// Organizations whose rules are kept.
const MOST: usize = 1_000;

#[derive(Default)]
struct Kept {
    rules: HashMap<OrganizationId, (Instant, Arc<Rules>)>,
    /// Counts the changes that were heard of, whosever they were.
    heard: u64,
}

/// The rules of all organizations that somebody came in from lately.
#[derive(Default)]
pub(super) struct Books {
    kept: RwLock<Kept>,
    /// One read at a time: many connections are looked at again together, and one read answers them all.
    reading: tokio::sync::Mutex<()>,
}

impl Books {
    /// Forgets what changed.
    pub(super) fn hear(&self, organization: OrganizationId) {
        let mut kept = self.kept.write();
        kept.heard += 1;
        kept.rules.remove(&organization);
    }

    /// What is kept, however old.
    pub(super) fn kept(&self, organization: OrganizationId) -> Option<Arc<Rules>> {
        let kept = self.kept.read();
        kept.rules.get(&organization).map(|(_, rules)| Arc::clone(rules))
    }

    /// What is kept and younger than `refresh`.
    pub(super) fn fresh(&self, organization: OrganizationId, refresh: Duration) -> Option<Arc<Rules>> {
        let kept = self.kept.read();
        let (read_at, rules) = kept.rules.get(&organization)?;
        (read_at.elapsed() < refresh).then(|| Arc::clone(rules))
    }

    /// Reads the rules from the primary. What another read brought while this one waited for its turn will do.
    pub(super) async fn read(&self, db: &Db, organization: OrganizationId) -> Result<Arc<Rules>> {
        let asked = Instant::now();
        let _turn = self.reading.lock().await;
        let meanwhile = {
            let kept = self.kept.read();
            let newer = kept
                .rules
                .get(&organization)
                .filter(|(read_at, _)| *read_at >= asked);
            newer.map(|(_, rules)| Arc::clone(rules))
        };
        if let Some(rules) = meanwhile {
            return Ok(rules);
        }
        loop {
            let (heard, began) = (self.kept.read().heard, Instant::now());
            let rules = Arc::new(ip_rules::read(db, organization).await?);
            let mut kept = self.kept.write();
            if kept.heard != heard {
                continue;
            }
            if kept.rules.len() >= MOST {
                kept.rules.clear();
            }
            kept.rules.insert(organization, (began, Arc::clone(&rules)));
            return Ok(rules);
        }
    }
}
