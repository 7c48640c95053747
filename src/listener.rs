//! The HTTP server: actix-web's application on actix-server, put together as `actix_web::HttpServer` does it, with one
//! thing more: an answered handshake may hand its socket over ([`Takeover`]).
//!
//! `HttpServer` keeps its HTTP/1 dispatcher around an upgraded socket for ever. Each has two buffers of 8 KiB and copies every
//! byte once more (docs/adr/0004-websocket-form.md has the figures); 15,000 idle sockets are what this hub is for.

mod carrier;
mod unasked;

use std::any::Any;
use std::fmt::Debug;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::body::{BodySize, BoxBody, MessageBody};
use actix_http::error::DispatchError;
use actix_http::error::PayloadError;
use actix_http::h1::{Codec, SendResponse};
use actix_http::{ConnectionType, HttpService, Protocol as Http, Request, Response};
use actix_service::{IntoServiceFactory, ServiceFactoryExt, apply_fn_factory, map_config};
use actix_web::dev::{AppConfig, Extensions, Server, Service, ServiceFactory, fn_factory, fn_service};
use actix_web::rt::net::TcpStream;
use actix_web::{Error, HttpResponse};
use bytes::{Bytes, BytesMut};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::AsyncWriteExt;

pub use carrier::Unwritten;

use carrier::Carrier;
use unasked::{Connections, Place, UnderWay};

/// How long a client may take for a request's head, and how long it is waited for at the end.
const HEAD: Duration = Duration::from_secs(5);
const END: Duration = Duration::from_secs(1);

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4_096;

/// The socket under an HTTP/1 connection, with what its dispatcher does for it.
type Framed = actix_codec::Framed<Carrier, Codec>;

/// What takes the socket once the answer has been sent, with the bytes that were read behind the request.
pub struct Takeover(Box<dyn FnOnce(TcpStream, BytesMut)>);

impl Takeover {
    /// Adds to an answer that its socket is then `take`'s. Only that of an answer to a request with
    /// `Upgrade: websocket` can be taken.
    pub fn of(response: &mut HttpResponse, take: impl FnOnce(TcpStream, BytesMut) + 'static) {
        response.extensions_mut().insert(Self(Box::new(take)));
    }
}

/// A listener on `address`, which a server that has just ended may have had.
///
/// # Errors
/// Somebody else has it, or it is none of this machine.
pub fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// How it listens.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Threads; as many as the machine has processors when absent.
    pub workers: Option<usize>,
    /// Seconds that requests have to end in when the server stops.
    pub shutdown_seconds: u64,
    /// How long a connection may be without a request: the head of the next has come by then.
    pub unasked: Duration,
    /// Called for each connection that is accepted.
    pub on_connect: fn(&dyn Any, &mut Extensions),
}

/// Serves `application` on `listener`. Signals are the caller's.
///
/// # Errors
/// The listener cannot be used.
pub fn serve<F, I, S, B>(listener: TcpListener, terms: Terms, application: F) -> std::io::Result<Server>
where
    F: Fn() -> I + Clone + Send + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let mut builder = Server::build()
        .disable_signals()
        .shutdown_timeout(terms.shutdown_seconds);
    if let Some(workers) = terms.workers {
        builder = builder.workers(workers);
    }
    let stopping = builder.graceful_shutdown_signal();
    let server = builder.listen("http", listener, move || {
        let (stopping, made) = (stopping.clone(), application.clone());
        let configured = move || {
            let application = made().into_factory();
            let answering = application.map_err(|error| Response::from(error.into().error_response()));
            map_config(apply_fn_factory(answering, note::<_, B>), |()| {
                AppConfig::default()
            })
        };
        let upgraded = configured.clone();
        let connections = Connections::default();
        let (accepted, http) = (connections.clone(), connections.clone());
        #[expect(
            clippy::disallowed_methods,
            reason = "ends with its thread, and holds nothing"
        )]
        actix_web::rt::spawn(connections.watch(terms.unasked));
        let service = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .client_request_timeout(HEAD)
            .client_disconnect_timeout(END)
            .on_connect_ext(move |carrier: &Carrier, extensions| {
                extensions.insert(accepted.accept(carrier.stream()));
                extensions.insert(carrier.unwritten().clone());
                (terms.on_connect)(carrier.stream(), extensions);
            })
            .upgrade(fn_factory(move || {
                let (making, http) = (upgraded().new_service(()), http.clone());
                async move {
                    let application = Rc::new(making.await?);
                    Ok::<_, S::InitError>(fn_service(move |(request, framed)| {
                        upgrade(application.clone(), request, framed, http.clone())
                    }))
                }
            }))
            .finish(configured());
        fn_service(async |stream: TcpStream| {
            let peer = stream.peer_addr().ok();
            Ok::<_, DispatchError>((Carrier::new(stream), Http::Http1, peer))
        })
        .and_then(service)
    })?;
    Ok(server.run())
}

/// Has the application answer, and notes that the request is under way until the last byte of the answer.
fn note<S, B>(
    request: Request,
    application: &S,
) -> impl Future<Output = Result<Response<Answer>, Response<BoxBody>>> + use<S, B>
where
    S: Service<Request, Error = Response<BoxBody>>,
    S::Response: Into<Response<B>>,
    B: MessageBody + 'static,
{
    let under_way = request.conn_data::<Place>().map(Place::asked);
    let answering = application.call(request);
    async move {
        let response = answering.await?.into().map_into_boxed_body();
        Ok(response.map_body(|_, body| Answer {
            body,
            _under_way: under_way,
        }))
    }
}

/// The body of an answer, with errors as [`SendResponse`] wants them.
struct Answer {
    body: BoxBody,
    _under_way: Option<UnderWay>,
}

impl MessageBody for Answer {
    type Error = PayloadError;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, PayloadError>>> {
        let broken = |error: Box<dyn std::error::Error>| std::io::Error::other(error.to_string()).into();
        Pin::new(&mut self.body)
            .poll_next(cx)
            .map(|part| part.map(|part| part.map_err(broken)))
    }
}

/// Answers a request with `Upgrade: websocket` (of other protocols HTTP/1 takes no notice), and lets go of the socket.
async fn upgrade<S>(
    application: Rc<S>,
    request: Request,
    framed: Framed,
    http: Connections,
) -> Result<(), Error>
where
    S: Service<Request, Response = Response<Answer>, Error = Response<BoxBody>>,
{
    let mut response = application.call(request).await.unwrap_or_else(|error| {
        error.map_body(|_, body| Answer {
            body,
            _under_way: None,
        })
    });
    let takeover = response.extensions_mut().remove::<Takeover>();
    if takeover.is_none() {
        // this connection cannot go back to serving requests: the answer ends with it
        let head = response.head_mut();
        head.set_connection_type(ConnectionType::Close);
        head.no_chunking(true);
    }
    let mut parts = SendResponse::new(framed, response).await?.into_parts();
    match takeover {
        Some(Takeover(take)) => {
            let stream = parts.io.into_stream();
            http.forget(&stream);
            take(stream, parts.read_buf);
        }
        None => parts.io.shutdown().await?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use actix_web::{App, HttpRequest, web};
    use futures::stream;
    use tokio::io::AsyncReadExt;

    use super::*;

    /// Takes the socket and says what it was given.
    async fn taken(_: HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::SwitchingProtocols().upgrade("websocket").finish();
        Takeover::of(&mut response, |mut stream, read| {
            #[expect(clippy::disallowed_methods, reason = "ends with its socket")]
            actix_web::rt::spawn(async move {
                let mut more = [0; 4];
                stream.read_exact(&mut more).await.unwrap();
                stream.write_all(&[&read[..], &more].concat()).await.unwrap();
            });
        });
        response
    }

    async fn streamed() -> HttpResponse {
        let parts = ["one ", "two"].map(|part| Ok::<_, Error>(Bytes::from_static(part.as_bytes())));
        HttpResponse::Ok().streaming(stream::iter(parts))
    }

    /// Takes longer than a connection may be without a request.
    async fn slow() -> HttpResponse {
        let part = async {
            actix_web::rt::time::sleep(Duration::from_secs(3)).await;
            Ok::<_, Error>(Bytes::from_static(b"at last"))
        };
        HttpResponse::Ok().streaming(Box::pin(stream::once(part)))
    }

    /// A connection to a server with all of them, and `/whole`.
    async fn connect() -> (TcpStream, Server) {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let terms = Terms {
            workers: Some(1),
            shutdown_seconds: 1,
            unasked: Duration::from_secs(1),
            on_connect: |_, _| {},
        };
        let app = || {
            App::new()
                .route("/taken", web::get().to(taken))
                .route("/streamed", web::get().to(streamed))
                .route("/slow", web::get().to(slow))
                .route("/whole", web::get().to(async || "whole"))
        };
        let server = serve(listener, terms, app).unwrap();
        (TcpStream::connect(address).await.unwrap(), server)
    }

    /// Asks for a path as if a WebSocket were there; all that comes until the server closes.
    fn answer(path: &str) -> String {
        actix_web::rt::System::new().block_on(async {
            let (mut stream, server) = connect().await;
            let asks = async {
                let request = format!(
                    "GET {path} HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
                );
                stream.write_all(request.as_bytes()).await.unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).await.unwrap();
                answer
            };
            tokio::select! {
                answer = asks => answer,
                ended = server => panic!("{ended:?}"),
            }
        })
    }

    #[test]
    fn a_path_without_websocket_answers_a_handshake_as_any_other_request_and_closes() {
        let whole = answer("/whole");
        assert!(whole.starts_with("HTTP/1.1 200"), "{whole}");
        assert!(
            whole.contains("connection: close") && whole.ends_with("\r\n\r\nwhole"),
            "{whole}"
        );
        let streamed = answer("/streamed");
        assert!(
            streamed.ends_with("\r\n\r\none two") && !streamed.contains("chunked"),
            "{streamed}"
        );
        let missing = answer("/nowhere");
        assert!(missing.starts_with("HTTP/1.1 404"), "{missing}");
    }

    #[test]
    fn a_further_head_that_trickles_ends_its_connection_and_a_long_answer_does_not() {
        actix_web::rt::System::new().block_on(async {
            let (mut stream, server) = connect().await;
            let talks = async {
                let mut answer = Vec::new();
                let request = b"GET /slow HTTP/1.1\r\nHost: here\r\n\r\n";
                stream.write_all(request).await.unwrap();
                while !answer.ends_with(b"\r\n0\r\n\r\n") {
                    assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
                }
                let text = String::from_utf8_lossy(&answer);
                assert!(text.contains("at last"), "{text}");
                let trickles = async {
                    let head = b"GET /whole HTTP/1.1\r\nHost: here\r\nx-slow: ";
                    stream.write_all(head).await.unwrap();
                    loop {
                        // an error is what is waited for
                        if stream.write_all(b"x").await.is_err() {
                            return;
                        }
                        let read = stream.read_u8();
                        let ended = tokio::time::timeout(Duration::from_millis(200), read).await;
                        if matches!(ended, Ok(Err(_))) {
                            return;
                        }
                    }
                };
                tokio::time::timeout(Duration::from_secs(20), trickles)
                    .await
                    .expect("it holds its connection");
            };
            tokio::select! {
                () = talks => {}
                ended = server => panic!("{ended:?}"),
            }
        });
    }

    #[test]
    fn whoever_takes_a_socket_gets_it_after_the_answer_with_what_was_sent_behind_the_request() {
        actix_web::rt::System::new().block_on(async {
            let (mut stream, server) = connect().await;
            let talks = async {
                let request =
                    b"GET /taken HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nread";
                stream.write_all(request).await.unwrap();
                let mut answer = Vec::new();
                while !answer.ends_with(b"\r\n\r\n") {
                    assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
                }
                stream.write_all(b"more").await.unwrap();
                let mut echoed = String::new();
                stream.read_to_string(&mut echoed).await.unwrap();
                assert!(answer.starts_with(b"HTTP/1.1 101"));
                assert_eq!(echoed, "readmore");
            };
            tokio::select! {
                () = talks => {}
                ended = server => panic!("{ended:?}"),
            }
        });
    }
}
