//! The transports on real sockets, with a real bus and history behind them; only the door is a stand-in.
#![expect(
    clippy::disallowed_methods,
    reason = "a server of a test lives as long as the test"
)]

#[path = "../../../tests/live/driver.rs"]
mod driver;
mod sdk;
mod sse;
mod websocket;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, web};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::json;
use signalbox_actors::backplane::{Backplane, ControlListener};
use signalbox_actors::live_hub::{Disconnect, LiveHub, Outlet, Signal};
use signalbox_actors::nodes::Nodes;
use signalbox_actors::supervision::{Options, Tree};
use signalbox_core::bus::control::Control;
use signalbox_core::kernel::error::Result;
use signalbox_core::kernel::id::{SessionId, UserId};
use signalbox_core::live::channel::Channel;
use signalbox_core::live::history::{Appended, Begin, append, publish_state};
use signalbox_core::live::position::first_epoch;
use signalbox_core::live::view::ViewClass;
use signalbox_core::testing::{TestStore, eventually, store};

use utoipa_actix_web::AppExt;

use super::client::{SignInError, Timing};
use super::gate::{Admission, Credentials, Gatekeeper, Viewer};
use super::protocol::ReplyError;
use super::{Live, api_routes, on_connect, routes};

/// Knows people by token, and nothing else.
#[derive(Default)]
pub struct Door {
    people: Mutex<HashMap<String, Viewer>>,
    open: Mutex<Vec<(UserId, Weak<Outlet>)>>,
}

impl Door {
    /// Everything that hangs on the person's sessions.
    fn outlets(&self, user: UserId) -> Vec<Arc<Outlet>> {
        let open = self.open.lock();
        open.iter()
            .filter(|(whose, _)| *whose == user)
            .filter_map(|(_, outlet)| outlet.upgrade())
            .collect()
    }

    fn person(&self, token: &str) -> Viewer {
        self.people.lock()[token].clone()
    }

    /// Ends all that a person has open.
    pub fn ban(&self, token: &str) {
        let user = self.person(token).user;
        self.people.lock().remove(token);
        for outlet in self.outlets(user) {
            outlet.cut(Disconnect::AccessEnded);
        }
    }

    /// Gives a person other rights.
    pub fn grant(&self, token: &str, permissions: &[&str]) {
        let user = self.person(token).user;
        self.people.lock().get_mut(token).unwrap().permissions = permissions.iter().copied().collect();
        for outlet in self.outlets(user) {
            outlet.signal(Signal::RightsChanged);
        }
    }
}

impl Gatekeeper for Door {
    fn admit(
        &self,
        credentials: Credentials,
        outlet: Arc<Outlet>,
    ) -> BoxFuture<'static, Result<Admission, SignInError>> {
        let (token, lasts) = match credentials {
            Credentials::Token(token) => (token, Some(Duration::from_secs(600))),
            Credentials::Cookie(cookie) => (cookie, None),
        };
        let result = match (token.as_str(), self.people.lock().get(&token).cloned()) {
            ("expired", _) => Err(SignInError::Expired),
            (_, None) => Err(SignInError::Invalid),
            (_, Some(viewer)) => {
                self.open.lock().push((viewer.user, Arc::downgrade(&outlet)));
                let lasts = if token == "brief" {
                    Some(Duration::from_millis(300))
                } else {
                    lasts
                };
                Ok(Admission {
                    viewer,
                    expires_in: lasts,
                    hold: Box::new(()),
                })
            }
        };
        Box::pin(async move { result })
    }

    fn look_again(&self, viewer: &Viewer) -> BoxFuture<'static, Result<Viewer, SignInError>> {
        let found = self
            .people
            .lock()
            .values()
            .find(|now| now.user == viewer.user)
            .cloned();
        Box::pin(async move { found.ok_or(SignInError::AccessEnded) })
    }

    fn judge(&self, viewer: &Viewer, channel: &str) -> BoxFuture<'static, Result<ViewClass, ReplyError>> {
        let judged = match Channel::parse(channel) {
            None => Err(ReplyError::UnknownChannel),
            Some(channel) if channel.admits(viewer.user, &viewer.permissions, None) => {
                Ok(ViewClass::of(&viewer.permissions))
            }
            Some(_) => Err(ReplyError::PermissionDenied),
        };
        Box::pin(async move { judged })
    }
}

struct NoControl;

impl ControlListener for NoControl {
    fn heard(&self, _: Control) {}

    fn settle(&self) -> BoxFuture<'static, Result<()>> {
        Box::pin(async { Ok(()) })
    }
}

/// One node.
pub struct Node {
    pub address: SocketAddr,
    pub door: Arc<Door>,
    pub hub: LiveHub,
    test: Arc<TestStore>,
    server: ServerHandle,
    tree: Tree,
    top: AtomicU64,
    _backplane: Backplane,
}

impl Node {
    pub async fn start() -> Self {
        Self::start_with(Timing::default()).await
    }

    pub async fn start_with(timing: Timing) -> Self {
        let test = Arc::new(store().await);
        Self::start_on(test, Arc::default(), timing, "127.0.0.1:0".parse().unwrap(), 0).await
    }

    async fn start_on(
        test: Arc<TestStore>,
        door: Arc<Door>,
        timing: Timing,
        at: SocketAddr,
        top: u64,
    ) -> Self {
        let tree = Tree::start(Options::default()).unwrap();
        let hub = LiveHub::supervise(&tree, &test.store, 1).unwrap();
        let node = SessionId::new().to_string();
        let nodes = Nodes::supervise(&tree, &test.store, &node, Arc::new(hub.clone())).unwrap();
        let backplane = Backplane::supervise(&tree, &test.store, &hub, &nodes, Arc::new(NoControl)).unwrap();
        tree.start_all().await;
        let live = Live {
            hub: hub.clone(),
            gate: door.clone(),
            timing,
            queue_bytes: 256 * 1024,
        };
        let app = move || {
            let api = utoipa_actix_web::scope("/api/v1").configure(api_routes);
            let app = App::new().into_utoipa_app().service(api).into_app();
            app.app_data(web::Data::new(live.clone())).configure(routes)
        };
        let server = HttpServer::new(app)
            .workers(1)
            .disable_signals()
            .shutdown_timeout(1)
            .on_connect(on_connect);
        let server = server.bind(at).unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        eventually("live delivery opens", async || hub.is_open()).await;
        Self {
            address,
            door,
            hub,
            test,
            server: handle,
            tree,
            top: top.into(),
            _backplane: backplane,
        }
    }

    /// Somebody who may do these things, known by `token`.
    pub fn person(&self, token: &str, permissions: &[&str]) {
        let viewer = Viewer {
            organization: self.test.organization,
            user: UserId::new(),
            session: SessionId::new(),
            permissions: permissions.iter().copied().collect(),
        };
        self.door.people.lock().insert(token.to_owned(), viewer);
    }

    /// Publishes the next events of feed:users, as the relay does.
    pub async fn happen(&self, events: u64) {
        let first = self.top.fetch_add(events, Ordering::SeqCst) + 1;
        let positions: Vec<_> = (first..first + events).collect();
        for batch in positions.chunks(100) {
            let payloads: Vec<_> = batch.iter().map(|position| payload(*position)).collect();
            let (bus, organization, epoch) = (&self.test.store.bus, self.test.organization, self.epoch());
            let begin = Begin::Over(None);
            let done = append(
                bus,
                organization,
                "feed:users",
                &epoch,
                &begin,
                batch[0],
                &payloads,
            );
            assert_eq!(done.await.unwrap(), Appended::UpTo(batch[batch.len() - 1]));
        }
    }

    /// The epoch with which feed:users begins.
    pub fn epoch(&self) -> String {
        first_epoch(self.test.organization, "feed:users")
    }

    /// Publishes state without a position.
    pub async fn progress(&self) {
        let payload = json!({"event": {"type": "counters.changed"}, "row": "none"}).to_string();
        let (bus, organization) = (&self.test.store.bus, self.test.organization);
        publish_state(bus, organization, "feed:users", payload.as_bytes())
            .await
            .unwrap();
    }

    /// Stops without a word, and comes back at the same address with nothing but what PostgreSQL and Redis hold.
    pub async fn restart(self, meanwhile: u64) -> Self {
        self.server.stop(false).await;
        self.tree.kill().await;
        self.happen(meanwhile).await;
        let top = self.top.load(Ordering::SeqCst);
        Self::start_on(self.test, self.door, Timing::default(), self.address, top).await
    }
}

fn payload(position: u64) -> Vec<u8> {
    let patch = json!({"name": "Ada\nL.", "email": "ada@example.com", "phone": "555-0100", "n": position});
    let event = json!({"n": position, "type": "user.updated", "patch": patch});
    json!({"event": event, "row": "user"}).to_string().into_bytes()
}
