//! Files that are made while they are sent.
//!
//! Invariant: whoever is shut out while a file comes to them gets no more of it than [`SLICE`] bytes and what is on its way in the
//! network: before each slice it is asked whether they still stand, and where their rights are other ones, whether what was begun
//! may go on.

use super::access::Shown;
use super::{Caller, State};
use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::web::{Bytes, Data};
use futures::stream;
use signalbox_core::bulk::Failures;
use signalbox_core::imports::RejectReport;
use signalbox_core::kernel::ctx::Ctx;
use signalbox_core::kernel::error::{Error, Kind, Result};
use signalbox_core::personal_data::Download;

/// The type of comma-separated values (RFC 4180).
pub(super) const CSV: &str = "text/csv; charset=utf-8";

/// Bytes handed over at a time.
const SLICE: usize = 64 * 1_024;

/// What comes piece by piece.
pub(super) trait Pieces {
    /// The next piece; `None` after the last.
    async fn next(&mut self) -> Result<Option<Bytes>>;

    /// Passes where what was begun is what somebody with the rights of `ctx` would be given.
    async fn may_go_on(&self, ctx: &Ctx) -> Result<()>;
}

impl Pieces for Download {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        Ok(self.next().await?.map(Bytes::from))
    }

    async fn may_go_on(&self, ctx: &Ctx) -> Result<()> {
        self.may_go_on(ctx).await
    }
}

impl Pieces for RejectReport {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        Ok(self.next().await?.map(Bytes::from))
    }

    async fn may_go_on(&self, ctx: &Ctx) -> Result<()> {
        self.may_go_on(ctx).await
    }
}

impl Pieces for Failures {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        Ok(self.next().await?.map(Bytes::from))
    }

    async fn may_go_on(&self, ctx: &Ctx) -> Result<()> {
        self.may_go_on(ctx).await
    }
}

/// What a browser keeps as a file called `name`, of the type `kind`.
pub(super) fn file(
    state: Data<State>,
    caller: Caller,
    (name, kind): (&str, &str),
    pieces: impl Pieces + 'static,
) -> HttpResponse {
    let on_its_way = OnItsWay {
        state,
        caller,
        pieces,
        rest: Bytes::new(),
    };
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, kind))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .streaming(stream::try_unfold(on_its_way, |mut file| async move {
            Ok::<_, Error>(file.slice().await?.map(|slice| (slice, file)))
        }))
}

struct OnItsWay<P> {
    state: Data<State>,
    caller: Caller,
    pieces: P,
    rest: Bytes,
}

impl<P: Pieces> OnItsWay<P> {
    async fn slice(&mut self) -> Result<Option<Bytes>> {
        while self.rest.is_empty() {
            match self.pieces.next().await? {
                Some(piece) => self.rest = piece,
                None => return Ok(None),
            }
        }
        // the last that is done before it is handed over
        self.require_still().await?;
        Ok(Some(self.rest.split_to(self.rest.len().min(SLICE))))
    }

    /// Asked of the session or key itself: the token that it was begun with may have run out meanwhile.
    async fn require_still(&mut self) -> Result<()> {
        let (ctx, known) = (&mut self.caller.0.ctx, &self.caller.0.known);
        let shown = Shown::Token {
            credential: known.standing.credential,
            user: known.standing.user,
            evidence: known.evidence,
        };
        let known = self.state.access.known(shown, ctx.ip).await?;
        if known.standing.must_change_password {
            let detail = "Choose a new password first: POST /api/v1/me/password.";
            return Err(Error::new(
                Kind::Forbidden,
                "auth.password_change_required",
                detail,
            ));
        }
        if known.permissions.is(&ctx.permissions) {
            return Ok(());
        }
        ctx.permissions = known.permissions;
        self.pieces.may_go_on(ctx).await
    }
}
