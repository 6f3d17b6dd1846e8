//! A sighting as a log record: all of its fields, by the snapshot of its JSON, and none that steers whoever reads it.

use std::{collections::BTreeSet, env, fs, path::PathBuf};

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};

use super::*;
use crate::{
    model::{
        diagnosis::{Blindness, Confidence, Evidence, Source},
        text::is_inert,
        time::{BootNs, SECOND},
        workload::{Kind, Workload},
    },
    sink::otlp::{
        fields::{FIELDS, Of},
        value::{MAX_CHARS, MAX_ELEMENT_CHARS, MAX_ELEMENTS},
    },
};

fn own() -> Own {
    Own {
        version: "1.2.3".to_owned(),
        instance: "627cc493-f310-47de-96bd-71410b7dec09".to_owned(),
        host: "worker-1".to_owned(),
        node: "worker-1.example".to_owned(),
    }
}

/// With everything that a sighting may have.
fn whole() -> Sighting {
    let mut sighting = sighting("3f2a9c1d4e5b", 3);
    let told = &mut sighting.told;
    told.identity.image = "registry.example:5000/shop/api:1.4@sha256:9b4c".to_owned();
    told.identity.pod_uid = "0b5a3c0e-2c1f-4c2b-9a61-1a0f3f0f9c11".to_owned();
    told.diagnosis.consequence_of = Some("wrong-architecture".to_owned());
    told.facts = Facts {
        entrypoint: "/app/server".to_owned(),
        go_version: "go1.24.1".to_owned(),
        libc: "musl".to_owned(),
        linkage: "dynamic".to_owned(),
        user: "1000:1000".to_owned(),
        memory_limit_bytes: Some(64 << 20),
    };
    told.coverage.blind = vec![Blindness {
        what: "probe oom_kill".to_owned(),
        why: "the tracepoint oom/mark_victim is missing".to_owned(),
        patterns: vec!["oom-kill".to_owned()],
    }];
    sighting
}

/// Of a container that nothing is known of, found by its image's id.
fn bare() -> Sighting {
    let mut sighting = sighting("redis", 1);
    sighting.told.identity = crate::model::container::Identity {
        image: "sha256:19c92d0a00d1b66d897bceaa7319bee0dd38a10a851c60bcec9474aa3f01e50f".to_owned(),
        ..Default::default()
    };
    sighting.told.ending = None;
    sighting
}

/// One container of each kind of workload, and those.
fn all() -> Vec<Sighting> {
    let of_workloads = [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet, Kind::Job].map(|kind| {
        let mut sighting = sighting(kind.name(), 1);
        let workload = Workload { kind, name: "api".to_owned(), confidence: Confidence::Medium };
        sighting.told.identity.workload = Some(Box::new(workload));
        sighting
    });
    of_workloads.into_iter().chain([whole(), bare()]).collect()
}

const NOW: u64 = (1_700_000_000 + 63) * SECOND;

#[test]
fn a_record_is_what_its_snapshot_says() {
    let (whole, bare) = (whole(), bare());
    let request = request(&own(), [(&whole, Why::New), (&bare, Why::Again)], NOW);
    let text = serde_json::to_string_pretty(&request).unwrap() + "\n";
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/snapshots/otlp.json");
    if env::var_os("GOMON_UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let before = fs::read_to_string(&path).unwrap_or_default();
    assert!(text == before, "GOMON_UPDATE_SNAPSHOTS=1 writes {} anew:\n{text}", path.display());
}

fn keys(attributes: &[KeyValue]) -> Vec<&str> {
    attributes.iter().map(|one| one.key.as_str()).collect()
}

#[test]
fn the_table_of_fields_has_all_that_is_sent_and_no_other_once_each() {
    let all = all();
    let request = request(&own(), all.iter().map(|sighting| (sighting, Why::New)), NOW);
    let (mut of_resource, mut of_record) = (BTreeSet::new(), BTreeSet::new());
    for one in &request.resource_logs {
        let resource = keys(&one.resource.as_ref().unwrap().attributes);
        let record = keys(&one.scope_logs[0].log_records[0].attributes);
        for keys in [&resource, &record] {
            assert_eq!(keys.len(), keys.iter().collect::<BTreeSet<_>>().len(), "{keys:?}");
        }
        of_resource.extend(resource);
        of_record.extend(record);
    }
    let of = |wanted| FIELDS.iter().filter(move |one| one.of == wanted).map(|one| one.key).collect();
    let (resource, record): (BTreeSet<&str>, BTreeSet<&str>) = (of(Of::Resource), of(Of::Record));
    assert_eq!(of_resource, resource);
    assert_eq!(of_record, record);
}

#[test]
fn one_container_is_one_resource_under_its_latest_names() {
    let (mut first, mut second, other) = (sighting("api", 1), sighting("api", 1), sighting("web", 1));
    first.told.identity.name = String::new();
    second.told.diagnosis.subject = "another".to_owned();
    let request = request(&own(), [(&first, Why::New), (&second, Why::New), (&other, Why::New)], NOW);
    let records: Vec<usize> =
        request.resource_logs.iter().map(|one| one.scope_logs[0].log_records.len()).collect();
    assert_eq!(records, [2, 1]);
    assert!(
        keys(&request.resource_logs[0].resource.as_ref().unwrap().attributes).contains(&"container.name")
    );
}

#[test]
fn hostile_strings_stay_inert_and_long_ones_are_cut_with_a_mark() {
    const HOSTILE: &str = "\u{1b}[2J\r\n\u{202e}\u{0}\u{200b}ä";
    let mut sighting = whole();
    let long = HOSTILE.repeat(10_000);
    let told = &mut sighting.told;
    let (identity, facts, diagnosis) = (&mut told.identity, &mut told.facts, &mut told.diagnosis);
    diagnosis.container = ContainerId(long.as_str().into());
    for text in [
        &mut identity.name,
        &mut identity.image,
        &mut identity.namespace,
        &mut identity.pod,
        &mut identity.pod_uid,
        &mut facts.entrypoint,
        &mut facts.go_version,
        &mut facts.user,
        &mut diagnosis.subject,
        &mut diagnosis.summary,
        &mut diagnosis.remedy,
    ] {
        text.clone_from(&long);
    }
    let evidence = Evidence { at: Some(BootNs(1)), source: Source::Kernel, fact: long.clone() };
    diagnosis.evidence = vec![evidence; 1_000];
    told.coverage.blind[0].why = long;
    let request = request(&own(), [(&sighting, Why::New)], NOW);
    let one = &request.resource_logs[0];
    let record = &one.scope_logs[0].log_records[0];
    let body = KeyValue { key: "body".to_owned(), value: record.body.clone(), ..KeyValue::default() };
    let mut cuts = 0;
    for KeyValue { key, value, .. } in
        one.resource.as_ref().unwrap().attributes.iter().chain(&record.attributes).chain([&body])
    {
        let (texts, max): (Vec<&AnyValue>, usize) =
            match value.as_ref().and_then(|value| value.value.as_ref()) {
                Some(Value::ArrayValue(list)) => (list.values.iter().collect(), MAX_ELEMENT_CHARS),
                _ => (value.iter().collect(), MAX_CHARS),
            };
        assert!(texts.len() <= MAX_ELEMENTS + 1, "{key}");
        for text in texts {
            let Some(Value::StringValue(text)) = &text.value else { continue };
            let is_safe = if key == "gomon.remedy" { text.split('\n').all(is_inert) } else { is_inert(text) };
            assert!(is_safe && text.chars().count() <= max + 1, "{key}: {text:?}");
            cuts += usize::from(text.ends_with('…'));
        }
    }
    assert!(cuts > 60, "{cuts}");
    let evidence = record.attributes.iter().find(|one| one.key == "gomon.evidence").unwrap();
    assert!(format!("{evidence:?}").contains("… and 936 more"));
}
