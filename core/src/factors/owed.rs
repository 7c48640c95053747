use super::{FactorKind, Owner};
use crate::db::Db;
use crate::kernel::error::Result;

/// What somebody has to show beside a password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owed {
    /// What they have; empty where they have no factor.
    pub kinds: Vec<FactorKind>,
    /// True where a role of theirs demands a factor.
    pub demanded: bool,
}

impl Owed {
    /// Whether anything is: they have a factor, or must have one.
    pub fn any(&self) -> bool {
        self.demanded || !self.kinds.is_empty()
    }
}

/// Reads it from the primary.
pub async fn owed(db: &Db, owner: Owner) -> Result<Owed> {
    let mut tx = db.primary(owner.organization).await?;
    let row = sqlx::query!(
        r#"SELECT
             EXISTS (SELECT FROM user_factors WHERE user_id = $2 AND kind = 'totp') AS "totp!",
             EXISTS (SELECT FROM user_factors WHERE user_id = $2 AND kind = 'passkey') AS "passkey!",
             EXISTS (SELECT FROM user_factors WHERE user_id = $2 AND kind = 'sms') AS "sms!",
             EXISTS (SELECT FROM recovery_codes WHERE user_id = $2 AND used_at IS NULL) AS "codes!",
             EXISTS (WITH RECURSIVE held (role_id) AS (
                       SELECT role_id FROM held_roles WHERE organization_id = $1 AND user_id = $2
                       UNION
                       SELECT p.parent_id FROM held JOIN role_parents p ON p.role_id = held.role_id)
                     SELECT FROM held JOIN roles r ON r.id = held.role_id WHERE r.requires_factor) AS "demanded!""#,
        owner.organization.0,
        owner.user.0,
    )
    .fetch_one(&mut *tx)
    .await?;
    let has = [
        (FactorKind::Passkey, row.passkey),
        (FactorKind::Totp, row.totp),
        (FactorKind::Sms, row.sms),
    ];
    let mut kinds: Vec<FactorKind> = has
        .into_iter()
        .filter(|(_, has)| *has)
        .map(|(kind, _)| kind)
        .collect();
    // codes on paper stand for a factor that is lost; without one they open nothing
    if row.codes && !kinds.is_empty() {
        kinds.push(FactorKind::RecoveryCode);
    }
    Ok(Owed {
        kinds,
        demanded: row.demanded,
    })
}
