//! Errors as people and programs meet them: a closed set of kinds, a stable code, a sentence that says what to do next.

use super::permission::Missing;
use serde::Serialize;
use std::borrow::Cow;

/// The closed set of kinds; each transport maps a kind to its own code in one place (HTTP: DESIGN §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request cannot be understood: 400.
    Malformed,
    /// Understood, but a value is not acceptable: 422.
    Invalid,
    /// Nobody is signed in, or no longer: 401.
    Unauthenticated,
    /// Signed in, but not allowed: 403.
    Forbidden,
    /// No such thing, or none that the caller may know of: 404.
    NotFound,
    /// The present state does not allow it: 409.
    Conflict,
    /// `If-Match` names an older version: 412.
    Stale,
    /// A condition is required and missing: 428.
    ConditionRequired,
    /// It was there and is no more: 410.
    Gone,
    /// The body is larger than allowed: 413.
    TooLarge,
    /// The method is not offered here: 405.
    Method,
    /// The media type is not understood: 415.
    MediaType,
    /// Slower, please: 429.
    TooMany,
    /// Try again soon: 503.
    Unavailable,
    /// It took too long: 504.
    Timeout,
    /// Our fault: 500. The detail stays in the log.
    Internal,
}

/// One field that is not acceptable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// Path of the field, as in the request.
    pub field: String,
    /// Stable code.
    pub code: Cow<'static, str>,
    /// What to do about it.
    pub detail: String,
}

/// An error on its way to whoever asked.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Error {
    /// Decides the transport's code.
    pub kind: Kind,
    /// Stable slug, `<feature>.<what>`.
    pub code: Cow<'static, str>,
    /// A sentence for the person, without anything internal.
    pub detail: String,
    /// By field, where fields are to blame.
    pub errors: Vec<FieldError>,
    /// Seconds after which to try again, for [`Kind::TooMany`] and [`Kind::Unavailable`].
    pub retry_after: Option<u64>,
    /// The present representation, for [`Kind::Stale`].
    pub current: Option<Box<serde_json::Value>>,
    /// The cause, for the log only; of a refusal for want of a permission, the [`Missing`].
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What almost everything in core returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind` with its slug and its sentence.
    pub fn new(kind: Kind, code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self {
            kind,
            code: code.into(),
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
            current: None,
            source: None,
        }
    }

    /// A single field that is not acceptable.
    pub fn field(field: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError {
            field: field.into(),
            code: code.into(),
            detail: detail.into(),
        }])
    }

    /// Several fields that are not acceptable.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let mut error = Self::new(
            Kind::Invalid,
            "request.invalid",
            "Some values are not acceptable; see errors.",
        );
        error.errors = errors;
        error
    }

    /// Not allowed, naming the permission that is missing.
    pub fn forbidden(permission: &str) -> Self {
        Self::missing(Missing {
            permission: permission.to_owned(),
            resource: None,
        })
    }

    /// Not allowed for want of this.
    pub fn missing(missing: Missing) -> Self {
        let permission = &missing.permission;
        let detail = format!("This needs the permission {permission}. Ask somebody who may assign roles.");
        let mut error = Self::new(Kind::Forbidden, "permission.missing", detail);
        error.source = Some(Box::new(missing));
        error
    }

    /// The same, said to be for want of `permission`.
    pub fn for_want_of(mut self, permission: &str) -> Self {
        self.source = Some(Box::new(Missing {
            permission: permission.to_owned(),
            resource: None,
        }));
        self
    }

    /// What was lacking, where that is why.
    pub fn lacks(&self) -> Option<&Missing> {
        self.source.as_ref()?.downcast_ref()
    }

    /// No such thing.
    pub fn not_found(what: &str) -> Self {
        Self::new(
            Kind::NotFound,
            format!("{what}.not_found"),
            format!("There is no such {what}."),
        )
    }

    /// Our fault; `source` goes to the log.
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let mut error = Self::new(
            Kind::Internal,
            "internal",
            "Something went wrong on our side. Try again; if it stays, give the trace id to whoever runs this hub.",
        );
        error.source = Some(source.into());
        error
    }

    /// Try again soon; `source` goes to the log.
    pub fn unavailable(
        what: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        let mut error = Self::new(
            Kind::Unavailable,
            format!("{what}.unavailable"),
            format!("The hub cannot reach its {what} just now. Try again in a moment."),
        );
        error.retry_after = Some(1);
        error.source = Some(source.into());
        error
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => {
                Self::unavailable("database", error)
            }
            // 57P01..57P03: the server is being stopped, has crashed, or is starting
            sqlx::Error::Database(db) if db.code().is_some_and(|code| code.starts_with("57P")) => {
                Self::unavailable("database", error)
            }
            // 22021, 22P05: a text holds U+0000, which PostgreSQL keeps nowhere; only what somebody sent can
            sqlx::Error::Database(db) if matches!(db.code().as_deref(), Some("22021" | "22P05")) => {
                Self::new(
                    Kind::Invalid,
                    "request.unkeepable",
                    "A text holds a character that cannot be kept (U+0000). Leave it out.",
                )
            }
            _ => Self::internal(error),
        }
    }
}

impl From<redis::RedisError> for Error {
    fn from(error: redis::RedisError) -> Self {
        Self::unavailable("bus", error)
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::internal(error)
    }
}
