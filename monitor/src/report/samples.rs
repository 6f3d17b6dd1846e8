//! Conclusions for the tests of the texts. Pure values.

use crate::model::{
    container::{ContainerId, Identity, Runtime},
    diagnosis::{
        Blindness, Conclusion, Confidence, Coverage, Diagnosis, Ending, Evidence, Meaning, Severity, Source,
        Verdict,
    },
    time::{BootEpoch, BootNs, MS},
    workload::{Kind, Workload},
};

/// 2023-11-14T22:13:20Z.
pub(crate) const EPOCH: BootEpoch = BootEpoch(1_700_000_000_000_000_000);

pub(crate) fn identity() -> Identity {
    Identity {
        name: "api".to_owned(),
        image: "registry.example/shop/api:1.4".to_owned(),
        namespace: "shop".to_owned(),
        pod: "api-7d9f".to_owned(),
        pod_uid: String::new(),
        runtime: Runtime::Containerd,
        workload: Some(Box::new(Workload {
            kind: Kind::Deployment,
            name: "api".to_owned(),
            confidence: Confidence::Medium,
        })),
    }
}

pub(crate) fn container() -> ContainerId {
    ContainerId(("3f2a9c1d4e5b".repeat(5) + "0123").into())
}

pub(crate) fn diagnosis() -> Diagnosis {
    Diagnosis {
        container: container(),
        pattern: "missing-interpreter".to_owned(),
        severity: Severity::Error,
        confidence: Confidence::Certain,
        subject: "/lib64/ld-linux-x86-64.so.2".to_owned(),
        summary: "/app/server exists, but the loader that it names does not.".to_owned(),
        evidence: vec![
            Evidence {
                at: Some(BootNs(1_500 * MS)),
                source: Source::Kernel,
                fact: "execve(\"/app/server\") = ENOENT".to_owned(),
            },
            Evidence {
                at: None,
                source: Source::Files,
                fact: "PT_INTERP of /app/server is /lib64/ld-linux-x86-64.so.2".to_owned(),
            },
            Evidence {
                at: Some(BootNs(1_501 * MS)),
                source: Source::Kernel,
                fact: "the process exited with code 1".to_owned(),
            },
        ],
        remedy: "Build without cgo:\n\n    ENV CGO_ENABLED=0\n    RUN go build -o /app/server .".to_owned(),
        first_seen: BootNs(1_500 * MS),
        last_seen: BootNs(61_500 * MS),
        count: 3,
        consequence_of: None,
    }
}

pub(crate) fn coverage() -> Coverage {
    Coverage {
        from: BootNs(1_000 * MS),
        to: BootNs(62_000 * MS),
        attached_before_start: true,
        events_lost: 0,
        blind: Vec::new(),
    }
}

pub(crate) fn finding() -> Conclusion {
    Conclusion {
        container: container(),
        identity: identity(),
        verdict: Verdict::Findings,
        diagnoses: vec![diagnosis()],
        ending: Some(Ending { at: Some(BootNs(1_502 * MS)), code: 1, meaning: Meaning::Explained }),
        coverage: coverage(),
    }
}

pub(crate) fn clean() -> Conclusion {
    Conclusion { verdict: Verdict::Clean, diagnoses: Vec::new(), ending: None, ..finding() }
}

pub(crate) fn inconclusive() -> Conclusion {
    let blind = Blindness {
        what: "probe oom_kill".to_owned(),
        why: "the tracepoint oom/mark_victim is missing".to_owned(),
        patterns: vec!["oom-kill".to_owned()],
    };
    Conclusion {
        verdict: Verdict::Inconclusive,
        diagnoses: Vec::new(),
        coverage: Coverage { attached_before_start: false, events_lost: 7, blind: vec![blind], ..coverage() },
        ..finding()
    }
}
