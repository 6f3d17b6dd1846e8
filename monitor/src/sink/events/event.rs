//! A draft as the object of events.k8s.io/v1, and as the patch of its series. Pure.

use jiff::Timestamp;
use k8s_openapi::{
    api::{
        core::v1::ObjectReference,
        events::v1::{Event, EventSeries},
    },
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use serde_json::{Value, json};

use super::{books::Draft, note, regarding::Regarding};
use crate::model::time::BootNs;

/// A qualified name, as the validation wants it; it tells gomon's events from others (`kubectl get events
/// --field-selector reportingComponent=gomon.dev/agent`).
pub(super) const CONTROLLER: &str = "gomon.dev/agent";
/// What gomon did; the failure is the container's own.
const ACTION: &str = "Diagnosing";
/// `ReportingInstanceLengthLimit` of the validation, in bytes.
const INSTANCE_BYTES: usize = 128;

/// The new event of `draft`; `node` is where it was seen.
pub(super) fn event(draft: &Draft, node: &str) -> Event {
    let Draft { regarding, note, first, last: _, count: _ } = draft;
    let Regarding { namespace, pod, pod_uid, container, pattern } = regarding;
    Event {
        metadata: ObjectMeta {
            name: Some(regarding.event_name()),
            namespace: Some(namespace.clone()),
            ..ObjectMeta::default()
        },
        event_time: Some(micro_time(*first)),
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(instance(node)),
        action: Some(ACTION.to_owned()),
        reason: Some(note::reason(pattern)),
        regarding: Some(ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            namespace: Some(namespace.clone()),
            name: Some(pod.clone()),
            uid: Some(pod_uid.clone()),
            field_path: Some(format!("spec.containers{{{container}}}")),
            resource_version: None,
        }),
        note: Some(note.clone()),
        type_: Some("Warning".to_owned()),
        series: series(draft),
        ..Event::default()
    }
}

/// The merge patch that makes the event of `draft` a series, or goes on with it: nothing else may change.
pub(super) fn patch(draft: &Draft) -> Value {
    json!({ "series": series(draft) })
}

/// One occurrence is no series: the validation wants two.
fn series(draft: &Draft) -> Option<EventSeries> {
    (draft.count >= 2).then(|| EventSeries {
        count: i32::try_from(draft.count).unwrap_or(i32::MAX),
        last_observed_time: micro_time(draft.last),
    })
}

fn micro_time(since_1970: BootNs) -> MicroTime {
    let time = Timestamp::from_nanosecond(i128::from(since_1970.0 / 1_000 * 1_000));
    MicroTime(time.unwrap_or(Timestamp::UNIX_EPOCH))
}

fn instance(node: &str) -> String {
    let cut = node.floor_char_boundary(INSTANCE_BYTES);
    let node = node.get(..cut).unwrap_or_default();
    if node.is_empty() { "unknown".to_owned() } else { node.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(count: u64) -> Draft {
        let [namespace, pod, pod_uid, container, pattern] =
            ["shop", "api-7d9f", "6f0d7c1e-1", "app", "missing-interpreter"].map(str::to_owned);
        let regarding = Regarding { namespace, pod, pod_uid, container, pattern };
        let first = BootNs(1_700_000_000_123_456_789);
        let last = BootNs(1_700_000_060_000_000_000);
        Draft { regarding, note: "the loader is missing.".to_owned(), first, last, count }
    }

    #[test]
    fn an_event_is_a_warning_about_the_container_of_the_pod() {
        let mut event = serde_json::to_value(event(&draft(1), "node-1")).unwrap();
        let name = event["metadata"]["name"].take();
        assert!(name.as_str().unwrap().starts_with("api-7d9f."), "{name}");
        assert_eq!(
            event,
            json!({
                "apiVersion": "events.k8s.io/v1",
                "kind": "Event",
                "metadata": { "name": null, "namespace": "shop" },
                "type": "Warning",
                "reason": "MissingInterpreter",
                "action": "Diagnosing",
                "note": "the loader is missing.",
                "eventTime": "2023-11-14T22:13:20.123456Z",
                "reportingController": "gomon.dev/agent",
                "reportingInstance": "node-1",
                "regarding": {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "namespace": "shop",
                    "name": "api-7d9f",
                    "uid": "6f0d7c1e-1",
                    "fieldPath": "spec.containers{app}",
                },
            })
        );
    }

    #[test]
    fn a_repeat_changes_the_series_alone() {
        let series = json!({ "series": { "count": 7, "lastObservedTime": "2023-11-14T22:14:20.000000Z" } });
        assert_eq!(patch(&draft(7)), series);
        assert_eq!(serde_json::to_value(event(&draft(7), "n")).unwrap()["series"], series["series"]);
        assert_eq!(patch(&draft(u64::MAX))["series"]["count"], i32::MAX);
    }

    #[test]
    fn a_node_has_a_name_that_fits() {
        assert_eq!(instance(""), "unknown");
        assert_eq!(instance(&"ä".repeat(100)).len(), 128);
    }
}
