//! What one node does to its own entries, many in one go.

use crate::bus::Bus;
use crate::kernel::error::Result;
use crate::kernel::id::OrganizationId;
use crate::live::application::map::{self, Presences};
use bytes::Bytes;
use redis::Script;
use std::sync::{Arc, LazyLock};

/// One act of this node on one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Whose channel.
    pub organization: OrganizationId,
    /// Wire name.
    pub channel: Arc<str>,
    /// What.
    pub act: Act,
}

/// What is done. Stamps tell one coming of a client from the next on the same node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// The node has, or is about to have, entries in the channel.
    Note,
    /// It has none any more.
    Forget,
    /// The client is there. If it was there under another stamp, that one is told to have left. `announced`: its coming was
    /// told before; it is told again only where its entry was cleared away meanwhile, and its leave told.
    Enter {
        /// Its id.
        client: String,
        /// Of this coming.
        stamp: u64,
        /// Shown to who asks for presence.
        listed: bool,
        /// See above.
        announced: bool,
        /// As [`crate::live::application::ClientInfo::encode`] writes it.
        info: Bytes,
    },
    /// The client's coming is told, once.
    Announce {
        /// Its id.
        client: String,
        /// Of this coming.
        stamp: u64,
    },
    /// The client is gone. Its leave is told if its coming was.
    Leave {
        /// Its id.
        client: String,
        /// Of this coming.
        stamp: u64,
    },
}

/// How an entry is read in a script.
pub(super) const PARSE: &str = r"
local function parse(value)
  return string.match(value, '^([^\n]*)\n(%d+)\n(%d+)\n(%a*)\n(.*)$')
end
local function tell(what, info)
  redis.call(ARGV[1], KEYS[2], ARGV[2] .. '\n\n0\n{\34' .. what .. '\34:' .. info .. '}')
end
";

// KEYS presence, fan, tombstone. ARGV publish command, header, act, client, node, generation, stamp, flags, info, how it shows in
// a map (empty: not at all). Where it does, what the map's script takes follows both.
static ACT: LazyLock<Script> = LazyLock::new(|| {
    let body = r"
local act, client, node, generation, stamp = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local function put(flags, info)
  redis.call('HSET', KEYS[1], client, node .. '\n' .. generation .. '\n' .. stamp .. '\n' .. flags .. '\n' .. info)
end
local old = redis.call('HGET', KEYS[1], client)
local of, _, at, flags, info = '', '', '', '', ''
if old then of, _, at, flags, info = parse(old) end
local mine = of == node and at == stamp
local kind, m = ARGV[10], nil
if kind ~= '' then m = bound(4, 11) end
local told = flags and string.find(flags, 'a')
if act == 'enter' then
  local new = ARGV[8]
  if mine and told and not string.find(new, 'a') then
    new = new .. 'a'
  elseif old and told and not mine then
    tell('l', info)
  elseif not old and string.find(new, 'a') and redis.call('EXISTS', KEYS[3]) == 1 then
    tell('j', ARGV[9])
  end
  put(new, ARGV[9])
  if m then shown(m, kind, client, ARGV[9], not old) end
elseif mine and act == 'announce' and not told then
  put(flags .. 'a', info)
  tell('j', info)
elseif mine and act == 'leave' then
  redis.call('HDEL', KEYS[1], client)
  if told then tell('l', info) end
  if m then hidden(m, kind, client, info) end
end
return 1";
    Script::new(&format!("{PARSE}{}{}{body}", map::CHANGE, map::SHOW))
});

/// Does `steps` in order, in one round trip, for `node` under `generation` of its lease. `maps` tells which channels' presence
/// shows in maps. After an error some may be done and
/// others not; doing all of them again is right.
///
/// # Errors
/// Redis does not answer.
pub async fn apply(bus: &Bus, maps: &Presences, node: &str, generation: u64, steps: &[Step]) -> Result<()> {
    let (keys, index) = (bus.keys(), bus.keys().live_present(node));
    let mut pipe = redis::pipe();
    pipe.load_script(&ACT).ignore();
    for step in steps {
        let (organization, channel) = (step.organization, &*step.channel);
        let field = format!("{organization}/{channel}");
        let (act, client, stamp) = match &step.act {
            Act::Note => {
                pipe.cmd("HSET").arg(&index).arg(field).arg(generation).ignore();
                continue;
            }
            Act::Forget => {
                pipe.cmd("HDEL").arg(&index).arg(field).ignore();
                continue;
            }
            Act::Enter { client, stamp, .. } => ("enter", client, stamp),
            Act::Announce { client, stamp } => ("announce", client, stamp),
            Act::Leave { client, stamp } => ("leave", client, stamp),
        };
        let fan = keys.fan(organization, channel);
        let mut call = ACT.key(keys.live_presence(organization, channel));
        call.key(&fan)
            .key(keys.live_buried(organization, channel, node))
            .arg(bus.publish_command(&fan))
            .arg(format!("{organization}\n{channel}"))
            .arg(act)
            .arg(client)
            .arg(node)
            .arg(generation)
            .arg(stamp);
        let (flags, info) = match &step.act {
            Act::Enter {
                listed,
                announced,
                info,
                ..
            } => (flags(*listed, *announced), &info[..]),
            _ => ("", &[][..]),
        };
        let shows = maps.of(organization, channel);
        call.arg(flags)
            .arg(info)
            .arg(shows.map_or("", |(kind, _)| kind.name()));
        if let Some((_, options)) = shows {
            map::bind(&mut call, bus, channel, options);
        }
        pipe.invoke_script(&call).ignore();
    }
    pipe.query_async::<()>(&mut bus.shared()).await?;
    Ok(())
}

fn flags(listed: bool, announced: bool) -> &'static str {
    match (listed, announced) {
        (false, false) => "",
        (true, false) => "l",
        (false, true) => "a",
        (true, true) => "la",
    }
}
