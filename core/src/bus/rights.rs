//! The second-level cache of what people may do, shared by the nodes.
//!
//! Invariant: an entry is never replaced by an older one, so a slow loader cannot bring back rights that were taken.
//! Whoever reads must still compare the version with what they have heard: an entry may simply be old.

use super::Bus;
use crate::kernel::error::Result;
use crate::kernel::id::UserId;
use crate::kernel::permission::Rights;
use std::time::Duration;

/// Bounds memory, not staleness: staleness is decided by versions.
const KEEP: Duration = Duration::from_mins(10);

/// KEYS[1] the person's key; ARGV access, epoch, value, seconds. 1 when stored, 0 when something newer was there.
const KEEP_NEWER: &str = r"
local old = redis.call('GET', KEYS[1])
if old then
  local ok, value = pcall(cjson.decode, old)
  if ok and (value.version.access > tonumber(ARGV[1]) or value.version.epoch > tonumber(ARGV[2])) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[3], 'EX', ARGV[4])
return 1";

impl Bus {
    /// What is kept of a person's rights, however old.
    pub async fn kept_rights(&self, user: UserId) -> Result<Option<Rights>> {
        let kept: Option<Vec<u8>> = redis::cmd("GET")
            .arg(self.keys().user_perms(user))
            .query_async(&mut self.shared())
            .await?;
        // written by a newer node in a form this one does not know: as if nothing were there
        Ok(kept.and_then(|json| serde_json::from_slice(&json).ok()))
    }

    /// Keeps a person's rights for ten minutes, unless newer ones are kept. Returns whether it did.
    pub async fn keep_rights(&self, user: UserId, rights: &Rights) -> Result<bool> {
        let stored: i64 = redis::Script::new(KEEP_NEWER)
            .key(self.keys().user_perms(user))
            .arg(rights.version.access)
            .arg(rights.version.epoch)
            .arg(serde_json::to_vec(rights)?)
            .arg(KEEP.as_secs())
            .invoke_async(&mut self.shared())
            .await?;
        Ok(stored == 1)
    }
}
