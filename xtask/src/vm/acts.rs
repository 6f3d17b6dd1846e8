//! What happens in a guest: real containers that cause one event of each probe, and what gomon must see and say.

use serde_json::{Value, json};

use super::ways::Way;

/// Every container belongs to this pod.
pub(super) const NAMESPACE: &str = "shop";
pub(super) const POD: &str = "api-7d9f";

/// The program that needs no loader, and the one whose loader is not there.
const STATIC: &str = "/app/probe.static";
const DYNAMIC: &str = "/app/probe.glibc";

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
    Null,
    /// Somewhere else than the event's own cgroup.
    Outside,
}

/// One container from its start to its end.
#[derive(Debug)]
pub(super) struct Act {
    pub(super) name: &'static str,
    pub(super) command: &'static [&'static str],
    limit_bytes: Option<u64>,
    /// Calls that cost the process its life.
    deadly: &'static [&'static str],
    /// Sent once it says that it is ready.
    pub(super) signal: Option<&'static str>,
    /// As runc tells it.
    pub(super) exit: i32,
    pub(super) sights: &'static [Sight],
    /// The one diagnosis.
    pub(super) pattern: Option<&'static str>,
    /// Some of what it causes is seen at the return of a system call, which has several ways of being hooked.
    pub(super) is_of_syscalls: bool,
}

const fn act(name: &'static str, command: &'static [&'static str], exit: i32) -> Act {
    Act {
        name,
        command,
        limit_bytes: None,
        deadly: &[],
        signal: None,
        exit,
        sights: &[],
        pattern: None,
        is_of_syscalls: false,
    }
}

/// In the container's own pid namespace.
const FIRST: (&str, Member) = ("/task/ns_pid", Member::Number(1));

pub(super) const ACTS: &[Act] = &[
    Act {
        sights: &[
            Sight {
                probe: "exec_failed",
                members: &[
                    FIRST,
                    ("/path", Member::Text(DYNAMIC)),
                    ("/argv0", Member::Text(DYNAMIC)),
                    ("/errno", Member::Text("ENOENT")),
                ],
            },
            Sight { probe: "cgroup_made", members: &[] },
            Sight { probe: "cgroup_removed", members: &[] },
        ],
        pattern: Some("missing-interpreter"),
        is_of_syscalls: true,
        ..act("refused", &[DYNAMIC], 1)
    },
    Act {
        sights: &[
            Sight { probe: "exec", members: &[FIRST, ("/path", Member::Text(STATIC))] },
            Sight {
                probe: "exit",
                members: &[FIRST, ("/code", Member::Number(7)), ("/signal", Member::Null)],
            },
        ],
        ..act("ran", &[STATIC, "exit", "7"], 7)
    },
    Act {
        sights: &[Sight {
            probe: "open",
            members: &[
                FIRST,
                ("/path", Member::Text("/usr/lib/libnone.so.1")),
                ("/errno", Member::Text("ENOENT")),
                ("/class", Member::Text("shared-library")),
            ],
        }],
        is_of_syscalls: true,
        ..act("library", &[STATIC, "read", "/usr/lib/libnone.so.1"], 1)
    },
    Act {
        limit_bytes: Some(32 << 20),
        sights: &[
            Sight { probe: "oom_kill", members: &[] },
            Sight { probe: "exit", members: &[FIRST, ("/signal", Member::Text("SIGKILL"))] },
        ],
        pattern: Some("oom-kill"),
        ..act("leak", &[STATIC, "leak"], 137)
    },
    Act {
        signal: Some("TERM"),
        sights: &[
            Sight {
                probe: "signal_sent",
                members: &[
                    ("/signal", Member::Text("SIGTERM")),
                    ("/target/ns_pid", Member::Number(1)),
                    ("/outcome", Member::Text("delivered")),
                    ("/sender_cgroup", Member::Outside),
                ],
            },
            Sight {
                probe: "signal_delivered",
                members: &[
                    ("/signal", Member::Text("SIGTERM")),
                    FIRST,
                    ("/disposition", Member::Text("handler")),
                ],
            },
            Sight {
                probe: "listening",
                members: &[FIRST, ("/address", Member::Text("127.0.0.1")), ("/port", Member::Number(8080))],
            },
        ],
        ..act("stopped", &[STATIC, "serve"], 0)
    },
    Act {
        sights: &[Sight { probe: "tls_alert", members: &[FIRST] }],
        pattern: Some("no-ca-certificates"),
        is_of_syscalls: true,
        ..act("alert", &[STATIC, "tls-local"], 1)
    },
    Act {
        sights: &[Sight {
            probe: "syscall_refused",
            members: &[
                FIRST,
                ("/syscall", Member::Text("mount")),
                ("/errno", Member::Text("EPERM")),
                ("/path", Member::Text("/app")),
            ],
        }],
        is_of_syscalls: true,
        // It has no capabilities.
        ..act("mounts", &[STATIC, "mount-tmpfs", "/app"], 0)
    },
    Act {
        deadly: &["fchmodat"],
        sights: &[Sight {
            probe: "signal_sent",
            members: &[
                ("/signal", Member::Text("SIGSYS")),
                ("/target/ns_pid", Member::Number(1)),
                ("/syscall", Member::Number(268)),
            ],
        }],
        pattern: Some("seccomp-denied"),
        ..act("killed", &[STATIC, "chmod", STATIC], 2)
    },
];

/// The acts that tell something about this way: all of them once, then those that it makes a difference to.
pub(super) fn of_way(way: &Way) -> impl Iterator<Item = &'static Act> + use<> {
    let all = way.is_default();
    ACTS.iter().filter(move |act| all || act.is_of_syscalls)
}

impl Act {
    /// As containerd gives them, and unlike that of any other act of any way, from its first digits on.
    pub(super) fn id(&self, way: &Way) -> String {
        const LENGTH: usize = 64;
        let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        let mut id = hex(self.name) + &hex(way.name);
        id.extend(std::iter::repeat_n('0', LENGTH.saturating_sub(id.len())));
        id
    }

    /// The bundle's `config.json`, with the annotations that containerd writes for Kubernetes.
    pub(super) fn config(&self, way: &Way) -> Value {
        let namespaces = ["pid", "mount", "ipc", "uts", "network"].map(|kind| json!({ "type": kind }));
        let seccomp = match self.deadly {
            [] => Value::Null,
            deadly => json!({
                "defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [{ "names": deadly, "action": "SCMP_ACT_TRAP" }],
            }),
        };
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
                "cgroupsPath": format!("/kubepods/burstable/pod7d9f/{}", self.id(way)),
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
}

impl Member {
    fn fits(self, event: &Value, pointer: &str) -> bool {
        event.pointer(pointer).is_some_and(|found| match self {
            Self::Text(text) => found == text,
            Self::Number(number) => found.as_u64() == Some(number),
            Self::Null => found.is_null(),
            Self::Outside => event.get("cgroup").is_some_and(|own| own != found),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::ways::WAYS;
    use super::*;

    #[test]
    fn every_probe_of_gomon_has_its_event() {
        let seen: BTreeSet<&str> = ACTS.iter().flat_map(|act| act.sights).map(|sight| sight.probe).collect();
        let source = include_str!("../../../monitor-common/src/probe.rs");
        let (probes, _) = source.split_once("enum Tally").unwrap();
        let names = probes.lines().filter_map(|line| line.split_once(" => \"")?.1.strip_suffix("\","));
        // A flood takes more events a second than an emulated processor makes. A failing dlopen is seen where breakpoints
        // are set before it is made, and the emulator decides which comes first; `gomon doctor` says that they can be set.
        assert_eq!(seen, names.filter(|name| !["flood", "dlopen_failed"].contains(name)).collect());
    }

    #[test]
    fn ids_are_ids_of_containers_and_differ_in_what_is_shown() {
        let all = WAYS.iter().flat_map(|way| ACTS.iter().map(|act| act.id(way)));
        let ids: BTreeSet<String> = all.collect();
        assert_eq!(ids.len(), WAYS.len() * ACTS.len());
        assert!(ids.iter().all(|id| id.len() == 64));
        let short: BTreeSet<String> = ACTS.iter().map(|act| act.id(&WAYS[0])[..6].to_owned()).collect();
        assert_eq!(short.len(), ACTS.len());
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
    }
}
