//! What a client may say.

use prost::Message;

use super::Disconnect;
use super::wire::{
    self, ConnectRequest, HistoryRequest, PublishRequest, RefreshRequest, SubRefreshRequest, SubscribeRequest,
};

/// One message of a client.
#[derive(Debug, PartialEq)]
pub enum Command {
    /// An empty message: the answer to a ping.
    Pong,
    /// A request that expects the reply with this id. Only `send` may come with id 0, and is never answered.
    Call {
        /// Chosen by the client; the whole range of u32 but 0.
        id: u32,
        /// What is asked.
        request: Request,
    },
}

/// What a command asks for.
#[derive(Debug, PartialEq)]
pub enum Request {
    /// Sign this connection in.
    Connect(Box<ConnectRequest>),
    /// Follow a channel.
    Subscribe(Box<SubscribeRequest>),
    /// Stop following.
    Unsubscribe(String),
    /// Renew the connection's credentials.
    Refresh(RefreshRequest),
    /// An asynchronous message that nobody here listens to.
    Send,
    /// `ping` and `rpc` commands, which nothing here answers.
    Unsupported,
    /// Something about a channel that is answered and changes no subscription but its expiry.
    Ask(Box<Ask>),
}

/// A question about a channel, or something to say into it.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// Say something.
    Publish(PublishRequest),
    /// Who is there.
    Presence(String),
    /// How many are there.
    PresenceStats(String),
    /// What was said.
    History(HistoryRequest),
    /// Renew the credentials of the subscription.
    Refresh(SubRefreshRequest),
}

impl Request {
    /// Bytes of what was said, about.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Connect(request) => request.encoded_len(),
            Self::Subscribe(request) => request.encoded_len(),
            Self::Unsubscribe(channel) => channel.len(),
            Self::Refresh(request) => request.encoded_len(),
            Self::Ask(ask) => ask.bytes(),
            Self::Send | Self::Unsupported => 0,
        }
    }
}

impl Ask {
    /// See [`Request::bytes`].
    pub fn bytes(&self) -> usize {
        match self {
            Self::Publish(request) => request.encoded_len(),
            Self::Presence(channel) | Self::PresenceStats(channel) => channel.len(),
            Self::History(request) => request.encoded_len(),
            Self::Refresh(request) => request.encoded_len(),
        }
    }

    /// The channel it is about.
    pub fn channel(&self) -> &str {
        match self {
            Self::Publish(request) => &request.channel,
            Self::Presence(channel) | Self::PresenceStats(channel) => channel,
            Self::History(request) => &request.channel,
            Self::Refresh(request) => &request.channel,
        }
    }
}

impl wire::Command {
    /// What is asked: of several methods the first counts, in the protocol's order.
    fn request(self) -> Option<Request> {
        let ask = |ask| Some(Request::Ask(Box::new(ask)));
        if let Some(request) = self.connect {
            return Some(Request::Connect(Box::new(request)));
        }
        if let Some(request) = self.subscribe {
            return Some(Request::Subscribe(Box::new(request)));
        }
        if let Some(request) = self.unsubscribe {
            return Some(Request::Unsubscribe(request.channel));
        }
        if let Some(request) = self.publish {
            return ask(Ask::Publish(request));
        }
        if let Some(request) = self.presence {
            return ask(Ask::Presence(request.channel));
        }
        if let Some(request) = self.presence_stats {
            return ask(Ask::PresenceStats(request.channel));
        }
        if let Some(request) = self.history {
            return ask(Ask::History(request));
        }
        if self.ping.is_some() {
            return Some(Request::Unsupported);
        }
        if self.send.is_some() {
            return Some(Request::Send);
        }
        if self.rpc.is_some() {
            return Some(Request::Unsupported);
        }
        if let Some(request) = self.refresh {
            return Some(Request::Refresh(request));
        }
        self.sub_refresh.and_then(|request| ask(Ask::Refresh(request)))
    }
}

impl Request {
    fn names_a_channel(&self) -> bool {
        match self {
            Self::Subscribe(request) => !request.channel.is_empty(),
            Self::Unsubscribe(channel) => !channel.is_empty(),
            // an SDK forgets the channel of a sub_refresh: it is answered with an error instead (centrifuge-python#50)
            Self::Ask(ask) => !ask.channel().is_empty() || matches!(**ask, Ask::Refresh(_)),
            Self::Connect(_) | Self::Refresh(_) | Self::Unsupported | Self::Send => true,
        }
    }
}

/// The command in a message. `empty` when the message has no fields at all: one whose only fields are unknown is no pong.
/// Whatever is not a command ends the connection, since a client that has lost the protocol cannot be told anything
/// within it.
pub(super) fn command(message: wire::Command, empty: bool) -> Result<Command, Disconnect> {
    let id = message.id;
    match message.request() {
        Some(Request::Send) => Ok(Command::Call {
            id,
            request: Request::Send,
        }),
        Some(request) if id != 0 && request.names_a_channel() => Ok(Command::Call { id, request }),
        None if empty => Ok(Command::Pong),
        _ => Err(Disconnect::BadRequest),
    }
}
