//! Who may connect, and who may see what: asked of the rest of the hub, so that transports know nothing of tokens,
//! sessions and permissions.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use signalbox_actors::live_hub::{ChannelKey, Filter, Keeps, Outlet};
use signalbox_core::auth::Purpose;
use signalbox_core::kernel::ctx::Credential;
use signalbox_core::kernel::id::{OrganizationId, UserId};
use signalbox_core::kernel::permission::PermissionSet;
use signalbox_core::live::application::{APPLICATION, ClientInfo, Options, ServerSubscription};
use signalbox_core::live::scope::Sight;
use signalbox_core::sessions::standing::{Evidence, KeyTerms};

use time::OffsetDateTime;

use super::client::{Refusal, SignInError};
use super::protocol::{SubRefreshRequest, SubscribeRequest};

/// Who looks.
#[derive(Debug, Clone)]
pub enum Viewer {
    /// One of the hub's own people.
    Member(Member),
    /// A user of the operator's application.
    Guest(Guest),
}

/// One of the hub's own people, with the rights they had when last asked.
#[derive(Debug, Clone)]
pub struct Member {
    /// Whose data.
    pub organization: OrganizationId,
    /// The person.
    pub user: UserId,
    /// The sign-in or API key that this connection lives with.
    pub credential: Credential,
    /// By what it was shown.
    pub evidence: Evidence,
    /// Where they come from.
    pub from: Option<IpAddr>,
    /// What they may do.
    pub permissions: PermissionSet,
    /// What holds for the API key, if it is one.
    pub key: Option<Arc<KeyTerms>>,
    /// Before they may do anything else they choose a new password, which is all that is open to them.
    pub must_change_password: bool,
    /// From when on they may only look, because an operator acts as them; `None` where nobody does.
    pub looks_from: Option<OffsetDateTime>,
}

/// A user of the operator's application, as its token says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guest {
    /// Empty for somebody without a name.
    pub user: String,
    /// JSON that others see beside them.
    pub info: Option<Bytes>,
}

impl Viewer {
    /// The person, where it is one of the hub's own.
    pub fn member(&self) -> Option<&Member> {
        match self {
            Self::Member(member) => Some(member),
            Self::Guest(_) => None,
        }
    }

    /// Whose connections this one is counted among.
    pub fn organization(&self) -> OrganizationId {
        self.member().map_or(APPLICATION, |member| member.organization)
    }

    /// The user's id.
    pub fn user(&self) -> String {
        match self {
            Self::Member(member) => member.user.to_string(),
            Self::Guest(guest) => guest.user.clone(),
        }
    }

    /// Whether it is the same person on the other side.
    pub fn is_same(&self, other: &Self) -> bool {
        self.organization() == other.organization() && self.user() == other.user()
    }

    /// As others in a channel see connection `client`.
    pub fn info(&self, client: &str, in_channel: Option<Bytes>) -> ClientInfo {
        let (conn_info, chan_info) = match self {
            // what is told of a member is told by the channel they are in
            Self::Member(_) => (in_channel, None),
            Self::Guest(guest) => (guest.info.clone(), in_channel),
        };
        ClientInfo {
            user: self.user(),
            client: client.to_owned(),
            conn_info,
            chan_info,
        }
    }
}

/// What somebody shows at the door.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// An access token, one of `POST /api/v1/live/token`, or one of the application's, which must be renewed before it runs
    /// out; or an API key.
    Token(String),
    /// The session cookie of a browser. The session decides how long it lasts.
    Cookie(String),
    /// A one-time ticket out of the address. The session that asked for it decides how long it lasts.
    Ticket(String, Purpose),
    /// Nothing.
    Nothing,
}

/// Somebody who may come in.
pub struct Admission {
    /// Who it is.
    pub viewer: Viewer,
    /// How long the credentials last. `None`: as long as the session.
    pub expires_in: Option<Duration>,
    /// Channels that the server has them follow.
    pub subscriptions: Vec<(String, ServerSubscription)>,
    /// Binds the connection to its session or key: as long as it is held, the end of that cuts the outlet and a change of
    /// rights signals it.
    pub hold: Box<dyn Send>,
}

/// Leave to follow a channel.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a right of its own")]
pub struct Grant {
    /// Which channel that is.
    pub key: ChannelKey,
    /// What of it may be seen.
    pub sight: Sight,
    /// What it keeps.
    pub keeps: Keeps,
    /// The client may come back with its position.
    pub recoverable: bool,
    /// The client is told its position, and of gaps.
    pub positioned: bool,
    /// Publications come as patches.
    pub delta: bool,
    /// Is told who comes and leaves.
    pub joins: bool,
    /// Is seen by others.
    pub present: bool,
    /// Its coming and leaving is told.
    pub announced: bool,
    /// Is given only what passes.
    pub filter: Option<Arc<Filter>>,
    /// JSON that others see beside them in this channel.
    pub info: Option<Bytes>,
    /// JSON for the client.
    pub data: Option<Bytes>,
    /// How long the leave lasts.
    pub lasts: Option<Duration>,
    /// What holds for it, if it is followed as a map.
    pub map: Option<Arc<Options>>,
    /// Maps that show who is in this channel.
    pub shown_in: Vec<ChannelKey>,
}

impl Grant {
    /// Of a channel that is followed as a stream, and nothing else.
    pub fn stream(key: ChannelKey, sight: Sight) -> Self {
        Self {
            key,
            sight,
            keeps: Keeps::Stream,
            recoverable: true,
            positioned: true,
            delta: false,
            joins: false,
            present: false,
            announced: false,
            filter: None,
            info: None,
            data: None,
            lasts: None,
            map: None,
            shown_in: Vec::new(),
        }
    }

    /// Of a channel that keeps nothing.
    pub fn passing(key: ChannelKey, sight: Sight) -> Self {
        Self {
            keeps: Keeps::Nothing,
            recoverable: false,
            positioned: false,
            ..Self::stream(key, sight)
        }
    }
}

/// What somebody does with a channel besides following it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Say something into it.
    Publish,
    /// Publish an entry of a map.
    Put,
    /// Remove one.
    Remove,
    /// Have keys polled.
    Track,
    /// Ask who is there.
    SeePresence,
    /// Read what was said.
    ReadHistory,
}

/// Leave to act on a channel.
#[derive(Debug, Clone)]
pub struct Leave {
    /// Which channel that is.
    pub key: ChannelKey,
    /// What of it may be seen.
    pub sight: Sight,
    /// What holds for it, if it is one of the application's.
    pub options: Option<Arc<Options>>,
}

/// A wish to follow a channel.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The connection.
    pub client: Box<str>,
    /// What it asks, or what is asked on its behalf.
    pub wish: SubscribeRequest,
    /// The server asks, and on these terms.
    pub by_server: Option<ServerSubscription>,
}

/// The door. Every answer is true at the moment it is given, from a cache that allows nothing when it is empty.
pub trait Gatekeeper: Send + Sync + 'static {
    /// Checks credentials and binds `outlet` to the session or key behind them, in an order in which no revocation can slip
    /// in between. `from` is where the client is.
    fn admit(
        &self,
        credentials: Credentials,
        from: Option<IpAddr>,
        outlet: Arc<Outlet>,
    ) -> BoxFuture<'static, Result<Admission, SignInError>>;

    /// The member with present rights.
    fn look_again(&self, member: &Member) -> BoxFuture<'static, Result<Member, SignInError>>;

    /// Whether and how the viewer may follow a channel.
    fn judge(&self, viewer: &Viewer, asked: Asked) -> BoxFuture<'static, Result<Grant, Refusal>>;

    /// Whether the viewer may act on a channel. `following`: the connection holds a subscription to it.
    fn may(
        &self,
        viewer: &Viewer,
        channel: &str,
        act: Act,
        following: bool,
    ) -> BoxFuture<'static, Result<Leave, Refusal>>;

    /// For how long a subscription is renewed.
    fn renew(
        &self,
        viewer: &Viewer,
        client: &str,
        request: SubRefreshRequest,
    ) -> BoxFuture<'static, Result<Option<Duration>, Refusal>>;
}
