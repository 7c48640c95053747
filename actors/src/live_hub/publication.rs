//! One event on its way through this node, and what became of it for each kind of viewer.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::value::RawValue;
use signalbox_core::kernel::id::OrganizationId;
use signalbox_core::live::application::{self, APPLICATION, ClientInfo, Message};
use signalbox_core::live::history::Batch;
use signalbox_core::live::published::Published;
use signalbox_core::live::scope::{Showing, Sight};

use super::filter::Filter;
use super::outlet::ITEM_OVERHEAD;
use super::{Frame, fossil};

/// A channel of one organization, or of the application. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ChannelKey {
    /// Whose channel.
    pub organization: OrganizationId,
    /// Its name on the wire.
    pub name: Arc<str>,
}

impl ChannelKey {
    /// Whether it is one of the operator's application, whose offsets are born in Redis.
    pub fn is_of_application(&self) -> bool {
        self.organization == APPLICATION
    }
}

/// A place in a channel's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The stream's generation; empty where nothing is stored.
    pub epoch: Arc<str>,
    /// The last position covered.
    pub offset: u64,
}

impl Place {
    /// Of a channel that keeps nothing.
    pub fn nowhere() -> Self {
        Self {
            epoch: Arc::default(),
            offset: 0,
        }
    }

    /// Whether nothing is kept there.
    pub fn is_nowhere(&self) -> bool {
        self.epoch.is_empty()
    }
}

/// How one transport writes what happens in a channel. The hub knows no protocol.
pub trait Encoding: Debug + Send + Sync {
    /// Tells encodings apart; unique in the process.
    fn id(&self) -> u8;

    /// Whether `data` must be JSON. Other bytes are then given as a JSON string of their base64, and patches as JSON strings.
    fn is_json(&self) -> bool;

    /// The whole frame for a publication.
    fn publication(&self, channel: &str, item: &Item) -> Frame;

    /// Several frames as one that all their readers share; `None` where each must stay its own.
    fn join(&self, frames: &[Frame]) -> Option<Frame>;

    /// Somebody came or left; `None` where the transport does not tell.
    fn presence(&self, channel: &str, came: bool, info: &ClientInfo) -> Option<Frame>;
}

/// What an item costs beside its own text: its place in the queue, names of fields and of the channel.
const ITEM_COST: usize = ITEM_OVERHEAD + 128;

/// A publication as one kind of viewer gets it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Item {
    /// What was published, masked; or a patch of it.
    pub data: Bytes,
    /// Its position; 0 for what has none.
    pub offset: u64,
    /// Of whoever published it, where that was a client.
    pub info: Option<ClientInfo>,
    /// What the publisher wrote beside it.
    pub tags: BTreeMap<String, String>,
    /// Milliseconds since 1970; 0 for the hub's own events, which say it themselves.
    pub time: i64,
    /// `data` is a patch of the one before.
    pub delta: bool,
    /// Of a map.
    pub key: String,
    /// Of a map: the key is gone.
    pub removed: bool,
    /// Of an ordered map: where the entry stands among the others.
    pub score: i64,
    /// Of a key that is polled: which of its values.
    pub version: u64,
    /// Of a key that is polled: the generation of its versions, where it has a name.
    pub epoch: Arc<str>,
}

impl Item {
    /// Bytes that it takes at most while it waits to be written.
    pub(super) fn cost(&self) -> usize {
        let info = self.info.as_ref().map_or(0, ClientInfo::bytes);
        let tags: usize = self.tags.iter().map(|(tag, value)| tag.len() + value.len()).sum();
        self.data.len() + info + tags + ITEM_COST
    }

    /// What is told of an entry to whoever may have it and is to have it no more: nothing but its key.
    fn gone(self) -> Self {
        Self {
            data: Bytes::from_static(b"null"),
            offset: self.offset,
            time: self.time,
            key: self.key,
            removed: true,
            ..Self::default()
        }
    }

    /// As it is written where publications are patches: patched against `base` where that is at hand and shorter. A removal is
    /// what it is. In JSON (`is_json`) patches and whole data alike are texts, so that a client has its bytes.
    pub(crate) fn patched(mut self, base: Option<&[u8]>, is_json: bool) -> Self {
        if self.removed {
            return self;
        }
        if let Some(patch) = base.and_then(|base| fossil::patch(base, &self.data)) {
            self.data = patch.into();
            self.delta = true;
        }
        if is_json {
            let text = String::from_utf8_lossy(&self.data);
            self.data = serde_json::to_vec(&text).unwrap_or_default().into();
        }
        self
    }
}

/// How a subscriber sees a channel. Cheap to clone.
#[derive(Debug, Clone)]
pub struct View {
    /// What may be seen.
    pub sight: Sight,
    /// How it is written.
    pub encoding: &'static dyn Encoding,
    /// Publications are patches of the one before where that is shorter.
    pub delta: bool,
    /// Told who comes and leaves.
    pub joins: bool,
    /// Given only what passes.
    pub filter: Option<Arc<Filter>>,
}

impl View {
    /// Everything in `sight`, in full.
    pub fn new(sight: Sight, encoding: &'static dyn Encoding) -> Self {
        Self {
            sight,
            encoding,
            delta: false,
            joins: false,
            filter: None,
        }
    }
}

/// What a payload is.
#[derive(Debug)]
enum Body {
    /// An event of the hub's own.
    Event(Box<Published>),
    /// Something of the application's.
    Said(Box<application::Publication>),
    /// Somebody came (`true`) or left.
    Presence(bool, Box<ClientInfo>),
    /// Of a newer hub.
    Unreadable,
}

/// What frames differ by: the encoding, how the event shows, whether in delta mode, the base of a patch, and whether it is told
/// as a removal.
type Form = (u8, Showing, bool, Option<u64>, bool);

/// What a filter makes of a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passing {
    Whole,
    /// Of a map: the entry does not pass any more, to whoever has it.
    Gone,
    Nothing,
}

/// An event in full, with the frames made from it so far: one for each form that somebody on this node has, made by
/// whichever shard needs it first.
#[derive(Debug)]
pub struct Publication {
    /// Where it was published.
    pub channel: ChannelKey,
    /// The stream's generation; empty for what has no position.
    pub epoch: Arc<str>,
    /// Its position; 0 for what is not stored: progress, who comes and goes, channels without history.
    pub offset: u64,
    payload: Bytes,
    body: OnceLock<Body>,
    frames: Mutex<Vec<(Form, Option<Frame>)>>,
}

impl Publication {
    /// A publication as the bus or the history brought it.
    pub fn new(channel: ChannelKey, epoch: Arc<str>, offset: u64, payload: Bytes) -> Arc<Self> {
        Arc::new(Self {
            channel,
            epoch,
            offset,
            payload,
            body: OnceLock::new(),
            frames: Mutex::default(),
        })
    }

    /// All publications of a batch from the bus.
    pub fn of_batch(batch: Batch) -> Vec<Arc<Self>> {
        let channel = ChannelKey {
            organization: batch.organization,
            name: batch.channel.into(),
        };
        let epoch: Arc<str> = batch.epoch.into();
        let numbered = batch.payloads.into_iter().enumerate();
        numbered
            .map(|(n, payload)| {
                let offset = if batch.first == 0 {
                    0
                } else {
                    batch.first + n as u64
                };
                Self::new(channel.clone(), epoch.clone(), offset, payload)
            })
            .collect()
    }

    /// As a viewer gets it that was given `before`, the publication before it (of a map: of the same key), if that is at hand: in
    /// delta mode as a patch of that. `None` for what it does not get: rows out of its sight, what does not pass its filter,
    /// what cannot be read, and comings and goings. An entry of a map whose tags do not pass any more is told as removed, once;
    /// also where it is not known whether it did pass.
    pub fn item(&self, view: &View, before: Option<&Self>) -> Option<Item> {
        let item = self.whole(view)?;
        match self.passing(view, before) {
            Passing::Whole => {}
            Passing::Gone => return Some(item.gone()),
            Passing::Nothing => return None,
        }
        if !view.delta {
            return Some(item);
        }
        let base = before.filter(|_| self.may_be_patched());
        let before = base.and_then(|base| base.whole(view)).map(|before| before.data);
        Some(item.patched(before.as_deref(), view.encoding.is_json()))
    }

    /// As it stands in a page of a map, and never a patch. `None` for an entry that is not for the view.
    pub(super) fn entry(&self, view: &View) -> Option<Item> {
        if self.passing(view, None) == Passing::Whole {
            self.item(view, None)
        } else {
            None
        }
    }

    /// As it shows to the view, and never patched.
    fn whole(&self, view: &View) -> Option<Item> {
        let mut item = match self.body() {
            Body::Event(event) => {
                let offset = (self.offset > 0).then_some(self.offset);
                let seen = event.seen_by(&view.sight, &self.channel.name, offset)?;
                Item {
                    data: serde_json::to_vec(&seen).ok()?.into(),
                    ..Item::default()
                }
            }
            Body::Said(said) => Item {
                data: said.data.clone(),
                info: said.info.clone(),
                tags: said.tags.clone(),
                time: said.time_ms,
                key: said.key.clone().unwrap_or_default(),
                removed: said.removed,
                score: said.score,
                ..Item::default()
            },
            Body::Presence(..) | Body::Unreadable => return None,
        };
        item.offset = self.offset;
        if view.encoding.is_json() && serde_json::from_slice::<&RawValue>(&item.data).is_err() {
            item.data = format!("\"{}\"", STANDARD.encode(&item.data)).into();
        }
        Some(item)
    }

    /// The event, where it is one of the hub's own.
    pub fn event(&self) -> Option<&Published> {
        match self.body() {
            Body::Event(event) => Some(event),
            Body::Said(_) | Body::Presence(..) | Body::Unreadable => None,
        }
    }

    /// The frame of [`Publication::item`]: `before` is what the follower was given before.
    pub fn frame(&self, view: &View, before: Option<&Self>) -> Option<Frame> {
        if let Body::Presence(came, info) = self.body() {
            let frame = view
                .joins
                .then(|| view.encoding.presence(&self.channel.name, *came, info))?;
            return frame.map(|frame| self.marked(frame));
        }
        let passing = self.passing(view, before);
        if passing == Passing::Nothing {
            return None;
        }
        let base = before.filter(|_| view.delta && self.may_be_patched());
        let form = (
            view.encoding.id(),
            self.showing(&view.sight)?,
            view.delta,
            base.map(|base| base.offset),
            passing == Passing::Gone,
        );
        let mut frames = self.frames.lock();
        if let Some((_, frame)) = frames.iter().find(|(made, _)| *made == form) {
            return frame.clone();
        }
        let item = self.item(view, before);
        let frame = item.map(|item| {
            let frame = view.encoding.publication(&self.channel.name, &item);
            // patches count on each other
            if view.delta { frame } else { self.marked(frame) }
        });
        frames.push((form, frame.clone()));
        frame
    }

    /// How it shows in `sight`. Only the hub's own events have rows; whoever sees them all is not held up by asking.
    fn showing(&self, sight: &Sight) -> Option<Showing> {
        match self.body() {
            Body::Event(event) if !sight.is_whole() => event.showing(sight),
            _ => Some(Showing::whole(sight.fields())),
        }
    }

    /// With what it is the present state of.
    fn marked(&self, frame: Frame) -> Frame {
        match self.state() {
            Some(key) => frame.with_state(key.into()),
            None => frame,
        }
    }

    /// What it is the present state of, where it is that and no event: of a slow reader's queue only the newest is worth
    /// reading. In the hub's own channels all that has no position is state: of what it is about, told by a node where nodes
    /// differ, or of somebody's presence. In the application's, what is published so under a key.
    fn state(&self) -> Option<String> {
        if self.offset > 0 {
            return None;
        }
        match self.body() {
            Body::Event(published) => {
                let event = &published.event;
                let of = |name: &str| event["subject"][name].as_str().unwrap_or_default();
                let node = event["node"].as_str().unwrap_or_default();
                let kind = event["type"].as_str()?;
                Some(format!("{kind} {} {} {node}", of("kind"), of("id")))
            }
            Body::Presence(_, info) if !self.channel.is_of_application() => {
                Some(format!("presence {}", info.client))
            }
            Body::Said(said) => said.key.as_ref().map(|key| format!("key {key}")),
            Body::Presence(..) | Body::Unreadable => None,
        }
    }

    /// Of a map: which entry it changes.
    pub(super) fn key(&self) -> Option<&str> {
        match self.body() {
            Body::Said(said) => said.key.as_deref(),
            Body::Event(_) | Body::Presence(..) | Body::Unreadable => None,
        }
    }

    /// Of a map: whether the entry is gone with it.
    pub(super) fn is_removal(&self) -> bool {
        matches!(self.body(), Body::Said(said) if said.removed)
    }

    /// Whether its publisher wants it sent as a patch where that is shorter.
    fn may_be_patched(&self) -> bool {
        match self.body() {
            Body::Said(said) => said.delta,
            Body::Event(_) => true,
            Body::Presence(..) | Body::Unreadable => false,
        }
    }

    /// What becomes of it for whoever has `before`; whoever had none that passed has nothing to be told of.
    fn passing(&self, view: &View, before: Option<&Self>) -> Passing {
        match &view.filter {
            None => Passing::Whole,
            Some(filter) if self.passes(filter) => Passing::Whole,
            Some(filter) if self.key().is_some() && before.is_none_or(|before| before.passes(filter)) => {
                Passing::Gone
            }
            Some(_) => Passing::Nothing,
        }
    }

    fn passes(&self, filter: &Filter) -> bool {
        match self.body() {
            // a key that is gone is gone for everybody, whatever its tags were
            Body::Said(said) => said.removed || filter.passes(&said.tags),
            Body::Event(_) => filter.passes(&BTreeMap::new()),
            Body::Presence(..) | Body::Unreadable => false,
        }
    }

    fn body(&self) -> &Body {
        self.body.get_or_init(|| {
            let body = self.read();
            if matches!(body, Body::Unreadable) {
                metrics::counter!("signalbox_live_publications_unreadable_total").increment(1);
            }
            body
        })
    }

    fn read(&self) -> Body {
        let ours = !self.channel.is_of_application();
        if ours && let Ok(event) = serde_json::from_slice(&self.payload) {
            return Body::Event(event);
        }
        match Message::parse(&self.payload) {
            // who comes and goes is told alike in the hub's own channels: who looks at a page
            Some(Message::Join(info)) => Body::Presence(true, Box::new(info)),
            Some(Message::Leave(info)) => Body::Presence(false, Box::new(info)),
            Some(Message::Publication(said)) if !ours => Body::Said(Box::new(said)),
            _ => Body::Unreadable,
        }
    }

    /// Bytes it holds at least.
    pub fn size(&self) -> usize {
        self.payload.len() + size_of::<Self>()
    }
}
