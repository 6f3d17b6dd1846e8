//! Measured values as people read them.

use std::time::Duration;

/// Seconds with two digits.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

/// Bytes in MiB; what could not be measured says so.
pub(crate) fn mib(bytes: Option<f64>) -> String {
    match bytes {
        Some(bytes) => format!("{:.1} MiB", bytes / f64::from(1 << 20)),
        None => "unknown".to_owned(),
    }
}
