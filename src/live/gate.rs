//! Who may connect, and who may see what: asked of the rest of the hub, so that transports know nothing of tokens,
//! sessions and permissions.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use signalbox_actors::live_hub::Outlet;
use signalbox_core::kernel::id::{OrganizationId, SessionId, UserId};
use signalbox_core::kernel::permission::PermissionSet;
use signalbox_core::live::view::ViewClass;

use super::client::SignInError;
use super::protocol::ReplyError;

/// Who looks, with the rights they had when last asked.
#[derive(Debug, Clone)]
pub struct Viewer {
    /// Whose data.
    pub organization: OrganizationId,
    /// The person.
    pub user: UserId,
    /// The sign-in that this connection lives with.
    pub session: SessionId,
    /// What they may do.
    pub permissions: PermissionSet,
}

/// What somebody shows at the door.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// An access token, or one of `POST /api/v1/live/token`. It must be renewed before it runs out.
    Token(String),
    /// The session cookie of a browser. The session decides how long it lasts.
    Cookie(String),
}

/// Somebody who may come in.
pub struct Admission {
    /// Who it is.
    pub viewer: Viewer,
    /// How long the credentials last. `None`: as long as the session.
    pub expires_in: Option<Duration>,
    /// Binds the connection to its session: as long as it is held, the end of the session cuts the outlet and a change of
    /// rights signals it.
    pub hold: Box<dyn Send>,
}

/// The door. Every answer is true at the moment it is given, from a cache that allows nothing when it is empty.
pub trait Gatekeeper: Send + Sync + 'static {
    /// Checks credentials and binds `outlet` to the session behind them, in an order in which no revocation can slip
    /// in between.
    fn admit(
        &self,
        credentials: Credentials,
        outlet: Arc<Outlet>,
    ) -> BoxFuture<'static, Result<Admission, SignInError>>;

    /// The viewer with present rights.
    fn look_again(&self, viewer: &Viewer) -> BoxFuture<'static, Result<Viewer, SignInError>>;

    /// What the viewer may see of `channel`. [`ReplyError::UnknownChannel`] or [`ReplyError::PermissionDenied`] otherwise.
    fn judge(&self, viewer: &Viewer, channel: &str) -> BoxFuture<'static, Result<ViewClass, ReplyError>>;
}
