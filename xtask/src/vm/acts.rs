//! What happens in a guest: containers of one life each, what they cause, and what gomon must see and say of it. Plays
//! nothing.

mod list;

use serde_json::{Value, json};

use super::ways::Way;
pub(super) use list::ACTS;

/// Every container belongs to this pod.
pub(super) const NAMESPACE: &str = "shop";
pub(super) const POD: &str = "api-7d9f";

/// An event that must be seen exactly once: its type, and members of it by JSON pointer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight {
    pub(super) probe: &'static str,
    pub(super) members: &'static [(&'static str, Member)],
}

/// What a member of an event must be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Member {
    Text(&'static str),
    Number(u64),
    True,
    Null,
    /// Somewhere else than the event's own cgroup.
    Outside,
}

/// What is done to a container from outside.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cue {
    Nothing,
    /// It gets SIGTERM once it says that it is ready.
    Term,
    /// Once it is ready and gomon watches its calls of dlopen(3), this runs in it; then it gets SIGTERM.
    Inside(&'static [&'static str]),
    /// It hangs: SIGKILL once all that it causes is seen.
    Kill,
}

/// One container from its start to its end.
#[derive(Debug)]
pub(super) struct Act {
    pub(super) name: &'static str,
    pub(super) command: &'static [&'static str],
    limit_bytes: Option<u64>,
    /// What its seccomp filter does about a system call, in the words of config.json.
    filter: Option<(&'static str, &'static str)>,
    cue: Cue,
    /// As runc tells it.
    pub(super) exit: i32,
    pub(super) sights: &'static [Sight],
    /// The one diagnosis.
    pub(super) pattern: Option<&'static str>,
    /// Some of what it causes is seen at the return of a system call, which has several ways of being hooked.
    is_of_syscalls: bool,
}

/// The acts that tell something about this way: all of them once, then those that it makes a difference to.
pub(super) fn of_way(way: &Way) -> impl Iterator<Item = &'static Act> + use<> {
    let all = way.is_default();
    ACTS.iter().filter(move |act| all || act.is_of_syscalls)
}

impl Act {
    /// As containerd gives them, and unlike that of any other act of any way, from its first digits on. Its last digit
    /// counts how often the act has been played before.
    pub(super) fn id(&self, way: &Way, before: usize) -> String {
        const LENGTH: usize = 63;
        let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        let mut id = hex(self.name) + &hex(way.name);
        id.extend(std::iter::repeat_n('0', LENGTH.saturating_sub(id.len())));
        format!("{id}{before:x}")
    }

    /// What the guest needs to play it, by the names of files.
    pub(super) fn files(&self, way: &Way) -> Vec<(&'static str, String)> {
        let lines = |of: Vec<String>| of.into_iter().map(|line| line + "\n").collect::<String>();
        let (cue, command) = match self.cue {
            Cue::Nothing => ("nothing", &[][..]),
            Cue::Term => ("term", &[][..]),
            Cue::Inside(command) => ("inside", command),
            Cue::Kill => ("kill", &[][..]),
        };
        vec![
            ("name", self.name.to_owned()),
            ("id", self.id(way, 0)),
            ("config.json", self.config(way).to_string()),
            ("cue", cue.to_owned()),
            ("inside", command.join(" ")),
            ("sights", lines(self.sights.iter().map(Sight::words).collect())),
            ("pattern", self.pattern.unwrap_or_default().to_owned()),
        ]
    }

    /// The bundle's `config.json`, with the annotations that containerd writes for Kubernetes.
    fn config(&self, way: &Way) -> Value {
        let namespaces = ["pid", "mount", "ipc", "uts", "network"].map(|kind| json!({ "type": kind }));
        let seccomp = self.filter.map(|(action, call)| {
            json!({
                "defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [{ "names": [call], "action": action }],
            })
        });
        let resources = match self.limit_bytes {
            Some(limit) => json!({ "memory": { "limit": limit } }),
            None => json!({}),
        };
        json!({
            "ociVersion": "1.0.2",
            "process": {
                "user": { "uid": 0, "gid": 0 },
                "args": self.command,
                "env": ["PATH=/app"],
                "cwd": "/",
            },
            "root": { "path": "/container" },
            "mounts": [{ "destination": "/proc", "type": "proc", "source": "proc" }],
            "annotations": {
                "io.kubernetes.cri.container-type": "container",
                "io.kubernetes.cri.container-name": self.name,
                "io.kubernetes.cri.sandbox-name": POD,
                "io.kubernetes.cri.sandbox-namespace": NAMESPACE,
            },
            "linux": {
                "cgroupsPath": format!("/kubepods/burstable/pod7d9f/{}", self.id(way, 0)),
                "namespaces": namespaces,
                "resources": resources,
                "seccomp": seccomp,
            },
        })
    }
}

impl Sight {
    /// Whether the event, as `gomon events` prints it, is this one.
    pub(super) fn fits(&self, event: &Value) -> bool {
        event.get("type").is_some_and(|kind| kind == self.probe)
            && self.members.iter().all(|(pointer, member)| member.fits(event, pointer))
    }

    /// What the line of a fitting event holds: the guest waits for a line with all of these words.
    fn words(&self) -> String {
        let members = self.members.iter().filter_map(|(pointer, member)| member.word(pointer));
        [format!("\"type\":\"{}\"", self.probe)].into_iter().chain(members).collect::<Vec<_>>().join(" ")
    }
}

impl Member {
    fn fits(self, event: &Value, pointer: &str) -> bool {
        event.pointer(pointer).is_some_and(|found| match self {
            Self::Text(text) => found == text,
            Self::Number(number) => found.as_u64() == Some(number),
            Self::True => found == true,
            Self::Null => found.is_null(),
            Self::Outside => event.get("cgroup").is_some_and(|own| own != found),
        })
    }

    fn word(self, pointer: &str) -> Option<String> {
        let name = pointer.rsplit('/').next()?;
        let value = match self {
            Self::Text(text) => json!(text),
            Self::Number(number) => json!(number),
            Self::True => json!(true),
            Self::Null => Value::Null,
            Self::Outside => return None,
        };
        Some(format!("\"{name}\":{value}"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::table;
    use super::super::ways::WAYS;
    use super::*;

    #[test]
    fn every_probe_of_gomon_has_its_event() {
        let seen: BTreeSet<&str> = ACTS.iter().flat_map(|act| act.sights).map(|sight| sight.probe).collect();
        // No program serves it that a kernel could refuse, and it takes more events a second than an emulated processor makes:
        // the live tests cause floods.
        let all = table::PROBES.into_iter().filter(|probe| !table::WITHOUT_HOOK.contains(probe));
        assert_eq!(seen, all.collect());
    }

    #[test]
    fn ids_are_ids_of_containers_and_differ_in_what_is_shown() {
        let all = WAYS.iter().flat_map(|way| ACTS.iter().map(|act| act.id(way, 0)));
        let ids: BTreeSet<String> = all.collect();
        assert_eq!(ids.len(), WAYS.len() * ACTS.len());
        assert!(ids.iter().all(|id| id.len() == 64));
        let short: BTreeSet<String> = ACTS.iter().map(|act| act.id(&WAYS[0], 0)[..6].to_owned()).collect();
        assert_eq!(short.len(), ACTS.len());
        assert_ne!(ACTS[0].id(&WAYS[0], 1), ACTS[0].id(&WAYS[0], 0));
    }

    #[test]
    fn an_event_fits_by_its_members() {
        let sight = ACTS[4].sights[0];
        let event = |sender: u64| {
            json!({"type": "signal_sent", "signal": "SIGTERM", "target": {"ns_pid": 1}, "outcome": "delivered",
                "cgroup": 7, "sender_cgroup": sender})
        };
        assert!(sight.fits(&event(1)) && !sight.fits(&event(7)));
        assert!(!sight.fits(&json!({"type": "signal_sent"})));
        // The guest splits them at spaces.
        let words = sight.words();
        assert!(words.split(' ').all(|word| event(1).to_string().contains(word)), "{words}");
    }
}
