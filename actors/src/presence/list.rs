//! Who is here, and what of it is still to be written: plain state, shared by everybody who enters and leaves, that outlives
//! the actor.

use std::collections::{HashMap, HashSet, VecDeque};

use bytes::Bytes;
use parking_lot::Mutex;
use signalbox_core::kernel::error::{Error, Result};
use signalbox_core::live::application::ClientInfo;
use signalbox_core::live::presence::{Act, Step};
use tokio::sync::oneshot;

use crate::live_hub::ChannelKey;

/// Clients that may wait to enter; more are told to try again. Whoever leaves is never turned away.
const WAITING: usize = 50_000;
/// Written in one round trip.
pub(super) const BATCH: usize = 256;
/// Strays remembered until they are cleared away.
const STRAYS: usize = 1_000;

#[derive(Default)]
pub(super) struct List(Mutex<State>);

#[derive(Default)]
struct State {
    rooms: HashMap<ChannelKey, Room>,
    queue: VecDeque<Job>,
    stamp: u64,
    strays: HashSet<(ChannelKey, String)>,
}

#[derive(Default)]
struct Room {
    clients: HashMap<String, Present>,
    /// Jobs that wait.
    jobs: usize,
    /// Redis knows under which generation this node has entries here.
    noted: bool,
}

struct Present {
    stamp: u64,
    listed: bool,
    coming: Coming,
    /// It was written once: what is written again is that.
    written: bool,
    info: Bytes,
}

/// Whether others are told that a client came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Coming {
    Untold,
    ToBeTold,
    Told,
}

struct Job {
    channel: ChannelKey,
    client: String,
    stamp: u64,
    what: What,
}

enum What {
    Enter(oneshot::Sender<Result<()>>),
    Again,
    Announce,
    Leave,
}

/// What goes out in one round trip: the first `jobs` of the queue.
pub(super) struct Batch {
    jobs: usize,
    forgotten: Vec<ChannelKey>,
    pub(super) steps: Vec<Step>,
}

impl List {
    /// Notes that a client is here, and queues that it is written. `None` when too many wait.
    pub(super) fn enter(
        &self,
        channel: &ChannelKey,
        info: &ClientInfo,
        listed: bool,
    ) -> Option<(u64, oneshot::Receiver<Result<()>>)> {
        let mut state = self.0.lock();
        if state.queue.len() >= WAITING {
            return None;
        }
        state.stamp += 1;
        let stamp = state.stamp;
        let room = state.rooms.entry(channel.clone()).or_default();
        let present = Present {
            stamp,
            listed,
            coming: Coming::Untold,
            written: false,
            info: info.encode().into(),
        };
        room.clients.insert(info.client.clone(), present);
        let (written, entered) = oneshot::channel();
        state.push(channel, &info.client, stamp, What::Enter(written));
        Some((stamp, entered))
    }

    pub(super) fn announce(&self, channel: &ChannelKey, client: &str, stamp: u64) {
        let mut state = self.0.lock();
        if let Some(present) = state.present(channel, client, stamp)
            && present.coming == Coming::Untold
        {
            present.coming = Coming::ToBeTold;
            state.push(channel, client, stamp, What::Announce);
        }
    }

    pub(super) fn show(&self, channel: &ChannelKey, info: &ClientInfo, stamp: u64) {
        let mut state = self.0.lock();
        if let Some(present) = state.present(channel, &info.client, stamp) {
            present.info = info.encode().into();
            state.push(channel, &info.client, stamp, What::Again);
        }
    }

    pub(super) fn leave(&self, channel: &ChannelKey, client: &str, stamp: u64) {
        let mut state = self.0.lock();
        if state.present(channel, client, stamp).is_some()
            && let Some(room) = state.rooms.get_mut(channel)
        {
            room.clients.remove(client);
        }
        // also of one that came anew meanwhile: the step sees by the stamp that there is nothing to do
        state.push(channel, client, stamp, What::Leave);
    }

    /// Everybody who is here is written again, under another generation.
    pub(super) fn again(&self) {
        let mut state = self.0.lock();
        let mut all = Vec::new();
        state
            .rooms
            .retain(|_, room| room.jobs > 0 || !room.clients.is_empty());
        for (channel, room) in &mut state.rooms {
            room.noted = false;
            let written = room.clients.iter().filter(|(_, present)| present.written);
            all.extend(written.map(|(client, present)| (channel.clone(), client.clone(), present.stamp)));
        }
        for (channel, client, stamp) in all {
            state.push(&channel, &client, stamp, What::Again);
        }
    }

    pub(super) fn note_stray(&self, channel: &ChannelKey, node: &str) {
        let mut state = self.0.lock();
        if state.strays.len() < STRAYS {
            state.strays.insert((channel.clone(), node.to_owned()));
        }
    }

    pub(super) fn take_strays(&self) -> Vec<(ChannelKey, String)> {
        self.0.lock().strays.drain().collect()
    }

    #[cfg(test)]
    pub(super) fn is_told(&self, channel: &ChannelKey, client: &str) -> bool {
        let state = self.0.lock();
        let room = state.rooms.get(channel);
        room.and_then(|room| room.clients.get(client))
            .is_some_and(|present| present.coming == Coming::Told)
    }

    /// Clients that are here, and jobs that wait.
    pub(super) fn sizes(&self) -> (usize, usize) {
        let state = self.0.lock();
        (
            state.rooms.values().map(|room| room.clients.len()).sum(),
            state.queue.len(),
        )
    }

    /// The next steps. The jobs stay in the queue until [`List::done`] or [`List::failed`]: a panic in between loses none.
    pub(super) fn next(&self) -> Option<Batch> {
        let mut state = self.0.lock();
        let State { rooms, queue, .. } = &mut *state;
        let mut batch = Batch {
            jobs: queue.len().min(BATCH),
            forgotten: Vec::new(),
            steps: Vec::new(),
        };
        let mut touched: HashMap<&ChannelKey, usize> = HashMap::new();
        for job in queue.iter().take(batch.jobs) {
            *touched.entry(&job.channel).or_default() += 1;
            let Some(room) = rooms.get_mut(&job.channel) else {
                continue;
            };
            let Some(act) = room.act_of(job) else { continue };
            if matches!(act, Act::Enter { .. }) && !std::mem::replace(&mut room.noted, true) {
                batch.steps.push(step(&job.channel, Act::Note));
            }
            batch.steps.push(step(&job.channel, act));
        }
        for (channel, jobs) in touched {
            // nobody is left, and nothing more is to come
            if rooms
                .get(channel)
                .is_some_and(|room| room.clients.is_empty() && room.jobs == jobs)
            {
                batch.steps.push(step(channel, Act::Forget));
                batch.forgotten.push(channel.clone());
            }
        }
        (batch.jobs > 0).then_some(batch)
    }

    /// `batch` is written.
    pub(super) fn done(&self, batch: Batch) {
        let mut state = self.0.lock();
        for channel in batch.forgotten {
            // somebody may have come meanwhile, and is noted when their turn comes
            if let Some(room) = state.rooms.get_mut(&channel) {
                room.noted = false;
            }
        }
        for _ in 0..batch.jobs {
            let Some(job) = state.pop() else { break };
            let present = state.present(&job.channel, &job.client, job.stamp);
            match job.what {
                What::Enter(entered) => {
                    let here = present.map(|present| present.written = true);
                    // one that has left meanwhile waits for nothing
                    let _ = entered.send(here.ok_or_else(|| Error::unavailable("presence", "it has left")));
                }
                What::Announce => present.map_or((), |present| present.coming = Coming::Told),
                What::Again | What::Leave => {}
            }
        }
    }

    /// Of `batch` nobody knows what was done. Whoever was to enter is told that they did not, and what may have been written
    /// of them is taken back; everything else is tried again.
    pub(super) fn failed(&self, batch: &Batch, error: &str) {
        let mut state = self.0.lock();
        for step in &batch.steps {
            let channel = ChannelKey {
                organization: step.organization,
                name: step.channel.clone(),
            };
            if let Some(room) = state.rooms.get_mut(&channel) {
                room.noted = false;
            }
        }
        let State { rooms, queue, .. } = &mut *state;
        for job in queue.iter_mut().take(batch.jobs) {
            if matches!(job.what, What::Enter(_))
                && let What::Enter(entered) = std::mem::replace(&mut job.what, What::Leave)
            {
                if let Some(room) = rooms.get_mut(&job.channel)
                    && room
                        .clients
                        .get(&job.client)
                        .is_some_and(|present| present.stamp == job.stamp)
                {
                    room.clients.remove(&job.client);
                }
                let _ = entered.send(Err(Error::unavailable("presence", error.to_owned())));
            }
        }
    }
}

impl State {
    fn push(&mut self, channel: &ChannelKey, client: &str, stamp: u64, what: What) {
        self.rooms.entry(channel.clone()).or_default().jobs += 1;
        self.queue.push_back(Job {
            channel: channel.clone(),
            client: client.to_owned(),
            stamp,
            what,
        });
    }

    fn pop(&mut self) -> Option<Job> {
        let job = self.queue.pop_front()?;
        if let Some(room) = self.rooms.get_mut(&job.channel) {
            room.jobs = room.jobs.saturating_sub(1);
            if room.jobs == 0 && room.clients.is_empty() && !room.noted {
                self.rooms.remove(&job.channel);
            }
        }
        Some(job)
    }

    /// The client's present coming, if it is this one.
    fn present(&mut self, channel: &ChannelKey, client: &str, stamp: u64) -> Option<&mut Present> {
        let present = self.rooms.get_mut(channel)?.clients.get_mut(client)?;
        (present.stamp == stamp).then_some(present)
    }
}

impl Room {
    /// What a job comes to now; nothing for the coming of one that has left already, or came anew.
    fn act_of(&self, job: &Job) -> Option<Act> {
        let (client, stamp) = (job.client.clone(), job.stamp);
        let present = || {
            self.clients
                .get(&job.client)
                .filter(|present| present.stamp == stamp)
        };
        match job.what {
            What::Enter(_) | What::Again => present().map(|present| Act::Enter {
                client,
                stamp,
                listed: present.listed,
                announced: present.coming == Coming::Told,
                info: present.info.clone(),
            }),
            What::Announce => present().map(|_| Act::Announce { client, stamp }),
            What::Leave => Some(Act::Leave { client, stamp }),
        }
    }
}

fn step(channel: &ChannelKey, act: Act) -> Step {
    Step {
        organization: channel.organization,
        channel: channel.name.clone(),
        act,
    }
}
