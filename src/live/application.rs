//! What users of the operator's application may do: their tokens, and their channels by namespace options. The hub's own
//! channels are none of theirs, whatever is configured here.

use std::sync::Arc;
use std::time::Duration;

use signalbox_actors::live_hub::{ChannelKey, Comparison, Filter, Keeps};
use signalbox_core::kernel::clock::Clock;
use signalbox_core::kernel::permission::PermissionSet;
use signalbox_core::live::application::options::DeltaType;
use signalbox_core::live::application::token::{Refused, Tokens};
use signalbox_core::live::application::{
    APPLICATION, Name, Namespaces, Options, RecoveryMode, ServerSubscription, SubscriptionType,
};
use signalbox_core::live::scope::Sight;
use signalbox_core::live::view::ViewClass;

use super::client::{Refusal, SignInError};
use super::gate::{Act, Admission, Asked, Grant, Guest, Leave, Viewer};
use super::protocol::wire::FilterNode;
use super::protocol::{Disconnect, ReplyError, SubRefreshRequest};

/// What members of the hub need to look into the application's channels.
const LOOK: &str = "live:read";

/// The operator's application, as configured.
#[derive(Clone)]
pub struct Application {
    /// Its channels.
    pub namespaces: Arc<Namespaces>,
    /// Its users' tokens for connections, and for single channels.
    pub tokens: Arc<Tokens>,
    /// Whether a user without a name may connect.
    pub anonymous: bool,
    /// Tells the time.
    pub clock: Clock,
}

impl Application {
    /// As configured.
    ///
    /// # Errors
    /// A key that cannot be read, by its setting.
    pub fn new(settings: &crate::config::Live, clock: Clock) -> anyhow::Result<Self> {
        Ok(Self {
            namespaces: Arc::new(settings.namespaces()),
            tokens: Arc::new(settings.tokens().map_err(anyhow::Error::msg)?),
            anonymous: settings.anonymous.connect,
            clock,
        })
    }

    /// Lets a user in by token.
    pub async fn admit(&self, token: &str) -> Result<Admission, SignInError> {
        let now = self.clock.now().unix_timestamp();
        let claims = self
            .tokens
            .connection(token, now)
            .await
            .map_err(|refused| match refused {
                Refused::Expired => SignInError::Expired,
                Refused::Invalid => SignInError::Invalid,
                Refused::Unavailable => SignInError::Unavailable,
            })?;
        if is_over(claims.expire_at, now) {
            return Err(SignInError::Expired);
        }
        if claims.user.is_empty() && !self.anonymous {
            return Err(SignInError::Close(Disconnect::PermissionDenied));
        }
        let mut subscriptions: Vec<_> = claims
            .channels
            .into_iter()
            .map(|channel| (channel, ServerSubscription::default()))
            .collect();
        subscriptions.extend(claims.subs);
        let guest = Guest {
            user: claims.user,
            info: claims.info,
        };
        Ok(self.welcome(guest, subscriptions, lasts(claims.expire_at, now)))
    }

    /// Lets somebody without a name in, where that is allowed.
    pub fn admit_nameless(&self) -> Result<Admission, SignInError> {
        if !self.anonymous {
            return Err(SignInError::Missing);
        }
        Ok(self.welcome(Guest::default(), Vec::new(), None))
    }

    fn welcome(
        &self,
        guest: Guest,
        mut subscriptions: Vec<(String, ServerSubscription)>,
        expires_in: Option<Duration>,
    ) -> Admission {
        if let Some(channel) = self.namespaces.personal_channel(&guest.user) {
            subscriptions.push((channel, ServerSubscription::default()));
        }
        subscriptions.sort_by(|(a, _), (b, _)| a.cmp(b));
        subscriptions.dedup_by(|(a, _), (b, _)| a == b);
        Admission {
            viewer: Viewer::Guest(guest),
            expires_in,
            subscriptions,
            hold: Box::new(()),
        }
    }

    /// The options of a channel.
    fn options<'a>(&self, channel: &'a str) -> Result<(Name<'a>, Arc<Options>), Refusal> {
        let name = Name::parse(channel).ok_or(ReplyError::BadRequest)?;
        let options = self.namespaces.of_name(&name).ok_or(ReplyError::UnknownChannel)?;
        Ok((name, options.clone()))
    }

    /// Whether and how `viewer` may follow a channel.
    pub async fn judge(&self, viewer: &Viewer, asked: Asked) -> Result<Grant, Refusal> {
        if asked.by_server.is_none() && !asked.wish.channel.is_ascii() {
            // so the protocol has it for what a client asks for itself; what it is given is called as its users are
            return Err(ReplyError::BadRequest.into());
        }
        let (name, options) = self.options(&asked.wish.channel)?;
        let terms = match (&asked.by_server, viewer) {
            (Some(terms), _) => terms.clone(),
            // looking on, unseen
            (None, Viewer::Member(member)) if may_look(&member.permissions) => {
                return grant(viewer, &asked, &options, ServerSubscription::default(), None).map(unseen);
            }
            (None, Viewer::Guest(guest)) if !asked.wish.token.is_empty() => {
                let (terms, lasts) = self
                    .by_token(&guest.user, &asked.client, &asked.wish.channel, &asked.wish.token)
                    .await?;
                return grant(viewer, &asked, &options, terms, lasts);
            }
            (None, Viewer::Guest(guest)) if options.may_subscribe(&name, &guest.user) => {
                ServerSubscription::default()
            }
            (None, _) => return Err(ReplyError::PermissionDenied.into()),
        };
        let lasts = lasts(terms.expire_at, self.clock.now().unix_timestamp());
        if lasts == Some(Duration::ZERO) {
            return Err(ReplyError::TokenExpired.into());
        }
        grant(viewer, &asked, &options, terms, lasts)
    }

    async fn by_token(
        &self,
        user: &str,
        client: &str,
        channel: &str,
        token: &str,
    ) -> Result<(ServerSubscription, Option<Duration>), Refusal> {
        let now = self.clock.now().unix_timestamp();
        let claims = self
            .tokens
            .subscription(token, now)
            .await
            .map_err(|refused| match refused {
                Refused::Expired => ReplyError::TokenExpired,
                Refused::Invalid => ReplyError::PermissionDenied,
                Refused::Unavailable => ReplyError::Internal,
            })?;
        let anothers = claims.user != user || claims.channel != channel;
        if anothers || claims.client.is_some_and(|named| named != client) {
            return Err(Refusal::Close(Disconnect::InvalidToken));
        }
        if is_over(claims.expire_at, now) {
            return Err(ReplyError::TokenExpired.into());
        }
        let terms = ServerSubscription {
            info: claims.info,
            data: claims.data,
            expire_at: claims.expire_at,
            overrides: claims.overrides,
            ..ServerSubscription::default()
        };
        Ok((terms, lasts(claims.expire_at, now)))
    }

    /// Whether `viewer` may act on a channel.
    pub fn may(&self, viewer: &Viewer, channel: &str, act: Act, following: bool) -> Result<Leave, Refusal> {
        let (_, options) = self.options(channel)?;
        let on = match act {
            Act::Publish => options.subscription_type == SubscriptionType::Stream,
            Act::Track => options.subscription_type == SubscriptionType::SharedPoll,
            Act::Put | Act::Remove => options.subscription_type == SubscriptionType::Map,
            Act::SeePresence => options.presence,
            Act::ReadHistory => options.has_history(),
        };
        if !on {
            let not_polled = act == Act::Track;
            return Err(if not_polled {
                ReplyError::PermissionDenied
            } else {
                ReplyError::NotAvailable
            }
            .into());
        }
        let allowed = match (viewer, act) {
            // what an operator says into a channel goes through the record
            (Viewer::Member(_), Act::Publish | Act::Put | Act::Remove | Act::Track) => false,
            (Viewer::Member(member), _) => may_look(&member.permissions),
            (Viewer::Guest(guest), Act::Publish) => options.may_publish(&guest.user, following),
            // which keys, their signatures tell
            (Viewer::Guest(_), Act::Track) => following,
            (Viewer::Guest(guest), Act::Put) => options.map.may_publish(&guest.user, following),
            (Viewer::Guest(guest), Act::Remove) => options.map.may_remove(&guest.user, following),
            (Viewer::Guest(guest), Act::SeePresence) => options.may_see_presence(&guest.user, following),
            (Viewer::Guest(guest), Act::ReadHistory) => options.may_read_history(&guest.user, following),
        };
        if !allowed {
            return Err(ReplyError::PermissionDenied.into());
        }
        Ok(Leave {
            key: key(channel),
            sight: Sight::whole(ViewClass::of(&PermissionSet::default())),
            options: Some(options),
        })
    }

    /// For how long a subscription is renewed by another token.
    pub async fn renew(
        &self,
        viewer: &Viewer,
        client: &str,
        request: &SubRefreshRequest,
    ) -> Result<Option<Duration>, Refusal> {
        let (_, lasts) = match viewer {
            Viewer::Member(_) => return Ok(None),
            Viewer::Guest(guest) => {
                self.by_token(&guest.user, client, &request.channel, &request.token)
                    .await
                    .map_err(|refusal| match refusal {
                        // with an error reply the subscription would seem good for ever
                        Refusal::Reply(ReplyError::TokenExpired) => {
                            Refusal::Close(Disconnect::SubscriptionExpired)
                        }
                        Refusal::Reply(ReplyError::PermissionDenied) => {
                            Refusal::Close(Disconnect::InvalidToken)
                        }
                        other => other,
                    })?
            }
        };
        Ok(lasts)
    }
}

fn grant(
    viewer: &Viewer,
    asked: &Asked,
    options: &Arc<Options>,
    terms: ServerSubscription,
    lasts: Option<Duration>,
) -> Result<Grant, Refusal> {
    let kind = options.subscription_type;
    // a member who looks on may do so as at a stream
    let looks_on = asked.wish.kind == 0 && viewer.member().is_some();
    if asked.wish.kind != kind.number() && !looks_on {
        return Err(ReplyError::PermissionDenied.into());
    }
    let (user, wish, over) = (viewer.user(), &asked.wish, &terms.overrides);
    let history = options.has_history();
    let forced = |over: Option<bool>, option| over.unwrap_or(option);
    let recovery = forced(over.force_recovery, options.force_recovery);
    let recoverable = history && (recovery || (wish.recoverable && options.may_recover(&user)));
    let positioning = forced(over.force_positioning, options.force_positioning);
    let positioned =
        recoverable || (history && (positioning || (wish.positioned && options.may_be_positioned(&user))));
    let keeps = match options.force_recovery_mode {
        _ if !history => Keeps::Nothing,
        RecoveryMode::Cache if recoverable => Keeps::Newest,
        RecoveryMode::Cache | RecoveryMode::Stream => Keeps::Stream,
    };
    let pushed = over
        .force_push_join_leave
        .unwrap_or_else(|| options.pushes_join_leave(&user, wish.join_leave));
    Ok(Grant {
        key: key(&wish.channel),
        sight: Sight::whole(ViewClass::of(&PermissionSet::default())),
        keeps,
        recoverable,
        positioned,
        // who looks on at keys as at a stream counts on one of them for all
        delta: wish.kind == kind.number()
            && wish.delta == "fossil"
            && options.allowed_delta_types.contains(&DeltaType::Fossil),
        joins: pushed,
        present: forced(over.presence, options.presence),
        announced: forced(over.join_leave, options.join_leave),
        filter: filter(wish.tf.as_ref(), options)?,
        info: terms.info,
        data: terms.data,
        lasts,
        map: kind.is_map().then(|| options.clone()),
        shown_in: options
            .presence_maps(&wish.channel)
            .filter(|map| Name::parse(map).is_some())
            .map(|map| key(&map))
            .collect(),
    })
}

/// An operator who looks on is not somebody in the channel.
fn unseen(grant: Grant) -> Grant {
    Grant {
        present: false,
        announced: false,
        shown_in: Vec::new(),
        ..grant
    }
}

fn may_look(permissions: &PermissionSet) -> bool {
    permissions.has(LOOK)
}

fn key(channel: &str) -> ChannelKey {
    ChannelKey {
        organization: APPLICATION,
        name: channel.into(),
    }
}

/// Whether what a token gives has ended, whatever the token's own end.
fn is_over(expire_at: Option<i64>, now: i64) -> bool {
    expire_at.is_some_and(|at| at <= now)
}

/// How long from `now` until `at`; nothing left is zero.
fn lasts(at: Option<i64>, now: i64) -> Option<Duration> {
    at.map(|at| Duration::from_secs(u64::try_from(at - now).unwrap_or_default()))
}

fn filter(node: Option<&FilterNode>, options: &Options) -> Result<Option<Arc<Filter>>, Refusal> {
    let Some(node) = node else { return Ok(None) };
    let filter = read(node, 0).filter(|filter| options.allow_tags_filter && filter.is_bounded());
    Ok(Some(Arc::new(filter.ok_or(ReplyError::BadRequest)?)))
}

/// `None` for what the protocol does not know.
fn read(node: &FilterNode, depth: usize) -> Option<Filter> {
    if depth > 32 {
        return None;
    }
    let all = || {
        node.nodes
            .iter()
            .map(|node| read(node, depth + 1))
            .collect::<Option<Vec<_>>>()
    };
    let number = || node.val.parse::<f64>().ok();
    let comparison = match (node.op.as_str(), node.cmp.as_str()) {
        ("and", _) => return all().map(Filter::And),
        ("or", _) => return all().map(Filter::Or),
        ("not", _) => match node.nodes.as_slice() {
            [one] => return Some(Filter::Not(Box::new(read(one, depth + 1)?))),
            _ => return None,
        },
        ("", "eq") => Comparison::Equal(node.val.clone()),
        ("", "neq") => Comparison::NotEqual(node.val.clone()),
        ("", "in") => Comparison::In(node.vals.clone()),
        ("", "nin") => Comparison::NotIn(node.vals.clone()),
        ("", "ex") => Comparison::Exists,
        ("", "nex") => Comparison::Missing,
        ("", "sw") => Comparison::StartsWith(node.val.clone()),
        ("", "ew") => Comparison::EndsWith(node.val.clone()),
        ("", "ct") => Comparison::Contains(node.val.clone()),
        ("", "lt") => Comparison::Less(number()?),
        ("", "lte") => Comparison::LessOrEqual(number()?),
        ("", "gt") => Comparison::Greater(number()?),
        ("", "gte") => Comparison::GreaterOrEqual(number()?),
        _ => return None,
    };
    Some(Filter::Tag(node.key.clone(), comparison))
}
