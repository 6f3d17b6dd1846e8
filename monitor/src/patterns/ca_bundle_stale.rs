//! The bundle of public root certificates is old: servers with younger authorities will be refused, sooner or later.

use monitor_common::probe::Probe;

use super::{
    Need, Pattern,
    mounted::mounted,
    roots::renew,
    wording::{counted, files, kernel},
};
use crate::{
    case::{Case, TrustRead},
    model::{
        diagnosis::{Confidence, Evidence, Finding, Severity},
        fact::{CertificateDates, TrustState, TrustStore},
        text::inert,
        time::day,
    },
};

/// Of a bundle of all public roots the youngest is never much older than two years.
const OLD_S: i64 = 4 * 365 * DAY_S;
const DAY_S: i64 = 24 * 60 * 60;
/// Expired certificates of a bundle that was looked after are a few in a hundred.
const EXPIRED_PERCENT: u64 = 5;
/// A bundle of fewer certificates is somebody's own choice, and may be as old as it likes.
const PUBLIC: u32 = 20;

pub(super) const PATTERN: Pattern = Pattern {
    id: "ca-bundle-stale",
    severity: Severity::Warning,
    title: "The bundle of root certificates is out of date",
    symptom: "Nothing yet; then `x509: certificate signed by unknown authority` or `x509: certificate has expired or is not \
        yet valid` for single servers, while others work.",
    evidence: "The first bundle that Go finds has at least 20 certificates, and the youngest of them is older than four \
        years, or 5 % or more have expired (high). Warning once a Go process of the container has opened it, info before.",
    look_alikes: "- A bundle of a few roots of one's own may be old and right: below 20 certificates no verdict.\n\
        - Single expired roots are in every distribution's bundle: below 5 % no verdict.\n\
        - All certificates have expired: `ca-bundle-unusable`.\n\
        - Programs with roots of their own never read the bundle: info.",
    remedy: "Build on a current base image, or install `ca-certificates` anew. A bundle that is mounted is renewed where it \
        comes from.",
    limits: "Whether the servers that the program talks to need a younger root cannot be known. Roots in Go's directories \
        are not looked at once a bundle has some.",
    brought_about_by: &[],
    needs: &[Need::Probe(Probe::Open), Need::TrustStore],
    matches,
};

fn matches(case: &Case) -> Vec<Finding> {
    case.trust_store.get().and_then(|store| find(case, store)).into_iter().collect()
}

/// What makes a bundle stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stale {
    /// The youngest certificate's years, if they are too many.
    years: Option<i64>,
    /// How many have expired, if they are too many.
    expired: Option<u32>,
}

fn stale(dates: &CertificateDates) -> Option<Stale> {
    if dates.total < PUBLIC || dates.expired >= dates.total {
        return None;
    }
    let age_s = dates.looked_s.saturating_sub(dates.newest_not_before_s);
    let years = (age_s > OLD_S).then_some(age_s / (365 * DAY_S));
    let is_widely = u64::from(dates.expired) * 100 >= u64::from(dates.total) * EXPIRED_PERCENT;
    let expired = is_widely.then_some(dates.expired);
    (years.is_some() || expired.is_some()).then_some(Stale { years, expired })
}

fn find(case: &Case, store: &TrustStore) -> Option<Finding> {
    let dates = store.dates?;
    let stale = stale(&dates)?;
    let (bundle, _) = store.files.iter().find(|(_, state)| matches!(state, TrustState::Certificates(1..)))?;
    let read = case.surroundings.trust_reads.iter().find(|read| read.path == *bundle);
    let path = inert(bundle);
    let why = match stale {
        Stale { years: Some(years), expired: None } => format!("its youngest root is {years} years old"),
        Stale { years: None, expired } => {
            format!("{} of {} roots have expired", expired.unwrap_or_default(), dates.total)
        }
        Stale { years: Some(years), expired: Some(expired) } => {
            format!("its youngest root is {years} years old, and {expired} of {} have expired", dates.total)
        }
    };
    let used = match read {
        Some(read) => format!("{} trusts an outdated bundle", inert(&read.program)),
        None => "the container has an outdated bundle".to_owned(),
    };
    Some(Finding {
        severity: if read.is_some() { Severity::Warning } else { Severity::Info },
        confidence: Confidence::High,
        subject: path.clone().into_owned(),
        summary: format!("{used} of root certificates: {path}, {why}"),
        evidence: evidence(case, bundle, &dates, read),
        remedy: match mounted(case, bundle) {
            Some(mount) => format!(
                "# {path} is mounted: put current root certificates there\n\
                cp /etc/ssl/certs/ca-certificates.crt {}",
                mount.source()
            ),
            None => renew(case, bundle),
        },
        // A standing fact of this life of the container.
        at: case.appeared_at,
    })
}

fn evidence(case: &Case, bundle: &str, dates: &CertificateDates, read: Option<&TrustRead>) -> Vec<Evidence> {
    let path = inert(bundle);
    let mut all = vec![files(format!(
        "{path} has {}, {} expired; the youngest is valid from {}",
        counted(dates.total, "certificate", "certificates"),
        dates.expired,
        day(dates.newest_not_before_s)
    ))];
    all.extend(read.map(|read| kernel(read.at, format!("{} opened {path}", inert(&read.program)))));
    all.extend(mounted(case, bundle).map(|mount| mount.evidence()));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_bundle_is_stale_by_its_age_or_by_its_expired_share() {
        let of = |age_days: i64, expired, total| {
            let looked_s = 2_000_000_000;
            let newest_not_before_s = looked_s - age_days * DAY_S;
            stale(&CertificateDates { newest_not_before_s, expired, total, looked_s })
        };
        assert_eq!(of(900, 4, 144), None);
        assert_eq!(of(1461, 4, 144), Some(Stale { years: Some(4), expired: None }));
        assert_eq!(of(900, 8, 144), Some(Stale { years: None, expired: Some(8) }));
        assert_eq!(of(2190, 11, 129), Some(Stale { years: Some(6), expired: Some(11) }));
        // Roots of one's own, and another pattern's case.
        assert_eq!(of(4000, 1, 3), None);
        assert_eq!(of(4000, 129, 129), None);
        // Recordings of older versions do not tell how many there are.
        assert_eq!(of(4000, 4, 0), None);
    }
}
