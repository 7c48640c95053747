//! Maps of who is in a channel: written by the scripts of presence, in the step that writes presence itself.
//!
//! Such a map is the channel in whose presence the clients are entered: there they are leased to their nodes, as everywhere, and
//! who clears away after a node removes their keys as well.

use super::super::{APPLICATION, Namespaces, Options, SubscriptionType};
use crate::kernel::id::OrganizationId;
use std::sync::Arc;

/// How a channel's presence shows in its map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A key for each client, with what others see of it.
    Clients,
    /// A key for each user, as long as a client of theirs is there.
    Users,
    /// The key under a client's id, which it published itself, goes with it.
    Own,
}

impl Kind {
    /// Its name in the scripts.
    pub(in crate::live) fn name(self) -> &'static str {
        match self {
            Self::Clients => "clients",
            Self::Users => "users",
            Self::Own => "own",
        }
    }
}

impl Options {
    /// How presence in channels with these options shows in their maps.
    pub fn shows_presence(&self) -> Option<Kind> {
        match self.subscription_type {
            SubscriptionType::MapClients => Some(Kind::Clients),
            SubscriptionType::MapUsers => Some(Kind::Users),
            SubscriptionType::Map if self.map.remove_client_on_unsubscribe => Some(Kind::Own),
            SubscriptionType::Map | SubscriptionType::Stream | SubscriptionType::SharedPoll => None,
        }
    }
}

/// Which channels' presence shows in maps. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Presences(Arc<Namespaces>);

impl Presences {
    /// As `namespaces` say.
    pub fn new(namespaces: Arc<Namespaces>) -> Self {
        Self(namespaces)
    }

    /// How presence in a channel shows, and what holds for it.
    pub(in crate::live) fn of(
        &self,
        organization: OrganizationId,
        channel: &str,
    ) -> Option<(Kind, &Options)> {
        if organization != APPLICATION {
            return None;
        }
        let options = self.0.of(channel)?;
        Some((options.shows_presence()?, options))
    }
}

/// What the scripts of presence do besides, over [`super::CHANGE`]. `info` is what others see of the client, in JSON.
pub(in crate::live) const SHOW: &str = r"
local NO_VERSION = '00000000000000000000\n'
local function user_of(info)
  local read, value = pcall(cjson.decode, info)
  return read and type(value) == 'table' and value.u
end
local function shown(m, kind, client, info, anew)
  local key, rest = client, ',\34i\34:' .. info
  if kind == 'users' then
    key, rest = user_of(info), ''
    if not key or (anew and redis.call('HINCRBY', m.users, key, 1) > 1) then return end
  end
  if kind == 'own' then return end
  local old, tail = redis.call('HGET', m.state, key), rest .. '}}'
  -- of who is there already, only what is told of them may be another
  if not old or string.sub(old, -#tail) ~= tail then change(m, key, entry(key, rest), NO_VERSION) end
end
local function hidden(m, kind, client, info)
  local key = client
  if kind == 'users' then
    key = user_of(info)
    if not key or redis.call('HINCRBY', m.users, key, -1) > 0 then return end
    redis.call('HDEL', m.users, key)
  end
  if redis.call('HEXISTS', m.state, key) == 1 then change(m, key, entry(key, ',\34r\34:true')) end
end
";
