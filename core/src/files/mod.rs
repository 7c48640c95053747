//! Tables `files`, `file_chunks`: uploads kept in PostgreSQL, so that any node can go on with them.
//!
//! A file arrives as a stream and is cut into chunks of [`CHUNK_BYTES`]; each is committed as it comes, so an upload
//! needs the memory of one chunk, however long it is. Until its last chunk is stored a file is not `complete`; what
//! never became so is swept, and so is what came whole and nothing took on.
//!
//! Invariant: every chunk but the last has exactly [`CHUNK_BYTES`], so a byte's chunk is known from its place.

use crate::Store;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::{FileId, OrganizationId};
use sha2::{Digest, Sha256};

/// Bytes of a chunk.
pub const CHUNK_BYTES: usize = 1 << 20;

/// An upload that did not end within so many hours is swept.
const UNFINISHED_HOURS: i32 = 6;
/// A file that came whole and belongs to nothing after so many hours is deleted: whoever sent it went away in between.
const UNTAKEN_HOURS: i32 = 24;

/// A complete file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// Its id.
    pub id: FileId,
    /// As the uploader's program called it, at most 200 characters.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Of the whole.
    pub sha256: [u8; 32],
}

/// A file on its way in.
#[derive(Debug)]
pub struct Upload {
    store: Store,
    organization: OrganizationId,
    id: FileId,
    name: String,
    most: u64,
    size: u64,
    chunks: i32,
    waiting: Vec<u8>,
    hash: Sha256,
}

impl Upload {
    /// Begins a file of at most `most` bytes.
    pub async fn begin(store: &Store, ctx: &Ctx, name: &str, most: u64) -> Result<Self> {
        let name: String = name.chars().filter(|c| !c.is_control()).take(200).collect();
        let id = FileId::new();
        let mut tx = store.db.bookkeeping().await?;
        sqlx::query!(
            "INSERT INTO files (id, organization_id, name, created_by) VALUES ($1, $2, $3, $4)",
            id.0,
            ctx.organization.0,
            name,
            ctx.actor.user().map(|user| user.0)
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Self {
            store: store.clone(),
            organization: ctx.organization,
            id,
            name,
            most,
            size: 0,
            chunks: 0,
            waiting: Vec::with_capacity(CHUNK_BYTES),
            hash: Sha256::new(),
        })
    }

    /// Takes the next bytes, of any number. Refuses what would make the file too large.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.size += bytes.len() as u64;
        if self.size > self.most {
            return Err(Error::new(
                Kind::TooLarge,
                "file.too_large",
                format!(
                    "A file may have {} MiB at most. Split it into several.",
                    self.most >> 20
                ),
            ));
        }
        self.hash.update(bytes);
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK_BYTES - self.waiting.len()));
            self.waiting.extend_from_slice(now);
            bytes = later;
            if self.waiting.len() == CHUNK_BYTES {
                self.store_chunk().await?;
            }
        }
        Ok(())
    }

    /// Stores the rest; from here on the file is there for whatever takes it on within [`UNTAKEN_HOURS`].
    pub async fn finish(mut self) -> Result<StoredFile> {
        if !self.waiting.is_empty() {
            self.store_chunk().await?;
        }
        let sha256: [u8; 32] = self.hash.finalize().into();
        let mut tx = self.store.db.bookkeeping().await?;
        sqlx::query!(
            "UPDATE files SET size = $2, sha256 = $3, complete = true WHERE id = $1",
            self.id.0,
            self.size as i64,
            &sha256[..]
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(StoredFile {
            id: self.id,
            name: self.name,
            size: self.size,
            sha256,
        })
    }

    /// Gives the upload up, and what was stored of it.
    pub async fn discard(self) -> Result<()> {
        delete(&self.store, self.id).await
    }

    async fn store_chunk(&mut self) -> Result<()> {
        let mut tx = self.store.db.bookkeeping().await?;
        sqlx::query!(
            "INSERT INTO file_chunks (organization_id, file_id, n, bytes) VALUES ($1, $2, $3, $4)",
            self.organization.0,
            self.id.0,
            self.chunks,
            self.waiting
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        self.chunks += 1;
        self.waiting.clear();
        Ok(())
    }
}

/// One chunk, from 0; `None` after the last.
pub async fn chunk(
    store: &Store,
    organization: OrganizationId,
    file: FileId,
    n: i32,
) -> Result<Option<Vec<u8>>> {
    let mut tx = store.db.primary(organization).await?;
    let bytes = sqlx::query_scalar!(
        "SELECT bytes FROM file_chunks WHERE organization_id = $1 AND file_id = $2 AND n = $3",
        organization.0,
        file.0,
        n
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(bytes)
}

/// Deletes a file that nothing refers to.
pub async fn delete(store: &Store, file: FileId) -> Result<()> {
    let mut tx = store.db.bookkeeping().await?;
    sqlx::query!("DELETE FROM files WHERE id = $1", file.0)
        .execute(&mut *tx)
        .await?;
    Ok(tx.commit().await?)
}

/// Deletes one upload that never ended, if there is one; its chunks go with it.
pub async fn sweep(store: &Store) -> Result<bool> {
    let mut tx = store.db.bookkeeping().await?;
    let swept = sqlx::query!(
        "DELETE FROM files WHERE id = (SELECT id FROM files WHERE NOT complete
           AND created_at < now() - make_interval(hours => $1) LIMIT 1)",
        UNFINISHED_HOURS
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(swept.rows_affected() > 0)
}

/// Deletes one file that came whole and belongs to nothing, if there is one. Today imports are all that files belong to.
pub async fn forget_untaken(store: &Store) -> Result<bool> {
    let mut tx = store.db.bookkeeping().await?;
    let gone = sqlx::query!(
        "DELETE FROM files WHERE id = (SELECT id FROM files f WHERE complete
           AND created_at < now() - make_interval(hours => $1)
           AND NOT EXISTS (SELECT FROM imports WHERE file_id = f.id) LIMIT 1 FOR UPDATE SKIP LOCKED)",
        UNTAKEN_HOURS
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(gone.rows_affected() > 0)
}

#[cfg(test)]
mod tests;
