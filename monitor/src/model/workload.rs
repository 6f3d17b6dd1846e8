//! What runs a pod: certain from the labels that its controller wrote, else a guess from the pod's name. Pure; never
//! claims what a name alone leaves open.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::diagnosis::Confidence;

/// The controllers of Kubernetes itself that leave their mark on a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    Deployment,
    StatefulSet,
    DaemonSet,
    Job,
}

impl Kind {
    /// The `kind` of a manifest.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::Job => "Job",
        }
    }
}

/// Whose pod it is, and how sure that is: certain from labels, medium from the name, which other controllers could give.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Workload {
    pub kind: Kind,
    pub name: String,
    pub confidence: Confidence,
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, confidence } = self;
        let sure = if *confidence == Confidence::Certain { "" } else { "probably " };
        write!(f, "{sure}{} {name}", kind.name())
    }
}

/// At this length the name of the controller may have been cut to make room for the random end: `names.SimpleNameGenerator`
/// of k8s.io/apiserver.
const CUT_LENGTH: usize = 63;
/// `rand.String(5)` of k8s.io/apimachinery: no vowels, and nothing that reads like one.
const RANDOM: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
const RANDOM_LENGTH: usize = 5;
/// What `rand.SafeEncodeString` of k8s.io/apimachinery makes of the ten digits.
const HASH: &[u8] = b"456789bcdf";
/// Digits of a 32-bit hash in decimal: fewer than 8 come once in 430 times, and look like anything.
const HASH_LENGTHS: std::ops::RangeInclusive<usize> = 8..=10;

/// The workload of a pod, by its name and its labels as far as they are known.
#[must_use]
pub fn of_pod<'a>(pod: &str, label: impl Fn(&str) -> Option<&'a str>) -> Option<Workload> {
    let certain =
        |kind, name: &str| Some(Workload { kind, name: name.to_owned(), confidence: Confidence::Certain });
    let job = ["batch.kubernetes.io/job-name", "job-name"].into_iter().find_map(&label);
    if let Some(job) = job.filter(|job| !job.is_empty()) {
        // Anybody may write the label; the controller names its pods so.
        return certain(Kind::Job, job).filter(|_| before_random(pod) == Some(job));
    }
    if label("controller-revision-hash").is_some() {
        if label("statefulset.kubernetes.io/pod-name").is_some() {
            return certain(Kind::StatefulSet, before_ordinal(pod)?);
        }
        // Only the controller of DaemonSets writes it.
        label("pod-template-generation")?;
        return certain(Kind::DaemonSet, before_random(pod)?);
    }
    if let Some(hash) = label("pod-template-hash") {
        let name = before_random(pod)?.strip_suffix(hash)?.strip_suffix('-')?;
        return certain(Kind::Deployment, Some(name).filter(|name| !name.is_empty())?);
    }
    let (name, hash) = before_random(pod)?.rsplit_once('-')?;
    let is_hash = HASH_LENGTHS.contains(&hash.len()) && hash.bytes().all(|byte| HASH.contains(&byte));
    // Digits alone are also the minute that a CronJob puts there.
    let has_letter = hash.bytes().any(|byte| byte.is_ascii_lowercase());
    (is_hash && has_letter && !name.is_empty()).then(|| Workload {
        kind: Kind::Deployment,
        name: name.to_owned(),
        confidence: Confidence::Medium,
    })
}

/// The name of the controller of a pod whose name ends as `generateName` makes it.
fn before_random(pod: &str) -> Option<&str> {
    let (name, end) = pod.rsplit_once('-')?;
    let is_random = end.len() == RANDOM_LENGTH && end.bytes().all(|byte| RANDOM.contains(&byte));
    (is_random && !name.is_empty() && pod.len() < CUT_LENGTH).then_some(name)
}

fn before_ordinal(pod: &str) -> Option<&str> {
    let (name, ordinal) = pod.rsplit_once('-')?;
    let is_ordinal = !ordinal.is_empty() && ordinal.bytes().all(|byte| byte.is_ascii_digit());
    (is_ordinal && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::container::Identity;

    fn guessed(pod: &str) -> Option<String> {
        let workload = of_pod(pod, |_| None)?;
        assert_eq!((workload.kind, workload.confidence), (Kind::Deployment, Confidence::Medium), "{pod}");
        Some(workload.name)
    }

    #[test]
    fn a_pod_of_a_deployment_is_known_by_the_hash_in_its_name() {
        assert_eq!(guessed("api-7d9f8c6b5f-x2k4z").as_deref(), Some("api"));
        assert_eq!(guessed("coredns-5d78c9869d-bzq7v").as_deref(), Some("coredns"));
        assert_eq!(guessed("my-shop-api-6b4c9d87-w8vnt").as_deref(), Some("my-shop-api"));
    }

    #[test]
    fn a_name_that_something_else_could_give_claims_nothing() {
        for pod in [
            "",
            "web",
            "web-0",
            "node-exporter-x2k4z",
            "-7d9f8c6b5f-x2k4z",
            // The minute of a CronJob.
            "backup-29456784-x2k4z",
            // Signs that no hash and no random end has.
            "api-7d9f8c6b5a-x2k4z",
            "api-7d9g8c6b5f-x2k4z",
            "api-7d9f8c6b5f-x2k4a",
            "api-7d9f8c6b5f-x2k4",
            "api-7d9f-x2k4z",
            "api-7d9f8c6b5f44-x2k4z",
            "api-7d9f8c6b5f-",
        ] {
            assert_eq!(of_pod(pod, |_| None), None, "{pod}");
        }
        let long = format!("{}-7d9f8c6b5f-x2k4z", "a".repeat(46));
        assert_eq!((long.len(), of_pod(&long, |_| None)), (63, None));
    }

    #[test]
    fn names_from_before_there_were_workloads_read_on() {
        let old =
            r#"{"name":"app","image":"","namespace":"shop","pod":"web","pod_uid":"","runtime":"cri-o"}"#;
        let read: Identity = serde_json::from_str(old).unwrap();
        assert_eq!((read.pod.as_str(), &read.workload), ("web", &None));
        assert_eq!(serde_json::to_string(&read).unwrap(), old);
        let workload = of_pod("api-7d9f8c6b5f-x2k4z", |_| None).map(Box::new);
        let known = Identity { workload, ..read };
        let again: Identity = serde_json::from_str(&serde_json::to_string(&known).unwrap()).unwrap();
        assert_eq!(again, known);
    }

    #[test]
    fn labels_of_the_controller_are_certain() {
        let of = |pod, labels: &[(&str, &'static str)]| {
            of_pod(pod, |wanted| labels.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value))
                .map(|Workload { kind, name, confidence }| (kind.name(), name, confidence))
        };
        let certain = |kind, name: &str| Some((kind, name.to_owned(), Confidence::Certain));
        let (revision, hash) = (("controller-revision-hash", "6f9"), ("pod-template-hash", "7d9f"));
        assert_eq!(of("api-7d9f-x2k4z", &[hash]), certain("Deployment", "api"));
        assert_eq!(
            of("db-0", &[revision, ("statefulset.kubernetes.io/pod-name", "db-0")]),
            certain("StatefulSet", "db")
        );
        assert_eq!(
            of("logs-x2k4z", &[revision, ("pod-template-generation", "1")]),
            certain("DaemonSet", "logs")
        );
        let job = ("batch.kubernetes.io/job-name", "backup-29456784");
        assert_eq!(of("backup-29456784-x2k4z", &[job]), certain("Job", "backup-29456784"));
        assert_eq!(of("migrate-x2k4z", &[("job-name", "migrate")]), certain("Job", "migrate"));
        assert_eq!(of("api-7d9f-x2k4z", &[hash, ("job-name", "migrate")]), None);
        // Labels that do not fit the name tell nothing.
        assert_eq!(of("other-name", &[hash]), None);
        assert_eq!(of("db-x", &[revision]), None);
    }
}
