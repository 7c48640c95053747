//! Recovery codes: ten on paper, each good once, for the day when the device is gone.

use super::{FactorKind, Owner, attempts, events, proof::refused};
use crate::Store;
use crate::change::Change;
use crate::kernel::error::Result;
use crate::kernel::password::typeable;
use crate::messages::Alert;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sha2::{Digest, Sha256};

/// How many there are.
pub(super) const CODES: usize = 10;
/// Letters of a code, of five random bits each: 120, enough for a plain hash (ASVS 5.0, 6.5.2, asks for 112).
const LENGTH: usize = 24;

/// Replaces the codes of `owner`; what was made before is good no more. Answers them, which nobody can a second time.
pub(super) async fn make(change: &mut Change, owner: Owner) -> Result<Vec<String>> {
    let codes: Vec<String> = (0..CODES).map(|_| typeable::<LENGTH>()).collect::<Result<_>>()?;
    let hashes: Vec<Vec<u8>> = codes.iter().map(|code| hash(owner, code)).collect();
    let at = change.at();
    forget(change, owner).await?;
    sqlx::query!(
        "INSERT INTO recovery_codes (organization_id, user_id, hash, created_at) SELECT $1, $2, hash, $4 FROM unnest($3::bytea[]) AS hash",
        owner.organization.0,
        owner.user.0,
        &hashes,
        at,
    )
    .execute(change.tx())
    .await?;
    let said = (
        "recovery_codes.made",
        "me.recovery_codes",
        "{actor} made recovery codes",
    );
    events::tell(change, owner, said, None).await?;
    Ok(codes)
}

/// Takes every code of `owner` away.
pub(super) async fn forget(change: &mut Change, owner: Owner) -> Result<()> {
    sqlx::query!(
        "DELETE FROM recovery_codes WHERE organization_id = $1 AND user_id = $2",
        owner.organization.0,
        owner.user.0
    )
    .execute(change.tx())
    .await?;
    Ok(())
}

/// The hash of `typed`, if it is a code that was not used.
pub(super) async fn check(store: &Store, owner: Owner, typed: &SecretString) -> Result<Option<Vec<u8>>> {
    let hash = hash(owner, typed.expose_secret());
    let mut tx = store.db.primary(owner.organization).await?;
    let good = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM recovery_codes WHERE user_id = $1 AND hash = $2 AND used_at IS NULL) AS "good!""#,
        owner.user.0,
        hash
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(good.then_some(hash))
}

/// Uses a code up, and tells its person: whoever did not do it themselves should know.
pub(super) async fn take(change: &mut Change, owner: Owner, hash: &[u8]) -> Result<()> {
    let at = change.at();
    let taken = sqlx::query!(
        "UPDATE recovery_codes SET used_at = $3 WHERE user_id = $1 AND hash = $2 AND used_at IS NULL",
        owner.user.0,
        hash,
        at,
    )
    .execute(change.tx())
    .await?;
    if taken.rows_affected() == 0 {
        return Err(refused());
    }
    attempts::right(change.tx(), owner, FactorKind::RecoveryCode).await?;
    let left = sqlx::query_scalar!(
        r#"SELECT count(*) AS "left!" FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL"#,
        owner.user.0
    )
    .fetch_one(change.tx())
    .await?;
    let said = (
        "recovery_code.used",
        "auth.factor",
        "{actor} used a recovery code",
    );
    let event = events::of(change, owner, said).await?;
    change
        .record(event.data("left", json!(left)).detail("left", json!(left)))
        .await?;
    events::warn(change, owner, Alert::RecoveryCodeUsed(left)).await
}

/// Of the letters alone, however they are typed; of one person, so that equal codes of two would not look alike.
fn hash(owner: Owner, typed: &str) -> Vec<u8> {
    let letters: String = typed
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    let mut hash = Sha256::new();
    hash.update(owner.user.0.as_bytes());
    hash.update(letters.as_bytes());
    hash.finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::id::{OrganizationId, UserId};

    #[test]
    fn a_code_is_known_however_it_is_typed_and_belongs_to_one_person() {
        let owner = Owner {
            user: UserId::new(),
            organization: OrganizationId::new(),
        };
        let code = typeable::<LENGTH>().unwrap();
        assert_eq!(code.len(), 29);
        let typed = format!(" {} ", code.to_uppercase().replace('-', " "));
        assert_eq!(hash(owner, &code), hash(owner, &typed));
        let other = Owner {
            user: UserId::new(),
            ..owner
        };
        assert_ne!(hash(owner, &code), hash(other, &code));
    }
}
