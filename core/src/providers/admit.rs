//! Whom a provider's word lets in: whoever is linked, whoever may be linked by address, and whoever may be added.

use super::claims::Told;
use super::model::Provider;
use super::store::{self, Link};
use crate::Store;
use crate::auth::Client;
use crate::change::Change;
use crate::db::PgConnection;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::event::{Event, Severity};
use crate::kernel::id::{LinkedAccountId, OrganizationId, RoleId, UserId};
use crate::roles;
use crate::users::{self, NewUser, User, rights};

/// The hub's own hands, for `client`.
pub(super) fn hands(organization: OrganizationId, client: &Client) -> Ctx {
    let mut ctx = Ctx::system(organization, "providers");
    ctx.ip = client.ip;
    ctx.user_agent.clone_from(&client.user_agent);
    if !client.trace_id.is_empty() {
        ctx.trace_id.clone_from(&client.trace_id);
    }
    ctx
}

/// The link of whoever `told` is about: as it is, or made now; with the roles that the claims give now.
pub(super) async fn person(store: &Store, provider: &Provider, told: &Told, client: &Client) -> Result<Link> {
    let mut tx = store.db.primary(provider.organization).await?;
    if let Some(link) = store::link_of_subject(&mut tx, provider, &told.subject).await?
        && settled(&mut tx, provider, &link, told).await?
    {
        return Ok(link);
    }
    drop(tx);
    let mut change = Change::begin(store, &hands(provider.organization, client)).await?;
    // one after the other: two tabs of somebody new must not become two people
    one_at_a_time(&mut change, provider, &told.subject).await?;
    let known = store::link_of_subject(change.tx(), provider, &told.subject).await?;
    let (link, fresh) = match known {
        Some(link) => (link, false),
        None => (new_link(&mut change, provider, told).await?, true),
    };
    let changed = give_roles(&mut change, &link, told).await?;
    if fresh || changed {
        change.commit().await?;
    }
    Ok(link)
}

/// Whether the person holds what the claims give, and nothing is left of what they gave.
async fn settled(
    connection: &mut PgConnection,
    provider: &Provider,
    link: &Link,
    told: &Told,
) -> Result<bool> {
    if link.given.is_empty() && told.roles.is_empty() {
        return Ok(true);
    }
    let user = users::store::find(connection, provider.organization, link.user).await?;
    let Some(user) = user else { return Ok(true) };
    Ok(wanted(&user, link, told).is_none())
}

async fn one_at_a_time(change: &mut Change, provider: &Provider, subject: &str) -> Result<()> {
    sqlx::query_scalar!(
        r#"SELECT pg_advisory_xact_lock(hashtextextended($1, 74))::text AS "locked""#,
        format!("{} {subject}", provider.id)
    )
    .fetch_one(change.tx())
    .await?;
    Ok(())
}

/// Links whoever is not linked yet, where that may be.
async fn new_link(change: &mut Change, provider: &Provider, told: &Told) -> Result<Link> {
    let email = told
        .verified_email
        .as_deref()
        .filter(|email| of_domain(provider, email));
    let email = email.ok_or_else(unknown)?;
    let organization = provider.organization;
    let known = users::store::find_by_email(change.tx(), organization, email).await?;
    let user = match known {
        Some(user) if provider.link_by_email => {
            require_reach(change.tx(), provider, user).await?;
            user
        }
        Some(_) => return Err(not_linked()),
        None if provider.provision => added(change, email, told).await?,
        None => return Err(unknown()),
    };
    link(change, provider, user, &told.subject).await
}

/// An address reaches no further than whoever set the provider up: who answers for it must hold at this moment all that the
/// person holds, or the address of an owner would be a way to become one.
async fn require_reach(connection: &mut PgConnection, provider: &Provider, user: UserId) -> Result<()> {
    let held = rights::of(connection, provider.organization, user).await?;
    let vouching = match provider.vouched_by {
        Some(by) => rights::at_present(connection, provider.organization, by).await?,
        None => crate::kernel::permission::PermissionSet::default(),
    };
    if vouching.outranks(&held) {
        Ok(())
    } else {
        Err(not_linked())
    }
}

async fn added(change: &mut Change, email: &str, told: &Told) -> Result<UserId> {
    let new = NewUser::named(email, told.name.as_deref().unwrap_or(email));
    let user = users::service::provisioned(change, &new).await;
    let user = user.map_err(|error| match error.kind {
        // of another organization, or deleted
        Kind::Conflict => not_linked(),
        Kind::Invalid => unknown(),
        _ => error,
    })?;
    Ok(user.id)
}

/// Links a subject to a person, and records it.
pub(super) async fn link(
    change: &mut Change,
    provider: &Provider,
    user: UserId,
    subject: &str,
) -> Result<Link> {
    let (organization, at) = (provider.organization, change.at());
    let link = Link {
        id: LinkedAccountId::new(),
        provider: provider.id,
        user,
        given: Vec::new(),
    };
    if !store::insert_link(change.tx(), organization, &link, subject, at).await? {
        return Err(Error::new(
            Kind::Conflict,
            "providers.linked_already",
            "One account at a provider goes with one person here: this account, or you, are linked already.",
        ));
    }
    record(change, provider, user, "user.account_linked", "me.link").await?;
    Ok(link)
}

/// Records that an account was linked or unlinked.
pub(super) async fn record(
    change: &mut Change,
    provider: &Provider,
    user: UserId,
    kind: &'static str,
    action: &'static str,
) -> Result<()> {
    let organization = provider.organization;
    let person = users::store::find(change.tx(), organization, user).await?;
    let person = person.ok_or_else(|| Error::not_found("user"))?;
    let text = if kind == "user.account_linked" {
        "{subject} can sign in through another provider"
    } else {
        "{subject} can no longer sign in through a provider"
    };
    let event = Event::new(kind, action, person.subject(), format!("inbox:{user}"), text)
        .severity(Severity::Warn)
        .scope(Some(person.scope()), Some(person.scope()))
        .data("provider", provider.name.as_str())
        .detail("provider", provider.name.as_str())
        .detail("provider_id", provider.id.to_string());
    change.record(event).await?;
    Ok(())
}

/// What is to be given and taken; `None` where all is as it should be. A role that the person has otherwise did not come from
/// the provider, and is not taken with the claim.
fn wanted(user: &User, link: &Link, told: &Told) -> Option<(Vec<RoleId>, Vec<RoleId>, Vec<RoleId>)> {
    let holds = |role: &RoleId| user.roles.iter().any(|held| held.id == *role);
    let give: Vec<RoleId> = told.roles.iter().copied().filter(|role| !holds(role)).collect();
    let gone = |role: &&RoleId| !told.roles.contains(role);
    let take: Vec<RoleId> = link
        .given
        .iter()
        .filter(gone)
        .copied()
        .filter(|role| holds(role))
        .collect();
    let mut given: Vec<RoleId> = link
        .given
        .iter()
        .copied()
        .filter(|role| told.roles.contains(role))
        .collect();
    given.extend(&give);
    given.sort_unstable();
    given.dedup();
    let mut before = link.given.clone();
    before.sort_unstable();
    (!give.is_empty() || !take.is_empty() || given != before).then_some((give, take, given))
}

/// Gives and takes roles as the claims say now. Whether anything was recorded.
async fn give_roles(change: &mut Change, link: &Link, told: &Told) -> Result<bool> {
    let organization = change.ctx().organization;
    let user = users::store::lock(change.tx(), organization, link.user).await?;
    let Some((give, take, given)) = user.as_ref().and_then(|user| wanted(user, link, told)) else {
        return Ok(false);
    };
    store::write_given(change.tx(), organization, link.id, &given).await?;
    roles::adjust(change, link.user, &give, &take).await
}

/// Takes the roles that came from a provider, because the link to it goes.
pub(super) async fn take_roles(change: &mut Change, link: &Link) -> Result<()> {
    roles::adjust(change, link.user, &[], &link.given).await?;
    Ok(())
}

fn of_domain(provider: &Provider, email: &str) -> bool {
    let domain = email.rsplit_once('@').map(|(_, domain)| domain);
    provider.email_domains.is_empty()
        || domain.is_some_and(|domain| provider.email_domains.iter().any(|allowed| allowed == domain))
}

fn unknown() -> Error {
    Error::new(
        Kind::Forbidden,
        "providers.nobody",
        "Nobody here goes with this account, and it may not add anybody. Ask whoever runs this hub.",
    )
}

fn not_linked() -> Error {
    Error::new(
        Kind::Forbidden,
        "providers.not_linked",
        "Somebody has this address already. Sign in as before and link this account under My account.",
    )
}
