//! Compares replies with the server's own description of its API.

use std::collections::HashMap;
use std::sync::LazyLock;

use jsonschema::Validator;
use pati_service::http::openapi;
use serde_json::{Value, json};

use super::patients::Answer;
use super::privacy;

static CONTRACT: LazyLock<Contract> = LazyLock::new(|| Contract::of(&document()));

/// Checks a reply to `method` on `target`, a path with or without a query. A route that is not described may
/// only be answered with 0404.
#[track_caller]
pub fn check(method: &str, target: &str, answer: &Answer) {
    let body = json!({"status": answer.status, "message": answer.message, "data": answer.data});
    let path = target.split('?').next().unwrap_or_default();
    let path = path.strip_prefix("/api").unwrap_or(path);
    let Some(operation) = CONTRACT.operation(method, path) else {
        assert!(
            ["0404", "0405"].contains(&answer.status.as_str()),
            "{method} {path} is not described: {body}"
        );
        return;
    };
    let validator = match &operation.success {
        Some(success) if answer.is_success() => success,
        None if answer.is_success() => panic!("{method} {path} is not described as an envelope: {body}"),
        Some(_) | None => &CONTRACT.failure,
    };
    if !answer.is_success() {
        let found = privacy::found_in(body.to_string().as_bytes());
        assert!(found.is_none(), "{method} {path} is refused with something personal: {found:?}");
    }
    let errors: Vec<_> =
        validator.iter_errors(&body).map(|error| format!("{error} at {}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{method} {path}: {errors:?} in {body}");
}

struct Contract {
    /// By method and path.
    operations: Vec<(String, String, Operation)>,
    failure: Validator,
}

struct Operation {
    /// None for a route that answers a file.
    success: Option<Validator>,
}

impl Contract {
    fn of(document: &Value) -> Self {
        let components = strict(&document["components"]);
        let compile = |schema: &Value| {
            let mut schema = schema.clone();
            schema["components"] = components.clone();
            jsonschema::validator_for(&schema).expect("a schema")
        };
        let mut operations = Vec::new();
        for (path, item) in document["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("operations") {
                let success = &operation["responses"]["200"]["content"]["application/json"]["schema"];
                let operation = Operation { success: success.is_object().then(|| compile(success)) };
                operations.push((method.to_uppercase(), path.clone(), operation));
            }
        }
        assert!(!operations.is_empty(), "nothing is described");
        Self { operations, failure: compile(&json!({"$ref": "#/components/schemas/Failure"})) }
    }

    fn operation(&self, method: &str, path: &str) -> Option<&Operation> {
        let found =
            self.operations.iter().filter(|(known, template, _)| known == method && fits(template, path));
        // A literal path comes before one with a parameter.
        let best = found.min_by_key(|(_, template, _)| template.contains('{'));
        best.map(|(.., operation)| operation)
    }
}

/// Whether a path has the form of a template such as `/book/{bookId}`.
fn fits(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    let pairs = template.iter().zip(&path);
    template.len() == path.len()
        && pairs.into_iter().all(|(form, part)| form.starts_with('{') || form == part)
}

/// A key that is not described is as wrong as one that is missing.
fn strict(components: &Value) -> Value {
    let mut components = components.clone();
    let schemas = components["schemas"].as_object_mut().expect("schemas");
    close_all(schemas.values_mut());
    components
}

fn close_all<'a>(values: impl Iterator<Item = &'a mut Value>) {
    for value in values {
        if value["properties"].is_object() && value.get("additionalProperties").is_none() {
            value["additionalProperties"] = json!(false);
        }
        match value {
            Value::Object(members) => close_all(members.values_mut()),
            Value::Array(items) => close_all(items.iter_mut()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

/// Every described method and path of the contract, and of ours beside it.
pub fn described() -> HashMap<(String, String), Value> {
    let paths = document()["paths"].as_object().expect("paths").clone();
    let each =
        paths.into_iter().filter(|(path, _)| path.starts_with("/pati_service/")).flat_map(|(path, item)| {
            let item = item.as_object().expect("operations").clone();
            item.into_iter()
                .map(move |(method, operation)| ((method.to_uppercase(), path.clone()), operation))
        });
    each.collect()
}

fn document() -> Value {
    serde_json::to_value(openapi::document()).expect("JSON")
}
