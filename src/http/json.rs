//! JSON bodies: what is wrong with one is said by field.

use super::{Problem, State};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpRequest, web};
use futures::StreamExt;
use futures::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use signalbox_core::kernel::error::{Error, Kind};

/// A decoded body. Types say `#[serde(deny_unknown_fields)]`, so that a misspelt field is not lost in silence.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move { body(&request, payload).await.map(Self) })
    }
}

async fn body<T: DeserializeOwned>(request: &HttpRequest, payload: Payload) -> Result<T, Problem> {
    let bytes = read(payload, limit(request)).await?;
    if !bytes.is_empty() {
        require_json(request)?;
    }
    decode(&bytes)
}

/// Reads a body of at most `limit` bytes.
pub(super) async fn read(payload: Payload, limit: usize) -> Result<web::Bytes, Problem> {
    gather(payload, limit).await.map_err(|error| match error {
        PayloadError::Overflow => Problem::from(Error::new(
            Kind::TooLarge,
            "request.too_large",
            format!("A body here may have {limit} bytes at most."),
        )),
        _ => malformed("The body ended before it was complete."),
    })
}

/// The same, for whoever only hands it on.
pub(super) async fn gather(mut payload: Payload, limit: usize) -> Result<web::Bytes, PayloadError> {
    let mut body = web::BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk?;
        if body.len() + chunk.len() > limit {
            return Err(PayloadError::Overflow);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// How many bytes a body may have.
pub(super) fn limit(request: &HttpRequest) -> usize {
    let state = request.app_data::<web::Data<State>>();
    state.map_or(1 << 20, |state| state.settings.server.body_max_bytes)
}

fn require_json(request: &HttpRequest) -> Result<(), Problem> {
    let sent = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = sent
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    let json = essence.eq_ignore_ascii_case("application/json")
        || (essence.starts_with("application/") && essence.ends_with("+json"));
    if json {
        return Ok(());
    }
    Err(Problem::from(Error::new(
        Kind::MediaType,
        "request.media_type",
        "Send JSON, and say so: Content-Type: application/json.",
    )))
}

/// An empty body is an empty object: operations whose every field is optional need none.
fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    if std::str::from_utf8(bytes).is_err() {
        return Err(malformed("The body is not UTF-8."));
    }
    serde_json::from_slice(bytes).map_err(|error| explain(&error, bytes))
}

fn malformed(detail: impl Into<String>) -> Problem {
    Error::new(Kind::Malformed, "request.malformed", detail).into()
}

fn explain(error: &serde_json::Error, bytes: &[u8]) -> Problem {
    let said = error.to_string();
    let said = said.split(" at line ").next().unwrap_or(&said).to_owned();
    if !error.is_data() {
        let (line, column) = (error.line(), error.column());
        return malformed(format!(
            "The body is not JSON: {said} (line {line}, column {column})."
        ));
    }
    let code = if said.starts_with("unknown field") {
        "unknown_field"
    } else if said.starts_with("missing field") {
        "missing"
    } else {
        "wrong_type"
    };
    let field = match named(&said) {
        Some(name) if code != "wrong_type" => name.to_owned(),
        _ => path_at(bytes, offset(bytes, error.line(), error.column())),
    };
    Error::field(field, code, format!("This does not fit: {said}.")).into()
}

/// The name that serde quotes in backticks first: ``unknown field `x` ``.
pub(super) fn named(said: &str) -> Option<&str> {
    said.split('`').nth(1)
}

fn offset(bytes: &[u8], line: usize, column: usize) -> usize {
    let before: usize = bytes
        .split_inclusive(|byte| *byte == b'\n')
        .take(line.saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    (before + column).min(bytes.len())
}

/// Path of the value that ends at or begins before `end`, such as `roles.1`. `bytes` is well-formed up to there.
fn path_at(bytes: &[u8], end: usize) -> String {
    let mut path: Vec<Step> = Vec::new();
    let mut at = 0;
    while at < end {
        match bytes[at] {
            b'{' => path.push(Step::Key(String::new())),
            b'[' => path.push(Step::Item(0)),
            b'}' | b']' => {
                path.pop();
            }
            b',' => {
                if let Some(Step::Item(n)) = path.last_mut() {
                    *n += 1;
                }
            }
            b'"' => {
                let close = string_end(bytes, at);
                if followed_by_colon(bytes, close)
                    && let Some(Step::Key(key)) = path.last_mut()
                {
                    *key = String::from_utf8_lossy(&bytes[at + 1..close.max(at + 1)]).into_owned();
                }
                at = close;
            }
            _ => {}
        }
        at += 1;
    }
    let steps: Vec<String> = path
        .into_iter()
        .map(|step| match step {
            Step::Key(key) => key,
            Step::Item(n) => n.to_string(),
        })
        .filter(|step| !step.is_empty())
        .collect();
    steps.join(".")
}

enum Step {
    Key(String),
    Item(usize),
}

/// Where the closing quote of the string that opens at `at` stands.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

fn followed_by_colon(bytes: &[u8], close: usize) -> bool {
    let rest = bytes.get(close + 1..).unwrap_or_default();
    rest.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only decoding is tested")]
    struct Body {
        name: String,
        #[serde(default)]
        roles: Vec<u8>,
    }

    fn wrong(body: &[u8]) -> (Kind, String, String) {
        let Err(Problem::Error(error)) = decode::<Body>(body) else {
            panic!("accepted {}", String::from_utf8_lossy(body));
        };
        let field = error.errors.first();
        let (name, code) = field.map_or_else(Default::default, |f| (f.field.clone(), f.code.to_string()));
        (error.kind, name, code)
    }

    #[test]
    fn what_is_wrong_with_a_body_is_said_by_field() {
        let invalid = |field: &str, code: &str| (Kind::Invalid, field.to_owned(), code.to_owned());
        assert_eq!(wrong(br#"{"name": 1}"#), invalid("name", "wrong_type"));
        assert_eq!(wrong(br#"{"nme": "x"}"#), invalid("nme", "unknown_field"));
        assert_eq!(wrong(b""), invalid("name", "missing"));
        assert_eq!(
            wrong(br#"{"name": "a,\"b", "roles": [1, "x"]}"#),
            invalid("roles.1", "wrong_type")
        );
    }

    #[test]
    fn what_is_not_json_or_not_text_is_malformed() {
        for body in [
            &b"{"[..],
            b"nope",
            b"{\"name\": \"\xff\"}",
            b"{\"name\": \"a\"} x",
        ] {
            assert_eq!(wrong(body).0, Kind::Malformed, "{body:?}");
        }
    }
}
