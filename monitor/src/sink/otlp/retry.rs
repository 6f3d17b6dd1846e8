//! What becomes of an export by its answer, and when it is tried again, as the OTLP specification has it. Pure: time and
//! chance are values.

use std::time::Duration;

use jiff::Timestamp;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// No wait of gomon's own is longer.
const LONGEST: Duration = Duration::from_secs(30);
/// A receiver that asks for more patience than this does not get it.
const LONGEST_ASKED: Duration = Duration::from_mins(5);
/// Characters of a receiver's message in the log.
pub(super) const MESSAGE_CHARS: usize = 200;

/// What became of one export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The receiver has it; so many records of it it did not want.
    Accepted { rejected: u64, message: String },
    /// The same again, not before this time has passed.
    Again { after: Option<Duration>, why: String },
    /// The same again would end the same.
    Refused { why: String },
}

/// By the status of gRPC that a receiver sent.
pub(super) fn of_grpc(status: &Status) -> Verdict {
    let code = status.code();
    let why = format!("gRPC status {code:?}: {}", status.message());
    let after = status.get_details_retry_info().and_then(|info| info.retry_delay);
    let is_retryable = match code {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => true,
        // Without advice it means that the request is too large.
        Code::ResourceExhausted => after.is_some(),
        Code::Ok
        | Code::Unknown
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Unimplemented
        | Code::Internal
        | Code::Unauthenticated => false,
    };
    if is_retryable { Verdict::Again { after, why } } else { Verdict::Refused { why } }
}

/// By the status of HTTP, where it is none of success.
pub(super) fn of_http(status: u16, retry_after: Option<&str>, now: Timestamp) -> Verdict {
    let why = format!("HTTP status {status}");
    if matches!(status, 429 | 502 | 503 | 504) {
        Verdict::Again { after: retry_after.and_then(|text| delay(text, now)), why }
    } else {
        Verdict::Refused { why }
    }
}

/// `Retry-After`, RFC 9110 section 10.2.3: seconds or a date.
fn delay(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
}

/// How often it has failed in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Backoff {
    /// The wait after the first failure; each further one doubles it.
    first: Duration,
    failures: u32,
}

impl Backoff {
    pub(super) fn new(first: Duration) -> Self {
        Self { first, failures: 0 }
    }

    /// The wait after one more failure. `chance` is from 0 to 1: many agents must not come back at the same moment.
    pub(super) fn failed(&mut self, asked: Option<Duration>, chance: f64) -> Duration {
        let doubled = self.first.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let own = doubled.min(LONGEST).mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0);
        own.max(asked.unwrap_or_default().min(LONGEST_ASKED))
    }

    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    fn is_again(verdict: &Verdict) -> bool {
        matches!(verdict, Verdict::Again { .. })
    }

    #[test]
    fn the_specifications_codes_are_tried_again_and_no_others() {
        let again: Vec<Code> =
            (0..=16).map(Code::from).filter(|code| is_again(&of_grpc(&Status::new(*code, "no")))).collect();
        assert_eq!(
            again,
            [
                Code::Cancelled,
                Code::DeadlineExceeded,
                Code::Aborted,
                Code::OutOfRange,
                Code::Unavailable,
                Code::DataLoss
            ]
        );
        let now = Timestamp::UNIX_EPOCH;
        let again: Vec<u16> = (300..600).filter(|code| is_again(&of_http(*code, None, now))).collect();
        assert_eq!(again, [429, 502, 503, 504]);
    }

    #[test]
    fn an_exhausted_receiver_is_asked_again_only_if_it_says_when() {
        let mut details = ErrorDetails::new();
        details.set_retry_info(Some(Duration::from_secs(7)));
        let status = Status::with_error_details(Code::ResourceExhausted, "full", details);
        let Verdict::Again { after, .. } = of_grpc(&status) else { panic!("refused") };
        assert_eq!(after, Some(Duration::from_secs(7)));
        assert!(!is_again(&of_grpc(&Status::new(Code::ResourceExhausted, "too large"))));
    }

    #[test]
    fn the_wait_that_a_receiver_asks_for_is_seconds_or_a_date() {
        let now: Timestamp = "1994-11-06T08:49:07Z".parse().unwrap();
        for (text, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(30)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
            ("", None),
        ] {
            let Verdict::Again { after, .. } = of_http(503, Some(text), now) else { panic!("refused") };
            assert_eq!(after, seconds.map(Duration::from_secs), "{text:?}");
        }
    }

    #[test]
    fn waits_double_up_to_a_bound_are_spread_and_heed_the_receiver() {
        let first = Duration::from_secs(1);
        let mut backoff = Backoff::new(first);
        let longest: Vec<u64> = (0..7).map(|_| backoff.failed(None, 1.0).as_secs()).collect();
        assert_eq!(longest, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(backoff.failed(None, 0.0), Duration::from_secs(15));
        assert_eq!(backoff.failed(Some(Duration::from_mins(2)), 1.0), Duration::from_mins(2));
        assert_eq!(backoff.failed(Some(Duration::from_hours(24)), 1.0), LONGEST_ASKED);
        backoff.succeeded();
        assert_eq!(backoff.failed(None, 1.0), first);
    }
}
