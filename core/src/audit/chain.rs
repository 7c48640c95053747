//! The audit log's order and proof: each entry's hash covers the one before, and signed checkpoints cover the hashes.
//!
//! Whoever changes or drops a stored entry breaks the chain from there on; one that was inserted has no place in it; whoever rewrites the chain after it
//! breaks a signature, and cannot make another without the installation's secret. Written by one sequencer in the
//! cluster, after the commit, so that no change waits for another's hash.
//!
//! Invariant: a work row goes in the transaction that chains its entry: each entry stands in the chain exactly once.
//! Invariant: hashes cover entries as stored, sealed: erasing a person breaks no proof.

use crate::Store;
use crate::db::PgConnection;
use crate::db::leader::{LOST, Lease, RENEW};
use crate::kernel::error::{Error, Result};
use crate::kernel::id::OrganizationId;
use crate::kernel::seal::Sealer;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

mod entry;
mod outside;

/// Role in table `leaders`.
pub const ROLE: &str = "audit_sequencer";
/// Entries chained in one transaction at most.
pub const BATCH: i64 = 500;
/// A checkpoint is signed after so many entries, or a minute after the last one.
const CHECKPOINT_ENTRIES: i64 = 1_000;
/// Positions verified in one transaction.
const VERIFIED: i64 = 1_000;

/// Between two looks at the work list. Nobody waits for the chain.
const POLL: Duration = Duration::from_millis(500);

/// The hash before the first entry of an organization.
const GENESIS: [u8; 32] = [0; 32];

/// Chains and signs until the lead is lost; returns then.
pub async fn lead(store: &Store, lease: &Lease) {
    tokio::select! {
        () = keep(store, lease) => {}
        () = chain(store, lease) => {}
    }
}

async fn keep(store: &Store, lease: &Lease) {
    loop {
        match lease.renew(&store.db).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => note(&error),
        }
        tokio::time::sleep(RENEW).await;
    }
}

async fn chain(store: &Store, lease: &Lease) {
    loop {
        match sequence(store, lease).await {
            Ok(0) => {}
            Ok(chained) => {
                metrics::counter!("signalbox_audit_chained_total").increment(chained as u64);
                continue;
            }
            Err(error) if error.code == LOST => return,
            Err(error) => note(&error),
        }
        match sign(store, lease).await {
            Ok(_) => {}
            Err(error) if error.code == LOST => return,
            Err(error) => note(&error),
        }
        tokio::time::sleep(POLL).await;
    }
}

fn note(error: &Error) {
    metrics::counter!("signalbox_audit_sequencer_errors_total").increment(1);
    tracing::warn!(error = %error, cause = ?error.source, "a step of the audit sequencer failed and is tried again");
}

/// Chains the oldest entries that are not chained yet; answers how many.
pub async fn sequence(store: &Store, lease: &Lease) -> Result<usize> {
    let mut tx = lease.begin(&store.db).await?;
    let work = sqlx::query!(
        "SELECT seq, organization_id, audit_id, audit_at FROM audit_unchained ORDER BY seq LIMIT $1 FOR UPDATE",
        BATCH
    )
    .fetch_all(&mut *tx)
    .await?;
    if work.is_empty() {
        return Ok(0);
    }
    let keys: Vec<(Uuid, OffsetDateTime)> = work.iter().map(|row| (row.audit_id, row.audit_at)).collect();
    let entries = entry::canonical(&mut tx, &keys).await?;
    let organizations: Vec<Uuid> = work.iter().map(|row| row.organization_id).collect();
    let mut tops = tops(&mut tx, &organizations).await?;
    let mut links = Links::default();
    for row in &work {
        let bytes = entries
            .get(&row.audit_id)
            .map_or_else(|| gone(row.audit_id), Vec::as_slice);
        let top = tops.entry(row.organization_id).or_insert((0, GENESIS.to_vec()));
        *top = (top.0 + 1, link(&top.1, bytes));
        links.push(
            row.organization_id,
            top.0,
            row.audit_id,
            row.audit_at,
            top.1.clone(),
        );
    }
    links.store(&mut tx).await?;
    let seqs: Vec<i64> = work.iter().map(|row| row.seq).collect();
    sqlx::query!("DELETE FROM audit_unchained WHERE seq = ANY($1)", &seqs)
        .execute(&mut *tx)
        .await?;
    lease.commit(tx).await?;
    Ok(work.len())
}

/// An entry that is gone before it was chained still gets its place, where verification will miss it.
fn gone(entry: Uuid) -> &'static [u8] {
    metrics::counter!("signalbox_audit_gone_total").increment(1);
    tracing::error!(%entry, "an audit entry is gone although entries cannot be deleted: somebody else writes this database");
    b"gone"
}

/// Signs the top of each chain that has grown by [`CHECKPOINT_ENTRIES`], or grown at all since a minute ago.
pub async fn sign(store: &Store, lease: &Lease) -> Result<usize> {
    let key = key(&store.sealer)?;
    let mut tx = lease.begin(&store.db).await?;
    let due = sqlx::query!(
        r#"SELECT o.id AS "organization!", top.position AS "position!", top.hash AS "hash!"
           FROM organizations o
           CROSS JOIN LATERAL (SELECT position, hash FROM audit_chain
             WHERE organization_id = o.id ORDER BY position DESC LIMIT 1) top
           LEFT JOIN LATERAL (SELECT position, at FROM audit_checkpoints
             WHERE organization_id = o.id ORDER BY position DESC LIMIT 1) last ON true
           WHERE top.position > coalesce(last.position, 0)
             AND (top.position >= coalesce(last.position, 0) + $1 OR last.at IS NULL OR last.at < now() - interval '1 minute')
           LIMIT 500"#,
        CHECKPOINT_ENTRIES,
    )
    .fetch_all(&mut *tx)
    .await?;
    if due.is_empty() {
        return Ok(0);
    }
    for row in &due {
        let signature = key.sign(&statement(row.organization, row.position, &row.hash));
        sqlx::query!(
            "INSERT INTO audit_checkpoints (organization_id, position, hash, kid, signature) VALUES ($1, $2, $3, $4, $5)",
            row.organization,
            row.position,
            row.hash,
            kid(&key),
            signature.as_ref(),
        )
        .execute(&mut *tx)
        .await?;
    }
    lease.commit(tx).await?;
    Ok(due.len())
}

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Verified {
    /// Entries whose hash was computed again.
    pub entries: u64,
    /// Checkpoints whose signature was checked.
    pub checkpoints: u64,
    /// Where the proof fails first; `None` when it holds.
    pub broken: Option<Broken>,
}

/// A place where the proof fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Broken {
    /// Position in the organization's chain, from 1; 0 for an entry that has none.
    pub position: i64,
    /// What is wrong there.
    pub what: String,
}

/// As [`verify`], of every organization over all of its chain.
pub async fn verify_all(store: &Store) -> Result<Vec<(OrganizationId, Verified)>> {
    let mut tx = store.db.snapshot().await?;
    let ids = sqlx::query_scalar!("SELECT id FROM organizations ORDER BY id")
        .fetch_all(&mut *tx)
        .await?;
    drop(tx);
    let mut verified = Vec::with_capacity(ids.len());
    for organization in ids.into_iter().map(OrganizationId) {
        verified.push((organization, verify(store, organization, 1..=i64::MAX).await?));
    }
    Ok(verified)
}

/// Computes an organization's chain again over `range` of positions and checks the checkpoints in it. The whole of it
/// (`1..=i64::MAX`) also finds a chain whose end was cut off before a checkpoint, and an entry that has no place in it.
pub async fn verify(
    store: &Store,
    organization: OrganizationId,
    range: RangeInclusive<i64>,
) -> Result<Verified> {
    let key = key(&store.sealer)?;
    let mut verified = Verified {
        entries: 0,
        checkpoints: 0,
        broken: None,
    };
    let (mut next, last) = ((*range.start()).max(1), *range.end());
    while next <= last {
        let mut tx = store.db.primary(organization).await?;
        let mut previous = hash_at(&mut tx, organization, next - 1).await?;
        let page = page(&mut tx, organization, next, last).await?;
        for row in &page.links {
            let broken = |what: &str| Broken {
                position: next,
                what: what.to_owned(),
            };
            let expected = page
                .entries
                .get(&row.audit_id)
                .map(|bytes| link(&previous, bytes));
            verified.broken = match expected {
                _ if row.position != next => Some(broken("a link is missing")),
                None => Some(broken("the entry is gone")),
                Some(hash) if hash != row.hash => Some(broken("the entry or the link is not what it was")),
                Some(_) => None,
            };
            if verified.broken.is_some() {
                return Ok(verified);
            }
            verified.entries += 1;
            previous.clone_from(&row.hash);
            next += 1;
        }
        let end = if page.links.is_empty() { last } else { next - 1 };
        let begin = next - page.links.len() as i64;
        let (checked, broken) = checkpoints(&mut tx, &key, organization, begin..=end).await?;
        verified.checkpoints += checked;
        if broken.is_some() || page.links.is_empty() {
            verified.broken = broken;
            break;
        }
    }
    if verified.broken.is_none() && range == (1..=i64::MAX) {
        verified.broken = outside::first(store, organization).await?;
    }
    Ok(verified)
}

struct Link {
    position: i64,
    audit_id: Uuid,
    audit_at: OffsetDateTime,
    hash: Vec<u8>,
}

struct Page {
    links: Vec<Link>,
    entries: BTreeMap<Uuid, Vec<u8>>,
}

async fn page(
    connection: &mut PgConnection,
    organization: OrganizationId,
    first: i64,
    last: i64,
) -> Result<Page> {
    let links = sqlx::query_as!(
        Link,
        "SELECT position, audit_id, audit_at, hash FROM audit_chain
         WHERE organization_id = $1 AND position BETWEEN $2 AND $3 ORDER BY position LIMIT $4",
        organization.0,
        first,
        last,
        VERIFIED,
    )
    .fetch_all(&mut *connection)
    .await?;
    let keys: Vec<(Uuid, OffsetDateTime)> = links.iter().map(|row| (row.audit_id, row.audit_at)).collect();
    let entries = entry::canonical(connection, &keys).await?;
    Ok(Page { links, entries })
}

/// Checks the checkpoints of `range`: each signature, and that it speaks of the hash that stands there.
async fn checkpoints(
    connection: &mut PgConnection,
    key: &Ed25519KeyPair,
    organization: OrganizationId,
    range: RangeInclusive<i64>,
) -> Result<(u64, Option<Broken>)> {
    let rows = sqlx::query!(
        r#"SELECT p.position, p.hash, p.signature, c.hash AS "chained?"
           FROM audit_checkpoints p LEFT JOIN audit_chain c USING (organization_id, position)
           WHERE p.organization_id = $1 AND p.position BETWEEN $2 AND $3 ORDER BY p.position"#,
        organization.0,
        range.start(),
        range.end(),
    )
    .fetch_all(connection)
    .await?;
    let public = UnparsedPublicKey::new(&ED25519, key.public_key());
    for (checked, row) in (0..).zip(&rows) {
        let what = match &row.chained {
            None => "a signed link is missing",
            Some(hash) if *hash != row.hash => "the chain is not the one that was signed",
            Some(_)
                if public
                    .verify(
                        &statement(organization.0, row.position, &row.hash),
                        &row.signature,
                    )
                    .is_err() =>
            {
                "the signature of a checkpoint is not ours"
            }
            Some(_) => continue,
        };
        let broken = Broken {
            position: row.position,
            what: what.to_owned(),
        };
        return Ok((checked, Some(broken)));
    }
    Ok((rows.len() as u64, None))
}

async fn tops(
    connection: &mut PgConnection,
    organizations: &[Uuid],
) -> Result<BTreeMap<Uuid, (i64, Vec<u8>)>> {
    let rows = sqlx::query!(
        r#"SELECT o.id AS "organization!", top.position AS "position!", top.hash AS "hash!"
           FROM (SELECT DISTINCT unnest($1::uuid[]) AS id) o
           CROSS JOIN LATERAL (SELECT position, hash FROM audit_chain
             WHERE organization_id = o.id ORDER BY position DESC LIMIT 1) top"#,
        organizations
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.organization, (row.position, row.hash)))
        .collect())
}

async fn hash_at(
    connection: &mut PgConnection,
    organization: OrganizationId,
    position: i64,
) -> Result<Vec<u8>> {
    let hash = sqlx::query_scalar!(
        "SELECT hash FROM audit_chain WHERE organization_id = $1 AND position = $2",
        organization.0,
        position
    )
    .fetch_optional(connection)
    .await?;
    Ok(hash.unwrap_or_else(|| GENESIS.to_vec()))
}

#[derive(Default)]
struct Links {
    organizations: Vec<Uuid>,
    positions: Vec<i64>,
    ids: Vec<Uuid>,
    times: Vec<OffsetDateTime>,
    hashes: Vec<Vec<u8>>,
}

impl Links {
    fn push(&mut self, organization: Uuid, position: i64, id: Uuid, at: OffsetDateTime, hash: Vec<u8>) {
        self.organizations.push(organization);
        self.positions.push(position);
        self.ids.push(id);
        self.times.push(at);
        self.hashes.push(hash);
    }

    async fn store(&self, connection: &mut PgConnection) -> Result<()> {
        sqlx::query!(
            "INSERT INTO audit_chain (organization_id, position, audit_id, audit_at, hash)
             SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::timestamptz[], $5::bytea[])",
            &self.organizations,
            &self.positions,
            &self.ids,
            &self.times,
            &self.hashes,
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}

fn link(previous: &[u8], entry: &[u8]) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(previous);
    hash.update(entry);
    hash.finalize().to_vec()
}

/// What a checkpoint's signature covers.
fn statement(organization: Uuid, position: i64, hash: &[u8]) -> Vec<u8> {
    format!(
        "signalbox audit checkpoint 1\n{organization}\n{position}\n{}",
        hex::encode(hash)
    )
    .into_bytes()
}

/// Ed25519, from the installation's secret alone: nothing in the database helps to forge a checkpoint.
fn key(sealer: &Sealer) -> Result<Ed25519KeyPair> {
    let seed = sealer.mac("audit checkpoints", b"ed25519");
    Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| Error::internal("no key for audit checkpoints"))
}

fn kid(key: &Ed25519KeyPair) -> String {
    hex::encode(&Sha256::digest(key.public_key().as_ref())[..8])
}

#[cfg(test)]
mod tests;
