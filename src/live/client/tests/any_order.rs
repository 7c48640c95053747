//! Whatever order things happen in.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Say(u8, u8),
    Judge(bool),
    Answer,
    Lose(u32),
    Later(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..7u8, 0..3u8).prop_map(|(kind, channel)| Step::Say(kind, channel)),
        4 => any::<bool>().prop_map(Step::Judge),
        2 => Just(Step::Answer),
        1 => (1..9u32).prop_map(Step::Lose),
        1 => (0..20u32).prop_map(Step::Later),
    ]
}

fn command(kind: u8, channel: u8, id: u32) -> Value {
    let channel = format!("job:{channel}");
    match kind {
        0..=2 => json!({"id": id, "subscribe": {"channel": channel}}),
        3 | 4 => json!({"id": id, "unsubscribe": {"channel": channel}}),
        5 => json!({"id": id, "presence": {"channel": channel}}),
        _ => json!({}),
    }
}

proptest! {
    /// Whatever comes in whatever order: each command is answered once, each slot is released at most once, after
    /// its follow, and dropped at most once, and nothing comes after a close.
    #[test]
    fn every_command_is_answered_once_and_every_slot_lives_one_life(steps in prop::collection::vec(step(), 0..60)) {
        let mut desk = Desk::up();
        let (mut asked, mut answered, mut open) = (Vec::new(), Vec::new(), VecDeque::new());
        let (mut released, mut dropped, mut closed) = (Vec::new(), Vec::new(), false);
        let mut asking = None;
        let settle = (0..60).flat_map(|_| [Step::Judge(true), Step::Answer]);
        for (n, step) in steps.into_iter().chain(settle).enumerate() {
            let effects = match step {
                Step::Say(kind, channel) => {
                    let command = command(kind, channel, n as u32 + 10);
                    if !closed && command != json!({}) {
                        asked.push(n as u64 + 10);
                    }
                    desk.says(command)
                }
                Step::Judge(granted) => match open.pop_front() {
                    Some(slot) if granted => desk.followed(slot, Ok(stream())),
                    Some(slot) => desk.followed(slot, Err(ReplyError::UnknownChannel)),
                    None => vec![],
                },
                Step::Answer => match asking.take() {
                    Some((id, slot)) => {
                        desk.client.answered(id, slot, Ok(Answer::Published), desk.now);
                        desk.client.take_effects()
                    }
                    None => vec![],
                },
                Step::Lose(slot) => {
                    desk.client.lost(slot);
                    desk.client.take_effects()
                }
                Step::Later(seconds) => desk.later(f64::from(seconds)),
            };
            for effect in effects {
                prop_assert!(!closed, "{effect:?} after a close");
                match effect {
                    Effect::Follow { slot, .. } => open.push_back(slot),
                    Effect::Release { slot, .. } => {
                        prop_assert!(!released.contains(&slot));
                        released.push(slot);
                    }
                    Effect::Unfollow(slot) => {
                        prop_assert!(released.contains(&slot) && !dropped.contains(&slot));
                        dropped.push(slot);
                    }
                    Effect::Write(reply) => answered.extend(Some(u64::from(reply.id)).filter(|id| *id > 0)),
                    Effect::Ask { id, slot, .. } => {
                        prop_assert!(asking.is_none(), "two questions are out");
                        asking = Some((id, slot));
                    }
                    Effect::Close(_) => closed = true,
                    Effect::SignIn(_) | Effect::Refresh(..) | Effect::Ping | Effect::Deliver { .. } => prop_assert!(false),
                }
            }
        }
        answered.sort_unstable();
        if !closed {
            prop_assert_eq!(asked, answered);
        }
    }
}
