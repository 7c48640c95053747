//! What one client was shown, byte by byte, what it may have been shown when, and what it holds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use reqwest::StatusCode;
use serde_json::Value;

/// What stands in every value that needs `users:read_pii`.
pub const PERSONAL: [&str; 3] = ["@personal.example", "555 0199", "equity-of-"];
/// What stands in every row of a person whom the test made.
pub const ROW: [&str; 1] = ["Person-"];

/// Fields that change without an event, or that are about the viewer.
const NOT_COMPARED: [&str; 4] = ["can", "last_login_at", "version_of_view", "channel"];

/// How a client stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// On its way: connecting, fetching, subscribing.
    Busy,
    /// It follows.
    Following,
    /// It may not follow.
    Shut,
    /// It went away, to come back.
    Away,
}

/// Frames in which something may be shown: from one, to another that does not count.
#[derive(Debug, Default, Clone)]
pub struct Windows(Vec<(usize, usize)>);

impl Windows {
    fn open(&mut self, at: usize) {
        if self.0.last().is_none_or(|(_, until)| *until != usize::MAX) {
            self.0.push((at, usize::MAX));
        }
    }

    fn close(&mut self, at: usize) {
        if let Some((_, until)) = self.0.last_mut() {
            *until = at.min(*until);
        }
    }

    fn has(&self, at: usize) -> bool {
        self.0.iter().any(|(from, until)| (*from..*until).contains(&at))
    }
}

/// See the module.
#[derive(Debug)]
pub struct Record {
    /// All that came, in order.
    pub frames: Vec<Vec<u8>>,
    /// What happened, and before which frame.
    pub notes: Vec<(usize, String)>,
    /// The frames that said that its rights are others now.
    pub told: Vec<usize>,
    /// See there.
    pub standing: Standing,
    /// People by id.
    pub rows: BTreeMap<String, Value>,
    /// Where in the people's channel that is.
    pub place: Option<(String, u64)>,
    /// How often it was given what it missed.
    pub recoveries: usize,
    /// Rows that changed although they were not held, had not come, and were not new.
    pub surprises: Vec<String>,
    personal: Windows,
    row: Windows,
    /// What is shown of one thing: what stands in its row.
    things: BTreeMap<String, Windows>,
}

/// One client's record, and who it is.
#[derive(Clone)]
pub struct Seat {
    /// For failures.
    pub name: Arc<str>,
    /// Of the node it connects to: `http://127.0.0.1:PORT`.
    pub url: Arc<str>,
    /// Its viewer's.
    pub token: Arc<str>,
    /// Whether it follows the audit log too.
    pub audit: bool,
    /// Asks for it.
    pub http: reqwest::Client,
    record: Arc<Mutex<Record>>,
}

impl Seat {
    pub fn new(name: &str, url: &str, token: &str) -> Self {
        let record = Record {
            frames: Vec::new(),
            notes: Vec::new(),
            told: Vec::new(),
            standing: Standing::Busy,
            rows: BTreeMap::new(),
            place: None,
            recoveries: 0,
            surprises: Vec::new(),
            personal: Windows::default(),
            row: Windows::default(),
            things: BTreeMap::new(),
        };
        Self {
            name: name.into(),
            url: url.into(),
            token: token.into(),
            audit: true,
            http: crate::harness::client(),
            record: Arc::new(Mutex::new(record)),
        }
    }

    pub fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap()
    }

    pub fn stands(&self, standing: Standing) {
        self.record().standing = standing;
    }

    /// The frame that came last says that its rights are others now: nothing is held any more.
    pub fn loses_its_view(&self, standing: Standing) {
        let told = self.record().frames.len() - 1;
        self.sees_nothing_from(told, standing);
    }

    /// It was cut off, which is no frame: all that came came before.
    pub fn is_cut_off(&self) {
        let next = self.record().frames.len();
        self.sees_nothing_from(next, Standing::Busy);
    }

    fn sees_nothing_from(&self, at: usize, standing: Standing) {
        let mut record = self.record();
        record.told.push(at);
        record.note("is told of its rights");
        record.drop_all();
        record.standing = standing;
    }

    /// Reads all people again. False when that is forbidden, and nothing is held any more then.
    pub async fn fetch(&self) -> bool {
        self.record().note("fetches");
        let asked = self.http.get(format!("{}/api/v1/users?limit=1000", self.url));
        let answer = asked.bearer_auth(&self.token).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        let mut record = self.record();
        record.note(format!("has fetched: {status}"));
        if status == StatusCode::FORBIDDEN {
            record.drop_all();
            return false;
        }
        assert!(status.is_success(), "{}: {status} {text}", self.name);
        let list: Value = serde_json::from_str(&text).unwrap();
        record.frames.push(text.into_bytes());
        let items = list["items"].as_array().unwrap().iter();
        record.rows = items
            .map(|item| (item["id"].as_str().unwrap().to_owned(), item.clone()))
            .collect();
        record.place = Some((
            list["epoch"].as_str().unwrap().to_owned(),
            list["offset"].as_u64().unwrap(),
        ));
        true
    }

    /// Whether its node shows its viewer people now, and personal values.
    pub async fn sees(&self) -> (bool, bool) {
        let asked = self.http.get(format!("{}/api/v1/users?limit=1", self.url));
        let answer = asked.bearer_auth(&self.token).send().await.unwrap();
        let rows = answer.status().is_success();
        let text = answer.text().await.unwrap();
        (rows, rows && text.contains("\"masked\":[]"))
    }

    /// As which view its node tells it places now; `None` where it may see nobody.
    pub async fn mark(&self) -> Option<String> {
        let asked = self.http.get(format!("{}/api/v1/users?limit=1", self.url));
        let answer = asked.bearer_auth(&self.token).send().await.unwrap();
        let told: serde_json::Value = answer.json().await.unwrap();
        told["epoch"].as_str().map(str::to_owned)
    }

    /// What a fetch by this viewer has now, and where that is; `None` where it is forbidden.
    pub async fn fresh(&self) -> Option<(BTreeMap<String, Value>, u64)> {
        let other = Self::new(&self.name, &self.url, &self.token);
        let allowed = other.fetch().await;
        let mut record = other.record();
        allowed.then(|| (std::mem::take(&mut record.rows), record.place.as_ref().unwrap().1))
    }
}

impl Record {
    /// Notes what happens, for failures.
    pub fn note(&mut self, what: impl Into<String>) {
        self.notes.push((
            self.frames.len(),
            format!("{:?} {}", std::time::Instant::now(), what.into()),
        ));
    }

    /// Takes down what came.
    pub fn frame(&mut self, bytes: &[u8]) {
        self.frames.push(bytes.to_vec());
    }

    /// Nothing is held any more.
    pub fn drop_all(&mut self) {
        self.rows.clear();
        self.place = None;
    }

    /// Takes an event about people into what is held.
    pub fn apply(&mut self, event: &Value) {
        let Some((_, offset)) = &mut self.place else {
            return;
        };
        let at = event["offset"].as_u64().unwrap_or_default();
        if at <= *offset {
            return;
        }
        *offset = at;
        let Some(id) = event["subject"]["id"].as_str() else {
            return;
        };
        if event["type"] == "user.deleted" || event["type"] == "user.removed" {
            self.rows.remove(id);
            return;
        }
        if !self.rows.contains_key(id) && event["type"] != "user.created" && event["came"] != true {
            self.surprises.push(event.to_string());
        }
        let row = self
            .rows
            .entry(id.to_owned())
            .or_insert_with(|| Value::Object(serde_json::Map::default()));
        for (field, value) in event["patch"].as_object().into_iter().flatten() {
            row[field] = value.clone();
        }
    }

    /// From now on these may be shown.
    pub fn may(&mut self, personal: bool, rows: bool) {
        let at = self.frames.len();
        if personal {
            self.personal.open(at);
        }
        if rows {
            self.row.open(at);
        }
    }

    /// Behind this frame these may not be shown any more.
    pub fn may_not(&mut self, personal: bool, rows: bool, behind: usize) {
        if !personal {
            self.personal.close(behind);
        }
        if !rows {
            self.row.close(behind);
        }
    }

    /// From now on what stands in one row may be shown.
    pub fn may_see(&mut self, needle: &str) {
        let at = self.frames.len();
        self.things.entry(needle.to_owned()).or_default().open(at);
    }

    /// Behind this frame it may not be shown any more.
    pub fn may_not_see(&mut self, needle: &str, behind: usize) {
        self.things.entry(needle.to_owned()).or_default().close(behind);
    }

    /// Every one of these that was shown when it was not allowed: in which frame.
    pub fn leaks_of<'a>(&self, needles: impl IntoIterator<Item = &'a str>) -> Vec<(usize, &'a str)> {
        let never = Windows::default();
        let mut found = Vec::new();
        for needle in needles {
            let allowed = self.things.get(needle).unwrap_or(&never);
            let frames = self.frames.iter().enumerate();
            found.extend(
                frames
                    .filter(|(at, frame)| !allowed.has(*at) && contains(frame, needle))
                    .map(|(at, _)| (at, needle)),
            );
        }
        found
    }

    /// Everything shown that was forbidden: in which frame, and what.
    pub fn leaks(&self) -> Vec<(usize, &'static str)> {
        let mut found = Vec::new();
        for (at, frame) in self.frames.iter().enumerate() {
            for (allowed, needles) in [(&self.personal, &PERSONAL[..]), (&self.row, &ROW[..])] {
                if !allowed.has(at) {
                    found.extend(
                        needles
                            .iter()
                            .filter(|needle| contains(frame, needle))
                            .map(|needle| (at, *needle)),
                    );
                }
            }
        }
        found
    }
}

/// What is held and is not so: rows that are gone, rows that are missing, and fields that differ.
pub fn stale(held: &BTreeMap<String, Value>, fresh: &BTreeMap<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    for id in held.keys().filter(|id| !fresh.contains_key(*id)) {
        found.push(format!("{id} is held, and is gone"));
    }
    for (id, fresh) in fresh {
        let Some(held) = held.get(id) else {
            found.push(format!("{id} is missing"));
            continue;
        };
        for (field, value) in fresh.as_object().unwrap() {
            let holds = &held[field.as_str()];
            if !NOT_COMPARED.contains(&field.as_str()) && holds != value {
                found.push(format!("{field} of {id}: {holds} is held, {value} is so"));
            }
        }
    }
    found
}

fn contains(bytes: &[u8], needle: &str) -> bool {
    bytes
        .windows(needle.len())
        .any(|window| window == needle.as_bytes())
}

#[test]
fn the_scanner_finds_what_was_shown_too_early_or_too_late_and_nothing_else() {
    let seat = Seat::new("anybody", "", "");
    let mut record = seat.record();
    let show = |record: &mut Record, text: &str| record.frame(text.as_bytes());
    show(&mut record, r#"{"name":"Person-1"}"#);
    record.may(true, true);
    show(&mut record, r#"{"name":"Person-2","email":"a@personal.example"}"#);
    show(&mut record, r#"{"unsubscribe":{"code":2502}}"#);
    record.may_not(false, true, 2);
    show(&mut record, r#"{"name":"Person-3"}"#);
    show(&mut record, r#"{"phone":"+27 555 0199 1"}"#);
    record.may_not(false, false, 4);
    show(&mut record, r#"{"name":"Person-4","equity":"equity-of-4"}"#);
    assert_eq!(
        record.leaks(),
        [(0, "Person-"), (4, "555 0199"), (5, "equity-of-"), (5, "Person-")]
    );
}
