//! Who asks: API key, Bearer token or session cookie, checked against the present state of key or session.

use super::access::{Known, Shown};
use super::origin::Origin;
use super::{Problem, State, acting, etag, idempotency, json, limits, refused};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, HeaderValue, ORIGIN};
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use bytes::Bytes;
use futures::future::LocalBoxFuture;
use futures::stream;
use signalbox_core::api_keys::secret;
use signalbox_core::auth::{self, Claims};
use signalbox_core::kernel::ctx::{Actor, Ctx};
use signalbox_core::kernel::error::{Error, Kind};
use std::net::IpAddr;
use std::ops::Deref;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Cookie with the access token. `__Host-`: set by this host over TLS, for this host alone (RFC 6265bis §4.1.3.2).
pub const ACCESS_COOKIE: &str = "__Host-signalbox_access";
/// Cookie with the refresh token.
pub const REFRESH_COOKIE: &str = "__Host-signalbox_refresh";
/// Header that repeats the session's CSRF token.
pub const CSRF_HEADER: &str = "x-csrf-token";

/// A signed-in caller, whoever must change their password included: only what serves that takes it.
#[derive(Clone, Debug)]
pub struct AnyCaller {
    /// For core.
    pub ctx: Ctx,
    /// The session or key as it is now.
    pub known: Known,
}

/// A signed-in caller. Derefs to its [`Ctx`].
#[derive(Clone, Debug)]
pub struct Caller(pub AnyCaller);

impl Deref for Caller {
    type Target = Ctx;
    fn deref(&self) -> &Ctx {
        &self.0.ctx
    }
}

impl Deref for AnyCaller {
    type Target = Ctx;
    fn deref(&self) -> &Ctx {
        &self.ctx
    }
}

/// Noted where an operation takes a caller who was not let in yet.
struct Wanted;

/// Why the caller that the operation takes is not let in, if that is so. Parts of a request are read side by side, and
/// nobody is told what is wrong with the rest before they have said who they are.
pub(super) async fn refusal(request: &HttpRequest) -> Option<Problem> {
    if !request.extensions().contains::<Wanted>() {
        return None;
    }
    AnyCaller::of(request, None).await.err()
}

/// A body that came later than this behind its request's head was waited for, in which time its sender may have lost what they might.
const PROMPT: Duration = Duration::from_millis(50);

/// What a request sends beside its head. Parts of a request are read side by side: whoever reads this one gets it from here, and it
/// is there before it is said who the caller is.
struct Sent {
    body: Payload,
    reader: oneshot::Sender<Result<Bytes, PayloadError>>,
}

impl Sent {
    fn of(payload: &mut Payload) -> Option<Self> {
        if matches!(payload, Payload::None) {
            return None;
        }
        let (reader, read) = oneshot::channel();
        let read = stream::once(async { read.await.unwrap_or(Err(PayloadError::Incomplete(None))) });
        let payload = std::mem::replace(
            payload,
            Payload::Stream {
                payload: Box::pin(read),
            },
        );
        Some(Self {
            body: payload,
            reader,
        })
    }

    /// Waits for all of it, which takes so long.
    async fn arrives(self, limit: usize) -> Duration {
        let began = Instant::now();
        // nobody may read it
        let _ = self.reader.send(json::gather(self.body, limit).await);
        began.elapsed()
    }
}

/// A signed-in caller who sends a file: what they ask for is known, and may be answered as before, only once it has come.
#[derive(Clone, Debug)]
pub struct Uploader {
    ctx: Ctx,
    request: HttpRequest,
}

impl Deref for Uploader {
    type Target = Ctx;
    fn deref(&self) -> &Ctx {
        &self.ctx
    }
}

impl Uploader {
    /// All has come, and `content` is the hash of it: answers as before when the same was sent before under the same
    /// `Idempotency-Key`.
    pub(super) async fn sent(&mut self, state: &State, content: [u8; 32]) -> Result<(), Problem> {
        // it may have taken long, and what they were then is not what they are now
        let caller = AnyCaller::asking(&self.request, false).await?;
        require_own_password(&caller)?;
        self.ctx = caller.ctx;
        idempotency::sent(&self.request, content);
        idempotency::replay(&self.request, &state.store, &mut self.ctx).await
    }
}

impl FromRequest for Uploader {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        request.extensions_mut().insert(Wanted);
        Box::pin(async move {
            let caller = AnyCaller::admitted(&request).await?;
            require_own_password(&caller)?;
            let ctx = caller.ctx;
            Ok(Self { ctx, request })
        })
    }
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, sent) = (request.clone(), Sent::of(payload));
        request.extensions_mut().insert(Wanted);
        Box::pin(async move {
            let caller = AnyCaller::of(&request, sent).await?;
            require_own_password(&caller)?;
            Ok(Self(caller))
        })
    }
}

/// Not the one that was made for them.
fn require_own_password(caller: &AnyCaller) -> Result<(), Problem> {
    if !caller.known.standing.must_change_password {
        return Ok(());
    }
    Err(Error::new(
        Kind::Forbidden,
        "auth.password_change_required",
        "Choose a new password first: POST /api/v1/me/password.",
    )
    .into())
}

impl FromRequest for AnyCaller {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, sent) = (request.clone(), Sent::of(payload));
        request.extensions_mut().insert(Wanted);
        Box::pin(async move { Self::of(&request, sent).await })
    }
}

impl AnyCaller {
    async fn of(request: &HttpRequest, sent: Option<Sent>) -> Result<Self, Problem> {
        let mut caller = Self::admitted(request).await?;
        if let Some(sent) = sent
            && sent.arrives(json::limit(request)).await > PROMPT
        {
            caller = Self::asking(request, false).await?;
        }
        let state = state(request)?;
        idempotency::replay(request, &state.store, &mut caller.ctx).await?;
        Ok(caller)
    }

    /// Who asks, counted as one request, and nothing speaks against what they ask for.
    async fn admitted(request: &HttpRequest) -> Result<Self, Problem> {
        let caller = Self::asking(request, true).await?;
        request.extensions_mut().remove::<Wanted>();
        etag::require_compared(request)?;
        Ok(caller)
    }

    /// Who asks, as they stand at this moment.
    async fn asking(request: &HttpRequest, counted: bool) -> Result<Self, Problem> {
        let state = state(request)?;
        let (token, by_cookie) = token(request)?;
        let from = Origin::noted(request).and_then(|origin| origin.ip);
        let mut act = None;
        let known = if secret::looks_like(&token) && !by_cookie {
            by_key(state, &token, from).await?
        } else {
            match state.auth.verify(&token).await {
                Ok(claims) => {
                    if by_cookie {
                        require_own_page(request, state, &claims)?;
                    }
                    act = claims.act.map(|act| act.sub);
                    state.access.known(Shown::from(&claims), from).await?
                }
                Err(error) if is_another_issuers(&error) && !by_cookie => {
                    by_external(state, request, &token, error).await?
                }
                Err(error) => return Err(error.into()),
            }
        };
        let terms = known.standing.impersonation.clone();
        if terms.as_ref().map(|terms| terms.by.0) != act {
            return Err(auth::unauthenticated().into());
        }
        let standing = &known.standing;
        refused::note(
            request,
            refused::Asker {
                organization: standing.organization,
                user: standing.user,
                key: standing.key.clone(),
            },
        );
        if counted {
            limits::admit(request, state, &known.standing).await?;
        }
        let mut ctx = anonymous(request, known.standing.organization);
        ctx.actor = Actor::User(known.standing.user);
        ctx.credential = known.standing.credential;
        ctx.permissions = known.permissions.clone();
        if let Some(terms) = &terms {
            tracing::Span::current().record("on_behalf_of", tracing::field::display(terms.by));
            ctx.on_behalf_of = Some(terms.by);
            acting::require_allowed(request, terms, state.store.clock.now())?;
        }
        ctx.authenticated_at = Some(known.standing.authenticated_at);
        Ok(Self { ctx, known })
    }
}

/// Whether a token is none of ours, so that another issuer may have made it.
fn is_another_issuers(error: &Error) -> bool {
    error.code == "auth.unauthenticated"
}

/// Whose token of an external issuer this is; `error` where it is of none. Wrong ones are counted as wrong keys are.
async fn by_external(
    state: &State,
    request: &HttpRequest,
    token: &str,
    error: Error,
) -> Result<Known, Problem> {
    let client = super::auth::client(request);
    let verified = match state.providers.external(token, &client).await {
        Ok(None) => return Err(error.into()),
        Ok(Some(verified)) => verified,
        Err(wrong) if is_another_issuers(&wrong) => {
            let counted = state.wrong_keys.count(client.ip);
            return Err(counted.map_or_else(too_many_wrong, |()| wrong).into());
        }
        Err(error) => return Err(error.into()),
    };
    Ok(state.access.known(Shown::from(&verified), client.ip).await?)
}

/// Whose key this is. A right one is never counted, so that nobody behind the same address can shut programs out.
async fn by_key(state: &State, token: &str, from: Option<IpAddr>) -> Result<Known, Problem> {
    let outcome = match secret::read(token, &state.settings.auth.api_key_environment) {
        Ok(hash) => state.access.known(Shown::Key(hash), from).await,
        Err(why) => Err(Error::new(
            Kind::Unauthenticated,
            "api_key.refused",
            sentence(&why.to_string()),
        )),
    };
    match outcome {
        Err(error) if error.kind == Kind::Unauthenticated => {
            let counted = state.wrong_keys.count(from);
            Err(counted.map_or_else(too_many_wrong, |()| error).into())
        }
        outcome => Ok(outcome?),
    }
}

/// More wrong keys or tokens came from an address than are looked at.
pub fn too_many_wrong(seconds: u64) -> Error {
    let detail = "Too many wrong API keys or tokens from this address. Wait, then send a right one.";
    let mut error = Error::new(Kind::TooMany, "api_key.too_many_wrong", detail);
    error.retry_after = Some(seconds);
    error
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str() + "."
}

/// The facts of the request without anybody in it yet.
pub fn anonymous(request: &HttpRequest, organization: signalbox_core::kernel::id::OrganizationId) -> Ctx {
    const NOBODY: &str = "auth";
    let Some(origin) = Origin::noted(request) else {
        return Ctx::system(organization, NOBODY);
    };
    let actor = Actor::System(NOBODY.to_owned());
    let mut ctx = Ctx::by(organization, actor, origin.request_id, origin.trace_id.clone());
    ctx.ip = origin.ip;
    ctx.user_agent.clone_from(&origin.user_agent);
    ctx
}

fn state(request: &HttpRequest) -> Result<&web::Data<State>, Problem> {
    request
        .app_data::<web::Data<State>>()
        .ok_or_else(|| Error::internal("the application has no state").into())
}

/// The access token, and whether a cookie carried it. A header wins: whoever sets one is a program.
fn token(request: &HttpRequest) -> Result<(String, bool), Problem> {
    if let Some(header) = request.headers().get(AUTHORIZATION) {
        let bearer = header.to_str().ok().and_then(|text| text.split_once(' '));
        return match bearer {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                Ok((token.trim().to_owned(), false))
            }
            _ => Err(auth::unauthenticated().into()),
        };
    }
    match request.cookie(ACCESS_COOKIE) {
        Some(cookie) => Ok((cookie.value().to_owned(), true)),
        None => Err(auth::unauthenticated().into()),
    }
}

/// A browser sends cookies whoever's page asks. A page of ours proves itself: right Origin, and for everything that
/// changes something the CSRF token, which no foreign page can read.
fn require_own_page(request: &HttpRequest, state: &State, claims: &Claims) -> Result<(), Problem> {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    require_origin(request, state, !safe)?;
    if safe {
        return Ok(());
    }
    let sent = request.headers().get(CSRF_HEADER).map(HeaderValue::as_bytes);
    if sent.is_some_and(|sent| auth::csrf_matches(&state.store.sealer, claims.session(), sent)) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Forbidden,
        "auth.csrf",
        "Repeat the csrf_token of sign-in or of GET /api/v1/me in the header X-CSRF-Token.",
    )
    .into())
}

/// `Origin` names this hub: the host that was asked, or the public address. Where `needed` it must be there.
pub fn require_origin(request: &HttpRequest, state: &State, needed: bool) -> Result<(), Problem> {
    let good = match request.headers().get(ORIGIN) {
        None => !needed,
        Some(sent) => sent.to_str().is_ok_and(|sent| is_ours(request, state, sent)),
    };
    if good {
        return Ok(());
    }
    Err(Error::new(
        Kind::Forbidden,
        "auth.origin",
        "This request comes from another site than the hub's own. Open the console at its own address.",
    )
    .into())
}

fn is_ours(request: &HttpRequest, state: &State, sent: &str) -> bool {
    if state
        .settings
        .server
        .public_url
        .as_deref()
        .is_some_and(|url| url.eq_ignore_ascii_case(sent))
    {
        return true;
    }
    let host = sent
        .strip_prefix("https://")
        .or_else(|| sent.strip_prefix("http://"));
    let extensions = request.extensions();
    let asked = extensions.get::<Rc<Origin>>().map(|origin| origin.host.as_str());
    matches!((host, asked), (Some(host), Some(asked)) if !asked.is_empty() && host.eq_ignore_ascii_case(asked))
}
