//! `signalbox demo`: people and activity to look at. Everything goes through the same acts as a person's work, so it
//! arrives live on every open screen, and the audit log says that the demo did it.

use anyhow::Context;
use signalbox_core::kernel::ctx::Ctx;
use signalbox_core::kernel::id::UserId;
use signalbox_core::kernel::permission::PermissionSet;
use signalbox_core::roles::{self, Role, RoleItem};
use signalbox_core::users::service;
use signalbox_core::users::{NewUser, UserChange};
use signalbox_core::{Store, auth};

use super::{block_on, say};
use crate::config::Settings;
use crate::servers::Servers;
use crate::store;

const FIRST: [&str; 12] = [
    "Amara", "Bruno", "Chiara", "Dmitri", "Elif", "Farid", "Grace", "Hiroshi", "Ines", "Jamal", "Katya",
    "Liam",
];
const LAST: [&str; 10] = [
    "Okafor", "Silva", "Rossi", "Ivanova", "Kaya", "Haddad", "Hansen", "Tanaka", "Costa", "Murphy",
];
const DEPARTMENTS: [&str; 6] = [
    "Engineering",
    "Support",
    "Finance",
    "People",
    "Sales",
    "Operations",
];
/// Who gets which role: mostly plain users, as everywhere.
const ROLES: [&str; 8] = [
    "user",
    "user",
    "viewer",
    "user",
    "moderator",
    "user",
    "finance",
    "manager",
];

/// Adds the people; says so when they are there already.
pub(super) fn run(settings: &Settings) -> anyhow::Result<()> {
    let servers = Servers::reach(settings)?;
    let outcome = block_on(async {
        let store = store::open(settings, &servers).await?;
        let outcome = fill(&store).await;
        store.db.close().await;
        outcome
    });
    servers.stop();
    say(format_args!(
        "{} made-up people are there, all with addresses at demo.example",
        outcome??
    ));
    Ok(())
}

async fn fill(store: &Store) -> anyhow::Result<usize> {
    let organization = auth::organization(store).await?.context(
        "this hub has not been started yet: `signalbox serve` makes its organization and owner first",
    )?;
    let mut ctx = Ctx::system(organization, "demo");
    ctx.permissions = PermissionSet::from_iter(["roles:read"]);
    let roles = roles::list(store, &ctx).await?.items;
    // What the owner may do, so that the demo is held to the rules that people are held to.
    ctx.permissions = named(&roles, "owner")?.permissions.iter().cloned().collect();
    let people = FIRST
        .iter()
        .flat_map(|first| LAST.iter().map(move |last| (*first, *last)));
    let mut ids = Vec::new();
    for (n, (first, last)) in people.enumerate() {
        let role = named(&roles, ROLES[n % ROLES.len()])?;
        let made = service::create(store, &ctx, &person(n, first, last, role)).await;
        let made =
            made.context("the demo people cannot be added; if they are there already, nothing is missing")?;
        ids.push(made.id);
    }
    act(store, &ctx, &ids).await?;
    Ok(ids.len())
}

fn named<'a>(roles: &'a [RoleItem], name: &str) -> anyhow::Result<&'a Role> {
    roles
        .iter()
        .map(|item| &item.role)
        .find(|role| role.name == name)
        .with_context(|| format!("there is no role {name}"))
}

fn person(n: usize, first: &str, last: &str, role: &Role) -> NewUser {
    NewUser {
        email: format!("{first}.{last}@demo.example").to_lowercase(),
        name: format!("{first} {last}"),
        password: None,
        roles: vec![role.id],
        // 555-01xx is kept free for fiction.
        phone: Some(format!("+1 202 555 01{:02}", n % 100)),
        department: Some(DEPARTMENTS[n % DEPARTMENTS.len()].to_owned()),
        profile_image: None,
        employment_equity: None,
        metadata: None,
    }
}

/// Some of what happens in a working day.
async fn act(store: &Store, ctx: &Ctx, ids: &[UserId]) -> anyhow::Result<()> {
    for id in ids.iter().step_by(9) {
        let moved = UserChange {
            department: Some(Some("Operations".into())),
            ..UserChange::default()
        };
        service::update(store, ctx, *id, None, &moved).await?;
    }
    for (n, id) in ids.iter().step_by(17).enumerate() {
        service::ban(store, ctx, *id, "Sent the same message to forty people").await?;
        if n % 2 == 0 {
            service::unban(store, ctx, *id).await?;
        }
    }
    Ok(())
}
