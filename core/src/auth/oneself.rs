//! Who somebody is, for themselves: nothing of one's own is masked.

use crate::Store;
use crate::kernel::error::{Error, Result};
use crate::kernel::id::{OrganizationId, UserId};
use crate::users;
use crate::users::model::RoleName;
use serde::Serialize;
use time::OffsetDateTime;

/// Person, organization, roles.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Oneself {
    /// The person.
    pub user: Myself,
    /// Where they belong.
    pub organization: OrganizationName,
    /// What they hold, by name.
    pub roles: Vec<RoleName>,
}

/// The person.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Myself {
    /// Id.
    pub id: UserId,
    /// Name as it is shown.
    pub name: String,
    /// Address.
    pub email: String,
    /// Phone number.
    pub phone: Option<String>,
    /// Department.
    pub department: Option<String>,
    /// URL of a picture.
    pub profile_image: Option<String>,
    /// Last sign-in.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_login_at: Option<OffsetDateTime>,
    /// Added.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// Grows by one with each change.
    pub version: i64,
}

/// An organization.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct OrganizationName {
    /// Id.
    pub id: OrganizationId,
    /// Name as it is shown.
    pub name: String,
}

/// Reads it.
pub async fn oneself(store: &Store, organization: OrganizationId, user: UserId) -> Result<Oneself> {
    let mut tx = store.db.primary(organization).await?;
    let name = sqlx::query_scalar!("SELECT name FROM organizations WHERE id = $1", organization.0)
        .fetch_one(&mut *tx)
        .await?;
    let user = users::store::find(&mut tx, organization, user)
        .await?
        .ok_or_else(|| Error::not_found("user"))?;
    Ok(Oneself {
        organization: OrganizationName {
            id: organization,
            name,
        },
        roles: user.roles,
        user: Myself {
            id: user.id,
            name: user.name,
            email: user.email,
            phone: user.phone,
            department: user.department,
            profile_image: user.profile_image,
            last_login_at: user.last_login_at,
            created_at: user.created_at,
            version: user.version,
        },
    })
}
