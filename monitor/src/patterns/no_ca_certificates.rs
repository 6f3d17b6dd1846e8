//! A TLS client found no root certificate anywhere.

use monitor_common::{path::PathClass, probe::Probe};

use super::{
    Need, Pattern,
    start::ended,
    wording::{config, counted, files, kernel, libc},
};
use crate::{
    case::{Case, OpenSeen, Process},
    model::{
        diagnosis::{Confidence, Evidence, Finding, Severity},
        fact::{LibcKind, TrustState, TrustStore},
        text::inert,
        time::{BootNs, SECOND},
    },
};

/// A program that ends in failure this soon after it looked for roots most likely ends because of it.
const GIVES_UP_NS: u64 = 2 * SECOND;
const COPY_BUNDLE: &str =
    "COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt";
/// Packages that bring roots along in the binary.
const FALLBACK_ROOTS: &str = "golang.org/x/crypto/x509roots/fallback";

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
        - A bundle is there and the server's CA is not in it: another cause.",
    remedy: "Install `ca-certificates`, or copy the bundle to `/etc/ssl/certs/ca-certificates.crt`. No variable is needed.",
    limits: "The refusal is known for Go's crypto/tls. OpenSSL and others refuse in other words.",
    needs: &[Need::Probe(Probe::Open), Need::Probe(Probe::TlsAlert), Need::Birth],
    matches,
};

fn matches(case: &Case) -> Vec<Finding> {
    if brings_roots(case) {
        return Vec::new();
    }
    case.processes()
        .filter(|process| !process.is_runtime_stage())
        .filter_map(|process| find(case, process))
        .collect()
}

/// The binary has its own.
fn brings_roots(case: &Case) -> bool {
    case.go().is_some_and(|build| build.dependencies.iter().any(|name| name.starts_with(FALLBACK_ROOTS)))
}

/// The files of the image offer roots at a place that the process did not fail to open itself.
fn offers_roots(case: &Case, looked: &[&OpenSeen]) -> bool {
    let offers = |(path, state): &(String, TrustState)| {
        matches!(state, TrustState::Certificates(1..)) && !looked.iter().any(|open| open.path == *path)
    };
    case.trust_store.get().is_some_and(|store| store.files.iter().chain(&store.directories).any(offers))
}

fn find(case: &Case, process: &Process) -> Option<Finding> {
    let looked: Vec<&OpenSeen> =
        process.opens.iter().filter(|open| open.class == PathClass::TrustStore).collect();
    // Go always ends with its directories; a lone probe of one file is somebody else's habit.
    let directory = looked.iter().rfind(|open| is_directory_of_go(&open.path))?;
    let has_found = process.has_opened(PathClass::TrustStore) || offers_roots(case, &looked);
    if has_found || process.go_started.is_none() {
        return None;
    }
    let refused = process.tls_refused.filter(|at| *at >= directory.at);
    let gave_up =
        process.exit.filter(|exit| exit.shell_code() != 0 && exit.at.since(directory.at) <= GIVES_UP_NS);
    let (severity, confidence) = match (refused, gave_up) {
        (Some(_), _) => (Severity::Error, Confidence::Certain),
        (None, Some(_)) => (Severity::Warning, Confidence::Medium),
        (None, None) => (Severity::Info, Confidence::Medium),
    };
    let consequence = if refused.is_some() { ", and refused a TLS server's certificate" } else { "" };
    Some(Finding {
        severity,
        confidence,
        subject: "root certificates".to_owned(),
        summary: format!("{} found no root certificates in the container{consequence}", name(process)),
        evidence: evidence(case, process, &looked, refused),
        remedy: remedy(case),
        // The refusal belongs to the same occurrence: Go looks once.
        at: directory.at,
    })
}

fn evidence(case: &Case, process: &Process, looked: &[&OpenSeen], refused: Option<BootNs>) -> Vec<Evidence> {
    let first = looked.iter().map(|open| open.at).min().unwrap_or(process.first_seen);
    let places_looked = u64::try_from(looked.len()).unwrap_or(u64::MAX);
    let mut all = vec![kernel(
        first,
        format!(
            "{} looked for root certificates in {}, all failed: {}",
            name(process),
            counted(places_looked, "place", "places"),
            places(looked)
        ),
    )];
    all.extend(refused.map(|at| kernel(at, "it refused the server's certificate (TLS alert on the socket)")));
    all.extend(process.exit.map(|exit| ended(exit, "it")));
    all.extend(case.trust_store.get().map(nowhere));
    let variable = |name: &str| {
        let value = case.config.get()?.env.get(name)?;
        Some(config(format!("{name}={} replaces the usual places", inert(value))))
    };
    all.extend(["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().filter_map(variable));
    all
}

fn is_directory_of_go(path: &str) -> bool {
    matches!(path, "/etc/ssl/certs" | "/etc/pki/tls/certs" | "/system/etc/security/cacerts")
}

fn name(process: &Process) -> String {
    let program = process.program.as_ref().map_or(&*process.comm, |program| program.path.as_str());
    inert(program).into_owned()
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

fn remedy(case: &Case) -> String {
    match case.libc.get() {
        Some(Some(found)) if found.kind == LibcKind::Musl => "RUN apk add --no-cache ca-certificates".to_owned(),
        Some(Some(_)) => {
            "RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*"
                .to_owned()
        }
        None => COPY_BUNDLE.to_owned(),
        Some(None) => format!("# the image has {}: copy the bundle from the build stage\n{COPY_BUNDLE}", libc(None)),
    }
}
