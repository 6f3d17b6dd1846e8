//! A program cannot load the certificate or the private key that it is to show to its peers.

use monitor_common::probe::Probe;

use super::{
    Need, Pattern,
    mounted::{Mounted, mounted},
    start::ended,
    tls_fault::{self, Fault, Proof, Reason},
    wording::{files, kernel, program},
};
use crate::{
    case::{CERTIFICATE_NS, Case, OpenSeen, PemAnswer, Process},
    model::{
        diagnosis::{Confidence, Evidence, Finding, Severity},
        pem::{Pem, PemContents},
        text::{inert, inert_short},
        time::{SECOND, day},
    },
};

/// A program that ends in failure this soon after it tried to load them ends because of it.
const GIVES_UP_NS: u64 = SECOND;
/// Characters of a certificate's subject that a finding shows.
const SUBJECT: usize = 80;

pub(super) const PATTERN: Pattern = Pattern {
    id: "tls-key-pair-unusable",
    severity: Severity::Error,
    title: "A certificate or private key that the program loads is missing, unreadable, damaged or not a pair",
    symptom: "`open /certs/tls.crt: no such file or directory`, `open /certs/tls.key: permission denied`, `read \
        /certs/tls.crt: is a directory`, `tls: private key does not match public key`, `tls: failed to find any PEM data in \
        certificate input`.",
    evidence: "A Go process opens files that end in `.crt`, `.cert`, `.pem` or `.key`, and ends in failure within a second. \
        Reasons: `missing` (ENOENT) and `unreadable` (EACCES) by the open alone: high. `directory`, `empty`, `corrupt` and `not a \
        pair` by what the files hold: certain where both halves have names that belong together, or one file has both, else \
        high. A program that goes on for ten seconds without them, or ends later: warning, medium; info where it began to \
        listen afterwards. A certificate that fits its key and is not valid now: info, for a server starts with it and its \
        clients refuse.",
    look_alikes: "- TLS is optional, and the server goes on without it: info once it listens, warning before.\n\
        - A file of authorities that a client trusts (`ca.pem`, `root.crt`, a bundle): no verdict. Go's trust store: \
        `no-ca-certificates`, `ca-bundle-unusable`.\n\
        - Keys for other uses, by their names: `jwt`, `signing`, `ssh`, `license` and the like: no verdict.\n\
        - A file that is found at the next place, or that somebody puts there while the program waits: no verdict.\n\
        - A key of a kind that does not tell its public half: no verdict on the pair.",
    remedy: "`missing`: mount the Secret where the program looks. `unreadable`: `fsGroup` or mode 0440 for the container's \
        group. `directory`: Docker makes one where the file to mount does not exist. `not a pair`: renew both together; the \
        program's own certificate comes first in a chain.",
    limits: "Files below `/etc/ssl`, `/etc/pki`, `/tmp` and `/var/tmp` and those with other endings are not told. What a \
        password protects is not judged. InsecureSkipVerify and versions of TLS are not visible.",
    brought_about_by: &[],
    needs: &[Need::Probe(Probe::Open), Need::Probe(Probe::Exit)],
    matches,
};

fn matches(case: &Case) -> Vec<Finding> {
    case.processes()
        .filter(|process| process.go_started.is_some() && process.program.is_some())
        .flat_map(|process| {
            let opens = tls_fault::opens(case, process);
            let fault = tls_fault::find(case, &opens).and_then(|fault| finding(case, process, &fault));
            let old: Vec<Finding> = match fault {
                Some(_) => Vec::new(),
                None => tls_fault::out_of_date(case, &opens)
                    .map(|(open, contents)| out_of_date(case, process, open, contents))
                    .collect(),
            };
            fault.into_iter().chain(old)
        })
        .collect()
}

/// How much it matters by what became of the program, and how sure that makes it.
fn weigh(case: &Case, process: &Process, fault: &Fault<'_>) -> Option<(Severity, Confidence)> {
    let known_at = fault.known_at();
    let waited = case.awake_ns(known_at, case.now);
    let goes_on = if process.listening.iter().any(|listening| listening.at > known_at) {
        Severity::Info
    } else {
        Severity::Warning
    };
    // Without their names the two may have nothing to do with each other.
    let is_pair = fault.proof != Proof::Neighbour;
    match process.exit {
        Some(exit) if exit.signal.is_some() || exit.code == 0 => None,
        Some(exit) if exit.at.since(known_at) <= GIVES_UP_NS => {
            let severity = if case.is_from_outside(process) { Severity::Warning } else { Severity::Error };
            let is_sure = fault.proof == Proof::Content;
            Some((severity, if is_sure { Confidence::Certain } else { Confidence::High }))
        }
        Some(_) => is_pair.then_some((goes_on, Confidence::Medium)),
        None => (is_pair && waited >= CERTIFICATE_NS).then_some((goes_on, Confidence::Medium)),
    }
}

fn finding(case: &Case, process: &Process, fault: &Fault<'_>) -> Option<Finding> {
    let (severity, confidence) = weigh(case, process, fault)?;
    let path = inert(&fault.open.path);
    let outcome = match process.exit {
        Some(exit) if exit.at.since(fault.known_at()) <= GIVES_UP_NS => ", and ended",
        Some(_) => ", and ended later",
        None if severity == Severity::Info => ", and serves without it",
        None => ", and goes on without it",
    };
    let mount = mounted(case, &case.absolute(&fault.open.path));
    Some(Finding {
        severity,
        confidence,
        subject: format!("{path}: {}", fault.reason.name()),
        summary: format!("{} cannot load {path}: {}{outcome}", program(process), what(fault)),
        evidence: evidence(case, process, fault, mount.as_ref()),
        remedy: remedy(case, fault, mount.as_ref()),
        at: fault.open.at,
    })
}

fn what(fault: &Fault<'_>) -> String {
    match fault.reason {
        Reason::Missing => "it does not exist".to_owned(),
        Reason::Unreadable(errno) => format!("the container's user may not read it ({errno})"),
        Reason::Directory => "it is a directory".to_owned(),
        Reason::Empty => "it is empty".to_owned(),
        Reason::Corrupt => "it holds neither a certificate nor a private key that parses".to_owned(),
        Reason::NotAPair => match fault.partner {
            Some(certificate) => {
                format!("it is not the key of the certificate in {}", inert(&certificate.path))
            }
            None => "its key is not that of its first certificate".to_owned(),
        },
    }
}

fn evidence(case: &Case, process: &Process, fault: &Fault<'_>, mount: Option<&Mounted<'_>>) -> Vec<Evidence> {
    let who = program(process);
    let mut opens: Vec<&OpenSeen> = fault.partner.into_iter().chain([fault.open]).collect();
    opens.sort_by_key(|open| open.at);
    let mut all: Vec<Evidence> = opens
        .iter()
        .map(|open| {
            let outcome = open.result.map_or_else(|errno| format!(": {errno}"), |_| String::new());
            kernel(open.at, format!("{who} opened {}{outcome}", inert(&open.path)))
        })
        .collect();
    all.extend(process.exit.map(|exit| ended(exit, "it")));
    all.extend(opens.iter().filter_map(|open| held(case, open)));
    all.extend(mount.map(Mounted::evidence));
    all
}

/// What was found in the file.
fn held(case: &Case, open: &OpenSeen) -> Option<Evidence> {
    let path = inert(&open.path);
    let PemAnswer::Is(pem) = case.pem(&open.path, open.at) else { return None };
    Some(files(match pem {
        Pem::Absent { missing } => format!("{} does not exist in the container", inert(missing)),
        Pem::Directory => format!("{path} is a directory"),
        Pem::Unreadable(why) => format!("{path}: {}", inert(why)),
        Pem::Empty => format!("{path} is empty"),
        Pem::Corrupt => format!("{path} holds neither a certificate nor a private key that parses"),
        Pem::Present(contents) => format!("{path} holds {}", contained(contents)),
    }))
}

fn contained(contents: &PemContents) -> String {
    let certificate = contents.certificates.first().map(|first| {
        let more = match contents.certificates.len() {
            1 => String::new(),
            count => format!(", the first of {count}"),
        };
        let until = day(first.not_after_s);
        format!("the certificate of {}{more}, valid until {until}", inert_short(&first.subject, SUBJECT))
    });
    let key = contents.key.as_ref().map(|key| format!("a private key ({})", inert_short(&key.kind, SUBJECT)));
    let parts: Vec<String> = certificate.into_iter().chain(key).collect();
    parts.join(" and ")
}

fn out_of_date(case: &Case, process: &Process, open: &OpenSeen, contents: &PemContents) -> Finding {
    let path = inert(&open.path);
    let bounds =
        contents.certificates.first().map_or((0, 0), |first| (first.not_before_s, first.not_after_s));
    let state = if bounds.1 < contents.looked_s {
        format!("has expired on {}", day(bounds.1))
    } else {
        format!("is not valid before {}", day(bounds.0))
    };
    let mut evidence = vec![kernel(open.at, format!("{} opened {path}", program(process)))];
    evidence.extend(held(case, open));
    evidence.extend(mounted(case, &open.path).map(|mount| mount.evidence()));
    Finding {
        severity: Severity::Info,
        confidence: Confidence::High,
        subject: format!("{path}: out of date"),
        summary: format!(
            "the certificate in {path} {state}: {} starts with it, its peers refuse it",
            program(process)
        ),
        evidence,
        remedy: "# renew it; a program that reads it at its start has to be started again\n\
            openssl x509 -noout -dates -in tls.crt"
            .to_owned(),
        at: open.at,
    }
}

fn remedy(case: &Case, fault: &Fault<'_>, mount: Option<&Mounted<'_>>) -> String {
    let path = inert(&fault.open.path);
    let (directory, _) = path.rsplit_once('/').unwrap_or((".", ""));
    let is_pod = !case.identity.pod.is_empty();
    match (fault.reason, mount) {
        (Reason::Missing, _) if is_pod => format!(
            "# kubectl create secret tls NAME --cert=tls.crt --key=tls.key, and in the pod\n\
            volumeMounts:\n- name: tls\n  mountPath: {directory}\n  readOnly: true\n\
            volumes:\n- name: tls\n  secret:\n    secretName: NAME"
        ),
        (Reason::Missing, Some(mount)) => format!("# it belongs to\nls -l {}", mount.source()),
        (Reason::Missing, None) => {
            format!("docker run --mount type=bind,source=/srv/certs,target={directory},readonly …")
        }
        (Reason::Unreadable(_), _) if is_pod => {
            "# the container's user gets it by its group\n\
            securityContext:\n  fsGroup: 1000\nvolumes:\n- name: tls\n  secret:\n    secretName: …\n    defaultMode: 0440"
                .to_owned()
        }
        (Reason::Unreadable(_), mount) => {
            let (uid, gid) = case.config.get().map_or((0, 0), |config| (config.uid, config.gid));
            let (run, file) = mount.map_or(("RUN ", path.to_string()), |mount| ("", mount.source()));
            format!("# for the container's user, UID {uid}\n{run}chgrp {gid} {file} && chmod 0440 {file}")
        }
        (Reason::Directory, Some(mount)) => format!(
            "# the file to mount did not exist, and Docker made a directory of that name\n\
            rmdir {0}   # then put the file there, and create the container anew",
            mount.source()
        ),
        (Reason::Directory, None) => format!("# name the file in it\nls {path}"),
        (Reason::Empty | Reason::Corrupt, _) => {
            let what = if path.ends_with(".key") { "pkey -noout -text" } else { "x509 -noout -subject" };
            let file = on_host(case, &fault.open.path);
            format!("# it has to hold PEM: -----BEGIN …\nopenssl {what} -in {file}")
        }
        (Reason::NotAPair, _) => {
            let key = on_host(case, &fault.open.path);
            let certificate = fault.partner.map_or_else(|| key.clone(), |one| on_host(case, &one.path));
            format!(
                "# both print the same where they are a pair; the program's own certificate comes first\n\
                openssl x509 -noout -pubkey -in {certificate}\nopenssl pkey -pubout -in {key}"
            )
        }
    }
}

/// Where the file lies on the host if it is mounted, else its path in the container.
fn on_host(case: &Case, path: &str) -> String {
    let mount = mounted(case, &case.absolute(path));
    mount.map_or_else(|| inert(path).into_owned(), |mount| mount.source())
}

#[cfg(test)]
mod tests {
    use monitor_common::path::PathClass::Certificate;

    use super::*;
    use crate::{
        model::{
            errno::Errno,
            fact::{Config, Fact, Known},
            pem::{PemCertificate, PemKey},
        },
        patterns::testing::Story,
    };

    const CERTIFICATE: &str = "/certs/tls.crt";
    const KEY: &str = "/certs/tls.key";

    fn server() -> Story {
        Story::of(Config::default(), true)
    }

    fn is(path: &str, pem: Pem) -> Fact {
        Fact::Pem { path: path.to_owned(), pem: Known::Is(pem) }
    }

    fn certificate(public: &str, not_after_s: i64) -> Pem {
        let one =
            PemCertificate { subject: "CN=x".into(), not_before_s: 0, not_after_s, public: public.into() };
        Pem::Present(PemContents { certificates: vec![one], key: None, looked_s: 1000 })
    }

    fn key(public: Option<&str>) -> Pem {
        let key = PemKey { kind: "EC".into(), public: public.map(str::to_owned) };
        Pem::Present(PemContents { certificates: vec![], key: Some(key), looked_s: 1000 })
    }

    /// Both files are opened, and hold this.
    fn loads(path_of_key: &str, certificate: Pem, key: Pem) -> Story {
        server()
            .opens(CERTIFICATE, Certificate, Ok(3), 0)
            .opens(path_of_key, Certificate, Ok(3), 0)
            .learns(is(CERTIFICATE, certificate))
            .learns(is(path_of_key, key))
    }

    #[test]
    fn a_file_that_cannot_be_opened_ends_the_program_or_is_a_warning_after_a_while() {
        let missed = |errno| server().opens(CERTIFICATE, Certificate, Err(errno), 0);
        assert_eq!(missed(Errno::ENOENT).exits(1).lines_of(&PATTERN), ["error high /certs/tls.crt: missing"]);
        assert_eq!(
            missed(Errno::EACCES).exits(1).lines_of(&PATTERN),
            ["error high /certs/tls.crt: unreadable"]
        );
        assert!(missed(Errno::ENOENT).exits(0).lines_of(&PATTERN).is_empty());
        assert!(missed(Errno(24)).exits(1).lines_of(&PATTERN).is_empty(), "too many open files");
        assert!(missed(Errno::ENOENT).waits(2000).lines_of(&PATTERN).is_empty());
        let waited = missed(Errno::ENOENT).waits(10_001);
        assert_eq!(waited.lines_of(&PATTERN), ["warning medium /certs/tls.crt: missing"]);
        let serves = missed(Errno::ENOENT).listens("[::]:8080").waits(10_000);
        assert_eq!(serves.lines_of(&PATTERN), ["info medium /certs/tls.crt: missing"]);
    }

    #[test]
    fn a_file_that_came_later_or_lay_elsewhere_is_no_fault() {
        for path in [CERTIFICATE, "/app/tls.crt"] {
            let found = server()
                .opens(CERTIFICATE, Certificate, Err(Errno::ENOENT), 0)
                .opens(path, Certificate, Ok(3), 0)
                .learns(is(path, certificate("a", 2000)))
                .exits(1);
            assert!(found.lines_of(&PATTERN).is_empty(), "{path}");
        }
        let authority = server().opens("/certs/ca.pem", Certificate, Err(Errno::ENOENT), 0).exits(1);
        assert!(authority.lines_of(&PATTERN).is_empty());
    }

    #[test]
    fn a_pair_that_does_not_fit_is_certain_by_its_names_and_high_without() {
        let told = |story: Story| story.exits(1).lines_of(&PATTERN);
        let differs = |path| loads(path, certificate("a", 2000), key(Some("b")));
        assert_eq!(told(differs(KEY)), ["error certain /certs/tls.key: not a pair"]);
        assert_eq!(told(differs("/certs/other.key")), ["error high /certs/other.key: not a pair"]);
        assert!(differs("/certs/other.key").waits(10_001).lines_of(&PATTERN).is_empty());
        assert_eq!(
            differs(KEY).waits(10_001).lines_of(&PATTERN),
            ["warning medium /certs/tls.key: not a pair"]
        );
        assert!(told(loads(KEY, certificate("a", 2000), key(Some("a")))).is_empty());
        assert!(told(loads(KEY, certificate("a", 2000), key(None))).is_empty(), "it cannot be told");
    }

    #[test]
    fn a_damaged_half_needs_the_other_half_beside_it() {
        let told = |story: Story| story.exits(1).lines_of(&PATTERN);
        assert_eq!(told(loads(KEY, Pem::Empty, key(Some("a")))), ["error certain /certs/tls.crt: empty"]);
        let corrupt = loads(KEY, certificate("a", 2000), Pem::Corrupt);
        assert_eq!(told(corrupt), ["error certain /certs/tls.key: corrupt"]);
        let alone = server()
            .opens("/x/session.pem", Certificate, Ok(3), 0)
            .learns(is("/x/session.pem", Pem::Corrupt));
        assert!(told(alone).is_empty());
        let directory =
            server().opens(CERTIFICATE, Certificate, Ok(3), 0).learns(is(CERTIFICATE, Pem::Directory));
        assert_eq!(told(directory), ["error certain /certs/tls.crt: directory"]);
    }

    #[test]
    fn a_verdict_on_what_files_hold_waits_for_them() {
        let opened =
            server().opens(CERTIFICATE, Certificate, Ok(3), 0).opens(KEY, Certificate, Err(Errno::EACCES), 0);
        assert_eq!(opened.exits(1).lines_of(&PATTERN), ["error high /certs/tls.key: unreadable"]);
        let later = server()
            .opens("/certs/old.crt", Certificate, Err(Errno::ENOENT), 0)
            .opens(CERTIFICATE, Certificate, Ok(3), 0)
            .exits(1);
        assert!(later.lines_of(&PATTERN).is_empty());
    }

    #[test]
    fn a_certificate_out_of_date_is_a_remark_for_the_server_starts_with_it() {
        let old = || loads(KEY, certificate("a", 500), key(Some("a")));
        assert_eq!(old().lines_of(&PATTERN), ["info high /certs/tls.crt: out of date"]);
        assert!(loads(KEY, certificate("a", 500), key(Some("b"))).lines_of(&PATTERN).is_empty());
    }
}
