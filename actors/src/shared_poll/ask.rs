//! Asking the operator's server for keys.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use signalbox_core::kernel::error::{Error, Result};
use signalbox_core::outbound::Outbound;

use super::keys::Question;

/// Bytes of one answer at most.
const MOST: usize = 8 * 1024 * 1024;

/// What was answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) items: Vec<Answered>,
    /// The generation of the versions, where it has a name.
    pub(super) epoch: String,
}

/// Of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) key: String,
    pub(super) data: Bytes,
    pub(super) version: u64,
    pub(super) removed: bool,
}

#[derive(Serialize)]
struct Asked<'a> {
    channel: &'a str,
    items: Vec<AskedItem<'a>>,
}

#[derive(Serialize)]
struct AskedItem<'a> {
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
}

#[derive(Deserialize)]
struct Said {
    result: Option<Items>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Items {
    items: Vec<AnsweredItem>,
    epoch: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AnsweredItem {
    key: String,
    data: Option<Box<RawValue>>,
    version: u64,
    removed: bool,
}

/// Asks in parts. Keys that are not in an answer are as they were, and what was said in an epoch that ended meanwhile is not said.
pub(super) async fn ask(outbound: &Outbound, question: &Question) -> Result<Answer> {
    let mut all = Answer::default();
    for part in question.keys.chunks(question.batch.max(1)) {
        let items = part.iter().map(|(key, version)| AskedItem {
            key,
            version: (question.versioned && *version > 0).then_some(*version),
        });
        let asked = Asked {
            channel: &question.channel,
            items: items.collect(),
        };
        let answer = outbound
            .post(&question.endpoint, serde_json::to_vec(&asked)?, MOST)
            .await?;
        let part = read(&answer)?;
        // an answer without an epoch is of whichever there is
        if !part.epoch.is_empty() && part.epoch != all.epoch {
            if !all.epoch.is_empty() {
                all.items.clear();
            }
            all.epoch = part.epoch;
        }
        all.items.extend(part.items);
    }
    Ok(all)
}

pub(super) fn read(answer: &[u8]) -> Result<Answer> {
    let said: Said =
        serde_json::from_slice(answer).map_err(|error| Error::unavailable("shared poll", error))?;
    let Items { items, epoch } = said
        .result
        .ok_or_else(|| Error::unavailable("shared poll", "answered without a result"))?;
    let items = items.into_iter().map(|item| Answered {
        key: item.key,
        data: item
            .data
            .map_or_else(|| Bytes::from_static(b"null"), |data| one_line(data.get())),
        version: item.version,
        removed: item.removed,
    });
    Ok(Answer {
        items: items.collect(),
        epoch,
    })
}

fn one_line(json: &str) -> Bytes {
    signalbox_core::live::application::message::one_line(&Bytes::copy_from_slice(json.as_bytes()))
}
