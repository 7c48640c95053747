//! Channels of events and of states, and a client that reads at random, comes back for what it is told that it lost, and
//! connects again when it is ended: whatever happens, it has every event once and in order or was told, and in the end the
//! newest state of every key.

use std::collections::HashMap;

use super::*;

const CHANNELS: usize = 3;
const KEYS: usize = 4;

#[derive(Debug, Clone)]
enum Step {
    Event {
        channel: usize,
        size: usize,
    },
    State {
        channel: usize,
        key: usize,
        size: usize,
    },
    Read(usize),
    /// The connection's owner hears what it is told.
    Hear,
}

fn step() -> impl Strategy<Value = Step> {
    let sizes = || 0..400_usize;
    prop_oneof![
        4 => (0..CHANNELS, sizes()).prop_map(|(channel, size)| Step::Event { channel, size }),
        4 => (0..CHANNELS, 0..KEYS, sizes()).prop_map(|(channel, key, size)| Step::State { channel, key, size }),
        1 => (0..4_000_usize).prop_map(Step::Read),
        1 => Just(Step::Hear),
    ]
}

/// A channel, and what the client has of it.
#[derive(Default)]
struct Followed {
    /// Everything published so far: the length of each event, and of each state with its key.
    log: Vec<(Option<usize>, usize)>,
    subscriber: Option<Arc<Subscriber>>,
    /// Up to where the client has all events.
    at: usize,
    /// The state of each key as the client has it, by its place in the log.
    states: HashMap<usize, usize>,
}

struct World {
    limit: usize,
    outlet: Arc<Outlet>,
    channels: Vec<Followed>,
    slots: u32,
}

impl World {
    fn new(limit: usize) -> Self {
        let mut world = Self {
            limit,
            outlet: Outlet::new(limit),
            channels: (0..CHANNELS).map(|_| Followed::default()).collect(),
            slots: 0,
        };
        (0..CHANNELS).for_each(|channel| world.subscribe(channel));
        world
    }

    /// From where the client is, as a hub does: what was missed first, or all of it anew where that is too much.
    fn subscribe(&mut self, channel: usize) {
        self.slots += 1;
        let followed = &mut self.channels[channel];
        let subscriber = Subscriber::new(self.outlet.clone(), self.slots);
        let missed: usize = followed.log[followed.at..]
            .iter()
            .map(|(_, size)| size + 200)
            .sum();
        if missed > self.limit / 4 {
            followed.at = followed.log.len();
        }
        for place in followed.at..followed.log.len() {
            if followed.log[place].0.is_none() {
                self.outlet
                    .push_at(text(channel, place, None, 0), self.slots, place as u64 + 1);
            }
        }
        // of states a client that comes asks for the present one
        for (place, (key, _)) in followed.log.iter().enumerate() {
            key.map(|key| followed.states.insert(key, place));
        }
        if let Some(former) = followed.subscriber.replace(subscriber) {
            former.close();
        }
    }

    fn publish(&mut self, channel: usize, key: Option<usize>, size: usize) {
        let followed = &mut self.channels[channel];
        let place = followed.log.len();
        followed.log.push((key, size));
        let offset = if key.is_some() { 0 } else { place as u64 + 1 };
        let subscriber = followed.subscriber.as_ref().unwrap();
        subscriber.push(text(channel, place, key, size), offset);
        assert!(self.outlet.bytes() <= self.limit);
    }

    fn read(&mut self, max_bytes: usize) -> bool {
        let batch = take(&self.outlet, max_bytes);
        for text in batch.iter().flatten() {
            let mut words = text.split(' ');
            let mut number = || words.next().unwrap().parse::<usize>().unwrap();
            let (channel, place) = (number(), number());
            let followed = &mut self.channels[channel];
            let events = |(key, _): &(Option<usize>, usize)| key.is_none();
            if let Some(key) = followed.log[place].0 {
                // no event that was published before it is still to come, and none that came after it has been there
                assert!(!followed.log[followed.at.min(place)..place].iter().any(events));
                assert!(!followed.log[place..followed.at.max(place)].iter().any(events));
                let before = followed.states.insert(key, place);
                assert!(
                    before.is_none_or(|before| before < place),
                    "an older state came after a newer"
                );
            } else {
                assert!(place >= followed.at, "an event came twice, or late");
                assert!(
                    !followed.log[followed.at..place].iter().any(events),
                    "an event is missing"
                );
                followed.at = place + 1;
            }
        }
        batch.is_some()
    }

    /// What the owner is told; false when there is nothing.
    fn hear(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        match self.outlet.poll_signal(&mut cx) {
            Poll::Ready(Signal::Lost(slot)) => {
                let is_lost = |one: &Followed| one.subscriber.as_ref().is_some_and(|held| held.slot == slot);
                let channel = self.channels.iter().position(is_lost).unwrap();
                self.subscribe(channel);
                true
            }
            Poll::Ready(Signal::Ended(why)) => {
                assert_eq!((why, self.outlet.bytes()), (Disconnect::Slow, 0));
                self.outlet = Outlet::new(self.limit);
                (0..CHANNELS).for_each(|channel| self.subscribe(channel));
                true
            }
            Poll::Ready(other) => panic!("{other:?}"),
            Poll::Pending => false,
        }
    }
}

fn text(channel: usize, place: usize, key: Option<usize>, size: usize) -> Frame {
    let frame = frame(&format!("{channel} {place} {}", "x".repeat(size)));
    match key {
        Some(key) => frame.with_state(key.to_string().into()),
        None => frame,
    }
}

proptest! {
    #[test]
    fn whatever_is_pushed_and_read_no_event_is_missing_untold_none_comes_twice_and_states_are_the_newest(
        limit in 3_000..20_000_usize,
        steps in prop::collection::vec(step(), 1..400),
    ) {
        let mut world = World::new(limit);
        for step in steps {
            match step {
                Step::Event { channel, size } => world.publish(channel, None, size),
                Step::State { channel, key, size } => world.publish(channel, Some(key), size),
                Step::Read(bytes) => drop(world.read(bytes)),
                Step::Hear => drop(world.hear()),
            }
        }
        while world.read(1_000) || world.hear() {}
        prop_assert_eq!(world.outlet.bytes(), 0);
        prop_assert_eq!(world.outlet.state.lock().queue.room(), 0);
        for followed in &world.channels {
            let last_event = followed.log.iter().rposition(|(key, _)| key.is_none());
            prop_assert!(last_event.is_none_or(|last| followed.at > last));
            for key in 0..KEYS {
                let newest = followed.log.iter().rposition(|(of, _)| *of == Some(key));
                prop_assert_eq!(followed.states.get(&key).copied(), newest);
            }
        }
    }

    #[test]
    fn of_one_key_one_state_waits_however_much_is_pushed(
        pushes in prop::collection::vec((0..2_u32, 0..KEYS, any::<bool>()), 1..300),
    ) {
        let outlet = Outlet::new(usize::MAX);
        let subscribers = [1, 2].map(|slot| Subscriber::new(outlet.clone(), slot));
        let mut events = 0;
        for (n, (at, key, is_event)) in pushes.into_iter().enumerate() {
            let key = (!is_event).then_some(key);
            events += usize::from(is_event);
            subscribers[at as usize].push(text(at as usize, n, key, 0), u64::from(is_event));
        }
        let waiting = take(&outlet, usize::MAX).unwrap().len();
        prop_assert!((events..=events + 2 * KEYS).contains(&waiting));
    }
}
