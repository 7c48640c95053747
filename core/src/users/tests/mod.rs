mod acts;
mod doors;
mod pages;
mod reach;
mod touched;

use super::{NewUser, UserItem, rights, service};
use crate::kernel::ctx::{Actor, Ctx};
use crate::kernel::id::{RoleId, UserId};
use crate::kernel::permission::PermissionSet;
use crate::testing::{self, TestStore};
use std::collections::HashMap;

/// An organization with the predefined roles.
struct World {
    test: TestStore,
    roles: HashMap<String, RoleId>,
}

impl World {
    async fn new() -> Self {
        let test = testing::store().await;
        let mut tx = test.store.db.bookkeeping().await.unwrap();
        crate::roles::predefine(&mut tx, test.organization, test.store.clock.now())
            .await
            .unwrap();
        let roles = sqlx::query!(
            "SELECT id, name FROM roles WHERE organization_id = $1",
            test.organization.0
        )
        .fetch_all(&mut *tx)
        .await
        .unwrap();
        tx.commit().await.unwrap();
        Self {
            test,
            roles: roles.into_iter().map(|row| (row.name, RoleId(row.id))).collect(),
        }
    }

    /// The hub's own hands, holding everything.
    async fn hub(&self) -> Ctx {
        let mut ctx = Ctx::system(self.test.organization, "test");
        let mut tx = self.test.store.db.bookkeeping().await.unwrap();
        ctx.permissions = sqlx::query_scalar!("SELECT name FROM permissions")
            .fetch_all(&mut *tx)
            .await
            .unwrap()
            .into_iter()
            .collect();
        ctx
    }

    /// Somebody with one role, or none, and the context they act in.
    async fn person(&self, role: &str, name: &str) -> (UserItem, Ctx) {
        let new = NewUser {
            roles: self.roles.get(role).copied().into_iter().collect(),
            ..new_user(name)
        };
        let user = service::create(&self.test.store, &self.hub().await, &new)
            .await
            .unwrap();
        let ctx = self.acting(user.id).await;
        (user, ctx)
    }

    async fn acting(&self, id: UserId) -> Ctx {
        let mut ctx = Ctx::system(self.test.organization, "test");
        let mut tx = self.test.store.db.read(self.test.organization).await.unwrap();
        ctx.permissions = rights::of(&mut tx, self.test.organization, id).await.unwrap();
        ctx.actor = Actor::User(id);
        ctx
    }

    /// What the tables say a predefined role may do, read without `rights`.
    async fn permissions_of(&self, role: &str) -> PermissionSet {
        let mut tx = self.test.store.db.bookkeeping().await.unwrap();
        sqlx::query_scalar!(
            "SELECT permission FROM role_permissions WHERE role_id = $1 AND granted",
            self.roles[role].0
        )
        .fetch_all(&mut *tx)
        .await
        .unwrap()
        .into_iter()
        .collect()
    }
}

/// `name` must differ from all others in its letters and digits.
fn new_user(name: &str) -> NewUser {
    let local: String = name
        .to_lowercase()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    NewUser {
        email: format!("{local}@example.com"),
        name: name.to_owned(),
        password: None,
        roles: Vec::new(),
        phone: Some("+49 30 1".to_owned()),
        department: None,
        profile_image: None,
        employment_equity: None,
        metadata: None,
    }
}
