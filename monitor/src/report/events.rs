//! One event as a line of text and as a line of JSON. A container's strings are made inert here.

use serde::Serialize;
use serde_json::{Value, json};

use crate::model::{
    container::{ContainerId, Identity},
    event::{Disposition, Event, EventKind, Refusal, RefusedAbout, SignalOutcome, Task},
    signal::{SI_KERNEL, SI_TKILL, SI_USER},
    text::{inert, inert_short},
    time::BootEpoch,
};

use super::{Theme, columns::paint};

/// Characters of a container's name in a line of text.
const NAME_WIDTH: usize = 24;

/// The widest event name, `signal_delivered`.
const KIND_WIDTH: usize = 16;

/// The name that people know a container by: its own, or its short id.
fn shown<'a>(container: &'a ContainerId, identity: &'a Identity) -> &'a str {
    if identity.name.is_empty() { container.short() } else { &identity.name }
}

/// One line without a line break: time, container, event, process, what happened.
#[must_use]
pub fn line(
    event: &Event,
    container: &ContainerId,
    identity: &Identity,
    epoch: BootEpoch,
    theme: &Theme,
) -> String {
    format!(
        "{}  {:NAME_WIDTH$}  {}  {}  {}",
        paint(theme.faint, epoch.rfc3339(event.at)),
        inert_short(shown(container, identity), NAME_WIDTH - 1),
        paint(theme.strong, format!("{:KIND_WIDTH$}", event.kind.probe().name())),
        process(&event.task),
        what(&event.kind),
    )
}

/// `runc:[2:INIT] 4711 (1)`: command name, pid on the host, pid in the container.
fn process(task: &Task) -> String {
    let own = if task.ns_pid == 0 { String::new() } else { format!(" ({})", task.ns_pid) };
    format!("{:15}  {:13}", inert(&task.comm), format!("{}{own}", task.pid))
}

fn what(kind: &EventKind) -> String {
    match kind {
        EventKind::ExecFailed { errno, path, argv0 } => match argv0 {
            argv0 if argv0 == path || argv0.is_empty() => format!("{} {errno}", inert(path)),
            argv0 => format!("{} {errno} (argv[0] {})", inert(path), inert(argv0)),
        },
        EventKind::Exec { path, interpreter, parent_pid } => match interpreter {
            same if same == path || same.is_empty() => format!("{} parent {parent_pid}", inert(path)),
            other => format!("{} run by {} parent {parent_pid}", inert(path), inert(other)),
        },
        EventKind::Open { path, class: _, result, flags: _ } => match result {
            Ok(descriptor) => format!("{} = {descriptor}", inert(path)),
            Err(errno) => format!("{} {errno}", inert(path)),
        },
        EventKind::OomKill { victim, anon_pages, file_pages: _, shmem_pages: _, limit_pages: _ } => {
            let anon = anon_pages.map_or_else(String::new, |pages| format!(" with {pages} anonymous pages"));
            format!("victim {}{anon}", process(victim).trim_end())
        }
        EventKind::SignalSent { signal, code, target, sender_cgroup: _, outcome, syscall: _ } => {
            format!("{signal} to {} {} ({})", inert(&target.comm), target.pid, sent(*code, *outcome))
        }
        EventKind::SignalDelivered { signal, code: _, disposition } => {
            format!("{signal} {}", handled(*disposition))
        }
        EventKind::Exit { code, signal, core_dumped, parent_pid: _ } => match signal {
            None => format!("code {code}"),
            Some(signal) if *core_dumped => format!("{signal}, core dumped"),
            Some(signal) => signal.to_string(),
        },
        EventKind::SyscallRefused { syscall, result, arguments: _, about } => {
            format!(
                "{} {}{}",
                inert(syscall),
                refusal(*result),
                about.as_ref().map(refused_about).unwrap_or_default()
            )
        }
        EventKind::Listening { address } => address.to_string(),
        EventKind::DlopenFailed { name, flags: _ } => format!("{} could not be loaded", inert(name)),
        EventKind::TlsRefused { fd } => format!("server certificate refused on descriptor {fd}"),
        EventKind::Flooded { probe } => {
            format!("too many events of probe {}: the rest is kept back for a while", inert(probe))
        }
        EventKind::CgroupMade { hierarchy: _, path, command: _ }
        | EventKind::CgroupRemoved { hierarchy: _, path } => inert(path).into_owned(),
    }
}

fn refusal(result: Refusal) -> String {
    match result {
        Refusal::Errno(errno) => errno.to_string(),
        Refusal::ThreadKilled => "killed the thread".to_owned(),
    }
}

fn refused_about(about: &RefusedAbout) -> String {
    match about {
        RefusedAbout::Path(path) => format!(" on {}", inert(path)),
        RefusedAbout::Address(address) => format!(" on {address}"),
    }
}

fn sent(code: i32, outcome: SignalOutcome) -> String {
    let by = match code {
        SI_USER => "kill".to_owned(),
        SI_TKILL => "tgkill".to_owned(),
        SI_KERNEL => "kernel".to_owned(),
        other => format!("code {other}"),
    };
    let outcome = match outcome {
        SignalOutcome::Delivered => "delivered",
        SignalOutcome::Ignored => "ignored",
        SignalOutcome::AlreadyPending => "already pending",
        SignalOutcome::OverflowFail | SignalOutcome::LoseInfo => "queue full",
        SignalOutcome::Other => "unknown outcome",
    };
    format!("{by}, {outcome}")
}

fn handled(disposition: Disposition) -> &'static str {
    match disposition {
        Disposition::Default => "default action",
        Disposition::Ignored => "ignored",
        Disposition::Handler => "handler",
    }
}

/// One event as `gomon events -o jsonl` prints it.
#[derive(Debug, Serialize)]
pub struct Line {
    time: String,
    container: String,
    container_id: String,
    event: Value,
}

impl Line {
    /// The line of an event of a container.
    #[must_use]
    pub fn new(event: &Event, container: &ContainerId, identity: &Identity, epoch: BootEpoch) -> Self {
        let mut fields = detail(&event.kind);
        if let Value::Object(map) = &mut fields {
            map.insert("type".to_owned(), json!(event.kind.probe().name()));
            map.insert("task".to_owned(), task(&event.task));
            map.insert("cgroup".to_owned(), json!(event.cgroup));
        }
        Self {
            time: epoch.rfc3339(event.at),
            container: inert(shown(container, identity)).into_owned(),
            container_id: inert(&container.0).into_owned(),
            event: fields,
        }
    }
}

fn task(task: &Task) -> Value {
    let Task { pid, tid, ns_pid, comm } = task;
    json!({ "pid": pid, "tid": tid, "ns_pid": ns_pid, "comm": inert(comm) })
}

/// The fields that only this kind of event has, with the names of errno(3) and signal(7).
fn detail(kind: &EventKind) -> Value {
    match kind {
        EventKind::ExecFailed { errno, path, argv0 } => {
            json!({ "errno": errno.to_string(), "path": inert(path), "argv0": inert(argv0) })
        }
        EventKind::Exec { path, interpreter, parent_pid } => {
            json!({ "path": inert(path), "interpreter": inert(interpreter), "parent_pid": parent_pid })
        }
        EventKind::Open { path, class, result, flags } => json!({
            "path": inert(path),
            "class": class,
            "fd": result.as_ref().ok(),
            "errno": result.as_ref().err().map(ToString::to_string),
            "flags": flags,
        }),
        EventKind::OomKill { victim, anon_pages, file_pages, shmem_pages, limit_pages: _ } => json!({
            "victim": task(victim),
            "anon_pages": anon_pages,
            "file_pages": file_pages,
            "shmem_pages": shmem_pages,
        }),
        EventKind::SignalSent { signal, code, target, sender_cgroup, outcome, syscall } => json!({
            "signal": signal.to_string(),
            "code": code,
            "target": task(target),
            "sender_cgroup": sender_cgroup,
            "outcome": outcome,
            "syscall": syscall,
        }),
        EventKind::SignalDelivered { signal, code, disposition } => {
            json!({ "signal": signal.to_string(), "code": code, "disposition": disposition })
        }
        EventKind::Exit { code, signal, core_dumped, parent_pid } => json!({
            "code": code,
            "signal": signal.map(|signal| signal.to_string()),
            "core_dumped": core_dumped,
            "parent_pid": parent_pid,
        }),
        EventKind::SyscallRefused { syscall, result, arguments, about } => json!({
            "syscall": inert(syscall),
            "errno": match result {
                Refusal::Errno(errno) => Some(errno.to_string()),
                Refusal::ThreadKilled => None,
            },
            "thread_killed": *result == Refusal::ThreadKilled,
            "arguments": arguments,
            "path": match about {
                Some(RefusedAbout::Path(path)) => Some(inert(path)),
                Some(RefusedAbout::Address(_)) | None => None,
            },
            "address": match about {
                Some(RefusedAbout::Address(address)) => Some(address.to_string()),
                Some(RefusedAbout::Path(_)) | None => None,
            },
        }),
        EventKind::Listening { address } => {
            json!({ "address": address.ip().to_string(), "port": address.port() })
        }
        EventKind::DlopenFailed { name, flags } => json!({ "name": inert(name), "flags": flags }),
        EventKind::TlsRefused { fd } => json!({ "fd": fd }),
        EventKind::Flooded { probe } => json!({ "probe": inert(probe) }),
        EventKind::CgroupMade { hierarchy, path, command: _ }
        | EventKind::CgroupRemoved { hierarchy, path } => {
            json!({ "hierarchy": hierarchy, "path": inert(path) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{
            container::CgroupId,
            errno::Errno,
            time::{BootNs, MS},
        },
        report::samples::{self, EPOCH},
    };

    fn failed(path: &str) -> Event {
        Event {
            at: BootNs(1_500 * MS),
            cgroup: CgroupId(77),
            task: Task { pid: 4711, tid: 4711, ns_pid: 1, comm: "runc:[2:INIT]".into() },
            kind: EventKind::ExecFailed {
                errno: Errno::ENOENT,
                path: path.to_owned(),
                argv0: path.to_owned(),
            },
        }
    }

    #[test]
    fn a_line_has_time_container_event_process_and_what_happened() {
        let text = line(&failed("/app"), &samples::container(), &samples::identity(), EPOCH, &Theme::plain());
        let expected = "2023-11-14T22:13:21.500Z  api                       exec_failed       \
                        runc:[2:INIT]    4711 (1)       /app ENOENT";
        assert_eq!(text, expected);
    }

    #[test]
    fn json_is_flat_and_names_errnos() {
        let line = Line::new(&failed("/app"), &samples::container(), &samples::identity(), EPOCH);
        let value = serde_json::to_value(line).unwrap();
        assert_eq!(value["container"], "api");
        assert_eq!(value["event"]["type"], "exec_failed");
        assert_eq!(value["event"]["errno"], "ENOENT");
        assert_eq!(value["event"]["task"]["ns_pid"], 1);
    }

    #[test]
    fn a_hostile_path_stays_one_inert_line() {
        let event = failed("/a\n\u{1b}[2J\u{202e}");
        let (container, identity) = (samples::container(), samples::identity());
        let text = line(&event, &container, &identity, EPOCH, &Theme::plain());
        assert!(!text.contains(['\n', '\u{1b}', '\u{202e}']), "{text:?}");
        let value = serde_json::to_value(Line::new(&event, &container, &identity, EPOCH)).unwrap();
        assert_eq!(value["event"]["path"], "/a\\n\\u{1b}[2J\\u{202e}");
    }
}
