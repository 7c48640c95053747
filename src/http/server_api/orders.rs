//! What is done to connections, on whichever node they are: `subscribe`, `unsubscribe`, `disconnect`, `refresh`.

use super::reply::{ApiError, Reply};
use super::{ServerApi, decoded, done};
use serde::Deserialize;
use serde_json::value::RawValue;
use signalbox_core::bus::orders::{Order, Whom};
use signalbox_core::live::application::{APPLICATION, ServerSubscription, SubscriptionType};

/// Connections spared by one `disconnect` at most.
const SPARED: usize = 1_000;
/// The longest reason of a disconnect, in bytes: a WebSocket's close frame has no room for more.
const REASON: usize = 123;

/// Which connections.
#[derive(Deserialize)]
struct Who {
    user: Option<String>,
    #[serde(default)]
    client: String,
    #[serde(default)]
    session: String,
    #[serde(default)]
    channel: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct HowDisconnected {
    whitelist: Option<Vec<String>>,
    disconnect: Option<CodeAndReason>,
}

#[derive(Deserialize)]
struct CodeAndReason {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    reason: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct HowRefreshed {
    expired: bool,
    expire_at: i64,
    info: Option<Box<RawValue>>,
}

impl Who {
    /// A user, or one connection of theirs; an empty user is anonymous. Never everybody.
    fn whom(&self) -> Result<Whom, ApiError> {
        let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let (client, session) = (some(&self.client), some(&self.session));
        if self.user.is_none() && client.is_none() && session.is_none() {
            return Err(ApiError::bad("user is required"));
        }
        Ok(Whom {
            user: self.user.clone(),
            client,
            session,
            ..Whom::of(APPLICATION)
        })
    }
}

pub(super) async fn subscribe(api: &ServerApi, body: &[u8]) -> Reply {
    let who: Who = decoded(body)?;
    if api.options(&who.channel)?.subscription_type != SubscriptionType::Stream {
        // a map is read before it is followed, and keys are asked for: both by the client
        return Err(ApiError::not_available(
            "only clients subscribe to such a channel",
        ));
    }
    let terms: ServerSubscription =
        serde_json::from_slice(body).map_err(|error| ApiError::bad(&error.to_string()))?;
    let order = Order::Subscribe {
        whom: who.whom()?,
        channel: who.channel,
        terms: serde_json::to_value(terms).map_err(|error| ApiError::internal(&error))?,
    };
    told(api, order).await
}

pub(super) async fn unsubscribe(api: &ServerApi, body: &[u8]) -> Reply {
    let who: Who = decoded(body)?;
    api.options(&who.channel)?;
    let order = Order::Unsubscribe {
        whom: who.whom()?,
        channel: who.channel,
        code: 2000,
        reason: "server unsubscribe".to_owned(),
    };
    told(api, order).await
}

pub(super) async fn disconnect(api: &ServerApi, body: &[u8]) -> Reply {
    let (who, how): (Who, HowDisconnected) = (decoded(body)?, decoded(body)?);
    let spare = how.whitelist.unwrap_or_default();
    if spare.len() > SPARED {
        return Err(ApiError::bad("whitelist must have 1000 clients at most"));
    }
    let (code, reason) = match how.disconnect {
        None => (3503, "force disconnect".to_owned()),
        Some(told) => (told.code, told.reason),
    };
    if !(3000..=4999).contains(&code) {
        return Err(ApiError::bad("disconnect.code must be 3000 to 4999"));
    }
    // clients take a reason that is an object for the advice of an older protocol
    if reason.len() > REASON || reason.trim_start().starts_with('{') {
        return Err(ApiError::bad(
            "disconnect.reason must have 123 bytes at most, and is no JSON object",
        ));
    }
    let whom = Whom { spare, ..who.whom()? };
    told(api, Order::Disconnect { whom, code, reason }).await
}

pub(super) async fn refresh(api: &ServerApi, body: &[u8]) -> Reply {
    let (who, how): (Who, HowRefreshed) = (decoded(body)?, decoded(body)?);
    let order = Order::Refresh {
        whom: who.whom()?,
        expired: how.expired,
        expire_at: Some(how.expire_at).filter(|at| *at > 0),
        info: how.info.map(|info| info.get().to_owned()),
    };
    told(api, order).await
}

async fn told(api: &ServerApi, order: Order) -> Reply {
    api.nodes.tell(order).await?;
    done()
}
