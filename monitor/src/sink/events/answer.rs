//! What an answer of the API means for a write: done, to be tried again, or never. Pure.

use std::time::Duration;

use serde::Deserialize;

use crate::model::text::inert_short;

/// Longer waits that the API asks for are cut to this.
const MAX_WAIT: Duration = Duration::from_mins(5);
/// Characters of the API's own words in the log.
const MESSAGE_LENGTH: usize = 300;

/// A write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Create,
    Patch,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    /// There is an event of that name already.
    Exists,
    /// There is no event of that name any more.
    Gone,
    /// Not now; after so long where the API says it.
    Later(Option<Duration>, String),
    /// Never, as things are.
    Refused(String),
}

/// `Status` of k8s.io/apimachinery, as far as it matters.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    message: String,
    reason: String,
    details: Option<Details>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Details {
    retry_after_seconds: u64,
}

/// By the code, the header `Retry-After` and the body, which is a `Status`, or text where the API is too busy for one.
pub(super) fn judge(verb: Verb, code: u16, retry_after: Option<&str>, body: &[u8]) -> Answer {
    let status: Status = serde_json::from_slice(body).unwrap_or_default();
    let wait = || {
        let told = retry_after.and_then(|text| text.trim().parse::<u64>().ok());
        let told = told.or(status.details.as_ref().map(|details| details.retry_after_seconds));
        told.filter(|&seconds| seconds > 0).map(|seconds| Duration::from_secs(seconds).min(MAX_WAIT))
    };
    let why = || {
        let text = String::from_utf8_lossy(body);
        let message = if status.message.is_empty() { text.trim() } else { &status.message };
        format!("the API answers {code}: {}", inert_short(message, MESSAGE_LENGTH))
    };
    match (code, verb) {
        (200..=299, _) => Answer::Done,
        (409, Verb::Create) if status.reason == "AlreadyExists" => Answer::Exists,
        (404, Verb::Patch) => Answer::Gone,
        // 401: the token has just expired, and the kubelet writes a new one. 409: somebody else wrote at the same time.
        (401 | 408 | 409 | 429 | 500..=599, _) => Answer::Later(wait(), why()),
        (_, _) => Answer::Refused(why()),
    }
}

#[cfg(test)]
mod tests;
