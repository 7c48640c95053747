//! Which operation a request is: `<feature>.<verb>`, by method and path, from the OpenAPI document; and what is counted of each.

use actix_web::dev::ServiceRequest;
use actix_web::http::header::IF_MATCH;
use metrics::{Counter, Histogram};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use utoipa::openapi::path::PathItem;
use utoipa::openapi::{OpenApi, RefOr};

/// One operation.
pub struct Operation {
    method: &'static str,
    path: String,
    /// `<feature>.<verb>`.
    pub id: String,
    /// Whether it compares `If-Match` with the item's version.
    pub compares: bool,
    /// Looked up once: finding a metric by its labels costs more than counting.
    seconds: OnceLock<Histogram>,
    answers: RwLock<Vec<(u16, Counter)>>,
}

/// Operations by the part of the path behind `/api/v1/`.
type ByWord = HashMap<String, Vec<Arc<Operation>>>;

/// All of them.
pub struct Operations {
    all: Vec<Arc<Operation>>,
    /// By method, number of parts of the path, and the part behind `/api/v1/`; of several that match, the one with most parts
    /// that are no variable is first.
    by_shape: HashMap<(&'static str, usize), ByWord>,
}

impl Operation {
    /// Counts and times an answer.
    pub fn answered(&self, status: u16, took: Duration) {
        let seconds = self.seconds.get_or_init(
            || metrics::histogram!("signalbox_http_request_seconds", "operation" => self.id.clone()),
        );
        seconds.record(took.as_secs_f64());
        if let Some((_, counter)) = self.answers.read().iter().find(|(known, _)| *known == status) {
            counter.increment(1);
            return;
        }
        let counter = answers(self.id.clone(), status);
        counter.increment(1);
        self.answers.write().push((status, counter));
    }
}

/// How many answers of `status` there were for `operation`.
pub fn answers(operation: String, status: u16) -> Counter {
    metrics::counter!("signalbox_http_requests_total", "operation" => operation, "status" => status.to_string())
}

impl Operations {
    /// Of `document`.
    pub fn of(document: &OpenApi) -> Self {
        let mut all = Vec::new();
        for (path, item) in &document.paths.paths {
            for (method, operation) in methods(item) {
                all.push(Arc::new(Operation {
                    method,
                    path: path.clone(),
                    id: operation.operation_id.clone().unwrap_or_default(),
                    compares: compares(operation),
                    seconds: OnceLock::new(),
                    answers: RwLock::default(),
                }));
            }
        }
        let mut by_shape: HashMap<_, HashMap<String, Vec<Arc<Operation>>>> = HashMap::new();
        for one in &all {
            let alike = by_shape.entry((one.method, one.path.split('/').count()));
            let alike = alike
                .or_default()
                .entry(feature(&one.path).to_owned())
                .or_default();
            alike.push(Arc::clone(one));
        }
        let variables = |one: &Arc<Operation>| one.path.matches('{').count();
        for alike in by_shape.values_mut().flat_map(HashMap::values_mut) {
            alike.sort_by_key(variables);
        }
        Self { all, by_shape }
    }

    /// The operation that a request will be routed to, by the path as the router reads it: escapes make no other of it.
    pub fn asked(&self, request: &ServiceRequest) -> Option<Arc<Operation>> {
        self.find(request.method().as_str(), request.match_info().as_str())
            .cloned()
    }

    fn find(&self, method: &str, path: &str) -> Option<&Arc<Operation>> {
        let method = ["GET", "PUT", "POST", "DELETE", "PATCH"]
            .into_iter()
            .find(|known| *known == method)?;
        let alike = self.by_shape.get(&(method, path.split('/').count()))?;
        let alike = alike.get(feature(path))?;
        alike.iter().find(|known| matches(&known.path, path))
    }

    /// The methods that `path` takes; empty for an unknown path.
    pub fn methods(&self, path: &str) -> Vec<String> {
        let matching = self.all.iter().filter(|known| matches(&known.path, path));
        matching.map(|known| known.method.to_owned()).collect()
    }
}

/// A path item's operations with their methods.
pub fn methods(item: &PathItem) -> impl Iterator<Item = (&'static str, &utoipa::openapi::path::Operation)> {
    [
        ("GET", &item.get),
        ("PUT", &item.put),
        ("POST", &item.post),
        ("DELETE", &item.delete),
        ("PATCH", &item.patch),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}

fn compares(operation: &utoipa::openapi::path::Operation) -> bool {
    let mut parameters = operation.parameters.iter().flatten();
    parameters.any(
        |parameter| matches!(parameter, RefOr::T(own) if own.name.eq_ignore_ascii_case(IF_MATCH.as_str())),
    )
}

/// The part behind `/api/v1/`, which is written out in every path.
fn feature(path: &str) -> &str {
    path.split('/').nth(3).unwrap_or_default()
}

/// A pattern matches itself too, part by part.
fn matches(pattern: &str, path: &str) -> bool {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return true,
            (Some(known), Some(part)) if known == part || (known.starts_with('{') && !part.is_empty()) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_found_by_its_pattern_and_what_is_written_out_goes_before_what_is_not() {
        let operations = Operations::of(&crate::http::document());
        let id = |method, path| operations.find(method, path).map(|found| found.id.as_str());
        assert_eq!(id("GET", "/api/v1/users/0193"), Some("users.get"));
        assert_eq!(id("GET", "/api/v1/users/{id}"), Some("users.get"));
        assert_eq!(id("PATCH", "/api/v1/users/0193"), Some("users.update"));
        assert_eq!(id("GET", "/api/v1/users/"), None);
        assert_eq!(id("BREW", "/api/v1/users"), None);
        for one in &operations.all {
            assert_eq!(
                id(one.method, &one.path),
                Some(one.id.as_str()),
                "{} {}",
                one.method,
                one.path
            );
        }
    }
}
