//! What all links in mail have in common: who sends wrong tokens is slowed down, and who asks for links as well.

use super::client;
use crate::http::limits::Trier;
use crate::http::{Problem, State};
use actix_web::HttpRequest;
use signalbox_core::kernel::error::{Error, Kind, Result};
use signalbox_core::kernel::id::UserId;

/// The outcome of looking for a token. A wrong one counts against the address that sent it; a right one never does.
pub fn counted<T>(state: &State, request: &HttpRequest, outcome: Result<T>) -> Result<T, Problem> {
    match outcome {
        Err(error) if error.kind == Kind::Gone => {
            let counted = state.wrong_links.count(client(request).ip);
            Err(counted.map_or_else(|seconds| slower(seconds).into(), |()| error.into()))
        }
        outcome => Ok(outcome?),
    }
}

/// Counts that a link was asked for, for what was typed as an address and for where it comes from: the same for an address
/// that somebody has and for one that nobody has.
pub fn asked(state: &State, request: &HttpRequest, email: &str) -> Result<(), Problem> {
    count(state, &Trier::of(email, client(request).ip, None))
}

/// As [`asked`], by somebody who has signed in: counted for them, too, whatever address they type.
pub fn asked_by(state: &State, request: &HttpRequest, user: UserId, email: &str) -> Result<(), Problem> {
    count(state, &Trier::within(user.0))?;
    asked(state, request, email)
}

/// Never taken back: each asking may send a mail.
fn count(state: &State, trier: &Trier) -> Result<(), Problem> {
    match state.links_asked.begin(trier) {
        Ok(_) => Ok(()),
        Err(refused) => Err(slower(refused.retry_after.unwrap_or(60)).into()),
    }
}

fn slower(seconds: u64) -> Error {
    let detail = "Too many tries from this address, or for this mailbox. Wait, then try again.";
    let mut error = Error::new(Kind::TooMany, "auth.too_many_attempts", detail);
    error.retry_after = Some(seconds);
    error
}
