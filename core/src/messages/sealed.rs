//! A message as it is kept: in a job's payload, and in the development outbox.

use crate::db::PgConnection;
use crate::kernel::error::{Error, Result};
use crate::kernel::seal::{Person, Sealer};
use crate::people;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Before what is to nobody of the hub, and sealed with the installation's secret.
pub(super) const STRANGER: &str = "stranger:";
const PURPOSE: &[u8] = b"message";

/// A message in full.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Sealed {
    /// Address or number.
    pub to: String,
    /// Name; empty for an SMS.
    pub name: String,
    /// Empty for an SMS.
    pub subject: String,
    /// Text.
    pub text: String,
}

impl Sealed {
    pub(super) fn seal(&self, sealer: &Sealer, person: Option<Person>) -> Result<String> {
        if let Some(person) = person {
            return sealer.seal(person, &serde_json::to_value(self)?);
        }
        let bytes = sealer.seal_bytes(PURPOSE, &serde_json::to_vec(self)?)?;
        Ok(format!("{STRANGER}{}", hex::encode(bytes)))
    }

    /// Opens what is to nobody of the hub; `None` where it is no such message, or of another installation.
    pub(super) fn to_stranger(sealer: &Sealer, kept: &str) -> Option<Self> {
        let bytes = hex::decode(kept.strip_prefix(STRANGER)?).ok()?;
        serde_json::from_slice(&sealer.open_bytes(PURPOSE, &bytes)?).ok()
    }

    /// Opens many in one statement; `None` where the person was erased.
    pub(super) async fn open(
        connection: &mut PgConnection,
        sealer: &Sealer,
        kept: Vec<String>,
    ) -> Result<Vec<Option<Self>>> {
        let mut values: Vec<Value> = kept.into_iter().map(Value::String).collect();
        people::open(connection, sealer, &mut values).await?;
        values.into_iter().map(|value| opened(sealer, value)).collect()
    }
}

fn opened(sealer: &Sealer, value: Value) -> Result<Option<Sealed>> {
    let value = match value {
        Value::String(text) => {
            let message = Sealed::to_stranger(sealer, &text).ok_or_else(|| {
                Error::internal("a message cannot be opened: the installation's secret has changed")
            })?;
            return Ok(Some(message));
        }
        value => value,
    };
    Ok(serde_json::from_value(value)?)
}
