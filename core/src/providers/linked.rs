//! One's own accounts at providers: which are linked, linking another, and taking a link away.

use super::admit;
use super::directory::Directory;
use super::envelope::Purpose;
use super::flow::{self, Returned, Started};
use super::sign_in::other_purpose;
use super::store::{self, Link, Which};
use crate::Store;
use crate::bus::control::{Revocation, RevocationKind};
use crate::change::Change;
use crate::kernel::ctx::{Credential, Ctx};
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::{LinkedAccountId, ProviderId, RoleId, SessionId, UserId};
use crate::{sessions, users};
use serde::Serialize;
use time::OffsetDateTime;

/// One of one's own accounts at a provider.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct LinkedAccount {
    /// Id.
    pub id: LinkedAccountId,
    /// The provider.
    pub provider_id: ProviderId,
    /// Its name.
    pub provider: String,
    /// When it was linked.
    #[serde(with = "time::serde::rfc3339")]
    pub linked_at: OffsetDateTime,
    /// When somebody last signed in through it.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_used_at: Option<OffsetDateTime>,
    /// Whether it may be unlinked; false where it is the last way in.
    pub may_unlink: bool,
}

/// A provider that one may link, or sign in through again.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = LinkableProvider)]
pub struct Available {
    /// Id.
    pub id: ProviderId,
    /// Its name.
    pub name: String,
}

/// One's own accounts at providers, and where one may have another.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct LinkedAccounts {
    /// Linked, oldest first.
    pub items: Vec<LinkedAccount>,
    /// Providers of the organization that are not linked.
    pub available: Vec<Available>,
}

/// Reads them.
pub async fn linked(store: &Store, ctx: &Ctx) -> Result<LinkedAccounts> {
    let (user, _) = oneself(ctx)?;
    let mut tx = store.db.primary(ctx.organization).await?;
    let rows = sqlx::query!(
        r#"SELECT l.id, l.provider_id, p.name, l.linked_at, l.last_used_at,
             (u.password_hash IS NOT NULL OR EXISTS (
               SELECT FROM linked_accounts other JOIN identity_providers op ON op.id = other.provider_id
               WHERE other.organization_id = $1 AND other.user_id = $2 AND other.id <> l.id AND op.enabled
                 AND op.kind = 'oidc')) AS "other_way!"
           FROM linked_accounts l JOIN identity_providers p ON p.id = l.provider_id JOIN users u ON u.id = l.user_id
           WHERE l.organization_id = $1 AND l.user_id = $2 ORDER BY l.linked_at, l.id"#,
        ctx.organization.0,
        user.0,
    )
    .fetch_all(&mut *tx)
    .await?;
    let items: Vec<LinkedAccount> = rows
        .into_iter()
        .map(|row| LinkedAccount {
            id: LinkedAccountId(row.id),
            provider_id: ProviderId(row.provider_id),
            provider: row.name,
            linked_at: row.linked_at,
            last_used_at: row.last_used_at,
            may_unlink: row.other_way,
        })
        .collect();
    let which = Which {
        organization: Some(ctx.organization),
        listed: true,
        most: super::MOST,
        ..Which::default()
    };
    let available = store::select(&mut tx, which).await?.into_iter();
    let available = available
        .filter(|provider| items.iter().all(|item| item.provider_id != provider.id))
        .map(|provider| Available {
            id: provider.id,
            name: provider.name,
        })
        .collect();
    Ok(LinkedAccounts { items, available })
}

/// Through which one may sign in again to prove who one is.
pub async fn ways_in(store: &Store, ctx: &Ctx) -> Result<Vec<Available>> {
    let (user, _) = oneself(ctx)?;
    let mut tx = store.db.primary(ctx.organization).await?;
    let rows = sqlx::query!(
        "SELECT p.id, p.name FROM linked_accounts l JOIN identity_providers p ON p.id = l.provider_id
         WHERE l.organization_id = $1 AND l.user_id = $2 AND p.enabled AND p.kind = 'oidc' ORDER BY l.linked_at, l.id",
        ctx.organization.0,
        user.0,
    )
    .fetch_all(&mut *tx)
    .await?;
    let ways = rows.into_iter().map(|row| Available {
        id: ProviderId(row.id),
        name: row.name,
    });
    Ok(ways.collect())
}

/// Leaves for a provider of one's organization, to link the account there. `next` is a path of the console.
pub async fn start_link(
    directory: &Directory,
    ctx: &Ctx,
    id: ProviderId,
    public_url: Option<&str>,
    next: Option<&str>,
) -> Result<Started> {
    let (user, session) = oneself(ctx)?;
    ctx.require_recent_proof(directory.store.clock.now())?;
    if flow::usable(directory, id).await?.organization != ctx.organization {
        return Err(Error::not_found("provider"));
    }
    let purpose = Purpose::Link { user, session };
    flow::leave(directory, id, public_url, next, purpose, false).await
}

/// Comes back, and links the account: to whoever left, in the session in which they left. Answers where to go on.
pub async fn finish_link(
    directory: &Directory,
    ctx: &Ctx,
    public_url: Option<&str>,
    cookie: Option<&str>,
    returned: &Returned,
) -> Result<Option<String>> {
    let (user, session) = oneself(ctx)?;
    let proof = flow::come_back(directory, public_url, cookie, returned).await?;
    if proof.purpose != (Purpose::Link { user, session }) {
        return Err(other_purpose());
    }
    let mut change = Change::begin(&directory.store, ctx).await?;
    admit::link(&mut change, &proof.provider, user, &proof.told.subject).await?;
    change.commit().await?;
    Ok(proof.next)
}

/// Takes a link of one's own away: never the last way in. What is open through it ends, and the roles that came from there go.
pub async fn unlink(store: &Store, ctx: &Ctx, id: LinkedAccountId) -> Result<()> {
    let (user, session) = oneself(ctx)?;
    ctx.require_recent_proof(store.clock.now())?;
    let organization = ctx.organization;
    let mut change = Change::begin(store, ctx).await?;
    // holds every link of theirs still: two at once must not take both last ways
    users::store::lock(change.tx(), organization, user).await?;
    let link = own(&mut change, user, id).await?;
    let provider = store::one(change.tx(), organization, link.provider).await?;
    let provider = provider.ok_or_else(|| Error::not_found("linked_account"))?;
    admit::take_roles(&mut change, &link).await?;
    for open in open_through(&mut change, &link, session).await? {
        let why = "The account this session was opened with is no longer linked.";
        sessions::end(&mut change, open, user, "me.unlink", why).await?;
    }
    let access_version = remove(&mut change, &link).await?;
    admit::record(&mut change, &provider, user, "user.account_unlinked", "me.unlink").await?;
    change
        .revoke(Revocation {
            organization,
            kind: RevocationKind::Access,
            subject: user.0,
            access_version: Some(access_version),
            reason: "account_unlinked".to_owned(),
        })
        .await?;
    change.commit().await
}

/// Who acts, and in which session.
fn oneself(ctx: &Ctx) -> Result<(UserId, SessionId)> {
    ctx.require_session()?;
    match (ctx.actor.user(), ctx.credential) {
        (Some(user), Credential::Session(session)) => Ok((user, session)),
        _ => Err(Error::internal("a session without a person")),
    }
}

async fn own(change: &mut Change, user: UserId, id: LinkedAccountId) -> Result<Link> {
    let organization = change.ctx().organization;
    let row = sqlx::query!(
        r#"SELECT l.provider_id, l.given_roles, (u.password_hash IS NOT NULL OR EXISTS (
             SELECT FROM linked_accounts other JOIN identity_providers p ON p.id = other.provider_id
             WHERE other.organization_id = $1 AND other.user_id = $2 AND other.id <> $3 AND p.enabled
               AND p.kind = 'oidc')) AS "other_way!"
           FROM linked_accounts l JOIN users u ON u.id = l.user_id
           WHERE l.organization_id = $1 AND l.user_id = $2 AND l.id = $3"#,
        organization.0,
        user.0,
        id.0,
    )
    .fetch_optional(change.tx())
    .await?;
    let row = row.ok_or_else(|| Error::not_found("linked_account"))?;
    if !row.other_way {
        return Err(Error::new(
            Kind::Conflict,
            "providers.last_way_in",
            "This is your only way in. Choose a password or link another account first.",
        ));
    }
    Ok(Link {
        id,
        provider: ProviderId(row.provider_id),
        user,
        given: row.given_roles.into_iter().map(RoleId).collect(),
    })
}

async fn open_through(change: &mut Change, link: &Link, but: SessionId) -> Result<Vec<SessionId>> {
    let organization = change.ctx().organization;
    let open = sqlx::query_scalar!(
        r#"SELECT s.id FROM provider_sign_ins i JOIN user_sessions s ON s.id = i.session_id
           WHERE i.organization_id = $1 AND i.linked_account_id = $2 AND s.revoked_at IS NULL AND s.id <> $3"#,
        organization.0,
        link.id.0,
        but.0,
    )
    .fetch_all(change.tx())
    .await?;
    Ok(open.into_iter().map(SessionId).collect())
}

/// The person's access version afterwards.
async fn remove(change: &mut Change, link: &Link) -> Result<i64> {
    let organization = change.ctx().organization;
    sqlx::query!(
        "DELETE FROM linked_accounts WHERE organization_id = $1 AND id = $2",
        organization.0,
        link.id.0
    )
    .execute(change.tx())
    .await?;
    Ok(sqlx::query_scalar!(
        "UPDATE users SET access_version = access_version + 1 WHERE organization_id = $1 AND id = $2
         RETURNING access_version",
        organization.0,
        link.user.0,
    )
    .fetch_one(change.tx())
    .await?)
}
