//! What a report calls a container, and which runs it takes for runs of the same one. Pure.

use crate::model::{
    container::Identity,
    incident::Incident,
    text::{inert, inert_short},
};

/// Characters of a name in a heading or a table.
const LONGEST: usize = 160;

/// `NAMESPACE/POD/NAME`, the name, or the short id.
pub(in crate::report) fn named(incident: &Incident) -> String {
    let Identity { name, namespace, pod, .. } = &incident.told.identity;
    let name = if name.is_empty() { incident.told.diagnosis.container.short() } else { name };
    if pod.is_empty() {
        return inert_short(name, LONGEST);
    }
    inert_short(&format!("{namespace}/{pod}/{name}"), LONGEST)
}

/// A container that its runtime makes anew after each failure has another id and the same names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lineage {
    namespace: String,
    pod: String,
    /// The name, or the id where there is no name.
    name: String,
}

impl Lineage {
    pub(super) fn of(incident: &Incident) -> Self {
        let Identity { name, namespace, pod, .. } = &incident.told.identity;
        let id = &incident.told.diagnosis.container.0;
        let name = if name.is_empty() { id.to_string() } else { name.clone() };
        Self { namespace: namespace.clone(), pod: pod.clone(), name }
    }

    /// `NAMESPACE/POD`, where there is one.
    pub(super) fn pod_of(incident: &Incident) -> Option<String> {
        let Identity { namespace, pod, .. } = &incident.told.identity;
        (!pod.is_empty()).then(|| inert(&format!("{namespace}/{pod}")).into_owned())
    }
}
