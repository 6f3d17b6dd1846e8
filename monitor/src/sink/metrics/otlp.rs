//! How the export of log records stands, as metrics. Never sends anything.

use super::{Metrics, OtlpExports, OtlpRecords, raise};

pub(super) use crate::sink::otlp::Tallies;

impl Metrics {
    /// How the export of log records stands.
    pub fn set_otlp(&self, tallies: Tallies) {
        let Tallies {
            is_up,
            accepted,
            rejected,
            refused,
            overflown,
            unsent,
            exports,
            retries,
            refusals,
            waiting,
            bytes,
        } = tallies;
        let otlp = &self.families.otlp;
        for (gauge, value) in
            [(&otlp.up, u64::from(is_up)), (&otlp.queue, waiting), (&otlp.queue_bytes, bytes)]
        {
            gauge.with_label_values::<&str>(&[]).set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        for (result, total) in [
            (OtlpRecords::Accepted, accepted),
            (OtlpRecords::Rejected, rejected),
            (OtlpRecords::Refused, refused),
            (OtlpRecords::Overflown, overflown),
            (OtlpRecords::Unsent, unsent),
        ] {
            raise(&otlp.records, &[result.labels()], total);
        }
        for (result, total) in
            [(OtlpExports::Ok, exports), (OtlpExports::Retried, retries), (OtlpExports::Refused, refusals)]
        {
            raise(&otlp.exports, &[result.labels()], total);
        }
    }
}
