//! Values that fit a schema.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Map, Value, json};

use super::spec::{Operation, Spec};
use super::special::word;

/// Ids by what they are of: `user`, `api_key`.
pub type Ids = BTreeMap<String, String>;

/// Numbers what is made, so that no two have one name.
pub fn number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// What `UserId` is the id of: `user`.
pub fn kind_of(schema: &str) -> Option<String> {
    let stem = schema.strip_suffix("Id").filter(|stem| !stem.is_empty())?;
    let mut kind = String::new();
    for letter in stem.chars() {
        if letter.is_uppercase() && !kind.is_empty() {
            kind.push('_');
        }
        kind.extend(letter.to_lowercase());
    }
    Some(kind)
}

/// Which kinds of rows an operation asks for, in its path, query and body.
pub fn kinds(spec: &Spec, operation: &Operation, whole: bool) -> Vec<String> {
    let mut found = Vec::new();
    for parameter in &operation.parameters {
        if parameter.required || whole {
            look(spec, &parameter.schema, whole, &mut found, 0);
        }
    }
    if let Some(body) = &operation.body {
        look(spec, &body.schema, whole, &mut found, 0);
    }
    found.sort();
    found.dedup();
    found
}

fn look(spec: &Spec, schema: &Value, whole: bool, found: &mut Vec<String>, depth: usize) {
    let (name, schema) = spec.resolve(schema);
    if let Some(kind) = name.and_then(kind_of) {
        found.push(kind);
        return;
    }
    if depth > 6 {
        return;
    }
    for choice in ["oneOf", "anyOf", "allOf"]
        .iter()
        .filter_map(|word| schema[*word].as_array())
    {
        for schema in choice {
            look(spec, schema, whole, found, depth + 1);
        }
    }
    look_in(spec, &schema["items"], whole, found, depth);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        if whole || is_required(schema, name) {
            look(spec, property, whole, found, depth + 1);
        }
    }
}

fn look_in(spec: &Spec, schema: &Value, whole: bool, found: &mut Vec<String>, depth: usize) {
    if schema.is_object() {
        look(spec, schema, whole, found, depth + 1);
    }
}

fn is_required(schema: &Value, name: &str) -> bool {
    let required = schema["required"].as_array().into_iter().flatten();
    required.into_iter().any(|required| required == name)
}

/// Makes values.
pub struct Maker<'a> {
    spec: &'a Spec,
    ids: &'a Ids,
    /// Optional fields too.
    whole: bool,
    depth: Cell<usize>,
}

impl<'a> Maker<'a> {
    /// With `ids` for what stands for a row.
    pub fn of(spec: &'a Spec, ids: &'a Ids, whole: bool) -> Self {
        Self {
            spec,
            ids,
            whole,
            depth: Cell::new(0),
        }
    }

    /// A value for the field `name`.
    pub fn value(&self, name: &str, schema: &Value) -> Value {
        let (reference, resolved) = self.spec.resolve(schema);
        if let Some(kind) = reference.and_then(kind_of) {
            let id = self.ids.get(&kind);
            return json!(id.unwrap_or_else(|| panic!("no id of a {kind} was made")));
        }
        if let Some(word) = word(name) {
            return word;
        }
        if let Some(chosen) = resolved["enum"].as_array() {
            return chosen[0].clone();
        }
        for several in ["oneOf", "anyOf"] {
            if let Some(choices) = resolved[several].as_array() {
                let first = choices.iter().find(|choice| choice["type"] != "null");
                return self.value(name, first.unwrap());
            }
        }
        if let Some(parts) = resolved["allOf"].as_array() {
            let mut whole = Map::new();
            for part in parts {
                whole.extend(self.value(name, part).as_object().cloned().unwrap_or_default());
            }
            return Value::Object(whole);
        }
        if resolved.get("example").is_some_and(|example| !example.is_null()) {
            return resolved["example"].clone();
        }
        self.plain(name, resolved)
    }

    fn plain(&self, name: &str, schema: &Value) -> Value {
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null").and_then(Value::as_str),
            kind => kind.as_str(),
        };
        match kind {
            Some("object") => self.object(schema),
            Some("array") => json!([self.value(name, &schema["items"])]),
            Some("integer" | "number") => json!(schema["minimum"].as_i64().unwrap_or_default().max(1)),
            Some("boolean") => json!(false),
            Some("string") => json!(text(schema["format"].as_str().unwrap_or_default())),
            _ => json!({"any": "thing"}),
        }
    }

    fn object(&self, schema: &Value) -> Value {
        let mut object = Map::new();
        self.depth.set(self.depth.get() + 1);
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            if is_required(schema, name) || (self.whole && self.depth.get() < 5) {
                object.insert(name.clone(), self.value(name, property));
            }
        }
        self.depth.set(self.depth.get() - 1);
        Value::Object(object)
    }
}

fn text(format: &str) -> String {
    let n = number();
    match format {
        "uuid" => format!("018f0000-0000-7000-8000-{n:012x}"),
        "date-time" => "2126-01-01T00:00:00Z".to_owned(),
        "date" => "2126-01-01".to_owned(),
        "email" => format!("made-{n}@example.com"),
        "uri" | "url" => format!("https://example.com/{n}"),
        "ip" | "ipv4" => "192.0.2.1".to_owned(),
        "password" => super::world::PASSWORD.to_owned(),
        _ => format!("Made {n}"),
    }
}

/// Every text in `value`, by the way to it.
pub fn texts(value: &Value) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    walk(value, &mut Vec::new(), &mut found);
    found
}

fn walk(value: &Value, way: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    let mut below = |key: String, value: &Value| {
        way.push(key);
        walk(value, way, found);
        way.pop();
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| below(key.clone(), value)),
        Value::Array(items) => (0..items.len()).for_each(|n| below(n.to_string(), &items[n])),
        Value::String(_) => found.push(way.clone()),
        _ => {}
    }
}

/// `value` with something else at the end of the way.
pub fn with(value: &Value, way: &[String], new: Value) -> Value {
    let mut whole = value.clone();
    let mut at = &mut whole;
    for step in way {
        at = match at {
            Value::Array(items) => &mut items[step.parse::<usize>().unwrap()],
            other => &mut other[step.as_str()],
        };
    }
    *at = new;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_id_is_of_is_read_from_its_schemas_name() {
        assert_eq!(kind_of("ApiKeyId").as_deref(), Some("api_key"));
        assert_eq!(kind_of("UserId").as_deref(), Some("user"));
        assert_eq!(kind_of("Id"), None);
        assert_eq!(kind_of("User"), None);
    }

    #[test]
    fn a_text_is_found_and_replaced_wherever_it_stands() {
        let value = json!({"a": ["x", {"b": "y"}], "c": 1});
        let ways = texts(&value);
        assert_eq!(ways.len(), 2);
        let replaced = with(&value, &ways[1], json!("z"));
        assert_eq!(replaced, json!({"a": ["x", {"b": "z"}], "c": 1}));
    }
}
