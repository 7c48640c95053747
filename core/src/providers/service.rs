//! What may be done with providers. Every act: permission, lock, reach, write, record, commit.

use super::directory::Directory;
use super::input::{NewProvider, ProviderChange};
use super::model::{Listed, OneProvider, Provider, ProviderItem, ProviderKind, ProviderList, Tested};
use super::store::{self, Which};
use super::{CHANNEL, MOST, admit};
use crate::Store;
use crate::bus::control::{Revocation, RevocationKind};
use crate::change::Change;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::event::{Event, Scope, Severity};
use crate::kernel::id::{ProviderId, RoleId};
use crate::live::position;
use crate::users::rights;
use serde_json::Value;

/// Links with roles that are taken in one deletion at most: each person is told.
const MOST_GIVEN: i64 = 500;

/// What stands on the sign-in page, for everybody: id and name, oldest first.
pub async fn listed(store: &Store) -> Result<Vec<Listed>> {
    let mut tx = store.db.snapshot().await?;
    let which = Which {
        listed: true,
        most: MOST,
        ..Which::default()
    };
    let providers = store::select(&mut tx, which).await?.into_iter();
    let listed = providers.map(|provider| Listed {
        id: provider.id,
        name: provider.name,
    });
    Ok(listed.collect())
}

/// Reads all of the organization's. `public_url` is the hub's own address as configured.
pub async fn list(store: &Store, ctx: &Ctx, public_url: Option<&str>) -> Result<ProviderList> {
    ctx.require("providers:read")?;
    let mut tx = store.db.read(ctx.organization).await?;
    let position = position::told(&mut tx, ctx, CHANNEL).await?;
    let which = Which {
        organization: Some(ctx.organization),
        most: MOST,
        ..Which::default()
    };
    let providers = store::select(&mut tx, which).await?;
    let items = providers.iter().map(|provider| provider.seen_by(ctx, public_url));
    Ok(ProviderList {
        items: items.collect::<Result<_>>()?,
        position,
    })
}

/// Reads one.
pub async fn get(store: &Store, ctx: &Ctx, id: ProviderId, public_url: Option<&str>) -> Result<OneProvider> {
    ctx.require("providers:read")?;
    let mut tx = store.db.read(ctx.organization).await?;
    let position = position::told(&mut tx, ctx, CHANNEL).await?;
    let provider = store::one(&mut tx, ctx.organization, id).await?;
    let provider = provider.ok_or_else(|| Error::not_found("provider"))?;
    Ok(OneProvider {
        provider: provider.seen_by(ctx, public_url)?,
        position,
    })
}

/// Asks a provider whether it works as it is set up.
pub async fn test(directory: &Directory, ctx: &Ctx, id: ProviderId) -> Result<Tested> {
    ctx.require("providers:manage")?;
    let mut tx = directory.store.db.read(ctx.organization).await?;
    let provider = store::one(&mut tx, ctx.organization, id).await?;
    drop(tx);
    let provider = provider.ok_or_else(|| Error::not_found("provider"))?;
    Ok(directory.test(&provider).await)
}

/// Adds a provider. Its claims give no role that the actor may not give.
pub async fn create(
    store: &Store,
    ctx: &Ctx,
    new: &NewProvider,
    public_url: Option<&str>,
) -> Result<ProviderItem> {
    require_may_manage(store, ctx)?;
    let mut change = Change::begin(store, ctx).await?;
    let by = ctx.actor.user();
    let provider = new.provider(&store.sealer, ctx.organization, by, change.at())?;
    rights::require_givable(change.tx(), ctx, &provider.roles()).await?;
    if provider.second_factor {
        rights::require_over_owners(change.tx(), ctx).await?;
    }
    if !store::insert(change.tx(), &provider, MOST).await? {
        return Err(Error::new(
            Kind::Conflict,
            "providers.too_many",
            format!("There are {MOST} providers, which is the most. Delete one first."),
        ));
    }
    let text = "{actor} added a provider";
    let mut event = Event::new(
        "provider.created",
        "providers.create",
        provider.subject(),
        CHANNEL,
        text,
    )
    .severity(Severity::Warn)
    .patch(provider.patch()?, Provider::acts())
    .scope(None, Some(Scope::default()));
    for (field, value) in told(&provider)? {
        event = event.changed(&field, Value::Null, value);
    }
    change.record(event).await?;
    look_again(&mut change, &provider).await?;
    let item = provider.seen_by(ctx, public_url)?;
    change.answer(201, &item).await?;
    change.commit().await?;
    Ok(item)
}

/// Changes a provider.
pub async fn update(
    store: &Store,
    ctx: &Ctx,
    id: ProviderId,
    if_match: Option<i64>,
    wanted: &ProviderChange,
    public_url: Option<&str>,
) -> Result<ProviderItem> {
    require_may_manage(store, ctx)?;
    let mut change = Change::begin(store, ctx).await?;
    let before = locked(&mut change, ctx, id, if_match, public_url).await?;
    let mut after = before.clone();
    wanted.apply(&mut after, &store.sealer, ctx.actor.user())?;
    let mut roles = before.roles();
    roles.extend(after.roles());
    require_givable(&mut change, ctx, roles).await?;
    // its word then stands for an owner's factor, too
    if after.second_factor && !before.second_factor {
        rights::require_over_owners(change.tx(), ctx).await?;
    }
    let mut event = Event::new(
        "provider.updated",
        "providers.update",
        before.subject(),
        CHANNEL,
        "{actor} changed a provider",
    )
    .severity(Severity::Warn);
    for ((field, was), (_, is)) in told(&before)?.into_iter().zip(told(&after)?) {
        event = event.changed(&field, was, is);
    }
    if wanted.client_secret.is_some() {
        event = event.changed("client_secret", "before", "another");
    }
    if event.changes.is_empty() {
        return before.seen_by(ctx, public_url);
    }
    let at = change.at();
    store::write(change.tx(), &after, at).await?;
    let after = store::one(change.tx(), ctx.organization, id).await?;
    let after = after.ok_or_else(|| Error::internal("a locked provider is not there"))?;
    event.subject = after.subject();
    change
        .record(event.patch(after.patch()?, Provider::acts()))
        .await?;
    look_again(&mut change, &after).await?;
    let item = after.seen_by(ctx, public_url)?;
    change.answer(200, &item).await?;
    change.commit().await?;
    Ok(item)
}

/// Deletes a provider with every link to it. The roles that came from it go too.
pub async fn delete(store: &Store, ctx: &Ctx, id: ProviderId, if_match: Option<i64>) -> Result<()> {
    require_may_manage(store, ctx)?;
    let mut change = Change::begin(store, ctx).await?;
    let provider = locked(&mut change, ctx, id, if_match, None).await?;
    let links = store::links_with_roles(change.tx(), ctx.organization, id, MOST_GIVEN + 1).await?;
    if links.len() as i64 > MOST_GIVEN {
        return Err(Error::new(
            Kind::Conflict,
            "providers.too_many_roles",
            format!(
                "More than {MOST_GIVEN} people hold roles that came from it. Take its mappings away or switch it off."
            ),
        ));
    }
    let mut roles = provider.roles();
    roles.extend(links.iter().flat_map(|link| link.given.iter().copied()));
    require_givable(&mut change, ctx, roles).await?;
    for link in &links {
        admit::take_roles(&mut change, link).await?;
    }
    store::delete(change.tx(), ctx.organization, id).await?;
    let text = "{actor} deleted a provider";
    let event = Event::new(
        "provider.deleted",
        "providers.delete",
        provider.subject(),
        CHANNEL,
        text,
    )
    .severity(Severity::Warn)
    .changed("name", provider.name.as_str(), Value::Null)
    .changed("issuer", provider.issuer.as_str(), Value::Null)
    .scope(Some(Scope::default()), None);
    change.record(event).await?;
    look_again(&mut change, &provider).await?;
    change.commit().await
}

/// What decides over ways in is a person's, who has proved a moment ago who they are.
fn require_may_manage(store: &Store, ctx: &Ctx) -> Result<()> {
    ctx.require("providers:manage")?;
    ctx.require_session()?;
    ctx.require_recent_proof(store.clock.now())
}

/// Whoever changes a provider must be able to give what it gives: or they could make it give that to themselves.
async fn require_givable(change: &mut Change, ctx: &Ctx, mut roles: Vec<RoleId>) -> Result<()> {
    roles.sort_unstable();
    roles.dedup();
    rights::require_givable(change.tx(), ctx, &roles).await
}

async fn locked(
    change: &mut Change,
    ctx: &Ctx,
    id: ProviderId,
    if_match: Option<i64>,
    public_url: Option<&str>,
) -> Result<Provider> {
    let provider = store::lock(change.tx(), ctx.organization, id).await?;
    let provider = provider.ok_or_else(|| Error::not_found("provider"))?;
    if if_match.is_none_or(|version| version == provider.version) {
        return Ok(provider);
    }
    let mut error = Error::new(
        Kind::Stale,
        "provider.stale",
        "Somebody else has changed this provider meanwhile. Look at it as it is now, then decide.",
    );
    error.current = Some(Box::new(serde_json::to_value(
        provider.seen_by(ctx, public_url)?,
    )?));
    Err(error)
}

/// What the audit log keeps of a provider: all but what is kept anyway.
fn told(provider: &Provider) -> Result<Vec<(String, Value)>> {
    let Value::Object(row) = provider.patch()? else {
        return Err(Error::internal("a provider is an object"));
    };
    let kept = ["id", "created_at", "updated_at", "version"];
    Ok(row
        .into_iter()
        .filter(|(field, _)| !kept.contains(&field.as_str()))
        .collect())
}

/// Has every node look again at whoever came in by a token of an external issuer, and forget which tokens it has checked.
async fn look_again(change: &mut Change, provider: &Provider) -> Result<()> {
    if provider.kind != ProviderKind::ExternalJwt {
        return Ok(());
    }
    let organization = provider.organization;
    change
        .revoke(Revocation {
            organization,
            kind: RevocationKind::Organization,
            subject: organization.0,
            access_version: None,
            reason: "providers_changed".to_owned(),
        })
        .await
}
