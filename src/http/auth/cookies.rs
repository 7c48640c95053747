//! The session in a browser: two cookies that no script and no other site can use; and one that stays when it has ended, by
//! which the browser is known when somebody signs in again.

use crate::http::caller::{ACCESS_COOKIE, REFRESH_COOKIE};
use crate::http::limits::Device;
use crate::http::{Problem, State};
use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::{HttpRequest, HttpResponse};
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

/// Which browser this is (`http::limits`). It proves nothing but that somebody has signed in to that account with it before.
const DEVICE_COOKIE: &str = "__Host-signalbox_device";

/// The browser that somebody signs in with, if it was used for this account before.
pub(super) fn device(request: &HttpRequest, state: &State, email: &str) -> Option<Device> {
    let shown = request.cookie(DEVICE_COOKIE)?;
    Device::read(&state.store.sealer, email, shown.value())
}

/// Has the browser known when somebody signs in to this account again. It lasts half a year from the last time.
pub(super) fn remember(answer: &mut HttpResponse, state: &State, email: &str) -> Result<(), Problem> {
    let shown = Device::new()?.shown(&state.store.sealer, email);
    let known = cookie(DEVICE_COOKIE, shown, Duration::days(180));
    Ok(answer
        .add_cookie(&known)
        .map_err(signalbox_core::kernel::error::Error::internal)?)
}

/// Another access token beside the refresh token that stays; 0 seconds take it away.
pub fn access(token: String, seconds: i64) -> Cookie<'static> {
    cookie(ACCESS_COOKIE, token, Duration::seconds(seconds))
}

/// Takes both away.
pub(super) fn clear() -> [Cookie<'static>; 2] {
    [ACCESS_COOKIE, REFRESH_COOKIE].map(|name| cookie(name, String::new(), Duration::ZERO))
}

/// One that comes back to this host alone, over TLS, from its own pages, and that no script reads.
pub(super) fn cookie(name: &'static str, value: String, life: Duration) -> Cookie<'static> {
    Cookie::build(name, value)
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Strict)
        .max_age(life)
        .finish()
}
