//! The doors: `GET /connection/websocket` and `GET /api/v1/stream`.

use actix_web::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderName, ORIGIN,
};
use actix_web::{HttpRequest, HttpResponse, get, web};
use signalbox_actors::live_hub::Outlet;
use signalbox_core::kernel::error::{Error, Kind};
use signalbox_core::kernel::id::EventId;
use signalbox_core::live::view::ViewClass;
use tokio::sync::oneshot;
use utoipa_actix_web::service_config::ServiceConfig;

use super::client::SignInError;
use super::connection::{Connection, Live};
use super::gate::{Admission, Credentials};
use super::plug::Plug;
use super::protocol::{MAX_CHANNEL_BYTES, ReplyError};
use super::socket::{Reader, upgrade};
use super::sse::{EventSource, MAX_STREAM_CHANNELS};
use super::stream_id::StreamId;
use crate::http::caller::ACCESS_COOKIE;
use crate::http::origin::Origin;
use crate::http::{Problem, State};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Routes outside `/api/v1`.
pub fn routes(app: &mut web::ServiceConfig) {
    app.route("/connection/websocket", web::get().to(websocket));
}

/// Operations below `/api/v1`.
pub fn api_routes(api: &mut ServiceConfig) {
    api.service(stream);
}

/// Opens a WebSocket that speaks the Centrifuge client protocol, version 2, in JSON.
async fn websocket(
    request: HttpRequest,
    payload: web::Payload,
    live: web::Data<Live>,
) -> Result<HttpResponse, Problem> {
    let cookie = session_cookie(&request)?;
    let outlet = Outlet::new(live.queue_bytes);
    let (plug, alive) = Plug::of(&request);
    let (done, is_done) = oneshot::channel();
    let response = upgrade(&request, outlet.clone(), alive, is_done)
        .map_err(|refused| Error::new(Kind::Malformed, "live.no_upgrade", refused.to_string()))?;
    let connection = Connection::new(live.get_ref().clone(), outlet, cookie, EventId::new().to_string());
    drive(connection.run(Reader::new(payload), plug, done));
    Ok(response)
}

/// Streams the events of channels, for EventSource and curl.
///
/// Each event's `id` says how far all channels are; sent back as `Last-Event-ID` it resumes them. `event: reset` names
/// channels whose present state must be fetched again; `event: end` gives the reason after which reconnecting is refused.
#[utoipa::path(
    tag = "live",
    operation_id = "live.stream",
    params(
        ("channel" = Vec<String>, Query, description = "Channels, at most 32", example = json!(["feed:users"])),
        ("last_event_id" = Option<String>, Query, description = "As the header, for the first request of an EventSource"),
    ),
    responses(
        (status = 200, description = "The events", content_type = "text/event-stream", body = String),
        (status = 401, description = "Not signed in", body = crate::http::problem::Body),
        (status = 403, description = "A channel may not be seen", body = crate::http::problem::Body),
        (status = 404, description = "No such channel", body = crate::http::problem::Body),
        (status = 503, description = "Live delivery is interrupted", body = crate::http::problem::Body),
    )
)]
#[get("/stream")]
async fn stream(
    request: HttpRequest,
    query: web::Query<Vec<(String, String)>>,
    live: web::Data<Live>,
) -> Result<HttpResponse, Problem> {
    let asked = Asked::read(query.into_inner())?;
    let credentials = credentials(&request)?;
    if !live.hub.is_open() {
        return Err(interrupted().into());
    }
    let outlet = Outlet::new(live.queue_bytes);
    let admission = live
        .gate
        .admit(credentials, outlet.clone())
        .await
        .map_err(refused)?;
    let judged = judge(&live, &admission, asked.channels).await?;
    let known = request
        .headers()
        .get(LAST_EVENT_ID)
        .and_then(|id| id.to_str().ok());
    let known = StreamId::parse(known.or(asked.last_event_id.as_deref()).unwrap_or_default());
    let source = EventSource::open(live.get_ref().clone(), outlet, admission, judged, &known).await;
    let source = source.map_err(|error| {
        tracing::debug!(%error, "an event stream could not be opened");
        interrupted()
    })?;
    let (plug, alive) = Plug::of(&request);
    let (body, gone) = source.body(alive);
    drive(source.run(plug, gone));
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream; charset=utf-8"))
        .insert_header((CACHE_CONTROL, "no-cache, no-store"))
        // no proxy and no compression may hold events back
        .insert_header((ACCEL_BUFFERING, "no"))
        .insert_header((CONTENT_ENCODING, "identity"))
        .streaming(body))
}

/// What a stream was asked for.
struct Asked {
    channels: Vec<String>,
    last_event_id: Option<String>,
}

impl Asked {
    fn read(query: Vec<(String, String)>) -> Result<Self, Error> {
        let mut asked = Self {
            channels: Vec::new(),
            last_event_id: None,
        };
        for (name, value) in query {
            match name.as_str() {
                "channel" if asked.channels.contains(&value) => {}
                "channel" => asked.channels.push(value),
                "last_event_id" => asked.last_event_id = Some(value),
                _ => {
                    return Err(Error::field(
                        name,
                        "unknown",
                        "A stream takes channel and last_event_id.",
                    ));
                }
            }
        }
        match asked.channels.len() {
            0 => Err(Error::field(
                "channel",
                "required",
                "Name at least one channel, such as feed:users.",
            )),
            1..=MAX_STREAM_CHANNELS => Ok(asked),
            _ => Err(Error::field(
                "channel",
                "too_many",
                "One stream carries at most 32 channels. Open another.",
            )),
        }
    }
}

async fn judge(
    live: &Live,
    admission: &Admission,
    channels: Vec<String>,
) -> Result<Vec<(String, ViewClass)>, Error> {
    let mut judged = Vec::with_capacity(channels.len());
    for channel in channels {
        let unknown = || {
            let detail = "There is no such channel. Feeds are feed:users, feed:audit and feed:jobs; a job's is job:<id>.";
            Error::new(Kind::NotFound, "live.unknown_channel", detail)
        };
        if channel.len() > MAX_CHANNEL_BYTES || !channel.is_ascii() {
            return Err(unknown());
        }
        let class = live
            .gate
            .judge(&admission.viewer, &channel)
            .await
            .map_err(|error| match error {
                ReplyError::UnknownChannel => unknown(),
                ReplyError::PermissionDenied => Error::new(
                    Kind::Forbidden,
                    "live.permission_denied",
                    format!("You may not follow {channel}. Ask somebody who may assign roles."),
                ),
                _ => interrupted(),
            })?;
        judged.push((channel, class));
    }
    Ok(judged)
}

/// A Bearer token, else the session cookie.
fn credentials(request: &HttpRequest) -> Result<Credentials, Error> {
    let header = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    if let Some((scheme, token)) = header.and_then(|value| value.split_once(' '))
        && scheme.eq_ignore_ascii_case("bearer")
    {
        return Ok(Credentials::Token(token.trim().to_owned()));
    }
    match session_cookie(request)? {
        Some(cookie) => Ok(Credentials::Cookie(cookie)),
        None => Err(refused(SignInError::Missing)),
    }
}

/// The session cookie, which a browser also sends when another site's page asks it to.
fn session_cookie(request: &HttpRequest) -> Result<Option<String>, Error> {
    let header = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    let noted = Origin::noted(request).map(|noted| noted.host);
    let host = noted.as_deref().or(header(HOST)).unwrap_or_default();
    let from_here = match header(ORIGIN) {
        Some(origin) => {
            let state = request.app_data::<web::Data<State>>();
            let public = state.and_then(|state| state.settings.server.public_url.as_deref());
            let from = origin.split_once("://").map(|(_, from)| from);
            from.is_some_and(|from| from.eq_ignore_ascii_case(host))
                || public.is_some_and(|url| url.eq_ignore_ascii_case(origin))
        }
        // programs send neither; browsers leave the origin out only where they say that the page is the site's own
        None => header(SEC_FETCH_SITE).is_none_or(|site| matches!(site, "same-origin" | "none")),
    };
    if !from_here {
        return Err(Error::new(
            Kind::Forbidden,
            "live.foreign_origin",
            "This page is of another site. Open live connections from the hub's own address.",
        ));
    }
    Ok(request
        .cookie(ACCESS_COOKIE)
        .map(|cookie| cookie.value().to_owned()))
}

fn refused(why: SignInError) -> Error {
    let (code, detail) = match why {
        SignInError::Unavailable => return interrupted(),
        SignInError::Missing => (
            "auth.required",
            "Sign in, or send an access token as Authorization: Bearer.",
        ),
        SignInError::Invalid => (
            "auth.invalid_token",
            "This is no access token of this hub. Sign in again.",
        ),
        SignInError::Expired => (
            "auth.token_expired",
            "The access token has run out. Refresh it, then come back.",
        ),
        SignInError::SignedOut => ("auth.session_ended", "The session has ended. Sign in again."),
        SignInError::AccessEnded => (
            "auth.access_ended",
            "This account may not be used. Ask an administrator.",
        ),
    };
    Error::new(Kind::Unauthenticated, code, detail)
}

fn interrupted() -> Error {
    let detail = "Live delivery is interrupted: the hub cannot reach its bus. Come back in a few seconds.";
    let mut error = Error::new(Kind::Unavailable, "live.interrupted", detail);
    error.retry_after = Some(2);
    error
}

/// Runs a connection beside its response, on the same thread.
fn drive(connection: impl Future<Output = ()> + 'static) {
    #[expect(
        clippy::disallowed_methods,
        reason = "ends with its socket, which the response body owns"
    )]
    actix_web::rt::spawn(connection);
}
