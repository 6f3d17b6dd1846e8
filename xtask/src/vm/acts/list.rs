//! The acts: each causes the events of some probes, and every probe has one.

use super::{Act, Cue, Member, Sight};

/// The program that needs no loader, the one whose loader is not there, and the one whose loader is.
const STATIC: &str = "/app/probe.static";
const DYNAMIC: &str = "/app/probe.glibc";
const MUSL: &str = "/app/probe.musl";

/// In the container's own pid namespace.
const FIRST: (&str, Member) = ("/task/ns_pid", Member::Number(1));

const fn act(name: &'static str, command: &'static [&'static str], exit: i32) -> Act {
    Act {
        name,
        command,
        limit_bytes: None,
        filter: None,
        cue: Cue::Nothing,
        exit,
        sights: &[],
        pattern: None,
        is_of_syscalls: false,
    }
}

const fn sight(probe: &'static str, members: &'static [(&'static str, Member)]) -> Sight {
    Sight { probe, members }
}

pub(in crate::vm) const ACTS: &[Act] = &[
    Act {
        sights: &[
            sight(
                "exec_failed",
                &[
                    FIRST,
                    ("/path", Member::Text(DYNAMIC)),
                    ("/argv0", Member::Text(DYNAMIC)),
                    ("/errno", Member::Text("ENOENT")),
                ],
            ),
            sight("cgroup_made", &[]),
            sight("cgroup_removed", &[]),
        ],
        pattern: Some("missing-interpreter"),
        is_of_syscalls: true,
        ..act("refused", &[DYNAMIC], 1)
    },
    Act {
        sights: &[
            sight("exec", &[FIRST, ("/path", Member::Text(STATIC))]),
            sight("exit", &[FIRST, ("/code", Member::Number(7)), ("/signal", Member::Null)]),
        ],
        ..act("ran", &[STATIC, "exit", "7"], 7)
    },
    Act {
        sights: &[sight(
            "open",
            &[
                FIRST,
                ("/path", Member::Text("/usr/lib/libnone.so.1")),
                ("/errno", Member::Text("ENOENT")),
                ("/class", Member::Text("shared-library")),
            ],
        )],
        is_of_syscalls: true,
        ..act("library", &[STATIC, "read", "/usr/lib/libnone.so.1"], 1)
    },
    Act {
        limit_bytes: Some(32 << 20),
        sights: &[sight("oom_kill", &[]), sight("exit", &[FIRST, ("/signal", Member::Text("SIGKILL"))])],
        pattern: Some("oom-kill"),
        ..act("leak", &[STATIC, "leak"], 137)
    },
    Act {
        cue: Cue::Term,
        sights: &[
            sight(
                "signal_sent",
                &[
                    ("/signal", Member::Text("SIGTERM")),
                    ("/target/ns_pid", Member::Number(1)),
                    ("/outcome", Member::Text("delivered")),
                    ("/sender_cgroup", Member::Outside),
                ],
            ),
            sight(
                "signal_delivered",
                &[("/signal", Member::Text("SIGTERM")), FIRST, ("/disposition", Member::Text("handler"))],
            ),
            sight(
                "listening",
                &[FIRST, ("/address", Member::Text("127.0.0.1")), ("/port", Member::Number(8080))],
            ),
        ],
        ..act("stopped", &[STATIC, "serve"], 0)
    },
    Act {
        sights: &[sight("tls_alert", &[FIRST])],
        pattern: Some("no-ca-certificates"),
        is_of_syscalls: true,
        ..act("alert", &[STATIC, "tls-local"], 1)
    },
    Act {
        sights: &[sight(
            "syscall_refused",
            &[
                FIRST,
                ("/syscall", Member::Text("mount")),
                ("/errno", Member::Text("EPERM")),
                ("/path", Member::Text("/app")),
            ],
        )],
        is_of_syscalls: true,
        // It has no capabilities.
        ..act("mounts", &[STATIC, "mount-tmpfs", "/app"], 0)
    },
    // A filter that kills the process sends no signal that could be seen before 5.16.
    Act {
        filter: Some(("SCMP_ACT_TRAP", "fchmodat")),
        sights: &[sight(
            "signal_sent",
            &[
                ("/signal", Member::Text("SIGSYS")),
                ("/target/ns_pid", Member::Number(1)),
                ("/syscall", Member::Number(268)),
            ],
        )],
        pattern: Some("seccomp-denied"),
        ..act("trapped", &[STATIC, "chmod", STATIC], 2)
    },
    Act {
        filter: Some(("SCMP_ACT_KILL_THREAD", "fchmodat")),
        cue: Cue::Kill,
        sights: &[sight("syscall_refused", &[FIRST, ("/thread_killed", Member::True)])],
        pattern: Some("seccomp-denied"),
        ..act("hangs", &[STATIC, "chmod", STATIC], 137)
    },
    Act {
        cue: Cue::Inside(&[MUSL, "dlopen", "libnone.so"]),
        sights: &[sight(
            "dlopen_failed",
            // RTLD_NOW
            &[("/name", Member::Text("libnone.so")), ("/flags", Member::Number(2))],
        )],
        ..act("plugins", &[MUSL, "serve"], 0)
    },
];
