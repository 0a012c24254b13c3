//! The shape of JSON: which keys there are, and what their values are.

use serde_json::{Map, Value};

/// Replaces every value by the name of its type as the contract has it. What a list holds is shown once for all equal
/// rows.
pub fn of(value: &Value) -> Value {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) => "Boolean".into(),
        Value::Number(number) if number.is_f64() => "Double".into(),
        Value::Number(_) => "Integer".into(),
        Value::String(_) => "String".into(),
        Value::Array(rows) => {
            let mut shapes: Vec<_> = rows.iter().map(of).collect();
            shapes.dedup();
            Value::Array(shapes)
        }
        Value::Object(members) => Value::Object(
            members.iter().map(|(name, value)| (name.clone(), of(value))).collect::<Map<_, _>>(),
        ),
    }
}

/// Checks that `value` has this shape: these keys and no others, with these types.
#[track_caller]
pub fn check(value: &Value, expected: &Value) {
    assert_eq!(&of(value), expected, "{value}");
}
