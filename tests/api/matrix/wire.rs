//! A request that fits its operation, and what is answered.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::multipart::{Form, Part};
use reqwest::{Client, RequestBuilder};
use serde_json::Value;

use super::spec::{Operation, Spec};
use super::special;
use super::values::{Ids, Maker};

/// What is sent to an operation.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Values of the path, in its order.
    pub path: Vec<(String, String)>,
    pub query: Vec<(String, String)>,
    pub body: Option<Value>,
}

impl Asked {
    /// With what the operation asks for; `whole`: with everything it takes.
    pub fn of(spec: &Spec, operation: &Operation, ids: &Ids, whole: bool) -> Self {
        let maker = Maker::of(spec, ids, whole);
        let path = operation.in_path().map(|parameter| {
            let kind = special::kind(operation, parameter);
            (parameter.name.clone(), ids[&kind].clone())
        });
        let wanted = operation.in_query().filter(|parameter| parameter.required);
        let query = wanted.map(|parameter| {
            let value = maker.value(&parameter.name, &parameter.schema);
            (parameter.name.clone(), plain(&value))
        });
        Self {
            path: path.collect(),
            query: query.collect(),
            body: operation
                .body
                .as_ref()
                .map(|body| maker.value("body", &body.schema)),
        }
    }

    /// The address below the host.
    fn address(&self, operation: &Operation) -> String {
        let mut address = operation.path.clone();
        for (name, value) in &self.path {
            address = address.replace(&format!("{{{name}}}"), &escaped(value));
        }
        let query: Vec<_> = self
            .query
            .iter()
            .map(|(name, value)| format!("{}={}", escaped(name), escaped(value)))
            .collect();
        if query.is_empty() {
            return address;
        }
        format!("{address}?{}", query.join("&"))
    }

    /// The request, of nobody yet.
    pub fn request(&self, http: &Client, url: &str, operation: &Operation) -> RequestBuilder {
        let address = format!("{url}{}", self.address(operation));
        let request = http.request(operation.method.clone(), address);
        let request = request.timeout(Duration::from_secs(20));
        match (&operation.body, &self.body) {
            (Some(shape), Some(body)) if shape.multipart => request.multipart(form(body)),
            (_, Some(body)) => request.json(body),
            _ => request,
        }
    }

    /// All that was sent, for looking whether an answer says more.
    pub fn said(&self) -> String {
        format!("{:?} {:?} {:?}", self.path, self.query, self.body)
    }
}

fn form(body: &Value) -> Form {
    let mut form = Form::new();
    for (name, value) in body.as_object().unwrap() {
        form = if name == "file" {
            let lines = format!(
                "name,email\nMade,{}\nMade,no-address\n",
                plain(&special::word("email").unwrap())
            );
            form.part("file", Part::bytes(lines.into_bytes()).file_name("people.csv"))
        } else {
            form.text(name.clone(), plain(value))
        };
    }
    form
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.first().map(plain).unwrap_or_default(),
        other => other.to_string(),
    }
}

/// Whatever it is, as one part of an address (RFC 3986 §2.3).
pub fn escaped(text: &str) -> String {
    let kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let each = text.bytes().map(|byte| {
        if kept(byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    });
    each.collect()
}

/// What was answered.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// Empty where it would not end.
    pub text: String,
}

impl Answer {
    /// Sends it.
    pub async fn to(request: RequestBuilder) -> Self {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok());
        let endless = kind.is_some_and(|kind| kind.starts_with("text/event-stream"));
        let text = if endless {
            String::new()
        } else {
            answer.text().await.unwrap()
        };
        Self {
            status,
            headers,
            text,
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The problem's code.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The permission that a 403 names.
    pub fn missing(&self) -> Option<String> {
        let problem = self.json();
        if self.status != 403 || problem["code"] != "permission.missing" {
            return None;
        }
        let words = problem["detail"].as_str()?.split([' ', '.', ',']);
        words
            .into_iter()
            .find(|word| word.contains(':'))
            .map(str::to_owned)
    }
}
