//! Which operation a request is: `<feature>.<verb>`, by method and path, from the OpenAPI document.

use utoipa::openapi::OpenApi;
use utoipa::openapi::path::PathItem;

/// One operation.
struct Operation {
    method: &'static str,
    path: String,
    id: String,
}

/// All of them.
pub struct Operations(Vec<Operation>);

impl Operations {
    /// Of `document`.
    pub fn of(document: &OpenApi) -> Self {
        let mut all = Vec::new();
        for (path, item) in &document.paths.paths {
            for (method, operation) in methods(item) {
                all.push(Operation {
                    method,
                    path: path.clone(),
                    id: operation.operation_id.clone().unwrap_or_default(),
                });
            }
        }
        Self(all)
    }

    /// The id of the operation with this method and route pattern.
    pub fn id(&self, method: &str, pattern: &str) -> Option<&str> {
        let found = self
            .0
            .iter()
            .find(|known| known.method == method && known.path == pattern);
        found.map(|known| known.id.as_str())
    }

    /// The methods that `path` takes; empty for an unknown path.
    pub fn methods(&self, path: &str) -> Vec<String> {
        let matching = self.0.iter().filter(|known| matches(&known.path, path));
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
