//! What somebody sends about a person, and how it becomes a profile.

use super::check::{self, Fault};
use super::model::User;
use super::store::Profile;
use crate::kernel::error::{Error, FieldError, Result};
use crate::kernel::id::RoleId;
use crate::kernel::password_policy;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Most roles one person has.
const MOST_ROLES: usize = 50;

/// Somebody to be added.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// Address; kept trimmed and lower-case.
    pub email: String,
    /// Name as it is shown, 1 to 200 characters.
    pub name: String,
    /// Without one, nobody signs in as this person until a password is reset.
    #[schema(value_type = Option<String>, format = "password")]
    pub password: Option<SecretString>,
    /// Roles; none may hold a permission that you lack.
    #[serde(default)]
    pub roles: Vec<RoleId>,
    /// Phone number.
    pub phone: Option<String>,
    /// Department.
    pub department: Option<String>,
    /// URL of a picture.
    pub profile_image: Option<String>,
    /// An object of your own.
    #[schema(value_type = Option<Object>)]
    pub employment_equity: Option<Value>,
    /// An object of your own.
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Value>,
}

/// What is to change: absent stays, null empties.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UserChange {
    /// Address. A new one ends the person's sessions.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = String)]
    pub email: Option<Option<String>>,
    /// Name as it is shown.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = String)]
    pub name: Option<Option<String>>,
    /// Phone number.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub phone: Option<Option<String>>,
    /// Department.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub department: Option<Option<String>>,
    /// URL of a picture.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub profile_image: Option<Option<String>>,
    /// An object of your own.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<Object>)]
    pub employment_equity: Option<Option<Value>>,
    /// An object of your own.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Option<Value>>,
}

/// Keeps apart what is absent and what is null.
#[expect(clippy::option_option, reason = "absent, null and a value are three things")]
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl NewUser {
    /// Somebody of whom nothing is known but an address and a name.
    pub fn named(email: &str, name: &str) -> Self {
        Self {
            email: email.to_owned(),
            name: name.to_owned(),
            password: None,
            roles: Vec::new(),
            phone: None,
            department: None,
            profile_image: None,
            employment_equity: None,
            metadata: None,
        }
    }

    pub(super) fn profile(&self) -> Result<Profile> {
        let mut faults = Faults::default();
        if self.roles.len() > MOST_ROLES {
            faults.0.push(FieldError {
                field: "roles".to_owned(),
                code: "too_many".into(),
                detail: format!("A person has at most {MOST_ROLES} roles."),
            });
        }
        let own = [self.email.as_str(), self.name.as_str()];
        let judged = self
            .password
            .as_ref()
            .map(|password| password_policy::plain(password, "password", &own));
        if let Some(Err(error)) = judged {
            faults.0.extend(error.errors);
        }
        let profile = Profile {
            email: faults.take("email", check::email(&self.email)),
            name: faults.take("name", check::name(&self.name)),
            phone: faults.optional("phone", self.phone.as_deref(), check::phone),
            department: faults.optional("department", self.department.as_deref(), check::department),
            profile_image: faults.optional(
                "profile_image",
                self.profile_image.as_deref(),
                check::profile_image,
            ),
            employment_equity: faults.object("employment_equity", self.employment_equity.clone()),
            metadata: faults
                .object("metadata", self.metadata.clone())
                .unwrap_or_else(empty),
        };
        faults.none(profile)
    }
}

impl UserChange {
    /// What `user` would be afterwards.
    pub(super) fn applied_to(&self, user: &User) -> Result<Profile> {
        let mut faults = Faults::default();
        let mut profile = Profile::of(user);
        if let Some(email) = &self.email {
            profile.email = faults.take("email", check::email(email.as_deref().unwrap_or_default()));
        }
        if let Some(name) = &self.name {
            profile.name = faults.take("name", check::name(name.as_deref().unwrap_or_default()));
        }
        if let Some(phone) = &self.phone {
            profile.phone = faults.optional("phone", phone.as_deref(), check::phone);
        }
        if let Some(department) = &self.department {
            profile.department = faults.optional("department", department.as_deref(), check::department);
        }
        if let Some(image) = &self.profile_image {
            profile.profile_image = faults.optional("profile_image", image.as_deref(), check::profile_image);
        }
        if let Some(equity) = &self.employment_equity {
            profile.employment_equity = faults.object("employment_equity", equity.clone());
        }
        if let Some(metadata) = &self.metadata {
            profile.metadata = faults.object("metadata", metadata.clone()).unwrap_or_else(empty);
        }
        faults.none(profile)
    }
}

impl Profile {
    /// The part of a person that is written by people.
    pub fn of(user: &User) -> Self {
        Self {
            email: user.email.clone(),
            name: user.name.clone(),
            phone: user.phone.clone(),
            department: user.department.clone(),
            profile_image: user.profile_image.clone(),
            employment_equity: user.employment_equity.clone(),
            metadata: user.metadata.clone(),
        }
    }
}

/// Collects what is wrong, so that a form shows all of it at once.
#[derive(Default)]
struct Faults(Vec<FieldError>);

impl Faults {
    fn take<T: Default>(&mut self, field: &str, checked: Result<T, Fault>) -> T {
        checked.unwrap_or_else(|fault| {
            self.0.push(fault.at(field));
            T::default()
        })
    }

    fn optional(
        &mut self,
        field: &str,
        raw: Option<&str>,
        check: fn(&str) -> Result<Option<String>, Fault>,
    ) -> Option<String> {
        self.take(field, check(raw.unwrap_or_default()))
    }

    fn object(&mut self, field: &str, raw: Option<Value>) -> Option<Value> {
        raw.map(|value| self.take(field, check::object(value)))
    }

    fn none<T>(self, value: T) -> Result<T> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(Error::invalid(self.0))
        }
    }
}

fn empty() -> Value {
    Value::Object(serde_json::Map::new())
}
