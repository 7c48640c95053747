//! One event on its way through this node, and what became of it for each kind of viewer.

use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use signalbox_core::kernel::id::OrganizationId;
use signalbox_core::live::history::Batch;
use signalbox_core::live::published::Published;
use signalbox_core::live::view::ViewClass;

use super::Frame;

/// A channel of one organization. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ChannelKey {
    /// Whose channel.
    pub organization: OrganizationId,
    /// Its name on the wire.
    pub name: Arc<str>,
}

/// A place in a channel's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The stream's generation.
    pub epoch: Arc<str>,
    /// The last position covered.
    pub offset: u64,
}

/// How one transport writes a publication. The hub knows no protocol.
pub trait Encoding: Debug + Send + Sync {
    /// Tells encodings apart; unique in the process.
    fn id(&self) -> u8;

    /// The whole frame for `event`, one line of JSON. `offset` is 0 for what has no position.
    fn publication(&self, channel: &str, event: &str, offset: u64) -> Frame;
}

/// How a subscriber sees a channel.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// What may be seen.
    pub class: ViewClass,
    /// How it is written.
    pub encoding: &'static dyn Encoding,
}

/// An event in full, with the frames made from it so far: one for each (encoding, class) that somebody on this
/// node has, made by whichever shard needs it first.
#[derive(Debug)]
pub struct Publication {
    /// Where it was published.
    pub channel: ChannelKey,
    /// The stream's generation; empty for what has no position.
    pub epoch: Arc<str>,
    /// Its position; 0 for state such as progress, which is not stored.
    pub offset: u64,
    payload: Bytes,
    frames: Mutex<Vec<(u8, ViewClass, Option<Frame>)>>,
}

impl Publication {
    /// A publication as the bus or the history brought it.
    pub fn new(channel: ChannelKey, epoch: Arc<str>, offset: u64, payload: Bytes) -> Arc<Self> {
        Arc::new(Self {
            channel,
            epoch,
            offset,
            payload,
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

    /// The event as `class` may see it: one line of JSON. `None` when it cannot be read, as one of a newer hub's.
    pub fn event(&self, class: ViewClass) -> Option<String> {
        let published: Published = serde_json::from_slice(&self.payload).ok()?;
        let offset = (self.offset > 0).then_some(self.offset);
        Some(published.seen_by(class, &self.channel.name, offset).to_string())
    }

    /// The frame for `view`.
    pub fn frame(&self, view: &View) -> Option<Frame> {
        let mut frames = self.frames.lock();
        let wanted = (view.encoding.id(), view.class);
        if let Some((.., frame)) = frames
            .iter()
            .find(|(encoding, class, _)| (*encoding, *class) == wanted)
        {
            return frame.clone();
        }
        let event = self.event(view.class);
        if event.is_none() {
            metrics::counter!("signalbox_live_publications_unreadable_total").increment(1);
        }
        let frame = event.map(|event| view.encoding.publication(&self.channel.name, &event, self.offset));
        frames.push((wanted.0, wanted.1, frame.clone()));
        frame
    }

    /// Bytes it holds at least.
    pub fn size(&self) -> usize {
        self.payload.len() + size_of::<Self>()
    }
}
