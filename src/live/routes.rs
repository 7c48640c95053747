//! The doors: `GET /connection/websocket` and `GET /api/v1/stream`.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::rt::net::TcpStream;
use actix_web::{HttpRequest, HttpResponse, get, web};
use bytes::BytesMut;
use signalbox_actors::live_hub::{FollowError, Outlet, Transport};
use signalbox_core::auth::Purpose;
use signalbox_core::ip_rules;
use signalbox_core::kernel::error::{Error, Kind};
use signalbox_core::kernel::id::EventId;
use signalbox_core::live::channel::Channel;
use utoipa_actix_web::service_config::ServiceConfig;

use super::Live;
use super::client::{Line, Pulse, Refusal, SignInError};
use super::connection::{Connection, Input, Way};
use super::gate::{Admission, Grant, Viewer};
use super::plug::{self, Plug};
use super::protocol::{Codec, ConnectRequest, Disconnect, MAX_CHANNEL_BYTES, ReplyError};
use super::session;
use super::socket::{self, Reader, Writer, upgrade};
use super::sse::{EventSource, MAX_STREAM_CHANNELS, asked};
use super::stream_id::StreamId;
use super::streams;
use super::visit::{ACCEL_BUFFERING, LAST_EVENT_ID, Visit, credentials};
use super::wire::Dialect;
use crate::http::caller::too_many_wrong;
use crate::http::{Problem, refused};

/// Routes outside `/api/v1`.
pub fn routes(app: &mut web::ServiceConfig) {
    app.route("/connection/websocket", web::get().to(websocket))
        .configure(streams::routes);
}

/// Operations below `/api/v1`.
pub fn api_routes(api: &mut ServiceConfig) {
    api.service(stream)
        .route("/stream", web::method(Method::OPTIONS).to(streams::preflight));
}

/// Opens a WebSocket that speaks the Centrifuge client protocol, version 2.
async fn websocket(request: HttpRequest, live: web::Data<Live>) -> Result<HttpResponse, Problem> {
    let codec = socket::codec(&request);
    let dialect = match codec {
        Codec::Json => Dialect::Json,
        Codec::Protobuf => Dialect::Protobuf,
    };
    let by_frames = request
        .query_string()
        .split('&')
        .any(|pair| pair == "cf_ws_frame_ping_pong=true");
    let pulse = if by_frames { Pulse::Frames } else { Pulse::Asked };
    open_socket(&request, live, dialect, pulse, None)
}

/// Answers a WebSocket handshake, and serves the connection once the answer has been sent.
pub(super) fn open_socket(
    request: &HttpRequest,
    live: web::Data<Live>,
    dialect: Dialect,
    pulse: Pulse,
    connect: Option<ConnectRequest>,
) -> Result<HttpResponse, Problem> {
    let visit = Visit::of(request, &live)?;
    let serve = move |taken: TcpStream, read: BytesMut| {
        serve_socket(live.into_inner(), visit, dialect, pulse, connect, taken, read);
    };
    let response = upgrade(request, serve)
        .map_err(|refused| Error::new(Kind::Malformed, "live.no_upgrade", refused.to_string()))?;
    Ok(response)
}

/// Serves the connection on a socket of its own; what was `read` came behind the handshake.
fn serve_socket(
    live: Arc<Live>,
    visit: Visit,
    dialect: Dialect,
    pulse: Pulse,
    connect: Option<ConnectRequest>,
    taken: TcpStream,
    read: BytesMut,
) {
    let codec = dialect.codec();
    let outlet = Outlet::new(live.limits.queue_bytes);
    let taken = Rc::new(taken);
    let id = EventId::new().to_string();
    let listens_only = dialect == Dialect::Pushes;
    let speech = Line {
        codec,
        pulse,
        // who only listens is reached by it, through the server API
        session: if listens_only {
            session::of(&live.store.sealer, &id)
        } else {
            String::new()
        },
        node: String::new(),
    };
    let way = Way {
        transport: if listens_only {
            Transport::UniWebSocket
        } else {
            Transport::WebSocket
        },
        dialect,
        shown: visit.shown(Purpose::Socket),
        address: visit.address,
        ip: visit.ip,
    };
    let mut connection = Connection::new(live, outlet.clone(), way, speech, &id);
    if let Some(connect) = connect {
        connection = connection.with_connect(connect);
    }
    let reader = Reader::new(taken.clone(), read, codec);
    drive(Writer::new(taken.clone(), outlet, dialect));
    drive(connection.run(Input::Socket(reader), Plug::Taken(taken)));
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
        ("ticket" = Option<String>, Query, description = "A one-time ticket of auth.ticket, where neither a header nor a cookie can be sent"),
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
    let visit = Visit::of(&request, &live)?;
    let mut response = HttpResponse::Ok();
    visit.share(&mut response);
    let credentials = credentials(&request, &visit);
    if !live.hub.is_open() {
        return Err(interrupted().into());
    }
    let outlet = plug::outlet(&request, live.limits.queue_bytes);
    let admission = live
        .gate
        .admit(credentials, visit.ip, outlet.clone())
        .await
        .map_err(|why| turned_away(why, visit.ip))?;
    if let Viewer::Member(member) = &admission.viewer {
        refused::note(
            &request,
            refused::Asker {
                organization: member.organization,
                user: member.user,
                key: member.key.clone(),
            },
        );
    }
    let judged = judge(&live, &admission, asked.channels).await?;
    let known = request
        .headers()
        .get(LAST_EVENT_ID)
        .and_then(|id| id.to_str().ok());
    let known = known.or(asked.last_event_id.as_deref());
    let known = known.filter(|id| !id.is_empty()).map(StreamId::parse);
    let source = EventSource::open(
        live.into_inner(),
        outlet,
        admission,
        judged,
        known.as_ref(),
        visit.address,
    )
    .await;
    let source = source.map_err(|error| match error {
        FollowError::TooMany => too_many(),
        error => {
            tracing::debug!(%error, "an event stream could not be opened");
            interrupted()
        }
    })?;
    let (plug, alive) = Plug::of(&request);
    let (body, gone) = source.body(alive);
    drive(source.run(plug, gone));
    Ok(response
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
                "ticket" => {}
                "channel" if asked.channels.contains(&value) => {}
                "channel" => asked.channels.push(value),
                "last_event_id" => asked.last_event_id = Some(value),
                _ => {
                    return Err(Error::field(
                        name,
                        "unknown",
                        "A stream takes channel, last_event_id and ticket.",
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
) -> Result<Vec<(String, Grant)>, Error> {
    let mut judged = Vec::with_capacity(channels.len());
    for channel in channels {
        let unknown = || {
            let detail = "There is no such channel. Feeds are feed:users, feed:audit and feed:jobs; a job's is job:<id>.";
            Error::new(Kind::NotFound, "live.unknown_channel", detail)
        };
        if channel.len() > MAX_CHANNEL_BYTES || !channel.is_ascii() {
            return Err(unknown());
        }
        let grant = live
            .gate
            .judge(&admission.viewer, asked(&channel))
            .await
            .map_err(|refusal| match refusal {
                Refusal::Reply(ReplyError::UnknownChannel | ReplyError::BadRequest) => unknown(),
                Refusal::Reply(ReplyError::PermissionDenied) => {
                    let detail = format!("You may not follow {channel}. Ask somebody who may assign roles.");
                    let error = Error::new(Kind::Forbidden, "live.permission_denied", detail);
                    match Channel::parse(&channel).and_then(|channel| channel.opened_by()) {
                        Some(permission) => error.for_want_of(permission),
                        None => error,
                    }
                }
                _ => interrupted(),
            })?;
        judged.push((channel, grant));
    }
    Ok(judged)
}

fn turned_away(why: SignInError, from: Option<IpAddr>) -> Error {
    let (code, detail) = match why {
        SignInError::Close(Disconnect::PermissionDenied) => {
            let detail = "You may not open live connections. Ask an administrator.";
            return Error::new(Kind::Forbidden, "live.permission_denied", detail);
        }
        // as long as wrong ones are counted
        SignInError::Close(Disconnect::TooManyRequests) => return too_many_wrong(60),
        SignInError::Unavailable | SignInError::Channel(_) | SignInError::Close(_) => return interrupted(),
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
        SignInError::Address => return ip_rules::refused(from),
        SignInError::AccessEnded => (
            "auth.access_ended",
            "This account may not be used. Ask an administrator.",
        ),
    };
    Error::new(Kind::Unauthenticated, code, detail)
}

fn too_many() -> Error {
    let detail = "You have as many live connections as one may have. Close another one first.";
    Error::new(Kind::TooMany, "live.connection_limit", detail)
}

fn interrupted() -> Error {
    let detail = "Live delivery is interrupted: the hub cannot reach its bus. Come back in a few seconds.";
    let mut error = Error::new(Kind::Unavailable, "live.interrupted", detail);
    error.retry_after = Some(2);
    error
}

/// Runs a connection beside its response, on the same thread.
pub(super) fn drive(connection: impl Future<Output = ()> + 'static) {
    #[expect(clippy::disallowed_methods, reason = "ends with its socket")]
    actix_web::rt::spawn(connection);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_turned_away_for_good_is_told_so_and_whoever_may_come_back_when() {
        for (why, kind, wait) in [
            (
                SignInError::Close(Disconnect::PermissionDenied),
                Kind::Forbidden,
                None,
            ),
            (
                SignInError::Close(Disconnect::TooManyRequests),
                Kind::TooMany,
                Some(60),
            ),
            (SignInError::Unavailable, Kind::Unavailable, Some(2)),
            (SignInError::Expired, Kind::Unauthenticated, None),
        ] {
            let error = turned_away(why, None);
            assert_eq!((error.kind, error.retry_after), (kind, wait), "{error}");
        }
    }
}
