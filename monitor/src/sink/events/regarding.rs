//! Whom an event is about: a container of a pod, by names that can be one's. Pure; a name that cannot is nobody's.

use crate::model::{container::Identity, diagnosis::Diagnosis};

/// A container of a pod and what is wrong with it: what writes are counted by. A container that restarts stays the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Regarding {
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) pod_uid: String,
    pub(super) container: String,
    pub(super) pattern: String,
}

/// `validation.DNS1123LabelMaxLength` of k8s.io/apimachinery.
const LABEL_LENGTH: usize = 63;
/// `validation.DNS1123SubdomainMaxLength`.
const SUBDOMAIN_LENGTH: usize = 253;
/// A UUID; a hash of 32 digits for the pods of a node's own files.
const UID_LENGTH: usize = 64;

impl Regarding {
    /// `None` without the names of a pod, or with names that Kubernetes gives to nothing.
    pub(super) fn of(diagnosis: &Diagnosis, identity: &Identity) -> Option<Self> {
        let Identity { name, image: _, namespace, pod, pod_uid, runtime: _, workload: _ } = identity;
        let is_uid = |uid: &str| {
            (1..=UID_LENGTH).contains(&uid.len())
                && uid.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let are_names = is_label(namespace) && is_subdomain(pod) && is_uid(pod_uid) && is_label(name);
        are_names.then(|| Self {
            namespace: namespace.clone(),
            pod: pod.clone(),
            pod_uid: pod_uid.clone(),
            container: name.clone(),
            pattern: diagnosis.pattern.clone(),
        })
    }

    /// The event's own name, for ever the same: an agent that starts anew goes on with the events of the one before.
    pub(super) fn event_name(&self) -> String {
        const HASH_LENGTH: usize = 16;
        let hash = fnv(&[&self.pod_uid, &self.container, &self.pattern]);
        let pod = self.pod.get(..SUBDOMAIN_LENGTH - HASH_LENGTH - 1).unwrap_or(&self.pod);
        format!("{}.{hash:016x}", pod.trim_end_matches(['-', '.']))
    }
}

fn is_label(text: &str) -> bool {
    text.len() <= LABEL_LENGTH && is_word(text)
}

/// The parts of a subdomain have no limit of their own: `validation.IsDNS1123Subdomain`.
fn is_subdomain(text: &str) -> bool {
    text.len() <= SUBDOMAIN_LENGTH && text.split('.').all(is_word)
}

fn is_word(text: &str) -> bool {
    let is_sign = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(is_sign) && !text.starts_with('-') && !text.ends_with('-')
}

/// FNV-1a, the same in every build.
pub(super) fn fnv(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    fn names(namespace: &str, pod: &str, uid: &str, name: &str) -> Identity {
        let [namespace, pod, pod_uid, name] = [namespace, pod, uid, name].map(str::to_owned);
        Identity { name, namespace, pod, pod_uid, ..samples::identity() }
    }

    fn of(identity: &Identity) -> Option<Regarding> {
        Regarding::of(&samples::diagnosis(), identity)
    }

    const UID: &str = "6f0d7c1e-0000-4000-8000-000000000001";

    #[test]
    fn only_a_named_container_of_a_pod_is_somebody() {
        assert!(of(&names("shop", "api-7d9f.example", UID, "app")).is_some());
        for (namespace, pod, uid, name) in [
            ("", "api", UID, "app"),
            ("shop", "", UID, "app"),
            ("shop", "api", "", "app"),
            ("shop", "api", UID, ""),
            ("shop", "api", UID, "POD"),
            ("../../secrets", "api", UID, "app"),
            ("shop", "a/b?c", UID, "app"),
            ("shop", "api..b", UID, "app"),
            ("shop", "api", "../x", "app"),
            ("shop", "api", UID, "app\u{1b}"),
            ("-shop", "api", UID, "app"),
        ] {
            assert_eq!(of(&names(namespace, pod, uid, name)), None, "{namespace} {pod} {uid} {name}");
        }
    }

    #[test]
    fn the_name_of_an_event_is_the_same_for_ever_and_no_other_ones() {
        let one = of(&names("shop", "api", UID, "app")).unwrap();
        assert_eq!(one.event_name(), one.clone().event_name());
        assert_eq!(one.event_name(), "api.49a46c4ee09f5f26");
        let others = [
            Regarding { pod_uid: "other".to_owned(), ..one.clone() },
            Regarding { container: "other".to_owned(), ..one.clone() },
            Regarding { pattern: "other".to_owned(), ..one.clone() },
        ];
        assert!(others.iter().all(|other| other.event_name() != one.event_name()));
    }

    #[test]
    fn the_name_of_an_event_is_one_that_the_api_takes() {
        let long = format!("{}-{}", "a".repeat(235), "b".repeat(17));
        let name = of(&names("shop", &long, UID, "app")).unwrap().event_name();
        assert!(name.len() <= SUBDOMAIN_LENGTH && is_subdomain(&name), "{name}");
    }
}
