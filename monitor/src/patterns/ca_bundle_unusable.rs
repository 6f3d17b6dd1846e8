//! Root certificates are configured, and a TLS client can do nothing with them.

use monitor_common::probe::Probe;

use super::{
    Need, Pattern,
    mounted::mounted,
    root_fault::{Fault, Proof, Reason, find},
    roots::{Look, brings_roots, install, looks, renew},
    start::ended,
    wording::{config, files, kernel},
};
use crate::{
    case::{Case, OpenSeen},
    model::{
        diagnosis::{Confidence, Evidence, Finding, Severity},
        fact::TrustState,
        text::inert,
        time::{BootNs, SECOND},
    },
};

/// Go looks for roots when a server's certificate lies before it, and refuses that at once. A refusal long after a look is
/// that of a program which had asked for the system's roots before and may have added its own.
const REFUSES_NS: u64 = 2 * SECOND;

pub(super) const PATTERN: Pattern = Pattern {
    id: "ca-bundle-unusable",
    severity: Severity::Error,
    title: "The bundle of root certificates is empty, damaged, unreadable, out of date or not where a variable says",
    symptom: "`tls: failed to verify certificate: x509: certificate signed by unknown authority` (empty, damaged, a \
        variable that points nowhere); `x509: certificate has expired or is not yet valid` (expired); `x509: failed to \
        load system roots and no roots provided; open /etc/ssl/certs/ca-certificates.crt: permission denied` (unreadable).",
    evidence: "A Go process looks for roots, and the container's files say what is wrong with what it finds. Reasons: \
        `empty` (no byte but white space), `corrupt` (no certificate in it that parses), `unreadable` (EACCES, or a \
        directory in the file's place), `expired` (every certificate in it), `variable` (SSL_CERT_FILE or SSL_CERT_DIR \
        names nothing that exists). With the TLS alert of a client that refuses the server's certificate within two \
        seconds: error, certain; high where the file could only be looked at before the container started. A refusal long \
        after the look, or no refusal and an end in failure at once: warning, medium. Neither: info.",
    look_alikes: "- No file and no variable at all: `no-ca-certificates`.\n\
        - A bundle with good certificates, and a refusal: the server's CA is not among them, its name is wrong or its own \
        certificate has expired. Not separable from outside, no verdict.\n\
        - Go also reads every file of its directories: roots there make up for the bundle, no verdict.\n\
        - SSL_CERT_FILE points nowhere and `/etc/ssl/certs` is in order: healthy.\n\
        - The bundle is filled when the container starts: it is looked at again when it is opened.\n\
        - `x509.SystemCertPool()` and the program's own roots: no refusal, info.\n\
        - Roots in the binary (`x509roots/fallback`): no verdict.",
    remedy: "`empty`, `corrupt`, `expired`: install `ca-certificates` anew from a current base image, or mend the file that \
        is mounted. `unreadable`: mode 0644, and search permission for the directories above. `variable`: name a file that \
        exists, or set the variable to nothing: Go takes an empty one for none.",
    limits: "The refusal is known for Go's crypto/tls. Of a bundle without one of the endings `.crt`, `.pem`, `.cert`, and \
        outside of `/etc/ssl` and `/etc/pki`, a successful open is not seen; then high at most, and medium \
        where nothing of the look was seen.",
    brought_about_by: &[],
    needs: &[
        Need::Probe(Probe::Open),
        Need::Probe(Probe::TlsAlert),
        Need::Config,
        Need::TrustStore,
        Need::Birth,
    ],
    matches,
};

fn matches(case: &Case) -> Vec<Finding> {
    if brings_roots(case) {
        return Vec::new();
    }
    looks(case).filter_map(|look| Some(finding(case, &look, &find(case, &look)?))).flatten().collect()
}

fn finding(case: &Case, look: &Look<'_>, fault: &Fault<'_>) -> Option<Finding> {
    let refused_at = look.process.tls_refused;
    // Nothing was seen of the look: the refusal has to stand for it.
    let at = look.began().or(refused_at)?;
    let looked_at = look.done().unwrap_or(at);
    let refused = refused_at.filter(|refused_at| *refused_at >= looked_at);
    let is_prompt = refused.is_some_and(|refused_at| refused_at.since(looked_at) <= REFUSES_NS);
    let (severity, confidence) = match (refused, look.gave_up(looked_at), fault.proof) {
        (Some(_), _, Proof::Seen) if is_prompt => (Severity::Error, Confidence::Certain),
        (Some(_), _, Proof::Birth) if is_prompt => (Severity::Error, Confidence::High),
        (Some(_), ..) | (None, Some(_), _) => (Severity::Warning, Confidence::Medium),
        (None, None, _) => (Severity::Info, Confidence::Medium),
    };
    let path = inert(fault.path);
    let consequence = if refused.is_some() { "; it refused a TLS server's certificate" } else { "" };
    Some(Finding {
        severity,
        confidence,
        subject: format!("{path}: {}", fault.reason.name()),
        summary: format!("{} can use no root certificate: {}{consequence}", look.name(), what(fault)),
        evidence: evidence(case, look, fault, refused),
        remedy: remedy(case, fault),
        at,
    })
}

/// What is wrong, in half a sentence.
fn what(fault: &Fault<'_>) -> String {
    let path = inert(fault.path);
    match &fault.reason {
        Reason::Empty => format!("{path} is empty"),
        Reason::Corrupt => format!("{path} holds no certificate that parses"),
        Reason::Unreadable(why) => format!("{path} cannot be read ({})", inert(why)),
        Reason::Expired(count) => format!("all {count} certificates in {path} have expired"),
        Reason::Variable(name) => format!("{name} names {path}, which does not exist"),
    }
}

fn evidence(case: &Case, look: &Look<'_>, fault: &Fault<'_>, refused: Option<BootNs>) -> Vec<Evidence> {
    let mut all = Vec::new();
    if let Some(began) = look.began() {
        let outcome = |open: &&OpenSeen| match open.result {
            Ok(_) => format!("{} opened", inert(&open.path)),
            Err(errno) => format!("{} {errno}", inert(&open.path)),
        };
        let each: Vec<String> = look.opens.iter().map(outcome).collect();
        all.push(kernel(began, format!("{} looked for root certificates: {}", look.name(), each.join(", "))));
    }
    all.extend(refused.map(|at| kernel(at, "it refused the server's certificate (TLS alert on the socket)")));
    all.extend(look.process.exit.map(|exit| ended(exit, "it")));
    all.push(files(what(fault)));
    all.extend(case.trust_store.get().map(|store| {
        let each = store.directories.iter().map(|(path, state)| format!("{} {}", inert(path), told(state)));
        files(format!("certificate directories: {}", each.collect::<Vec<_>>().join(", ")))
    }));
    let variable = |name: &str| {
        let value = case.config.get()?.env.get(name).filter(|value| !value.is_empty())?;
        Some(config(format!("{name}={} replaces the usual places", inert(value))))
    };
    all.extend(["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().filter_map(variable));
    all.extend(mounted(case, fault.path).map(|mount| mount.evidence()));
    all
}

fn told(state: &TrustState) -> String {
    match state {
        TrustState::Absent => "does not exist".to_owned(),
        TrustState::Empty | TrustState::Certificates(0) => "has no certificate".to_owned(),
        TrustState::Certificates(_) | TrustState::Unknown(_) => "has nothing else that it opened".to_owned(),
        TrustState::Unreadable(why) => format!("cannot be read ({})", inert(why)),
    }
}

fn remedy(case: &Case, fault: &Fault<'_>) -> String {
    let path = inert(fault.path);
    match (&fault.reason, mounted(case, fault.path)) {
        (Reason::Unreadable(why), Some(mount)) if why == TrustState::DIRECTORY => format!(
            "# a directory stands in the file's place: what was to be mounted did not exist\n\
            rmdir {0} && cp /etc/ssl/certs/ca-certificates.crt {0}",
            mount.source()
        ),
        (Reason::Unreadable(_), Some(mount)) if mount.is_from_kubernetes() => {
            "# in the pod's volume: readable for the container's user\ndefaultMode: 0444".to_owned()
        }
        (Reason::Unreadable(_), Some(mount)) => format!("chmod a+r {}", mount.source()),
        (Reason::Unreadable(_), None) => format!(
            "# in the Dockerfile, as root; in an image without a shell: COPY --chmod=0644\n\
            RUN chmod a+r {path} && chmod a+x $(dirname {path})"
        ),
        (Reason::Empty | Reason::Corrupt | Reason::Expired(_), Some(mount)) => format!(
            "# {path} is mounted: put current root certificates in PEM form there\n\
            cp /etc/ssl/certs/ca-certificates.crt {}",
            mount.source()
        ),
        (Reason::Empty | Reason::Corrupt | Reason::Expired(_), None) => renew(case, fault.path),
        (Reason::Variable(name), _) => format!(
            "# either mount or copy what {name} names,\n\
            # or go back to the usual places: an empty variable counts as none (in a pod: value: \"\")\n\
            ENV {name}=\n{}",
            install(case)
        ),
    }
}

#[cfg(test)]
mod tests {
    use monitor_common::path::PathClass::{Certificate, TrustStore as Place};

    use super::*;
    use crate::{
        model::{
            errno::Errno,
            fact::{CertificateDates, Config, Fact, Known, TrustStore},
            pem::{Pem, PemCertificate, PemContents},
        },
        patterns::testing::Story,
    };

    const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
    const DIRECTORY: &str = "/etc/ssl/certs";

    /// A container whose bundle and directory are in these states, with these variables.
    fn container(bundle: (&str, TrustState), directory: TrustState, env: &[(&str, &str)]) -> Story {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let store = TrustStore {
            files: vec![(bundle.0.to_owned(), bundle.1)],
            directories: vec![(DIRECTORY.to_owned(), directory)],
            dates: None,
        };
        Story::of(Config { env, ..Config::default() }, true).learns(Fact::TrustStore(Known::Is(store)))
    }

    fn pem(path: &str, pem: Pem) -> Fact {
        Fact::Pem { path: path.to_owned(), pem: Known::Is(pem) }
    }

    fn valid_until(not_after_s: i64) -> Pem {
        let one = PemCertificate { subject: "CN=x".into(), not_before_s: 0, not_after_s, public: "x".into() };
        Pem::Present(PemContents { certificates: vec![one], key: None, looked_s: 1000 })
    }

    #[test]
    fn an_empty_bundle_is_certain_once_a_server_was_refused_and_the_bundle_was_looked_at_again() {
        let looked = container((BUNDLE, TrustState::Empty), TrustState::Certificates(0), &[])
            .opens(BUNDLE, Place, Ok(3), 0)
            .opens(DIRECTORY, Place, Ok(3), 0)
            .refuses_a_server();
        assert!(looked.lines_of(&PATTERN).is_empty(), "the answer may still come");
        let seen = looked.learns(pem(BUNDLE, Pem::Empty));
        assert_eq!(seen.lines_of(&PATTERN), [format!("error certain {BUNDLE}: empty")]);
        let filled = seen.learns(pem(BUNDLE, valid_until(2000)));
        assert!(filled.lines_of(&PATTERN).is_empty(), "the entrypoint has filled it");
        let unknown = filled.learns(Fact::Pem { path: BUNDLE.into(), pem: Known::unknown("gone") });
        assert_eq!(unknown.lines_of(&PATTERN), [format!("error high {BUNDLE}: empty")]);
    }

    #[test]
    fn without_a_refusal_it_is_a_remark_and_an_end_at_once_makes_it_a_warning() {
        let looked = || {
            container((BUNDLE, TrustState::Certificates(0)), TrustState::Absent, &[])
                .opens(BUNDLE, Place, Ok(3), 0)
                .opens(DIRECTORY, Place, Err(Errno::ENOENT), 0)
                .learns(pem(BUNDLE, Pem::Corrupt))
        };
        assert_eq!(looked().lines_of(&PATTERN), [format!("info medium {BUNDLE}: corrupt")]);
        assert_eq!(looked().exits(1).lines_of(&PATTERN), [format!("warning medium {BUNDLE}: corrupt")]);
        assert_eq!(looked().exits(0).lines_of(&PATTERN), [format!("info medium {BUNDLE}: corrupt")]);
        // Its own roots came later.
        let late = looked().waits(60_000).refuses_a_server();
        assert_eq!(late.lines_of(&PATTERN), [format!("warning medium {BUNDLE}: corrupt")]);
    }

    #[test]
    fn roots_in_a_directory_make_up_for_the_bundle() {
        for directory in [TrustState::Certificates(3), TrustState::Unknown("too many".into())] {
            let looked = container((BUNDLE, TrustState::Empty), directory, &[])
                .opens(BUNDLE, Place, Ok(3), 0)
                .opens(DIRECTORY, Place, Ok(3), 0)
                .opens("/etc/ssl/certs/own.pem", Place, Ok(3), 0)
                .refuses_a_server()
                .learns(pem(BUNDLE, Pem::Empty));
            assert!(looked.lines_of(&PATTERN).is_empty());
        }
    }

    #[test]
    fn a_bundle_that_may_not_be_read_is_told_by_the_kernel() {
        let denied = container((BUNDLE, TrustState::Unreadable("mode 0600".into())), TrustState::Absent, &[])
            .opens(BUNDLE, Place, Err(Errno::EACCES), 0)
            .opens(DIRECTORY, Place, Err(Errno::ENOENT), 0)
            .refuses_a_server();
        assert_eq!(denied.lines_of(&PATTERN), [format!("error certain {BUNDLE}: unreadable")]);
    }

    #[test]
    fn a_variable_is_to_blame_only_where_nothing_else_is_there() {
        const NOWHERE: &str = "/nowhere/ca.crt";
        let named = |directory| {
            container((NOWHERE, TrustState::Absent), directory, &[("SSL_CERT_FILE", NOWHERE)]).opens(
                NOWHERE,
                Certificate,
                Err(Errno::ENOENT),
                0,
            )
        };
        let alone =
            named(TrustState::Absent).opens(DIRECTORY, Place, Err(Errno::ENOENT), 0).refuses_a_server();
        assert_eq!(alone.lines_of(&PATTERN), [format!("error certain {NOWHERE}: variable")]);
        let beside =
            named(TrustState::Certificates(144)).opens(DIRECTORY, Place, Ok(3), 0).refuses_a_server();
        assert!(beside.lines_of(&PATTERN).is_empty());
        // The program was started with another environment.
        let unheeded =
            container((NOWHERE, TrustState::Absent), TrustState::Absent, &[("SSL_CERT_FILE", NOWHERE)])
                .opens(BUNDLE, Place, Err(Errno::ENOENT), 0)
                .opens(DIRECTORY, Place, Err(Errno::ENOENT), 0)
                .refuses_a_server();
        assert!(unheeded.lines_of(&PATTERN).is_empty());
    }

    #[test]
    fn of_an_expired_bundle_every_certificate_is() {
        let of = |expired| {
            let dates = CertificateDates { newest_not_before_s: 0, expired, total: 3, looked_s: 1000 };
            let store = TrustStore {
                files: vec![(BUNDLE.to_owned(), TrustState::Certificates(3))],
                directories: vec![(DIRECTORY.to_owned(), TrustState::Unknown("not needed".into()))],
                dates: Some(dates),
            };
            Story::of(Config::default(), true)
                .learns(Fact::TrustStore(Known::Is(store)))
                .opens(BUNDLE, Place, Ok(3), 0)
                .opens(DIRECTORY, Place, Ok(3), 0)
                .refuses_a_server()
                .learns(pem(BUNDLE, valid_until(500)))
        };
        assert_eq!(of(3).lines_of(&PATTERN), [format!("error certain {BUNDLE}: expired")]);
        assert!(of(2).lines_of(&PATTERN).is_empty());
        // What else it read there may be valid.
        assert!(of(3).opens("/etc/ssl/certs/own.pem", Place, Ok(3), 0).lines_of(&PATTERN).is_empty());
    }
}
