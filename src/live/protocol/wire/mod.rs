//! The messages as they stand on the wire, once for both forms: `serde` writes JSON, `prost` Protobuf. Field numbers
//! and JSON names are the protocol's own (`client.proto` of the Centrifuge protocol, v0.21).
//!
//! Zero values are absent in both forms, so every field has a default. Unknown fields are ignored: newer SDKs offer what
//! older servers do not know. `bytes` fields hold one JSON value, which JSON messages carry as it is (see [`super::raw`]).

mod reply;
mod request;

pub use reply::*;
pub use request::*;

use serde::{Deserialize, Serialize};

/// A message without fields that matter.
#[derive(Clone, Copy, PartialEq, prost::Message, Serialize, Deserialize)]
pub struct Empty {}
