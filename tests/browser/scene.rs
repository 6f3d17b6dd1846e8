//! A store as an agent leaves it after a bad night: a crash loop over a change of image, what it brought about, a neighbour that
//! was killed for its memory, and a container whose every string attacks the page.

use std::path::Path;

use gomon::{
    model::{
        container::{CgroupId, ContainerId, Identity, Runtime},
        diagnosis::{
            Blindness, Conclusion, Confidence, Coverage, Diagnosis, Ending, Evidence, Meaning, Severity,
            Source, Verdict,
        },
        incident::{Facts, Session, Sighting},
        time::{BootEpoch, BootNs, MS, SECOND},
    },
    sink::store::Store,
};

/// 2026-03-01T02:47:11Z.
const EPOCH: BootEpoch = BootEpoch(1_772_333_231_000_000_000);

/// Ends a tag, an attribute, a stylesheet, a picture, a comment, a fence and a line; runs, loads, clears the screen, turns the
/// text around, and is longer than any line.
pub(crate) const HOSTILE: &str = concat!(
    "</style></svg></title>--><script>document.title='owned'</script><img src=x onerror=alert(1)>",
    "\" onmouseover=\"alert(1)' style='position:fixed' x=\"<svg/onload=alert(1)>javascript:alert(1)",
    "&lt;b&gt;\u{1b}[2J\u{202e}\u{200b}\r\n\0```|{{x}}<iframe src=//evil.example></iframe><a href=javascript:alert(1)>a</a>",
    "wordwordwordwordwordwordwordwordwordwordwordwordwordwordwordwordwordwordwordwordwordwordwordwordwordwordwordword",
);

/// Puts everything into a new store.
pub(crate) fn store(path: &Path) -> Store {
    let session = Session { boot: "one".to_owned(), started: BootNs(0) };
    let mut store = Store::open(path, &session).unwrap();
    let mut all: Vec<Sighting> = (0..6).flat_map(crash).collect();
    all.push(health(5));
    all.push(killed());
    all.push(hostile());
    store.write(all.iter()).unwrap();
    store
}

fn evidence(at: Option<BootNs>, source: Source, fact: &str) -> Evidence {
    Evidence { at, source, fact: fact.to_owned() }
}

struct Told<'a> {
    container: &'a str,
    name: &'a str,
    image: &'a str,
    from: BootNs,
    length_ns: u64,
    code: i64,
    blind: Vec<Blindness>,
}

fn sighting(told: Told<'_>, diagnosis: Diagnosis, facts: Facts) -> Sighting {
    let Told { container, name, image, from, length_ns, code, blind } = told;
    let to = from.later(length_ns);
    let diagnosis = Diagnosis { container: ContainerId(container.into()), ..diagnosis };
    let conclusion = Conclusion {
        container: diagnosis.container.clone(),
        identity: Identity {
            name: name.to_owned(),
            image: image.to_owned(),
            namespace: "shop".to_owned(),
            pod: "api-7d9f66c5b-x2x9k".to_owned(),
            pod_uid: String::new(),
            runtime: Runtime::Containerd,
            workload: None,
        },
        verdict: Verdict::Findings,
        diagnoses: vec![diagnosis],
        ending: Some(Ending { at: Some(to), code, meaning: Meaning::Explained }),
        coverage: Coverage { from, to, attached_before_start: true, events_lost: 0, blind },
    };
    Sighting::new(&conclusion, &conclusion.diagnoses[0], facts, CgroupId(from.0), EPOCH, "0.1.0")
}

/// A run of the crash loop: containerd makes the container anew each time, with ever longer pauses.
fn crash(number: u32) -> Vec<Sighting> {
    let from = BootNs(SECOND * [0, 12, 36, 84, 170, 331][number as usize]);
    let at = from.later(212 * MS);
    let (tag, go) = if number < 2 { ("1.4.2", "go1.25.3") } else { ("1.5.0", "go1.27.0") };
    let container = format!("{number}3c5fe356e4a").repeat(6)[..64].to_owned();
    let diagnosis = Diagnosis {
        container: ContainerId("".into()),
        pattern: "missing-interpreter".to_owned(),
        severity: Severity::Error,
        confidence: Confidence::Certain,
        subject: "/lib64/ld-linux-x86-64.so.2".to_owned(),
        summary: "/app/server cannot start: its ELF interpreter /lib64/ld-linux-x86-64.so.2 does not exist in the container \
                  (the image has musl 1.2.3)"
            .to_owned(),
        evidence: vec![
            evidence(
                Some(at),
                Source::Kernel,
                "execve(\"/app/server\") by runc:[2:INIT] (PID 1 of the container) failed with ENOENT",
            ),
            evidence(Some(at.later(560_000)), Source::Kernel, "it exited with code 1"),
            evidence(
                None,
                Source::Files,
                "/app/server exists; its PT_INTERP names /lib64/ld-linux-x86-64.so.2; /lib64 does not exist",
            ),
            evidence(None, Source::Files, "the root file system has musl 1.2.3"),
        ],
        remedy: "# either link statically\nRUN CGO_ENABLED=0 go build -o /out/app .\n# or run on a base with its loader\nFROM \
                 debian:12-slim   # glibc, what this binary was linked against; this image has musl"
            .to_owned(),
        first_seen: at,
        last_seen: at,
        count: 1,
        consequence_of: None,
    };
    let facts = Facts {
        entrypoint: "/app/server --listen :8080".to_owned(),
        go_version: go.to_owned(),
        libc: "musl".to_owned(),
        linkage: "dynamic".to_owned(),
        user: "65532:65532".to_owned(),
        memory_limit_bytes: Some(268_435_456),
    };
    let image = format!("registry.example/shop/api:{tag}");
    let told = Told {
        container: &container,
        name: "api",
        image: &image,
        from,
        length_ns: 221 * MS,
        code: 1,
        blind: Vec::new(),
    };
    vec![sighting(told, diagnosis, facts)]
}

/// What the last crash brought about.
fn health(number: u32) -> Sighting {
    let cause = crash(number).remove(0);
    let at = cause.entry.last.later(900 * MS);
    let diagnosis = Diagnosis {
        container: ContainerId("".into()),
        pattern: "healthcheck-tool-missing".to_owned(),
        severity: Severity::Warning,
        confidence: Confidence::High,
        subject: "wget".to_owned(),
        summary: "the health check calls wget, which the image does not have".to_owned(),
        evidence: vec![
            evidence(Some(at), Source::Runtime, "the health check ended with code 127"),
            evidence(None, Source::Config, "HEALTHCHECK CMD wget -q -O- http://127.0.0.1:8080/healthz"),
        ],
        remedy: "HEALTHCHECK CMD [\"/app/server\", \"--healthcheck\"]".to_owned(),
        first_seen: at,
        last_seen: at,
        count: 1,
        consequence_of: Some("missing-interpreter".to_owned()),
    };
    let container = cause.told.diagnosis.container.0.to_string();
    let from = BootNs(331 * SECOND);
    let image = "registry.example/shop/api:1.5.0";
    let told = Told {
        container: &container,
        name: "api",
        image,
        from,
        length_ns: 2 * SECOND,
        code: 1,
        blind: Vec::new(),
    };
    sighting(told, diagnosis, Facts::default())
}

/// A container beside it, of which not everything was seen.
fn killed() -> Sighting {
    let at = BootNs(141 * SECOND);
    let diagnosis = Diagnosis {
        container: ContainerId("".into()),
        pattern: "oom-kill".to_owned(),
        severity: Severity::Error,
        confidence: Confidence::High,
        subject: "memory.max 67108864".to_owned(),
        summary: "worker was killed for its memory: it held 63.9 MiB of the 64 MiB that its limit allows, and GOMEMLIMIT is not set"
            .to_owned(),
        evidence: vec![
            evidence(Some(at), Source::Kernel, "OOM kill of worker (PID 1 of the container), anonymous memory 65,431,552 bytes"),
            evidence(Some(at.later(3 * MS)), Source::Kernel, "it was killed by SIGKILL"),
            evidence(Some(at.later(40 * MS)), Source::Procfs, "memory.events: oom_kill 1"),
            evidence(None, Source::Config, "memory limit 67108864 bytes; GOMEMLIMIT is not set"),
        ],
        remedy: "env:\n  - name: GOMEMLIMIT\n    value: \"57MiB\"   # nine tenths of the limit".to_owned(),
        first_seen: at,
        last_seen: at,
        count: 1,
        consequence_of: None,
    };
    let blind = vec![Blindness {
        what: "probe listen".to_owned(),
        why: "the tracepoint syscalls/sys_exit_listen cannot be attached: perf_event_paranoid is 3"
            .to_owned(),
        patterns: vec!["bind-failed".to_owned(), "pprof-exposed".to_owned()],
    }];
    let container = "9a81be2c70d4".repeat(6)[..64].to_owned();
    let image = "registry.example/shop/worker:3.1";
    let told = Told {
        container: &container,
        name: "worker",
        image,
        from: BootNs(20 * SECOND),
        length_ns: 122 * SECOND,
        code: 137,
        blind,
    };
    let mut seen =
        sighting(told, diagnosis, Facts { memory_limit_bytes: Some(67_108_864), ..Facts::default() });
    seen.told.coverage.events_lost = 212;
    seen.told.coverage.attached_before_start = false;
    seen
}

/// Written by hand into the file: not even the strings that gomon makes itself are what they should be.
fn hostile() -> Sighting {
    let at = BootNs(500 * SECOND);
    let text = || HOSTILE.to_owned();
    let diagnosis = Diagnosis {
        container: ContainerId("".into()),
        pattern: text(),
        severity: Severity::Error,
        confidence: Confidence::Medium,
        subject: text(),
        summary: text(),
        evidence: vec![evidence(Some(at), Source::Kernel, HOSTILE), evidence(None, Source::Files, HOSTILE)],
        remedy: format!("{HOSTILE}\n```\n{HOSTILE}"),
        first_seen: at,
        last_seen: at,
        count: 1,
        consequence_of: Some(text()),
    };
    let facts = Facts {
        entrypoint: text(),
        go_version: text(),
        libc: text(),
        linkage: text(),
        user: text(),
        memory_limit_bytes: Some(u64::MAX / 2),
    };
    let blind = vec![Blindness { what: text(), why: text(), patterns: vec![text()] }];
    let told = Told {
        container: HOSTILE,
        name: HOSTILE,
        image: HOSTILE,
        from: at,
        length_ns: SECOND,
        code: i64::MIN,
        blind,
    };
    let mut seen = sighting(told, diagnosis, facts);
    seen.told.identity.namespace = text();
    seen.told.identity.pod = text();
    seen.told.version = text();
    seen
}
