//! What somebody may do while they act as somebody else: asked here, once, of every request.
//!
//! Looking is allowed. Everything else is refused until it is elevated; and what decides over the person's ways in, or takes
//! their data away, is refused even then.

use super::operations::Operation;
use actix_web::http::Method;
use actix_web::{HttpMessage, HttpRequest};
use signalbox_core::kernel::error::{Error, Kind};
use signalbox_core::sessions::impersonation::Impersonation;
use std::sync::Arc;
use time::OffsetDateTime;

/// What belongs to acting as somebody itself, and to looking on live: who only looks publishes nothing by it.
const ALWAYS: &[&str] = &["me.elevate", "impersonation.end", "auth.logout", "live.token"];
/// What only computes, though it is asked by POST: whoever may look may ask it. By name, so that a new operation is an act
/// until somebody says that it is none. A dry run that leaves a row or a job behind (`imports.dry_run`) is an act.
const COMPUTES: &[&str] = &["roles.what_if"];
/// Nobody else's to change, by the beginning of the operation's id: one's own password, factors, address, keys, sessions.
const NEVER_CHANGED: &[&str] = &[
    "me.",
    "auth.",
    "factors.",
    "providers.",
    "api_keys.",
    "sessions.",
    "ip_rules.",
    "users.impersonate",
];
/// Nobody else's to look at either.
const NEVER: &[&str] = &["personal_data."];

/// Passes for what whoever acts as somebody else on these terms may do.
pub(super) fn require_allowed(
    request: &HttpRequest,
    terms: &Impersonation,
    now: OffsetDateTime,
) -> Result<(), Error> {
    let operation = request.extensions().get::<Arc<Operation>>().map(Arc::clone);
    let looks = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    judge(
        operation.as_ref().map_or("", |operation| &operation.id),
        looks,
        terms.is_elevated(now),
    )
}

fn judge(operation: &str, looks: bool, elevated: bool) -> Result<(), Error> {
    let among = |list: &[&str]| list.iter().any(|start| operation.starts_with(start));
    if ALWAYS.contains(&operation) {
        return Ok(());
    }
    if among(NEVER) || (!looks && among(NEVER_CHANGED)) {
        return Err(Error::new(
            Kind::Forbidden,
            "impersonation.never",
            "Nobody does this as somebody else: it is the person's own. End this to do it as yourself.",
        ));
    }
    if looks || elevated || COMPUTES.contains(&operation) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Forbidden,
        "impersonation.read_only",
        "You act as somebody else and may only look. POST /api/v1/me/elevate lets you change things for ten minutes.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(operation: &str, looks: bool, elevated: bool) -> Option<String> {
        judge(operation, looks, elevated)
            .err()
            .map(|error| error.code.into_owned())
    }

    #[test]
    fn looking_is_allowed_and_changing_only_when_elevated() {
        assert_eq!(code("users.list", true, false), None);
        assert_eq!(
            code("users.update", false, false).as_deref(),
            Some("impersonation.read_only")
        );
        assert_eq!(code("users.update", false, true), None);
        assert_eq!(
            code("", false, false).as_deref(),
            Some("impersonation.read_only"),
            "an unknown act is an act"
        );
    }

    #[test]
    fn what_only_computes_is_looking_and_what_is_not_named_so_is_an_act() {
        for operation in COMPUTES {
            assert_eq!(code(operation, false, false), None, "{operation}");
        }
        for operation in [
            "imports.dry_run",
            "users.bulk",
            "roles.what_if_not",
            "providers.test",
        ] {
            assert!(code(operation, false, false).is_some(), "{operation}");
        }
    }

    #[test]
    fn what_is_the_persons_own_is_refused_even_when_elevated() {
        for operation in [
            "me.change_password",
            "api_keys.create",
            "sessions.revoke",
            "factors.totp_enroll",
            "personal_data.export",
            "users.impersonate",
            "auth.ticket",
        ] {
            assert_eq!(
                code(operation, false, true).as_deref(),
                Some("impersonation.never"),
                "{operation}"
            );
        }
        assert_eq!(
            code("personal_data.download", true, true).as_deref(),
            Some("impersonation.never")
        );
        assert_eq!(code("me.get", true, false), None);
        for operation in ALWAYS {
            assert_eq!(code(operation, false, false), None);
        }
    }
}
