//! The part of JSON Schema that docs/diagnose.schema.json uses, as a test's yardstick. Unknown keywords are faults.

use serde_json::Value;

/// What is wrong with `value` under the schema `root`.
pub(super) fn faults(root: &Value, value: &Value) -> Vec<String> {
    faults_of(root, root, value, "$")
}

/// What is wrong with `value`, found at `at`, under one subschema of `root`.
pub(super) fn faults_of(root: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (keyword, rule) in schema.as_object().expect("a schema is an object") {
        match keyword.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" | "format" | "pattern" => {}
            "$ref" => {
                let pointer =
                    rule.as_str().and_then(|text| text.strip_prefix('#')).expect("a local reference");
                let target = root.pointer(pointer).expect("the reference resolves");
                found.extend(faults_of(root, target, value, at));
            }
            "type" | "const" | "enum" | "minimum" => {
                if !fits(keyword, rule, value) {
                    found.push(format!("{at}: {value} breaks {keyword} {rule}"));
                }
            }
            "required" if !value.is_object() => {}
            "required" => {
                let names = rule.as_array().expect("a list").iter().filter_map(Value::as_str);
                found.extend(
                    names.filter(|name| value.get(name).is_none()).map(|name| format!("{at}: no {name}")),
                );
            }
            "properties" => {
                for (name, inner) in rule.as_object().expect("an object") {
                    if let Some(field) = value.get(name) {
                        found.extend(faults_of(root, inner, field, &format!("{at}.{name}")));
                    }
                }
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object).expect("properties");
                let fields = value.as_object().into_iter().flatten();
                found.extend(
                    fields
                        .filter(|(name, _)| !known.contains_key(*name))
                        .map(|(name, _)| format!("{at}: unknown {name}")),
                );
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    found.extend(faults_of(root, rule, item, &format!("{at}[{index}]")));
                }
            }
            other => found.push(format!("{at}: the schema uses {other}, which this check does not know")),
        }
    }
    found
}

fn fits(keyword: &str, rule: &Value, value: &Value) -> bool {
    match keyword {
        "type" => has_type(rule, value),
        "const" => rule == value,
        "enum" => rule.as_array().expect("a list").contains(value),
        "minimum" => value.as_f64() >= rule.as_f64(),
        _ => false,
    }
}

fn has_type(rule: &Value, value: &Value) -> bool {
    let one = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    match rule {
        Value::String(name) => one(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(one),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}
