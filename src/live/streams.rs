//! The doors of the transports that are an endless HTTP answer, and of commands that come beside it: `/connection/http_stream`,
//! `/connection/sse`, `/emulation`, and for clients that only listen `/connection/uni_sse`, `uni_http_stream` and
//! `uni_websocket`. Each is closed unless the operator opens it.

use std::cell::RefCell;
use std::rc::Rc;

use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue,
};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use prost::Message;
use serde::Deserialize;
use serde_json::json;
use signalbox_actors::live_hub::Transport;
use signalbox_core::auth::Purpose;
use signalbox_core::bus::orders::Order;
use signalbox_core::kernel::error::{Error, Kind};
use signalbox_core::kernel::id::EventId;

use super::body::{Body, Framing};
use super::client::{Line, Pulse};
use super::connection::{Connection, Input, Way};
use super::plug::{self, Plug};
use super::protocol::raw::Object;
use super::protocol::wire::EmulationRequest;
use super::protocol::{ConnectRequest, MAX_FRAME_BYTES};
use super::routes::{drive, open_socket};
use super::session;
use super::stream_id::{StreamId, Track};
use super::visit::{ACCEL_BUFFERING, LAST_EVENT_ID, Visit};
use super::wire::Dialect;
use super::{Live, Transports};
use crate::http::Problem;

pub(super) fn routes(app: &mut web::ServiceConfig) {
    let limited = web::PayloadConfig::new(MAX_FRAME_BYTES);
    app.service(
        web::resource("/connection/http_stream")
            .app_data(limited.clone())
            .route(web::post().to(http_stream))
            .route(web::method(actix_web::http::Method::OPTIONS).to(preflight)),
    )
    .service(
        web::resource("/connection/sse")
            .app_data(limited.clone())
            .route(web::get().to(sse))
            .route(web::post().to(sse))
            .route(web::method(actix_web::http::Method::OPTIONS).to(preflight)),
    )
    .service(
        web::resource("/connection/uni_sse")
            .app_data(limited.clone())
            .route(web::get().to(uni_sse))
            .route(web::post().to(uni_sse))
            .route(web::method(actix_web::http::Method::OPTIONS).to(preflight)),
    )
    .service(
        web::resource("/connection/uni_http_stream")
            .app_data(limited.clone())
            .route(web::post().to(uni_http_stream))
            .route(web::method(actix_web::http::Method::OPTIONS).to(preflight)),
    )
    .service(
        web::resource("/emulation")
            .app_data(limited)
            .route(web::post().to(emulation))
            .route(web::method(actix_web::http::Method::OPTIONS).to(preflight)),
    )
    .route("/connection/uni_websocket", web::get().to(uni_websocket))
    .route("/connection/init", web::get().to(init));
}

/// What a client that opens a stream says in the address.
#[derive(Deserialize)]
struct Opening {
    cf_connect: Option<String>,
    last_event_id: Option<String>,
}

/// One kind of stream.
#[derive(Clone, Copy)]
struct Stream {
    transport: Transport,
    framing: Framing,
    dialect: Dialect,
    content_type: &'static str,
}

const EVENTS: &str = "text/event-stream; charset=utf-8";

async fn http_stream(
    request: HttpRequest,
    body: Bytes,
    live: web::Data<Live>,
) -> Result<HttpResponse, Problem> {
    open(&live, |on| on.http_stream)?;
    let (dialect, content_type) = if is_protobuf(&request) {
        (Dialect::Protobuf, "application/octet-stream")
    } else {
        (Dialect::Json, "application/x-ndjson")
    };
    let kind = Stream {
        transport: Transport::HttpStream,
        framing: Framing::Lines,
        dialect,
        content_type,
    };
    begin(&request, live, kind, First::Commands(body))
}

async fn sse(
    request: HttpRequest,
    opening: web::Query<Opening>,
    body: Bytes,
    live: web::Data<Live>,
) -> Result<HttpResponse, Problem> {
    open(&live, |on| on.sse)?;
    let commands = match opening.into_inner().cf_connect {
        Some(commands) => commands.into(),
        None if !body.is_empty() => body,
        None => {
            let detail = "Send the connect command in cf_connect, or in the body of a POST.";
            return Err(Error::new(Kind::Malformed, "live.no_connect", detail).into());
        }
    };
    let kind = Stream {
        transport: Transport::Sse,
        framing: Framing::Events,
        dialect: Dialect::Json,
        content_type: EVENTS,
    };
    begin(&request, live, kind, First::Commands(commands))
}

async fn uni_sse(
    request: HttpRequest,
    opening: web::Query<Opening>,
    body: Bytes,
    live: web::Data<Live>,
) -> Result<HttpResponse, Problem> {
    open(&live, |on| on.uni_sse)?;
    let opening = opening.into_inner();
    let connect = connect_request(opening.cf_connect.as_deref(), &body)?;
    let header = request.headers().get(LAST_EVENT_ID);
    let known = header
        .and_then(|id| id.to_str().ok())
        .or(opening.last_event_id.as_deref());
    let known = StreamId::parse(known.unwrap_or_default());
    let kind = Stream {
        transport: Transport::UniSse,
        framing: Framing::Events,
        dialect: Dialect::Pushes,
        content_type: EVENTS,
    };
    begin(&request, live, kind, First::Connect(connect, known))
}

async fn uni_http_stream(
    request: HttpRequest,
    body: Bytes,
    live: web::Data<Live>,
) -> Result<HttpResponse, Problem> {
    open(&live, |on| on.uni_http_stream)?;
    let kind = Stream {
        transport: Transport::UniHttpStream,
        framing: Framing::Lines,
        dialect: Dialect::Pushes,
        content_type: "application/x-ndjson",
    };
    let connect = connect_request(None, &body)?;
    begin(&request, live, kind, First::Connect(connect, StreamId::default()))
}

async fn uni_websocket(
    request: HttpRequest,
    opening: web::Query<Opening>,
    live: web::Data<Live>,
) -> Result<HttpResponse, Problem> {
    open(&live, |on| on.uni_websocket)?;
    let first = opening.into_inner().cf_connect;
    let connect = first
        .map(|first| connect_request(Some(&first), &[]))
        .transpose()?;
    open_socket(&request, live, Dialect::Pushes, Pulse::Told, connect)
}

/// What a load balancer is asked, that its cookie be set before a stream is opened.
async fn init() -> HttpResponse {
    HttpResponse::Ok().json(json!({}))
}

/// What comes with the request that opens a stream.
enum First {
    Commands(Bytes),
    /// Who it is, and where it stands in its channels.
    Connect(ConnectRequest, StreamId),
}

fn begin(
    request: &HttpRequest,
    live: web::Data<Live>,
    kind: Stream,
    first: First,
) -> Result<HttpResponse, Problem> {
    let visit = Visit::of(request, &live)?;
    let mut response = HttpResponse::Ok();
    visit.share(&mut response);
    let id = EventId::new().to_string();
    let listens_only = kind.dialect == Dialect::Pushes;
    let speech = Line {
        codec: kind.dialect.codec(),
        pulse: if listens_only { Pulse::Told } else { Pulse::Asked },
        session: session::of(&live.store.sealer, &id),
        node: if listens_only {
            String::new()
        } else {
            live.nodes.name().to_owned()
        },
    };
    let way = Way {
        transport: kind.transport,
        dialect: kind.dialect,
        shown: visit.shown(Purpose::Stream),
        address: visit.address,
        ip: visit.ip,
    };
    let outlet = plug::outlet(request, live.limits.queue_bytes);
    let (plug, alive) = Plug::of(request);
    let (mut body, gone) = Body::new(outlet.clone(), kind.framing, kind.dialect, alive);
    let mut connection = Connection::new(live.into_inner(), outlet, way, speech, &id);
    if kind.transport == Transport::UniSse {
        let track = Rc::new(RefCell::new(Track::default()));
        body = body.tracking(track.clone());
        connection = connection.tracked_by(track);
    }
    let connection = match first {
        First::Commands(commands) => connection.with_first(&commands),
        First::Connect(connect, known) => connection.standing_at(known).with_connect(connect),
    };
    drive(connection.run(Input::Elsewhere(gone), plug));
    Ok(response
        .insert_header((CONTENT_TYPE, kind.content_type))
        .insert_header((CACHE_CONTROL, "no-cache, no-store"))
        // no proxy and no compression may hold events back
        .insert_header((ACCEL_BUFFERING, "no"))
        .insert_header((CONTENT_ENCODING, "identity"))
        .streaming(body))
}

/// Commands for a stream that only flows to its client. Whichever node gets them passes them to the one that holds it.
async fn emulation(
    request: HttpRequest,
    body: Bytes,
    live: web::Data<Live>,
) -> Result<HttpResponse, Problem> {
    open(&live, |on| on.http_stream || on.sse)?;
    let visit = Visit::of(&request, &live)?;
    let read = if is_protobuf(&request) {
        EmulationRequest::decode(body).ok()
    } else {
        serde_json::from_slice(&body).ok().map(|Object(read)| read)
    };
    let commands = read.filter(|commands| !commands.session.is_empty() && !commands.data.is_empty());
    let Some(EmulationRequest { node, session, data }) = commands else {
        let detail = "Send node, session and data, as the answer to the connect and the protocol have them.";
        return Err(Error::new(Kind::Malformed, "live.bad_emulation", detail).into());
    };
    // no other node is asked, and nothing looked up, for whoever only guesses
    if !session::is_ours(&live.store.sealer, &session) {
        let detail = "There is no such stream. Connect again.";
        return Err(Error::new(Kind::NotFound, "live.unknown_session", detail).into());
    }
    live.posts.count(&session)?;
    let order = Order::Emulate {
        node,
        session,
        data: data.to_vec(),
    };
    live.nodes.tell(order).await.map_err(|error| match error.kind {
        Kind::NotFound => {
            let detail = "There is no such node now. Connect again.";
            Error::new(Kind::NotFound, "live.unknown_node", detail)
        }
        _ => error,
    })?;
    let mut response = HttpResponse::NoContent();
    visit.share(&mut response);
    Ok(response.finish())
}

/// What a page of another site may do is asked before it does it.
pub(super) async fn preflight(request: HttpRequest, live: web::Data<Live>) -> Result<HttpResponse, Problem> {
    let visit = Visit::of(&request, &live)?;
    // SDKs let an application add headers of its own; which pages may ask is what the allowed origins say
    let asked = request.headers().get(ACCESS_CONTROL_REQUEST_HEADERS);
    let headers = asked
        .cloned()
        .unwrap_or(HeaderValue::from_static("Content-Type, Last-Event-ID"));
    let mut response = HttpResponse::NoContent();
    visit.share(&mut response);
    response
        .insert_header((ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"))
        .insert_header((ACCESS_CONTROL_ALLOW_HEADERS, headers))
        .insert_header((ACCESS_CONTROL_MAX_AGE, "300"));
    Ok(response.finish())
}

fn open(live: &Live, on: impl Fn(&Transports) -> bool) -> Result<(), Error> {
    if on(&live.transports) {
        return Ok(());
    }
    let detail = "This transport is switched off. An operator opens it in live.transports.";
    Err(Error::new(Kind::NotFound, "live.transport_off", detail))
}

fn is_protobuf(request: &HttpRequest) -> bool {
    let kind = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/octet-stream"))
}

/// Who a client that only listens says it is; nothing is somebody without a name, or with a cookie.
fn connect_request(query: Option<&str>, body: &[u8]) -> Result<ConnectRequest, Error> {
    let text = query.map_or(body, str::as_bytes);
    if text.is_empty() {
        return Ok(ConnectRequest::default());
    }
    let read = serde_json::from_slice(text).map(|Object(read)| read);
    read.map_err(|_| {
        let detail = "Send a connect request as a JSON object, such as {\"token\": \"..\", \"subs\": {\"chat:1\": {}}}.";
        Error::new(Kind::Malformed, "live.bad_connect", detail)
    })
}
