//! The session in a browser: two cookies that no script and no other site can use.

use crate::http::caller::{ACCESS_COOKIE, REFRESH_COOKIE};
use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use secrecy::ExposeSecret;
use signalbox_core::auth::SignedIn;

/// The cookies of a session. Both live as long as it can be refreshed: an access token that has expired is known by its
/// own claims, and the page then refreshes.
pub(super) fn set(signed_in: &SignedIn) -> [Cookie<'static>; 2] {
    let life = Duration::seconds(signed_in.refresh_expires_in);
    [
        cookie(ACCESS_COOKIE, signed_in.access_token.clone(), life),
        cookie(
            REFRESH_COOKIE,
            signed_in.refresh_token.expose_secret().to_owned(),
            life,
        ),
    ]
}

/// Takes both away.
pub(super) fn clear() -> [Cookie<'static>; 2] {
    [ACCESS_COOKIE, REFRESH_COOKIE].map(|name| cookie(name, String::new(), Duration::ZERO))
}

fn cookie(name: &'static str, value: String, life: Duration) -> Cookie<'static> {
    Cookie::build(name, value)
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Strict)
        .max_age(life)
        .finish()
}
