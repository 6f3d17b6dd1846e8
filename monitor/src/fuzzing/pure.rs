//! The readers of the judging part: records of the kernel, recordings, paths of cgroups. A whole replay is one of them.

use std::fmt::Write as _;

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};

use super::{Seed, Target, Told, kept};
use crate::{
    attribution::{self, Attribution, Proof},
    decode::Decoder,
    engine::Engine,
    ledger::Change,
    model::{
        container::{CgroupId, ContainerId, Identity},
        diagnosis::{Conclusion, Diagnosis},
        fact::Fact,
        incident::Sighting,
        observation::Observation,
        text::is_inert,
        time::BootEpoch,
    },
    recording::Reader,
    report::{Format, Theme, events, render},
    sink::{
        metrics::{Build, Metrics},
        otlp::{self, Own},
        outlet::Why,
    },
};

const RECORDINGS: &[Seed] = &[Seed::Folder("tests/scenarios", ".jsonl")];
const FORMATS: [Format; 6] =
    [Format::Columns, Format::Wide, Format::Json, Format::Jsonl, Format::Yaml, Format::Markdown];

pub(super) const TARGETS: &[Target] = &[
    Target::new("record", "records of the kernel programs", &[Seed::Bytes(&[0; 2048])], record)
        .hot(|_| vec![0..64, 0..512]),
    Target::new("recording", "recordings, replayed and reported in every form", RECORDINGS, recording)
        .costing(60),
    Target::new("metrics", "recordings, told to the metrics", RECORDINGS, metrics).costing(40),
    Target::new("cgroup-path", "paths of cgroups", PATHS, cgroup_path),
];

const PATHS: &[Seed] = &[
    Seed::File("monitor/src/attribution/paths.tsv"),
    Seed::Text(
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1234_5678_90ab.slice/cri-containerd-3f2a9c1de0b14e6f8a7c5d3b2e1f00112233445566778899aabbccddeeff0011.scope",
    ),
    Seed::Text("/user.slice/user-1000.slice/user@1000.service/x"),
    Seed::Text("/system.slice:docker:web"),
];

/// Changed bytes are not enough to meet a kind of record: its number is one of them.
fn record(bytes: &[u8]) -> Told {
    let mut decoder = Decoder::default();
    let mut told = Told::result(decoder.event(bytes));
    let Some((&first, rest)) = bytes.split_first() else { return told };
    let kind =
        monitor_common::probe::Probe::ALL.get(usize::from(first) % monitor_common::probe::Probe::ALL.len());
    let mut forged = rest.to_vec();
    for at in (0..forged.len().min(64)).step_by(4) {
        let place = forged.get_mut(at..at.saturating_add(4));
        let (Some(place), Some(kind)) = (place, kind) else { break };
        let before = place.to_vec();
        place.copy_from_slice(&(*kind as u32).to_ne_bytes());
        if let Ok(event) = decoder.event(&forged) {
            let id = ContainerId("ab".into());
            let identity = Identity::default();
            let line = events::line(&event, &id, &identity, BootEpoch(i64::MAX), &Theme::plain());
            assert!(is_inert(&line), "{line:?}");
            told = Told::Value(line);
        }
        if let Some(place) = forged.get_mut(at..at.saturating_add(4)) {
            place.copy_from_slice(&before);
        }
    }
    told
}

fn recording(bytes: &[u8]) -> Told {
    let reader = match Reader::open(bytes) {
        Ok(reader) => reader,
        Err(error) => return Told::Refused(error.to_string()),
    };
    let epoch = reader.header.boot_epoch;
    let (mut engine, mut fault) = (Engine::new(), None);
    for item in reader {
        match item {
            Ok(observation) => {
                if let Observation::Happened { run, event } = &observation {
                    let line =
                        events::line(event, &run.container, &Identity::default(), epoch, &Theme::plain());
                    assert!(is_inert(&line), "a line of an event: {line:?}");
                }
                drop(engine.observe(&observation));
            }
            Err(error) => fault = Some(error.to_string()),
        }
    }
    engine.settle();
    let conclusions: Vec<Conclusion> =
        engine.containers().into_iter().filter_map(|container| engine.conclude(container)).collect();
    let mut text = String::new();
    for conclusion in &conclusions {
        for diagnosis in &conclusion.diagnoses {
            check(diagnosis);
            if let Some(case) = engine.case(&conclusion.container) {
                let (facts, cgroup) = (case.about(), case.run.cgroup);
                exported(&Sighting::new(conclusion, diagnosis, facts, cgroup, epoch, "0"));
            }
        }
        for format in FORMATS {
            let page =
                render(conclusion, format, epoch, &Theme::plain()).unwrap_or_else(|error| error.to_string());
            for line in page.lines() {
                assert!(is_inert(line), "{format:?}: {line:?}");
            }
            if format == Format::Json {
                let document = serde_json::from_str(&page).unwrap_or_default();
                decoded(&document, "");
            }
            text.push_str(&page);
        }
    }
    let incidents = kept::incidents(&conclusions, epoch);
    drop(kept::shown(&incidents, incidents.len() as u64));
    fault.map_or(Told::Value(text), Told::Refused)
}

/// Whoever decodes JSON gets inert strings too. A remedy is a text of several lines.
fn decoded(value: &serde_json::Value, name: &str) {
    use serde_json::Value;
    match value {
        Value::String(text) => {
            let lines: Vec<&str> = if name == "remedy" { text.lines().collect() } else { vec![text] };
            assert!(lines.iter().all(|line| is_inert(line)), "{name} in JSON: {text:?}");
        }
        Value::Array(list) => list.iter().for_each(|value| decoded(value, name)),
        Value::Object(map) => map.iter().for_each(|(name, value)| decoded(value, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A log record is inert for whoever reads it. A remedy is a text of several lines.
fn exported(sighting: &Sighting) {
    let request = otlp::request(&Own::default(), [(sighting, Why::New)], 0);
    for one in request.resource_logs {
        let records = one.scope_logs.into_iter().flat_map(|scope| scope.log_records);
        let of_records = records.flat_map(|record| {
            let body = KeyValue { key: "body".to_owned(), value: record.body, ..KeyValue::default() };
            record.attributes.into_iter().chain([body])
        });
        let of_resource = one.resource.into_iter().flat_map(|resource| resource.attributes);
        for KeyValue { key, value, .. } in of_resource.chain(of_records) {
            let texts = match value.and_then(|value| value.value) {
                Some(any_value::Value::StringValue(text)) if key == "gomon.remedy" => {
                    text.split('\n').map(str::to_owned).collect()
                }
                Some(any_value::Value::StringValue(text)) => vec![text],
                Some(any_value::Value::ArrayValue(list)) => {
                    let string = |value: AnyValue| match value.value {
                        Some(any_value::Value::StringValue(text)) => text,
                        other => format!("{other:?}"),
                    };
                    list.values.into_iter().map(string).collect()
                }
                other => vec![format!("{other:?}")],
            };
            assert!(texts.iter().all(|text| is_inert(text)), "{key} of a log record: {texts:?}");
        }
    }
}

/// A diagnosis without a cause or without evidence would be an empty claim.
fn check(diagnosis: &Diagnosis) {
    let Diagnosis { pattern, summary, evidence, .. } = diagnosis;
    assert!(!summary.trim().is_empty(), "{pattern} says nothing");
    assert!(evidence.iter().any(|one| !one.fact.trim().is_empty()), "{pattern} has no evidence");
}

fn metrics(bytes: &[u8]) -> Told {
    let reader = match Reader::open(bytes) {
        Ok(reader) => reader,
        Err(error) => return Told::Refused(error.to_string()),
    };
    let build = Build { version: "0", revision: "", rust_version: "" };
    let mut metrics = match Metrics::new(build, reader.header.boot_epoch, 500) {
        Ok(metrics) => metrics,
        Err(error) => return Told::Refused(error.to_string()),
    };
    let (mut engine, mut identity) = (Engine::new(), Identity::default());
    for observation in reader.map_while(Result::ok) {
        metrics.observe(&observation);
        if let Observation::Learned { fact, .. } = &observation
            && let Fact::Identity(learned) = fact.as_ref()
        {
            identity = learned.clone();
        }
        for change in engine.observe(&observation).changes {
            metrics.diagnosed(Change::diagnosis(&change), &identity);
        }
    }
    let text = match metrics.encode() {
        Ok(text) => text,
        Err(error) => return Told::Refused(error.to_string()),
    };
    for line in text.lines() {
        assert!(is_inert(line), "a metric: {line:?}");
        let is_sample = line.starts_with("gomon_") || line.starts_with("process_");
        assert!(line.starts_with('#') || is_sample, "a metric: {line:?}");
    }
    Told::Value(text)
}

fn cgroup_path(bytes: &[u8]) -> Told {
    let text = String::from_utf8_lossy(bytes);
    let mut attribution = Attribution::default();
    let mut said = String::new();
    for (number, path) in text.split(['\n', '\t']).enumerate().take(64) {
        if let Some(named) = attribution::named(path) {
            assert!(path.starts_with(named.top), "{path:?}");
            let is_plain = named.id.0.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
            assert!(is_plain, "an id of a container that is none: {:?}", named.id);
        }
        let cgroup = CgroupId(number as u64);
        drop(attribution.question(cgroup, path));
        let placed = attribution.place(cgroup, path, Proof::Nothing);
        let asked = (attribution::words(path), attribution::pod_uid(path), attribution::owner(path));
        // Writing to a String cannot fail.
        let _ = write!(said, "{placed:?} {asked:?} {:?}", attribution::runtime_of(path));
        let levels = path.matches('/').count();
        assert!(attribution::above(path).count() <= levels, "{path:?}");
    }
    Told::Value(said)
}
