//! The rules themselves, one by one. The whole way through a real provider is walked in `tests/api/providers.rs`.

mod rules;
mod tokens;

use super::claims::Claims;
use serde_json::Value;

fn claims(value: Value) -> Claims {
    match value {
        Value::Object(claims) => claims,
        _ => panic!("claims are an object"),
    }
}
