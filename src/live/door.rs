//! The door as it really is: tokens by signature, sessions by the SessionKeeper, rights by the PermissionCache.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use futures::future::BoxFuture;
use signalbox_actors::live_hub::{Disconnect, Outlet, Signal};
use signalbox_actors::permission_cache::{PermissionCache, Question};
use signalbox_actors::session_keeper::{ACCESS_ENDED, Connection, Denied, SIGNED_OUT, SessionKeeper};
use signalbox_core::jobs::store as jobs;
use signalbox_core::kernel::error::{Error, Kind};
use signalbox_core::kernel::id::{JobId, OrganizationId, UserId};
use signalbox_core::kernel::permission::PermissionSet;
use signalbox_core::live::channel::Channel;
use signalbox_core::live::view::ViewClass;
use signalbox_core::sessions::standing::{Refused, Standing};

use super::client::SignInError;
use super::gate::{Admission, Credentials, Gatekeeper, Viewer};
use super::protocol::ReplyError;
use crate::http::State;

/// Lets people in. Cheap to clone.
#[derive(Clone)]
pub struct Door {
    state: web::Data<State>,
    sessions: SessionKeeper,
    permissions: PermissionCache,
}

impl Door {
    /// A door before what `state` knows.
    pub fn new(state: web::Data<State>, sessions: SessionKeeper, permissions: PermissionCache) -> Self {
        Self {
            state,
            sessions,
            permissions,
        }
    }

    async fn let_in(self, credentials: Credentials, outlet: Arc<Outlet>) -> Result<Admission, SignInError> {
        let (token, renewed_by_client) = match credentials {
            Credentials::Token(token) => (token, true),
            Credentials::Cookie(token) => (token, false),
        };
        let claims = self
            .state
            .auth
            .verify_live(&token)
            .await
            .map_err(|error| of_token(&error))?;
        let (standing, hold) = self
            .sessions
            .attach(claims.session(), Arc::new(Hung(outlet)))
            .await
            .map_err(of_session)?;
        if standing.user != claims.user() {
            return Err(SignInError::Invalid);
        }
        let left = claims.exp - self.state.store.clock.now().unix_timestamp();
        let lasts = Duration::from_secs(u64::try_from(left).unwrap_or_default());
        Ok(Admission {
            viewer: self.viewer(&standing).await?,
            expires_in: renewed_by_client.then_some(lasts),
            hold: Box::new(hold),
        })
    }

    async fn viewer(&self, standing: &Standing) -> Result<Viewer, SignInError> {
        let permissions = if standing.must_change_password {
            // until then they may do that and nothing else
            PermissionSet::default()
        } else {
            let (organization, user, at_least) = (standing.organization, standing.user, standing.version);
            let question = Question {
                organization,
                user,
                at_least,
            };
            let rights = self.permissions.rights(question).await;
            rights.map_err(|_| SignInError::Unavailable)?.permissions.clone()
        };
        Ok(Viewer {
            organization: standing.organization,
            user: standing.user,
            session: standing.session,
            permissions,
        })
    }

    /// Who asked for a job; `None` when there is no such job in the organization.
    async fn requested_by(
        &self,
        organization: OrganizationId,
        job: JobId,
    ) -> Result<Option<Option<UserId>>, Error> {
        let mut tx = self.state.store.db.primary(organization).await?;
        let job = jobs::get(&mut tx, organization, job).await?;
        Ok(job.map(|job| job.requested_by))
    }

    async fn judged(self, viewer: Viewer, name: String) -> Result<ViewClass, ReplyError> {
        let channel = Channel::parse(&name).ok_or(ReplyError::UnknownChannel)?;
        let mut requested_by = None;
        if let Channel::Job(job) = channel {
            let found = self
                .requested_by(viewer.organization, job)
                .await
                .map_err(|error| {
                    tracing::warn!(%error, "a job's channel could not be judged");
                    ReplyError::Internal
                })?;
            requested_by = found.ok_or(ReplyError::UnknownChannel)?;
        }
        if channel.admits(viewer.user, &viewer.permissions, requested_by) {
            Ok(ViewClass::of(&viewer.permissions))
        } else {
            Err(ReplyError::PermissionDenied)
        }
    }
}

impl Gatekeeper for Door {
    fn admit(
        &self,
        credentials: Credentials,
        outlet: Arc<Outlet>,
    ) -> BoxFuture<'static, Result<Admission, SignInError>> {
        Box::pin(self.clone().let_in(credentials, outlet))
    }

    fn look_again(&self, viewer: &Viewer) -> BoxFuture<'static, Result<Viewer, SignInError>> {
        let (door, session, user) = (self.clone(), viewer.session, viewer.user);
        Box::pin(async move {
            let standing = door
                .sessions
                .authenticate(session, user)
                .await
                .map_err(of_session)?;
            door.viewer(&standing).await
        })
    }

    fn judge(&self, viewer: &Viewer, channel: &str) -> BoxFuture<'static, Result<ViewClass, ReplyError>> {
        Box::pin(self.clone().judged(viewer.clone(), channel.to_owned()))
    }
}

/// A live connection as it hangs on its session.
struct Hung(Arc<Outlet>);

impl Connection for Hung {
    fn close(&self, code: u16, _: &str) {
        self.0.cut(match code {
            ACCESS_ENDED => Disconnect::AccessEnded,
            SIGNED_OUT => Disconnect::SignedOut,
            _ => Disconnect::Internal,
        });
    }

    fn rights_changed(&self) {
        self.0.signal(Signal::RightsChanged);
    }
}

fn of_token(error: &Error) -> SignInError {
    match (error.kind, &*error.code) {
        (_, "auth.token_expired") => SignInError::Expired,
        (Kind::Unauthenticated, _) => SignInError::Invalid,
        _ => SignInError::Unavailable,
    }
}

fn of_session(denied: Denied) -> SignInError {
    match denied {
        Denied::Refused(Refused::Banned | Refused::Suspended | Refused::Deleted) => SignInError::AccessEnded,
        Denied::Refused(_) => SignInError::SignedOut,
        Denied::Unavailable => SignInError::Unavailable,
    }
}
