//! Polled keys: what the application says of one before it is asked.

use super::publish::data;
use super::reply::{ApiError, Reply};
use super::{ServerApi, decoded, done};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use signalbox_core::bus::orders::Order;
use signalbox_core::live::application::SubscriptionType;
use signalbox_core::live::application::map::MAX_KEY;
use signalbox_core::live::application::message::one_line;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    channel: String,
    key: String,
    data: Option<Box<RawValue>>,
    b64data: String,
    version: u64,
    epoch: String,
}

/// Told to every node: each pushes it to those of its clients that track the key.
pub(super) async fn publish(api: &ServerApi, body: &[u8]) -> Reply {
    let said: Said = decoded(body)?;
    let options = api.options(&said.channel)?;
    if options.subscription_type != SubscriptionType::SharedPoll {
        return Err(ApiError::not_available("the channel is not polled"));
    }
    if !options.shared_poll.publish_enabled {
        return Err(ApiError::not_available(
            "shared_poll.publish_enabled is off in its namespace",
        ));
    }
    if said.key.is_empty() || said.key.len() > MAX_KEY || said.version == 0 {
        return Err(ApiError::bad("key has 1 to 255 bytes, and version is above 0"));
    }
    let data = data(said.data.as_deref(), &said.b64data)?;
    if serde_json::from_slice::<IgnoredAny>(&data).is_err() {
        return Err(ApiError::bad("data is what an answer would have: JSON"));
    }
    let order = Order::Poll {
        channel: said.channel,
        key: said.key,
        version: said.version,
        epoch: said.epoch,
        data: one_line(&data).to_vec(),
    };
    api.nodes.tell(order).await?;
    done()
}
