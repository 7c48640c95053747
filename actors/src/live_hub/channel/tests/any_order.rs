//! Whatever is lost, late or read twice: an invariant over random runs.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    /// Append to the stream; the bus carries it, or loses it.
    Publish {
        carried: bool,
    },
    /// The oldest message on the bus arrives.
    Carry,
    Join,
    /// The oldest joining follower reads the stream.
    Look,
    /// The oldest follower that has read is released.
    Release,
    /// The read under way ends, with a page of at most this many.
    Read(usize),
    /// Somebody wants the stream compared.
    Check,
    Leave(usize),
    /// So many followers have their turn.
    Serve(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::bool::weighted(0.9).prop_map(|carried| Step::Publish { carried }),
        6 => Just(Step::Carry),
        2 => Just(Step::Join),
        3 => Just(Step::Look),
        3 => Just(Step::Release),
        3 => (1..4usize).prop_map(Step::Read),
        1 => Just(Step::Check),
        1 => (0..6usize).prop_map(Step::Leave),
        6 => (1..4usize).prop_map(Step::Serve),
    ]
}

#[derive(Default)]
struct World {
    channel: Channel,
    top: u64,
    bus: std::collections::VecDeque<u64>,
    followers: Vec<(Follower, Option<u64>, bool)>,
    need: Option<u64>,
}

impl World {
    fn take(&mut self, need: Need) {
        if let Need::Read(since) = need {
            self.need = Some(since);
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Publish { carried } => {
                self.top += 1;
                self.bus.extend(carried.then_some(self.top));
            }
            Step::Carry => {
                if let Some(offset) = self.bus.pop_front() {
                    let need = self.channel.arrive(publication("e", offset));
                    self.take(need);
                }
            }
            Step::Join => {
                let follower = Follower::joined(&mut self.channel);
                self.followers.push((follower, None, false));
            }
            Step::Look => {
                if let Some((_, read, _)) = self.followers.iter_mut().find(|(_, read, _)| read.is_none()) {
                    *read = Some(self.top);
                }
            }
            Step::Release => {
                let next = self
                    .followers
                    .iter_mut()
                    .find(|(_, read, released)| read.is_some() && !released);
                if let Some((follower, Some(read), released)) = next {
                    *released = true;
                    let need = self
                        .channel
                        .release(&follower.subscriber, place("e", *read), false);
                    self.take(need);
                }
            }
            Step::Read(limit) => {
                if let Some(since) = self.need.take() {
                    let last = self.top.min(since + *limit as u64);
                    let need = self.channel.read(history(self.top, since + 1..=last));
                    self.take(need);
                }
            }
            Step::Check => {
                let need = self.channel.check();
                self.take(need);
            }
            Step::Serve(count) => {
                self.channel.serve(*count, &Turn::default(), Instant::now());
            }
            Step::Leave(which) => {
                if let Some((follower, ..)) = self.followers.get(*which) {
                    follower.subscriber.close();
                    // most are heard to leave
                    if which.is_multiple_of(3) {
                        self.channel.sweep();
                    } else {
                        self.channel.leave(&follower.subscriber);
                    }
                }
            }
        }
    }
}

proptest! {
    /// Messages are lost, late and read twice; followers come, read and leave whenever they like. In the end every
    /// one that is still there and was not told that it is lost has everything after the place it read, once, in order.
    #[test]
    fn nobody_misses_or_doubles_anything_without_being_told(steps in prop::collection::vec(step(), 0..120)) {
        let mut world = World::default();
        for step in &steps {
            world.step(step);
        }
        for _ in 0..200 {
            for step in [Step::Carry, Step::Look, Step::Release, Step::Read(3)] {
                world.step(&step);
            }
        }
        world.step(&Step::Check);
        for _ in 0..200 {
            world.step(&Step::Read(3));
        }
        while world.channel.is_due() {
            world.step(&Step::Serve(2));
        }
        let top = world.top;
        for (follower, read, _) in &mut world.followers {
            let from = read.unwrap_or(top);
            if follower.is_lost() || !follower.subscriber.is_open() {
                let got = follower.look();
                let expected: Vec<u64> = (from + 1..).take(got.len()).collect();
                prop_assert_eq!(got, expected);
            } else {
                prop_assert_eq!(follower.look(), (from + 1..=top).collect::<Vec<_>>());
            }
        }
    }
}
