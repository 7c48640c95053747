//! Faults put between the hub and a listener, to show that the judge sees them.

use serde_json::Value;

/// What is done to one publication in so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mischief {
    Drop,
    Double,
    /// With the next one of its channel.
    Swap,
    /// One field that was masked is shown.
    Leak,
}

/// Does mischief to every `every`-th publication.
pub struct Culprit {
    what: Mischief,
    every: u64,
    /// What is leaked.
    secret: String,
    seen: u64,
    /// Taken out, to come back after the next of its channel.
    held: Option<String>,
}

impl Culprit {
    pub fn new(what: Mischief, every: u64, secret: String) -> Self {
        Self {
            what,
            every,
            secret,
            seen: 0,
            held: None,
        }
    }

    /// The lines that come of one, which are none, itself, or more.
    pub fn tamper(&mut self, line: &str) -> Vec<String> {
        if !is_publication(line) {
            if line.contains("\"connect\":") {
                // what was held was lost with its connection, and comes again
                self.held = None;
            }
            return vec![line.to_owned()];
        }
        let mut lines = self.change(line);
        if self.what == Mischief::Swap {
            let channel = channel(line);
            lines.extend(self.held.take_if(|held| self::channel(held) == channel));
            if self.due() && self.held.is_none() {
                self.held = lines.pop();
            }
        }
        lines
    }

    fn due(&self) -> bool {
        self.seen.is_multiple_of(self.every)
    }

    fn change(&mut self, line: &str) -> Vec<String> {
        self.seen += 1;
        let same = line.to_owned();
        match self.what {
            _ if !self.due() => vec![same],
            Mischief::Drop => Vec::new(),
            Mischief::Double => vec![same.clone(), same],
            Mischief::Swap => vec![same],
            Mischief::Leak => vec![self.leak(line)],
        }
    }

    fn leak(&self, line: &str) -> String {
        let mut push: Value = serde_json::from_str(line).unwrap_or_default();
        push["push"]["pub"]["data"]["patch"]["email"] = self.secret.clone().into();
        push.to_string()
    }
}

fn channel(line: &str) -> String {
    let push: Value = serde_json::from_str(line).unwrap_or_default();
    push["push"]["channel"].as_str().unwrap_or_default().to_owned()
}

fn is_publication(line: &str) -> bool {
    line.starts_with("{\"push\":")
        && !line.starts_with("{\"push\":{\"connect\":")
        && line.contains("\"offset\":")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(offset: u64) -> String {
        format!(r#"{{"push":{{"channel":"c","pub":{{"data":{{}},"offset":{offset}}}}}}}"#)
    }

    fn heard(what: Mischief) -> Vec<String> {
        let mut culprit = Culprit::new(what, 3, "secret".into());
        let lines: Vec<String> = (1..=4).map(push).collect();
        lines.iter().flat_map(|line| culprit.tamper(line)).collect()
    }

    #[test]
    fn the_third_of_four_is_dropped_doubled_swapped_or_shows_a_secret() {
        let of = |offsets: &[u64]| offsets.iter().map(|offset| push(*offset)).collect::<Vec<_>>();
        assert_eq!(heard(Mischief::Drop), of(&[1, 2, 4]));
        assert_eq!(heard(Mischief::Double), of(&[1, 2, 3, 3, 4]));
        assert_eq!(heard(Mischief::Swap), of(&[1, 2, 4, 3]));
        let leaked = heard(Mischief::Leak);
        assert_eq!(leaked.iter().filter(|line| line.contains("secret")).count(), 1);
        assert!(leaked[2].contains("secret"));
    }

    #[test]
    fn two_are_swapped_only_within_their_channel() {
        let mut culprit = Culprit::new(Mischief::Swap, 1, String::new());
        let other = push(7).replace("\"c\"", "\"d\"");
        assert!(culprit.tamper(&push(1)).is_empty());
        culprit.every = 100;
        assert_eq!(culprit.tamper(&other).concat(), other);
        assert_eq!(culprit.tamper(&push(2)), [push(2), push(1)]);
    }

    #[test]
    fn a_ping_between_the_two_that_are_swapped_changes_nothing_and_a_new_connection_everything() {
        let mut culprit = Culprit::new(Mischief::Swap, 1, String::new());
        assert!(culprit.tamper(&push(1)).is_empty());
        assert_eq!(culprit.tamper("{}"), ["{}"]);
        culprit.every = 100;
        assert_eq!(culprit.tamper(&push(2)), [push(2), push(1)]);
        culprit.every = 1;
        assert!(culprit.tamper(&push(3)).is_empty());
        let connected = r#"{"id":1,"connect":{}}"#;
        assert_eq!(culprit.tamper(connected), [connected]);
        culprit.every = 100;
        assert_eq!(culprit.tamper(&push(3)), [push(3)]);
    }

    #[test]
    fn what_is_no_publication_is_left_alone() {
        let mut culprit = Culprit::new(Mischief::Drop, 1, String::new());
        let connected = r#"{"push":{"connect":{"subs":{"c":{"offset":1}}}}}"#;
        for line in ["{}", "id: c@e:1", r#"{"id":1,"connect":{}}"#, connected] {
            assert_eq!(culprit.tamper(line), [line]);
        }
    }
}
