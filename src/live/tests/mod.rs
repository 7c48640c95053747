//! The transports on real sockets, with a real bus and history behind them; only the door is a stand-in.
#![expect(
    clippy::disallowed_methods,
    reason = "a server of a test lives as long as the test"
)]

mod application;
#[path = "../../../tests/live/driver.rs"]
mod driver;
mod maps;
#[path = "../../../tests/live/polled.rs"]
mod polled;
mod polls;
mod sdk;
mod slow;
mod sse;
mod websocket;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, web};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::json;
use signalbox_actors::backplane::{Backplane, ControlListener};
use signalbox_actors::live_hub::{ChannelKey, Disconnect, LiveHub, Outlet, Signal};
use signalbox_actors::nodes::Nodes;
use signalbox_actors::presence::Presence;
use signalbox_actors::session_keeper::{Options as KeeperOptions, SessionKeeper};
use signalbox_actors::shared_poll::{Here, SharedPolls};
use signalbox_actors::supervision::{Options, Tree};
use signalbox_core::bus::control::Control;
use signalbox_core::kernel::clock::Clock;
use signalbox_core::kernel::ctx::Credential;
use signalbox_core::kernel::error::Result;
use signalbox_core::kernel::id::{SessionId, UserId};
use signalbox_core::live::channel::Channel;
use signalbox_core::live::history::{Appended, Begin, append, publish_state};
use signalbox_core::live::position::first_epoch;
use signalbox_core::live::scope::Sight;
use signalbox_core::live::view::ViewClass;
use signalbox_core::sessions::standing::Evidence;
use signalbox_core::testing::{TestStore, eventually, store};

use utoipa_actix_web::AppExt;

use super::client::{Refusal, SignInError, Timing};
use super::gate::{Act, Admission, Asked, Credentials, Gatekeeper, Grant, Leave, Member, Viewer};
use super::protocol::{ReplyError, SubRefreshRequest};
use super::{Application, Live, api_routes, on_connect, routes};
use crate::config::{Flags, Settings, load_from};
use crate::listener;

/// Knows members by token, and users of the application by theirs.
pub struct Door {
    people: Mutex<HashMap<String, Member>>,
    open: Mutex<Vec<(UserId, Weak<Outlet>)>>,
    application: Application,
    /// While it is held, nobody can say what a member may do now.
    pub judging: Arc<tokio::sync::Mutex<()>>,
    /// While it is held, nobody can say who may follow feed:jobs.
    pub slow: Arc<tokio::sync::Mutex<()>>,
    /// How often that was asked.
    pub asked_slow: Arc<AtomicU64>,
    /// What is asked about a channel cannot be answered just now.
    pub unsure: AtomicBool,
}

impl Door {
    fn new(settings: &Settings) -> Self {
        Self {
            people: Mutex::default(),
            open: Mutex::default(),
            application: Application::new(&settings.live, Clock::system()).unwrap(),
            judging: Arc::default(),
            slow: Arc::default(),
            asked_slow: Arc::default(),
            unsure: AtomicBool::new(false),
        }
    }

    /// Everything that hangs on the person's sessions.
    fn outlets(&self, user: UserId) -> Vec<Arc<Outlet>> {
        let open = self.open.lock();
        open.iter()
            .filter(|(whose, _)| *whose == user)
            .filter_map(|(_, outlet)| outlet.upgrade())
            .collect()
    }

    fn person(&self, token: &str) -> Member {
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
        _: Option<IpAddr>,
        outlet: Arc<Outlet>,
    ) -> BoxFuture<'static, Result<Admission, SignInError>> {
        let (token, lasts) = match credentials {
            Credentials::Token(token) => (token, Some(Duration::from_secs(600))),
            Credentials::Cookie(cookie) => (cookie, None),
            Credentials::Ticket(..) => return Box::pin(std::future::ready(Err(SignInError::Invalid))),
            Credentials::Nothing => {
                let result = self.application.admit_nameless();
                return Box::pin(async move { result });
            }
        };
        let result = match (token.as_str(), self.people.lock().get(&token).cloned()) {
            ("expired", _) => Err(SignInError::Expired),
            (_, None) => {
                let application = self.application.clone();
                return Box::pin(async move { application.admit(&token).await });
            }
            (_, Some(member)) => {
                self.open.lock().push((member.user, Arc::downgrade(&outlet)));
                let lasts = if token == "brief" {
                    Some(Duration::from_millis(300))
                } else {
                    lasts
                };
                Ok(Admission {
                    viewer: Viewer::Member(member),
                    expires_in: lasts,
                    subscriptions: Vec::new(),
                    hold: Box::new(()),
                })
            }
        };
        Box::pin(async move { result })
    }

    fn look_again(&self, member: &Member) -> BoxFuture<'static, Result<Member, SignInError>> {
        let found = self
            .people
            .lock()
            .values()
            .find(|now| now.user == member.user)
            .cloned();
        let judging = self.judging.clone();
        Box::pin(async move {
            drop(judging.lock().await);
            found.ok_or(SignInError::AccessEnded)
        })
    }

    fn judge(&self, viewer: &Viewer, asked: Asked) -> BoxFuture<'static, Result<Grant, Refusal>> {
        let (name, viewer, application) = (
            asked.wish.channel.clone(),
            viewer.clone(),
            self.application.clone(),
        );
        let unsure = self.unsure.load(Ordering::SeqCst);
        let (slow, asked_slow) = (self.slow.clone(), self.asked_slow.clone());
        Box::pin(async move {
            if unsure {
                return Err(ReplyError::Internal.into());
            }
            if ["feed:jobs", "chat:slow"].contains(&name.as_str()) {
                asked_slow.fetch_add(1, Ordering::SeqCst);
                drop(slow.lock().await);
            }
            let Some(channel) = Channel::parse(&name) else {
                return application.judge(&viewer, asked).await;
            };
            let member = viewer.member().ok_or(ReplyError::PermissionDenied)?;
            if !channel.admits(member.user, &member.permissions, None) {
                return Err(ReplyError::PermissionDenied.into());
            }
            let key = ChannelKey {
                organization: member.organization,
                name: name.into(),
            };
            Ok(Grant::stream(
                key,
                Sight::whole(ViewClass::of(&member.permissions)),
            ))
        })
    }

    fn may(
        &self,
        viewer: &Viewer,
        channel: &str,
        act: Act,
        following: bool,
    ) -> BoxFuture<'static, Result<Leave, Refusal>> {
        let result = match (Channel::parse(channel), viewer.member(), act) {
            (Some(_), Some(member), Act::ReadHistory) => Ok(Leave {
                key: ChannelKey {
                    organization: member.organization,
                    name: channel.into(),
                },
                sight: Sight::whole(ViewClass::of(&member.permissions)),
                options: None,
            }),
            (Some(_), _, Act::SeePresence) => Err(ReplyError::NotAvailable.into()),
            (Some(_), ..) => Err(ReplyError::PermissionDenied.into()),
            (None, ..) => self.application.may(viewer, channel, act, following),
        };
        Box::pin(async move { result })
    }

    fn renew(
        &self,
        viewer: &Viewer,
        client: &str,
        request: SubRefreshRequest,
    ) -> BoxFuture<'static, Result<Option<Duration>, Refusal>> {
        let (application, viewer, client) = (self.application.clone(), viewer.clone(), client.to_owned());
        Box::pin(async move { application.renew(&viewer, &client, &request).await })
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
    pub test: Arc<TestStore>,
    pub nodes: Nodes,
    pub presence: Presence,
    settings: Settings,
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
        let settings = settings(&[]);
        let door = Arc::new(Door::new(&settings));
        Self::start_on(test, door, settings, timing, "127.0.0.1:0".parse().unwrap(), 0).await
    }

    /// With settings as the environment has them, `LIVE__...`.
    pub async fn serving(environment: &[(&str, &str)]) -> Self {
        let test = Arc::new(store().await);
        Self::beside(test, environment).await
    }

    /// On the PostgreSQL and Redis of another.
    pub async fn beside(test: Arc<TestStore>, environment: &[(&str, &str)]) -> Self {
        let settings = settings(environment);
        let door = Arc::new(Door::new(&settings));
        let at = "127.0.0.1:0".parse().unwrap();
        Self::start_on(test, door, settings, Timing::default(), at, 0).await
    }

    async fn start_on(
        test: Arc<TestStore>,
        door: Arc<Door>,
        settings: Settings,
        timing: Timing,
        at: SocketAddr,
        top: u64,
    ) -> Self {
        // the tests' own HTTP client asks for one; a second time it is there already
        let _ = rustls::crypto::ring::default_provider().install_default();
        let tree = Tree::start(Options::default()).unwrap();
        let namespaces = Arc::new(settings.live.namespaces());
        let hub = LiveHub::supervise(&tree, &test.store, namespaces.clone(), 1).unwrap();
        let name = SessionId::new().to_string();
        let polls = SharedPolls::supervise(&tree, namespaces.clone()).unwrap();
        let here = Here {
            hub: hub.clone(),
            polls: polls.clone(),
            sessions: SessionKeeper::supervise(&tree, &test.store, KeeperOptions::default()).unwrap(),
        };
        let nodes = Nodes::supervise(&tree, &test.store, &name, Arc::new(here)).unwrap();
        let presence = Presence::supervise(&tree, &test.store, &nodes, namespaces).unwrap();
        let backplane = Backplane::supervise(&tree, &test.store, &hub, &nodes, Arc::new(NoControl)).unwrap();
        tree.start_all().await;
        let mut live = Live::new(
            &settings,
            test.store.clone(),
            hub.clone(),
            presence.clone(),
            polls,
            nodes.clone(),
            door.clone(),
        );
        live.timing = Arc::new(timing);
        live.limits.queue_bytes = 256 * 1024;
        let app = move || {
            let api = utoipa_actix_web::scope("/api/v1").configure(api_routes);
            let app = App::new().into_utoipa_app().service(api).into_app();
            app.app_data(web::Data::new(live.clone())).configure(routes)
        };
        let listener = listener::bind(at).unwrap();
        let address = listener.local_addr().unwrap();
        let terms = listener::Terms {
            workers: Some(1),
            shutdown_seconds: 1,
            unasked: Duration::from_secs(15),
            on_connect,
        };
        let server = listener::serve(listener, terms, app).unwrap();
        let handle = server.handle();
        tokio::spawn(server);
        eventually("live delivery opens", async || hub.is_open()).await;
        Self {
            address,
            door,
            hub,
            test,
            nodes,
            presence,
            settings,
            server: handle,
            tree,
            top: top.into(),
            _backplane: backplane,
        }
    }

    /// Somebody who may do these things, known by `token`.
    pub fn person(&self, token: &str, permissions: &[&str]) {
        let member = Member {
            organization: self.test.organization,
            user: UserId::new(),
            credential: Credential::Session(SessionId::new()),
            evidence: Evidence::Session,
            from: None,
            permissions: permissions.iter().copied().collect(),
            key: None,
            must_change_password: false,
            looks_from: None,
        };
        self.door.people.lock().insert(token.to_owned(), member);
    }

    /// Publishes the next events of feed:users, as the relay does.
    pub async fn happen(&self, events: u64) {
        let first = self.top.fetch_add(events, Ordering::SeqCst) + 1;
        self.happen_in("feed:users", first..first + events, 0).await;
    }

    /// Publishes the events of these positions of a channel, each with so many bytes `more`.
    pub async fn happen_in(&self, channel: &str, positions: Range<u64>, more: usize) {
        let positions: Vec<_> = positions.collect();
        for batch in positions.chunks(100) {
            let payloads: Vec<_> = batch.iter().map(|position| payload(*position, more)).collect();
            let (bus, organization) = (&self.test.store.bus, self.test.organization);
            let epoch = first_epoch(organization, channel);
            let begin = Begin::Over(None);
            let done = append(bus, organization, channel, &epoch, &begin, batch[0], &payloads);
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
        Self::start_on(
            self.test,
            self.door,
            self.settings,
            Timing::default(),
            self.address,
            top,
        )
        .await
    }
}

fn payload(position: u64, more: usize) -> Vec<u8> {
    let name = format!("Ada\nL.{}", ".".repeat(more));
    let patch = json!({"name": name, "email": "ada@example.com", "phone": "555-0100", "n": position});
    let event = json!({"n": position, "type": "user.updated", "patch": patch});
    json!({"event": event, "row": "user"}).to_string().into_bytes()
}

/// The default settings, and what the environment says of `SIGNALBOX__LIVE__...` over them.
fn settings(environment: &[(&str, &str)]) -> Settings {
    let environment = environment
        .iter()
        .map(|(name, value)| (format!("SIGNALBOX__LIVE__{name}"), (*value).to_owned()));
    load_from(&Flags::default(), environment).unwrap()
}
