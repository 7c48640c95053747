//! What the hub says.

use bytes::Bytes;
use signalbox_actors::live_hub::Item;
use signalbox_core::live::application::ClientInfo;

use super::{ReplyError, Unsubscribed, wire};
use wire::{Disconnected, Empty, End, ErrorBody, Publication, Push, Reply};

impl Reply {
    /// The answer to command `id`, or a push with id 0; the caller fills in what it says.
    pub fn to(id: u32) -> Self {
        Self {
            id,
            ..Self::default()
        }
    }

    /// A refusal.
    pub fn error(id: u32, error: ReplyError) -> Self {
        let error = ErrorBody {
            code: error.code(),
            message: error.message().to_owned(),
            temporary: error.temporary(),
        };
        Self {
            error: Some(error),
            ..Self::to(id)
        }
    }

    /// No longer following.
    pub fn unsubscribed(id: u32) -> Self {
        Self {
            unsubscribe: Some(Empty {}),
            ..Self::to(id)
        }
    }

    /// Something nobody asked for.
    pub fn push(push: Push) -> Self {
        Self {
            push: Some(push),
            ..Self::default()
        }
    }
}

impl Push {
    /// About a channel; the caller fills in what.
    pub fn on(channel: &str) -> Self {
        Self {
            channel: channel.to_owned(),
            ..Self::default()
        }
    }

    /// An event.
    pub fn publication(channel: &str, publication: Publication) -> Self {
        Self {
            publication: Some(publication),
            ..Self::on(channel)
        }
    }

    /// The server ended a subscription.
    pub fn unsubscribe(channel: &str, why: &Unsubscribed) -> Self {
        let end = End {
            code: why.code,
            reason: why.reason.to_string(),
        };
        Self {
            unsubscribe: Some(end),
            ..Self::on(channel)
        }
    }

    /// The last words of a transport without close frames.
    pub fn disconnect(why: &super::Disconnect) -> Self {
        let disconnected = Disconnected {
            code: why.code().into(),
            reason: why.reason().to_owned(),
        };
        Self {
            disconnect: Some(disconnected),
            ..Self::default()
        }
    }
}

impl From<&Item> for Publication {
    fn from(item: &Item) -> Self {
        Self {
            data: item.data.clone(),
            info: item.info.as_ref().map(wire::ClientInfo::from),
            offset: item.offset,
            tags: item.tags.clone(),
            delta: item.delta,
            time: item.time,
            key: item.key.clone(),
            removed: item.removed,
            score: item.score,
            epoch: item.epoch.to_string(),
            version: item.version,
        }
    }
}

impl From<&ClientInfo> for wire::ClientInfo {
    fn from(info: &ClientInfo) -> Self {
        let bytes = |part: &Option<Bytes>| part.clone().unwrap_or_default();
        Self {
            user: info.user.clone(),
            client: info.client.clone(),
            conn_info: bytes(&info.conn_info),
            chan_info: bytes(&info.chan_info),
        }
    }
}
