//! Texts and numbers as attributes: inert, bounded, and left out where they are empty. Pure.

use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, any_value::Value};

use crate::model::text::{inert, inert_lines};

/// Characters of one text; a cut is marked. The specification has no limit of its own unless somebody sets one.
pub(super) const MAX_CHARS: usize = 4_096;
/// Elements of a list; one more says how many are left out.
pub(super) const MAX_ELEMENTS: usize = 64;
/// Characters of one element.
pub(super) const MAX_ELEMENT_CHARS: usize = 1_024;

/// Attributes that are being gathered.
#[derive(Default)]
pub(super) struct Attributes(Vec<KeyValue>);

impl Attributes {
    pub(super) fn text(&mut self, key: &'static str, text: &str) {
        if !text.is_empty() {
            self.push(key, string(cut(inert(text).into_owned(), MAX_CHARS)));
        }
    }

    /// A text with lines of its own.
    pub(super) fn lines(&mut self, key: &'static str, text: &str) {
        if !text.is_empty() {
            self.push(key, string(cut(inert_lines(text), MAX_CHARS)));
        }
    }

    pub(super) fn number(&mut self, key: &'static str, number: u64) {
        self.push(key, Value::IntValue(i64::try_from(number).unwrap_or(i64::MAX)));
    }

    pub(super) fn signed(&mut self, key: &'static str, number: i64) {
        self.push(key, Value::IntValue(number));
    }

    pub(super) fn flag(&mut self, key: &'static str, is: bool) {
        self.push(key, Value::BoolValue(is));
    }

    pub(super) fn list(&mut self, key: &'static str, texts: impl ExactSizeIterator<Item = String>) {
        let count = texts.len();
        if count == 0 {
            return;
        }
        let mut values: Vec<AnyValue> = texts
            .take(MAX_ELEMENTS)
            .map(|text| string(cut(inert(&text).into_owned(), MAX_ELEMENT_CHARS)))
            .map(|value| AnyValue { value: Some(value) })
            .collect();
        if count > MAX_ELEMENTS {
            let left = string(format!("… and {} more", count - MAX_ELEMENTS));
            values.push(AnyValue { value: Some(left) });
        }
        self.push(key, Value::ArrayValue(ArrayValue { values }));
    }

    pub(super) fn into_vec(self) -> Vec<KeyValue> {
        self.0
    }

    fn push(&mut self, key: &'static str, value: Value) {
        let value = Some(AnyValue { value: Some(value) });
        self.0.push(KeyValue { key: key.to_owned(), value, ..KeyValue::default() });
    }
}

/// A text as the body of a record.
pub(super) fn body(text: &str) -> AnyValue {
    AnyValue { value: Some(string(cut(inert(text).into_owned(), MAX_CHARS))) }
}

fn string(text: String) -> Value {
    Value::StringValue(text)
}

fn cut(mut text: String, max: usize) -> String {
    if let Some((at, _)) = text.char_indices().nth(max) {
        text.truncate(at);
        text.push('…');
    }
    text
}
