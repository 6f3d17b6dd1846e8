//! A TLS client found no root certificate anywhere.

use monitor_common::probe::Probe;

use super::{
    Need, Pattern,
    roots::{Look, brings_roots, install, is_directory_of_go, looks},
    start::ended,
    wording::{counted, files, kernel},
};
use crate::{
    case::{Case, OpenSeen},
    model::{
        diagnosis::{Confidence, Evidence, Finding, Severity},
        fact::{TrustState, TrustStore},
        text::inert,
        time::BootNs,
    },
};

pub(super) const PATTERN: Pattern = Pattern {
    id: "no-ca-certificates",
    severity: Severity::Error,
    title: "The image has no root certificates, so TLS servers cannot be verified",
    symptom: "`tls: failed to verify certificate: x509: certificate signed by unknown authority` from a program that \
        works elsewhere.",
    evidence: "A Go process looks for roots in all the places of crypto/x509/root_linux.go, every open fails, and then it \
        writes the TLS alert with which a client refuses the server's certificate (error, certain). No refusal, but the \
        process ends in failure at once: warning, medium. Neither: info, for nothing has failed yet.",
    look_alikes: "- Several places are tried and one has a bundle: healthy.\n\
        - Roots that the program brings along (`x509.SetFallbackRoots`, `x509roots/fallback`) look for the same files and \
        then TLS works: no refusal, info at most.\n\
        - `x509.SystemCertPool()` without any TLS: info.\n\
        - The program sets `RootCAs` itself: no opens, no verdict.\n\
        - A bundle is there and the server's CA is not in it: another cause.\n\
        - A bundle that is empty, damaged, unreadable or out of date, or a variable that points nowhere: \
        `ca-bundle-unusable`.",
    remedy: "Install `ca-certificates`, or copy the bundle to `/etc/ssl/certs/ca-certificates.crt`. No variable is needed.",
    limits: "The refusal is known for Go's crypto/tls. OpenSSL and others refuse in other words.",
    brought_about_by: &[],
    needs: &[Need::Probe(Probe::Open), Need::Probe(Probe::TlsAlert), Need::Birth],
    matches,
};

fn matches(case: &Case) -> Vec<Finding> {
    if brings_roots(case) {
        return Vec::new();
    }
    looks(case).filter_map(|look| find(case, &look)).collect()
}

/// The files of the image offer roots at a place that the process did not fail to open itself.
fn offers_roots(case: &Case, look: &Look<'_>) -> bool {
    let offers = |(path, state): &(String, TrustState)| {
        matches!(state, TrustState::Certificates(1..)) && look.open(path).is_none()
    };
    case.trust_store.get().is_some_and(|store| store.files.iter().chain(&store.directories).any(offers))
}

fn find(case: &Case, look: &Look<'_>) -> Option<Finding> {
    // Go always ends with its directories; a lone probe of one file is somebody else's habit.
    let directory = look.opens.iter().rfind(|open| is_directory_of_go(&open.path))?;
    // One place alone is what a variable names, and a denial is another cause.
    if !look.looked_at_usual_files()
        || look.was_denied()
        || look.has_opened_any(case)
        || offers_roots(case, look)
    {
        return None;
    }
    let refused = look.process.tls_refused.filter(|at| *at >= directory.at);
    let (severity, confidence) = match (refused, look.gave_up(directory.at)) {
        (Some(_), _) => (Severity::Error, Confidence::Certain),
        (None, Some(_)) => (Severity::Warning, Confidence::Medium),
        (None, None) => (Severity::Info, Confidence::Medium),
    };
    let consequence = if refused.is_some() { ", and refused a TLS server's certificate" } else { "" };
    Some(Finding {
        severity,
        confidence,
        subject: "root certificates".to_owned(),
        summary: format!("{} found no root certificates in the container{consequence}", look.name()),
        evidence: evidence(case, look, refused),
        remedy: install(case),
        // The refusal belongs to the same occurrence: Go looks once.
        at: directory.at,
    })
}

fn evidence(case: &Case, look: &Look<'_>, refused: Option<BootNs>) -> Vec<Evidence> {
    let first = look.began().unwrap_or(look.process.first_seen);
    let missed: Vec<&OpenSeen> = look.opens.iter().filter(|open| open.result.is_err()).copied().collect();
    let places_looked = u64::try_from(missed.len()).unwrap_or(u64::MAX);
    let mut all = vec![kernel(
        first,
        format!(
            "{} looked for root certificates in {}, all failed: {}",
            look.name(),
            counted(places_looked, "place", "places"),
            places(&missed)
        ),
    )];
    all.extend(refused.map(|at| kernel(at, "it refused the server's certificate (TLS alert on the socket)")));
    all.extend(look.process.exit.map(|exit| ended(exit, "it")));
    all.extend(case.trust_store.get().map(nowhere));
    all
}

fn places(looked: &[&OpenSeen]) -> String {
    let each = looked.iter().filter_map(|open| Some(format!("{} {}", inert(&open.path), open.result.err()?)));
    each.collect::<Vec<_>>().join(", ")
}

fn nowhere(store: &TrustStore) -> Evidence {
    let count = |list: &[(String, TrustState)], one: &str, many: &str| {
        counted(u64::try_from(list.len()).unwrap_or(u64::MAX), one, many)
    };
    let offers = |(_, state): &&(String, TrustState)| matches!(state, TrustState::Certificates(1..));
    let had: Vec<_> =
        store.files.iter().chain(&store.directories).filter(offers).map(|(path, _)| inert(path)).collect();
    let looked = format!(
        "{} and {} were checked at the start",
        count(&store.files, "bundle file", "bundle files"),
        count(&store.directories, "directory", "directories")
    );
    files(match had.as_slice() {
        [] => format!("{looked}: none offers a certificate"),
        had => format!("{looked}: {} had certificates then, and is gone", had.join(", ")),
    })
}
