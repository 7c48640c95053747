//! The OpenAPI document, as the program writes it.

use reqwest::Method;
use serde_json::Value;

use crate::services::hub::{run, said};

/// The document.
pub struct Spec {
    document: Value,
    pub operations: Vec<Operation>,
}

/// One operation.
#[derive(Clone, Debug)]
pub struct Operation {
    /// `<feature>.<verb>`.
    pub id: String,
    pub method: Method,
    /// `/api/v1/users/{id}`.
    pub path: String,
    /// It takes whoever asks, without credentials.
    pub open: bool,
    pub parameters: Vec<Parameter>,
    pub body: Option<Body>,
}

/// A part of the path, or of the query.
#[derive(Clone, Debug)]
pub struct Parameter {
    pub name: String,
    pub in_path: bool,
    pub required: bool,
    pub schema: Value,
}

/// What is sent.
#[derive(Clone, Debug)]
pub struct Body {
    pub multipart: bool,
    pub schema: Value,
}

impl Operation {
    /// It changes something, or may.
    pub fn writes(&self) -> bool {
        self.method != Method::GET
    }

    pub fn in_path(&self) -> impl Iterator<Item = &Parameter> {
        self.parameters.iter().filter(|parameter| parameter.in_path)
    }

    pub fn in_query(&self) -> impl Iterator<Item = &Parameter> {
        self.parameters.iter().filter(|parameter| !parameter.in_path)
    }
}

impl Spec {
    /// What the program writes.
    pub fn of_program() -> Self {
        let output = run(["openapi"]);
        assert!(output.status.success(), "{}", said(&output));
        Self::of(serde_json::from_slice(&output.stdout).unwrap())
    }

    fn of(document: Value) -> Self {
        let mut operations = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                if let Ok(method) = method.to_uppercase().parse::<Method>() {
                    operations.push(read(path, method, operation));
                }
            }
        }
        Self { document, operations }
    }

    /// The operation of that name.
    pub fn operation(&self, id: &str) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.id == id)
    }

    /// A schema, and the name it has among the components.
    pub fn resolve<'a>(&'a self, schema: &'a Value) -> (Option<&'a str>, &'a Value) {
        let (mut name, mut schema) = (None, schema);
        while let Some(reference) = schema["$ref"].as_str() {
            let named = reference.rsplit('/').next().unwrap();
            schema = &self.document["components"]["schemas"][named];
            assert!(schema.is_object(), "there is no schema {named}");
            name = Some(named);
        }
        (name, schema)
    }
}

fn read(path: &str, method: Method, operation: &Value) -> Operation {
    let no_scheme = |schemes: &Value| {
        let schemes = schemes.as_array();
        schemes.is_some_and(|any| any.iter().any(|scheme| scheme.as_object().unwrap().is_empty()))
    };
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let content = operation["requestBody"]["content"].as_object();
    Operation {
        id: operation["operationId"].as_str().unwrap().to_owned(),
        method,
        path: path.to_owned(),
        open: no_scheme(&operation["security"]),
        parameters: parameters
            .filter(|parameter| parameter["in"] != "header")
            .map(|parameter| Parameter {
                name: parameter["name"].as_str().unwrap().to_owned(),
                in_path: parameter["in"] == "path",
                required: parameter["required"] == true,
                schema: parameter["schema"].clone(),
            })
            .collect(),
        body: content.and_then(|content| {
            let (kind, body) = content.iter().next()?;
            Some(Body {
                multipart: kind == "multipart/form-data",
                schema: body["schema"].clone(),
            })
        }),
    }
}
