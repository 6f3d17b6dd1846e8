//! What an API server checks of an event, restated: `pkg/apis/core/validation/events.go` of kubernetes/kubernetes for
//! events.k8s.io/v1, the names of k8s.io/apimachinery, and the schema, which the generated types carry.

use k8s_openapi::api::events::v1::Event;
use serde_json::Value;

/// Code, reason and message of the refusal.
pub(super) type Refusal = (u16, &'static str, String);

/// `fieldValidation=Strict` and `ValidateEventCreate`.
pub(super) fn of_new(namespace: &str, value: &Value) -> Result<(), Refusal> {
    let event = typed(value)?;
    let mut faults = legacy(namespace, &event);
    if !is_subdomain(event.metadata.name.as_deref().unwrap_or_default()) {
        faults.push("metadata.name: a lowercase RFC 1123 subdomain".to_owned());
    }
    faults.extend(of_series(&event));
    if event.event_time.is_none() {
        faults.push("eventTime: Required value".to_owned());
    }
    if !matches!(event.type_.as_deref(), Some("Normal" | "Warning")) {
        faults.push(format!("type: has invalid value: {:?}", event.type_));
    }
    for (name, is_set) in [
        ("firstTimestamp", event.deprecated_first_timestamp.is_some()),
        ("lastTimestamp", event.deprecated_last_timestamp.is_some()),
        ("count", event.deprecated_count.is_some()),
        ("source", event.deprecated_source.is_some()),
    ] {
        if is_set {
            faults.push(format!("{name}: needs to be unset"));
        }
    }
    invalid(&event, &faults)
}

/// `ValidateEventUpdate`.
pub(super) fn of_changed(namespace: &str, old: &Value, new: &Value) -> Result<(), Refusal> {
    let event = typed(new)?;
    let mut faults = legacy(namespace, &event);
    if old["series"] != new["series"] {
        faults.extend(of_series(&event));
    }
    for name in [
        "regarding",
        "reason",
        "note",
        "deprecatedSource",
        "deprecatedFirstTimestamp",
        "deprecatedLastTimestamp",
        "deprecatedCount",
        "type",
        "eventTime",
        "action",
        "related",
        "reportingController",
        "reportingInstance",
        "metadata",
    ] {
        if old[name] != new[name] {
            faults.push(format!("{name}: field is immutable"));
        }
    }
    invalid(&event, &faults)
}

fn invalid(event: &Event, faults: &[String]) -> Result<(), Refusal> {
    if faults.is_empty() {
        return Ok(());
    }
    let name = event.metadata.name.as_deref().unwrap_or_default();
    Err((422, "Invalid", format!("Event.events.k8s.io \"{name}\" is invalid: {}", faults.join(", "))))
}

/// The schema: every field is known and of its type.
fn typed(value: &Value) -> Result<Event, Refusal> {
    let refuse = |why: String| (400, "BadRequest", why);
    let event: Event = serde_json::from_value(value.clone()).map_err(|error| refuse(error.to_string()))?;
    let back = serde_json::to_value(&event).unwrap();
    if &back == value {
        return Ok(event);
    }
    Err(refuse(format!("strict decoding error: {value} is read as {back}")))
}

/// `legacyValidateEvent` of an event that has its time.
fn legacy(namespace: &str, event: &Event) -> Vec<String> {
    let mut faults = Vec::new();
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let own = event.metadata.namespace.as_deref().unwrap_or_default();
    let regarding = event.regarding.clone().unwrap_or_default();
    if own != namespace || !is_subdomain(own) {
        faults.push(format!("namespace: \"{own}\" does not match the request, or is no name"));
    }
    // The API server leaves a difference of the two alone; kubectl would then look for the event elsewhere.
    if text(&regarding.namespace) != own {
        faults.push("involvedObject.namespace: does not match event.namespace".to_owned());
    }
    if !is_qualified_name(&text(&event.reporting_controller)) {
        faults.push("reportingController: no qualified name".to_owned());
    }
    for (name, value, limit) in [
        ("reportingInstance", text(&event.reporting_instance), 128),
        ("action", text(&event.action), 128),
        ("reason", text(&event.reason), 128),
    ] {
        if value.is_empty() || value.len() > limit {
            faults.push(format!("{name}: required, can have at most {limit} characters"));
        }
    }
    if text(&event.note).len() > 1024 {
        faults.push("message: can have at most 1024 characters".to_owned());
    }
    faults
}

fn of_series(event: &Event) -> Option<String> {
    let series = event.series.as_ref()?;
    (series.count < 2).then(|| "series.count: should be at least 2".to_owned())
}

/// `IsDNS1123Subdomain`.
fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

fn is_label(text: &str) -> bool {
    let is_edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    is_edge(text.chars().next())
        && is_edge(text.chars().next_back())
        && text.chars().all(|c| c == '-' || is_edge(Some(c)))
}

/// `IsQualifiedName`.
fn is_qualified_name(text: &str) -> bool {
    let (prefix, name) = text.split_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    let is_edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    prefix.is_none_or(|prefix| !prefix.is_empty() && is_subdomain(prefix))
        && (1..=63).contains(&name.len())
        && is_edge(name.chars().next())
        && is_edge(name.chars().next_back())
        && name.chars().all(|c| is_edge(Some(c)) || matches!(c, '-' | '_' | '.'))
}
