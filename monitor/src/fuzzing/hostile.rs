//! Puts hostile characters into every string of a recorded observation that stays an observation with them.

use serde_json::Value;

use crate::model::observation::Observation;

/// Clears the screen, ends the line, turns the text around, ends a fence, a label and a tag.
const HOSTILE: &str = "\u{1b}[2J\r\n```\u{202e}\"}<b>{{x}}\u{7}\u{200b}|\t";
/// Strings of one observation that are tried.
const LIMIT: usize = 400;

/// The observation with as many hostile strings as it takes: words of its own alphabet stay as they are.
#[must_use]
pub fn hostile(observation: &Observation) -> Observation {
    let Ok(mut value) = serde_json::to_value(observation) else { return observation.clone() };
    let mut paths = Vec::new();
    strings(&value, &mut String::new(), &mut paths);
    let mut last = observation.clone();
    for path in paths.into_iter().take(LIMIT) {
        let Some(text) = value.pointer_mut(&path) else { continue };
        let before = text.take();
        *text = Value::String(format!("{}{HOSTILE}", before.as_str().unwrap_or_default()));
        match serde_json::from_value::<Observation>(value.clone()) {
            Ok(changed) => last = changed,
            Err(_) => {
                if let Some(text) = value.pointer_mut(&path) {
                    *text = before;
                }
            }
        }
    }
    last
}

/// The JSON pointers (RFC 6901) of all strings.
fn strings(value: &Value, at: &mut String, found: &mut Vec<String>) {
    let mut below = |name: &str, value: &Value, found: &mut Vec<String>| {
        let length = at.len();
        at.push('/');
        at.push_str(&name.replace('~', "~0").replace('/', "~1"));
        strings(value, at, found);
        at.truncate(length);
    };
    match value {
        Value::String(_) => found.push(at.clone()),
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                below(&index.to_string(), value, found);
            }
        }
        Value::Object(map) => {
            for (name, value) in map {
                below(name, value, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
