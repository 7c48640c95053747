//! The door as it really is: tokens by signature, sessions, API keys and addresses by the SessionKeeper, rights by the
//! PermissionCache.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use bytes::Bytes;
use futures::future::BoxFuture;
use serde_json::json;
use signalbox_actors::live_hub::{ChannelKey, Disconnect, Outlet, Signal};
use signalbox_actors::permission_cache::{PermissionCache, Question};
use signalbox_actors::session_keeper::{
    ACCESS_ENDED, Attachment, Connection, Denied, Known, SIGNED_OUT, SessionKeeper,
};
use signalbox_core::api_keys::secret;
use signalbox_core::auth::Client;
use signalbox_core::auth::Purpose;
use signalbox_core::jobs::store as jobs;
use signalbox_core::kernel::ctx::Credential;
use signalbox_core::kernel::error::{Error, Kind};
use signalbox_core::kernel::id::{JobId, OrganizationId, UserId};
use signalbox_core::kernel::permission::PermissionSet;
use signalbox_core::live::application::namespaces::RESERVED;
use signalbox_core::live::channel::Channel;
use signalbox_core::live::scope::Sight;
use signalbox_core::people;
use signalbox_core::providers::Verified;
use signalbox_core::sessions::standing::{Evidence, Refused, Standing};

use time::OffsetDateTime;

use super::Application;
use super::client::{Refusal, SignInError};
use super::gate::{Act, Admission, Asked, Credentials, Gatekeeper, Grant, Leave, Member, Viewer};
use super::protocol::{ReplyError, SubRefreshRequest};
use crate::http::State;

/// Lets people in. Cheap to clone.
#[derive(Clone)]
pub struct Door {
    state: web::Data<State>,
    sessions: SessionKeeper,
    permissions: PermissionCache,
    application: Application,
}

impl Door {
    /// A door before what `state` knows.
    pub fn new(
        state: web::Data<State>,
        sessions: SessionKeeper,
        permissions: PermissionCache,
        application: Application,
    ) -> Self {
        Self {
            state,
            sessions,
            permissions,
            application,
        }
    }

    async fn let_in(
        self,
        credentials: Credentials,
        from: Option<IpAddr>,
        outlet: Arc<Outlet>,
    ) -> Result<Admission, SignInError> {
        let (token, renewed_by_client) = match credentials {
            Credentials::Token(token) => (token, true),
            Credentials::Cookie(token) => (token, false),
            Credentials::Ticket(ticket, purpose) => {
                return self.let_in_by_ticket(&ticket, purpose, from, outlet).await;
            }
            Credentials::Nothing => return self.application.admit_nameless(),
        };
        if renewed_by_client && secret::looks_like(&token) {
            return self.let_in_by_key(&token, from, outlet).await;
        }
        let claims = match self.state.auth.verify_live(&token).await {
            Ok(claims) => claims,
            // not of this hub; perhaps of an issuer it trusts, or of the application it serves
            Err(error) if of_token(&error) == SignInError::Invalid => {
                return match self.external(&token, renewed_by_client, from).await? {
                    Some(verified) => self.let_in_by_external(&verified, from, outlet).await,
                    None => self.application.admit(&token).await,
                };
            }
            Err(error) => return Err(of_token(&error)),
        };
        let shown = (claims.credential(), Evidence::of_claims(claims.key));
        let (standing, member, hold) = self.attached(shown, from, outlet).await?;
        if standing.user != claims.user()
            || standing.impersonation.as_ref().map(|terms| terms.by.0) != claims.act.map(|act| act.sub)
        {
            return Err(SignInError::Invalid);
        }
        let left = claims.exp - self.state.store.clock.now().unix_timestamp();
        let lasts = Duration::from_secs(u64::try_from(left).unwrap_or_default());
        Ok(Admission {
            viewer: Viewer::Member(member),
            expires_in: renewed_by_client.then_some(lasts),
            subscriptions: Vec::new(),
            hold: Box::new(hold),
        })
    }

    /// A program shows its key itself. What it has open lasts as long as the key, and as that secret of it.
    async fn let_in_by_key(
        self,
        token: &str,
        from: Option<IpAddr>,
        outlet: Arc<Outlet>,
    ) -> Result<Admission, SignInError> {
        let environment = &self.state.settings.auth.api_key_environment;
        let wrong = || match self.state.wrong_keys.count(from) {
            Ok(()) => SignInError::Invalid,
            Err(_) => SignInError::Close(Disconnect::TooManyRequests),
        };
        let hash = secret::read(token, environment).map_err(|_| wrong())?;
        let (known, generation) = self
            .sessions
            .key(&hash, from)
            .await
            .map_err(|denied| match denied {
                Denied::Refused(Refused::Unknown | Refused::Replaced) => wrong(),
                denied => of_session(denied),
            })?;
        let shown = (known.credential, Evidence::Secret(generation));
        let (_, member, hold) = self.attached(shown, from, outlet).await?;
        Ok(Admission {
            viewer: Viewer::Member(member),
            expires_in: None,
            subscriptions: Vec::new(),
            hold: Box::new(hold),
        })
    }

    /// A session that could show nothing else: it decides how long what is opened lasts.
    async fn let_in_by_ticket(
        self,
        ticket: &str,
        purpose: Purpose,
        from: Option<IpAddr>,
        outlet: Arc<Outlet>,
    ) -> Result<Admission, SignInError> {
        let redeemed = self.state.auth.redeem(ticket, purpose).await;
        let (session, user) = redeemed
            .map_err(|error| {
                tracing::warn!(%error, "a ticket cannot be checked");
                SignInError::Unavailable
            })?
            .ok_or(SignInError::Invalid)?;
        let shown = (Credential::Session(session), Evidence::Session);
        let (standing, member, hold) = self.attached(shown, from, outlet).await?;
        if standing.user != user {
            return Err(SignInError::Invalid);
        }
        Ok(Admission {
            viewer: Viewer::Member(member),
            expires_in: None,
            subscriptions: Vec::new(),
            hold: Box::new(hold),
        })
    }

    /// Whose token of an external issuer it is; `None` for what such an issuer would not sign. No cookie carries one.
    async fn external(
        &self,
        token: &str,
        shown_itself: bool,
        from: Option<IpAddr>,
    ) -> Result<Option<Verified>, SignInError> {
        let client = Client {
            ip: from,
            user_agent: None,
            trace_id: String::new(),
            by_cookie: false,
            replaces: None,
        };
        if !shown_itself {
            return Ok(None);
        }
        match self.state.providers.external(token, &client).await {
            Err(error) if of_token(&error) == SignInError::Invalid => Ok(None),
            Err(error) if error.kind == Kind::Forbidden => {
                Err(SignInError::Close(Disconnect::PermissionDenied))
            }
            outcome => outcome.map_err(|error| of_token(&error)),
        }
    }

    /// What is open by a token of an external issuer lasts as long as the token.
    async fn let_in_by_external(
        self,
        verified: &Verified,
        from: Option<IpAddr>,
        outlet: Arc<Outlet>,
    ) -> Result<Admission, SignInError> {
        let shown = (Credential::External(verified.account), verified.evidence());
        let (standing, member, hold) = self.attached(shown, from, outlet).await?;
        if standing.user != verified.user {
            return Err(SignInError::Invalid);
        }
        let left = verified.expires_at - self.state.store.clock.now().unix_timestamp();
        Ok(Admission {
            viewer: Viewer::Member(member),
            expires_in: Some(Duration::from_secs(u64::try_from(left).unwrap_or_default())),
            subscriptions: Vec::new(),
            hold: Box::new(hold),
        })
    }

    /// Hangs `outlet` on a good session or key first, and then asks the rest: what is heard meanwhile is heard by it.
    async fn attached(
        &self,
        (credential, evidence): (Credential, Evidence),
        from: Option<IpAddr>,
        outlet: Arc<Outlet>,
    ) -> Result<(Known, Member, Attachment), SignInError> {
        let (standing, hold) = self
            .sessions
            .attach(credential, Arc::new(Hung(outlet)))
            .await
            .map_err(of_session)?;
        let member = self.member(&standing, evidence, from).await?;
        Ok((standing, member, hold))
    }

    /// The person as they stand now, if what they showed still counts and they are let in from there.
    async fn member(
        &self,
        standing: &Standing,
        evidence: Evidence,
        from: Option<IpAddr>,
    ) -> Result<Member, SignInError> {
        let now = self.state.store.clock.now();
        standing
            .check_evidence(evidence, now)
            .map_err(|why| of_session(why.into()))?;
        self.sessions.allowed(standing, from).await.map_err(of_session)?;
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
            standing.permissions(&*rights.map_err(|_| SignInError::Unavailable)?)
        };
        Ok(Member {
            organization: standing.organization,
            user: standing.user,
            credential: standing.credential,
            evidence,
            from,
            permissions,
            key: standing.key.clone(),
            must_change_password: standing.must_change_password,
            looks_from: standing
                .impersonation
                .as_ref()
                .map(|terms| terms.elevated_until.unwrap_or(OffsetDateTime::UNIX_EPOCH)),
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

    /// What others on a page are told of a person.
    async fn introduction(&self, member: &Member) -> Result<Bytes, Error> {
        let mut person = [json!({"actor": {"kind": "user", "id": member.user}})];
        let mut tx = self.state.store.db.primary(member.organization).await?;
        people::open(&mut tx, &self.state.store.sealer, &mut person).await?;
        Ok(json!({"name": person[0]["actor"]["name"]}).to_string().into())
    }

    /// Whether a member may see one of the hub's own channels.
    async fn admits(&self, member: &Member, channel: &Channel) -> Result<(), Refusal> {
        if member.must_change_password {
            return Err(ReplyError::PermissionDenied.into());
        }
        let mut requested_by = None;
        if let Channel::Job(job) = channel {
            let found = self
                .requested_by(member.organization, *job)
                .await
                .map_err(unavailable)?;
            requested_by = found.ok_or(ReplyError::UnknownChannel)?;
        }
        let admits = match member.credential {
            Credential::ApiKey(_) => channel.admits_key(&member.permissions),
            _ => channel.admits(member.user, &member.permissions, requested_by),
        };
        if admits {
            Ok(())
        } else {
            Err(ReplyError::PermissionDenied.into())
        }
    }

    async fn judged(self, viewer: Viewer, asked: Asked) -> Result<Grant, Refusal> {
        let name = &asked.wish.channel;
        let Some(channel) = Channel::parse(name) else {
            if is_own(name) {
                return Err(ReplyError::UnknownChannel.into());
            }
            return self.application.judge(&viewer, asked).await;
        };
        // the hub's own channels are for its own people, whoever asks on whose behalf
        let member = viewer.member().ok_or(ReplyError::PermissionDenied)?;
        self.admits(member, &channel).await?;
        if asked.wish.tf.is_some() {
            // events of the hub have no tags
            return Err(ReplyError::BadRequest.into());
        }
        let key = own(member, name);
        let sight = Sight::of(&member.permissions, name);
        if let Channel::Page(_) = channel {
            return Ok(Grant {
                joins: true,
                present: true,
                announced: true,
                info: Some(self.introduction(member).await.map_err(unavailable)?),
                ..Grant::passing(key, sight)
            });
        }
        if !channel.keeps_events() {
            return Ok(Grant::passing(key, sight));
        }
        Ok(Grant {
            // a patch would be of what shows alike: rows that show to some do not
            delta: asked.wish.delta == "fossil" && sight.is_whole(),
            ..Grant::stream(key, sight)
        })
    }

    async fn allows(self, viewer: Viewer, name: String, act: Act, following: bool) -> Result<Leave, Refusal> {
        let looks_from = viewer.member().and_then(|member| member.looks_from);
        let only_looks = looks_from.is_some_and(|at| at <= self.state.store.clock.now());
        if only_looks && matches!(act, Act::Publish | Act::Put | Act::Remove) {
            return Err(ReplyError::PermissionDenied.into());
        }
        let Some(channel) = Channel::parse(&name) else {
            if is_own(&name) {
                return Err(ReplyError::UnknownChannel.into());
            }
            return self.application.may(&viewer, &name, act, following);
        };
        let member = viewer.member().ok_or(ReplyError::PermissionDenied)?;
        self.admits(member, &channel).await?;
        match (act, &channel) {
            // the hub's own channels are written by the hub alone
            (Act::Publish | Act::Put | Act::Remove | Act::Track, _) => {
                Err(ReplyError::PermissionDenied.into())
            }
            (Act::SeePresence, Channel::Page(_)) => Ok(()),
            (Act::ReadHistory, channel) if channel.keeps_events() => Ok(()),
            _ => Err(Refusal::from(ReplyError::NotAvailable)),
        }?;
        Ok(Leave {
            key: own(member, &name),
            sight: Sight::of(&member.permissions, &name),
            options: None,
        })
    }

    async fn renewed(
        self,
        viewer: Viewer,
        client: Box<str>,
        request: SubRefreshRequest,
    ) -> Result<Option<Duration>, Refusal> {
        self.application.renew(&viewer, &client, &request).await
    }
}

/// Whether a name can only be one of the hub's own, so that no namespace of the application can answer for it.
fn is_own(name: &str) -> bool {
    let namespace = name.split_once(':').map(|(namespace, _)| namespace);
    namespace.is_some_and(|namespace| RESERVED.contains(&namespace))
}

fn own(member: &Member, name: &str) -> ChannelKey {
    ChannelKey {
        organization: member.organization,
        name: name.into(),
    }
}

fn unavailable(error: Error) -> Refusal {
    tracing::warn!(%error, "a channel could not be judged");
    ReplyError::Internal.into()
}

impl Gatekeeper for Door {
    fn admit(
        &self,
        credentials: Credentials,
        from: Option<IpAddr>,
        outlet: Arc<Outlet>,
    ) -> BoxFuture<'static, Result<Admission, SignInError>> {
        Box::pin(self.clone().let_in(credentials, from, outlet))
    }

    fn look_again(&self, member: &Member) -> BoxFuture<'static, Result<Member, SignInError>> {
        let (door, credential, user) = (self.clone(), member.credential, member.user);
        let (evidence, from) = (member.evidence, member.from);
        Box::pin(async move {
            let standing = door.sessions.look(credential, user).await.map_err(of_session)?;
            door.member(&standing, evidence, from).await
        })
    }

    fn judge(&self, viewer: &Viewer, asked: Asked) -> BoxFuture<'static, Result<Grant, Refusal>> {
        Box::pin(self.clone().judged(viewer.clone(), asked))
    }

    fn may(
        &self,
        viewer: &Viewer,
        channel: &str,
        act: Act,
        following: bool,
    ) -> BoxFuture<'static, Result<Leave, Refusal>> {
        Box::pin(
            self.clone()
                .allows(viewer.clone(), channel.to_owned(), act, following),
        )
    }

    fn renew(
        &self,
        viewer: &Viewer,
        client: &str,
        request: SubRefreshRequest,
    ) -> BoxFuture<'static, Result<Option<Duration>, Refusal>> {
        Box::pin(self.clone().renewed(viewer.clone(), client.into(), request))
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
        Denied::Refused(Refused::Address) => SignInError::Address,
        Denied::Unavailable => SignInError::Unavailable,
        Denied::Refused(_) => SignInError::SignedOut,
    }
}
