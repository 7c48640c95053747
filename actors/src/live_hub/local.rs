//! What this node's connections are asked, and told to do, by other nodes.

use bytes::Bytes;
use signalbox_core::bus::orders::{Order, Whom};
use signalbox_core::bus::questions::{
    Answer, ChannelRow, ChannelsWanted, ConnectionRow, ConnectionsWanted, Question, Rows,
};
use signalbox_core::live::application::ServerSubscription;
use subtle::ConstantTimeEq;

use super::outlet::ConnectionOrder;
use super::roster::Present;
use super::{Disconnect, LiveHub};
use crate::nodes::Local;

impl Local for LiveHub {
    fn carry_out(&self, order: Order) {
        match order {
            Order::Disconnect { whom, code, reason } => {
                let why = Disconnect::ordered(code, &reason);
                self.each(&whom, |present| present.outlet.end(why.clone()));
            }
            Order::Unsubscribe {
                whom,
                channel,
                code,
                reason,
            } => self.each(&whom, |present| {
                present.outlet.order(ConnectionOrder::Unsubscribe {
                    channel: channel.clone(),
                    code,
                    reason: reason.clone(),
                });
            }),
            Order::Subscribe { whom, channel, terms } => {
                match serde_json::from_value::<ServerSubscription>(terms) {
                    Ok(terms) => self.each(&whom, |present| {
                        present.outlet.order(ConnectionOrder::Subscribe {
                            channel: channel.clone(),
                            terms: Box::new(terms.clone()),
                        });
                    }),
                    Err(error) => {
                        tracing::warn!(%error, "terms of a subscription that this version does not know");
                    }
                }
            }
            Order::Refresh {
                whom,
                expired,
                expire_at,
                info,
            } => {
                let info = info.map(Bytes::from);
                self.each(&whom, |present| {
                    present.outlet.order(ConnectionOrder::Refresh {
                        expired,
                        expire_at,
                        info: info.clone(),
                    });
                });
            }
            Order::Emulate { session, data, .. } => self.commands(&session, Bytes::from(data)),
            // no connection's: see `shared_poll`
            Order::Poll { .. } => {}
        }
    }

    fn answer(&self, question: &Question) -> Answer {
        match question {
            Question::Node => Answer::Node(self.state()),
            Question::Connections(wanted) => Answer::Connections(self.connections_page(wanted)),
            Question::Connection {
                organizations,
                client,
            } => {
                let found = self.roster().one(client);
                let found = found.filter(|present| organizations.contains(&present.arrival.organization));
                Answer::Connection {
                    found: found.map(|present| {
                        let channels = present.channels();
                        (row(&present), channels.iter().map(ToString::to_string).collect())
                    }),
                }
            }
            Question::Channels(wanted) => Answer::Channels(self.channels_page(wanted)),
            // the sessions' keeper knows: see `shared_poll`
            Question::Sockets { .. } => Answer::Sockets { rows: Vec::new() },
        }
    }
}

impl LiveHub {
    fn each(&self, whom: &Whom, act: impl Fn(&Present)) {
        let found = match &whom.client {
            Some(client) => self.roster().one(client).into_iter().collect(),
            None => self
                .roster()
                .matching(|present| present.arrival.organization == whom.organization),
        };
        for present in found.iter().filter(|present| is_meant(present, whom)) {
            act(present);
        }
    }

    fn connections_page(&self, wanted: &ConnectionsWanted) -> Rows<ConnectionRow> {
        wanted.page(self.roster().all().iter().map(|present| row(present)))
    }

    fn channels_page(&self, wanted: &ChannelsWanted) -> Rows<ChannelRow> {
        let rows = self
            .census()
            .into_iter()
            .map(|(key, (subscribers, rate))| ChannelRow {
                channel: key.name.to_string(),
                organization: key.organization,
                subscribers,
                rate,
            });
        wanted.page(rows)
    }
}

fn is_meant(present: &Present, whom: &Whom) -> bool {
    let secret = |session: &String| bool::from(session.as_bytes().ct_eq(present.arrival.session.as_bytes()));
    present.arrival.organization == whom.organization
        && whom
            .user
            .as_ref()
            .is_none_or(|user| *user == present.arrival.user)
        && whom
            .client
            .as_ref()
            .is_none_or(|client| *client == present.arrival.client)
        && whom.session.as_ref().is_none_or(secret)
        && !whom.spare.contains(&present.arrival.client)
}

fn row(present: &Present) -> ConnectionRow {
    ConnectionRow {
        client: present.arrival.client.clone(),
        organization: present.arrival.organization,
        user: present.arrival.user.clone(),
        transport: present.arrival.transport.name().to_owned(),
        protocol: if present.arrival.protobuf {
            "protobuf"
        } else {
            "json"
        }
        .to_owned(),
        name: present.arrival.name.clone(),
        version: present.arrival.version.clone(),
        address: present.arrival.address.clone(),
        connected_at: present.arrival.connected_at,
        channels: present.channel_count() as u32,
        queue_bytes: present.outlet.bytes() as u64,
        latency_ms: present.latency_ms(),
    }
}
