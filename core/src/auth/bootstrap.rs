//! The first start: an organization, its roles, and an owner.

use crate::Store;
use crate::change::Change;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Result};
use crate::kernel::event::{Event, Subject};
use crate::kernel::id::{OrganizationId, RoleId};
use crate::kernel::password::one_time;
use crate::kernel::password_policy;
use crate::roles;
use crate::users::{self, NewUser};
use secrecy::SecretString;

/// The first owner's address when none is set.
const OWNER: &str = "owner@localhost";

/// What an owner was made with.
#[derive(Debug)]
pub struct Bootstrapped {
    /// The owner's address.
    pub email: String,
    /// Made by us, to be shown once and changed at the first sign-in; `None` where it was given.
    pub one_time_password: Option<SecretString>,
}

/// Makes organization, roles and owner, unless there is an organization: then nothing is done, and `None` answered. Of
/// nodes that start together one does it.
pub async fn bootstrap(
    store: &Store,
    email: Option<&str>,
    password: Option<SecretString>,
) -> Result<Option<Bootstrapped>> {
    if organization(store).await?.is_some() {
        return Ok(None);
    }
    let mut chosen = Chosen::of(store, email, password).await?;
    let organization = OrganizationId::new();
    let ctx = Ctx::system(organization, "bootstrap");
    let mut change = Change::begin(store, &ctx).await?;
    sqlx::query_scalar!(r#"SELECT pg_advisory_xact_lock(hashtext('signalbox bootstrap'))::text AS "locked""#)
        .fetch_one(change.tx())
        .await?;
    let another = sqlx::query_scalar!("SELECT id FROM organizations LIMIT 1")
        .fetch_optional(change.tx())
        .await?;
    if another.is_some() {
        return Ok(None);
    }
    let at = change.at();
    sqlx::query!(
        "INSERT INTO organizations (id, name, created_at, updated_at) VALUES ($1, 'Signalbox', $2, $2)",
        organization.0,
        at,
    )
    .execute(change.tx())
    .await?;
    let owner = roles::predefine(change.tx(), organization, at).await?;
    let subject = Subject {
        kind: "organization".into(),
        id: organization.0,
        version: 1,
    };
    let event = Event::new(
        "organization.created",
        "organizations.create",
        subject,
        users::CHANNEL,
        "{actor} set up this hub",
    );
    change.record(event).await?;
    add(&mut change, &mut chosen, owner).await?;
    change.commit().await?;
    Ok(Some(chosen.told))
}

/// Adds an owner to the organization there is: how somebody gets back in who has lost every password.
pub async fn create_owner(
    store: &Store,
    email: &str,
    password: Option<SecretString>,
) -> Result<Bootstrapped> {
    let Some(organization) = organization(store).await? else {
        let made = bootstrap(store, Some(email), password).await?;
        return made.ok_or_else(|| Error::internal("the first organization appeared meanwhile; try again"));
    };
    let mut chosen = Chosen::of(store, Some(email), password).await?;
    let mut change = Change::begin(store, &Ctx::system(organization, "admin")).await?;
    let at = change.at();
    let owner = roles::predefine(change.tx(), organization, at).await?;
    add(&mut change, &mut chosen, owner).await?;
    change.commit().await?;
    Ok(chosen.told)
}

struct Chosen {
    told: Bootstrapped,
    new: NewUser,
    hash: String,
}

impl Chosen {
    async fn of(store: &Store, email: Option<&str>, password: Option<SecretString>) -> Result<Self> {
        let email = email.unwrap_or(OWNER);
        let (password, made) = if let Some(given) = password {
            password_policy::check(&store.passwords, &given, "password", &[email]).await?;
            (given, None)
        } else {
            let made = one_time()?;
            (made.clone(), Some(made))
        };
        let turn = store.passwords.turn().await?;
        Ok(Self {
            hash: store.passwords.hash(turn, password).await?,
            new: NewUser::named(email, "Owner"),
            told: Bootstrapped {
                email: email.trim().to_lowercase(),
                one_time_password: made,
            },
        })
    }
}

/// A password that we made is good for choosing another.
async fn add(change: &mut Change, chosen: &mut Chosen, owner: RoleId) -> Result<()> {
    chosen.new.roles = vec![owner];
    let user = users::service::found(change, &chosen.new, &chosen.hash).await?;
    if chosen.told.one_time_password.is_some() {
        sqlx::query!(
            "UPDATE users SET must_change_password = true WHERE id = $1",
            user.id.0
        )
        .execute(change.tx())
        .await?;
    }
    Ok(())
}

/// The installation's first organization; `None` before the first start.
pub async fn organization(store: &Store) -> Result<Option<OrganizationId>> {
    let mut tx = store.db.snapshot().await?;
    let first = sqlx::query_scalar!("SELECT id FROM organizations ORDER BY created_at LIMIT 1")
        .fetch_optional(&mut *tx)
        .await?;
    Ok(first.map(OrganizationId))
}
