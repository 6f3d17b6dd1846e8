//! Spans and points in time as people type them. Pure: the present comes in as a value.

use std::{str::FromStr, time::Duration};

use jiff::{SignedDuration, Timestamp};

/// Why a text is not a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WhenError {
    #[error("\"{0}\" is not a duration such as 30s, 10m or 1h30m")]
    Duration(String),
    #[error("\"{0}\" is neither a duration such as 10m nor a time such as 2026-03-01T09:30:00Z")]
    Since(String),
}

/// A duration such as `30s`, `10m`, `1h30m` or `1d`. Never negative.
pub fn duration(text: &str) -> Result<Duration, WhenError> {
    let wrong = || WhenError::Duration(text.to_owned());
    // jiff's fixed-length durations end at hours; a day is 24 of them here.
    if let Some(days) = text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok()) {
        return Ok(Duration::from_secs(u64::from(days) * 24 * 3600));
    }
    let parsed: SignedDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(parsed).map_err(|_| wrong())
}

/// The beginning of a window: so long ago, or a point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    Ago(Duration),
    At(Timestamp),
}

impl Since {
    /// The point in time, seen from `now`; the earliest there is where the duration reaches further back.
    #[must_use]
    pub fn start(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(duration) => now.checked_sub(duration).unwrap_or(Timestamp::MIN),
        }
    }
}

impl FromStr for Since {
    type Err = WhenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(ago) = duration(text) {
            return Ok(Self::Ago(ago));
        }
        text.parse().map(Self::At).map_err(|_| WhenError::Since(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_type_them() {
        for (text, seconds) in [("30s", 30), ("10m", 600), ("1h30m", 5400), ("2d", 172_800), ("0s", 0)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
    }

    #[test]
    fn a_bare_number_a_negative_and_a_word_are_no_durations() {
        for text in ["", "10", "-5m", "soon", "1y", "5m ago"] {
            assert!(duration(text).is_err(), "{text:?}: {:?}", duration(text));
        }
    }

    #[test]
    fn since_is_a_duration_before_now_or_a_time() {
        let now: Timestamp = "2026-03-01T09:30:00Z".parse().unwrap();
        let start = |text: &str| text.parse::<Since>().map(|since| since.start(now).to_string());
        assert_eq!(start("10m").unwrap(), "2026-03-01T09:20:00Z");
        assert_eq!(start("2026-02-28T12:00:00+01:00").unwrap(), "2026-02-28T11:00:00Z");
        assert!(start("yesterday").is_err());
    }
}
