//! A seccomp filter refused a system call, or ended who made it: names the call, the filter and what came of it.

mod filter;
mod remedy;

use std::collections::BTreeMap;

use monitor_common::probe::Probe;

use super::{
    Need, Pattern,
    denials::{self, Rule, gave_up, is_main, who},
    start::ended,
    wording::{brief, kernel},
};
use crate::{
    case::{Case, ExitSeen, Process, RefusedSeen, SignalSeen},
    model::{
        diagnosis::{Confidence, Finding, Severity},
        event::{Disposition, Refusal},
        seccomp::SeccompAction,
        signal::Signal,
        text::inert,
        time::BootNs,
    },
};
use filter::Filter;

/// `si_code` of the SIGSYS of a filter, sigaction(2).
const SYS_SECCOMP: i32 = 1;
/// Other patterns tell of these.
const TOLD_ELSEWHERE: [&str; 3] = ["clone3", "ptrace", "bind"];
/// Calls that libraries and language runtimes try at their start and do without where they are refused: `io_uring`, NUMA,
/// kernel keyrings, profiling, BPF, file handles. Docker's default profile refuses them to every container.
const TRIED: [&str; 14] = [
    "io_uring_setup",
    "get_mempolicy",
    "set_mempolicy",
    "mbind",
    "move_pages",
    "keyctl",
    "add_key",
    "request_key",
    "perf_event_open",
    "bpf",
    "userfaultfd",
    "name_to_handle_at",
    "personality",
    "syslog",
];

pub(super) const PATTERN: Pattern = Pattern {
    id: "seccomp-denied",
    severity: Severity::Warning,
    title: "A seccomp filter refused a system call, or ended the program that made it",
    symptom: "`operation not permitted` although user, mode and capabilities allow it. A filter that kills: exit code \
        159 and no output at all. A filter that traps: Go prints `SIGSYS: bad system call` and a stack, exit code 2. A \
        filter that kills the thread: the program hangs; `docker stop` takes it for ended, reports code 255 and leaves it \
        running.",
    evidence: "A watched system call returns EPERM or EACCES and the container's own profile (`linux.seccomp` of its \
        config.json) answers that call with that errno, whatever its arguments (certain). Or SIGSYS with `si_code` \
        SYS_SECCOMP, which nothing but a filter sends, and its call's number (certain). Or a thread that ends in a \
        filter without a signal. Error where it ends the program, else warning; info for calls that libraries try and do \
        without (`io_uring_setup`, `get_mempolicy`, `keyctl`, `perf_event_open`, …).",
    look_alikes: "- A missing capability, another owner, a security module: the same errno, but the profile allows the \
        call.\n\
        - A profile that answers ENOSYS: programs know how to fall back, as with `clone3` in Docker's default.\n\
        - What runc does before it starts the program.\n\
        - A filter that the program installed itself: its errno is not reported; of a SIGSYS that ends the program the \
        finding says that the filter may be its own. A sandbox that handles SIGSYS and goes on: nothing.\n\
        - `clone3`, `ptrace` and `bind` have patterns of their own.\n\
        - Exit code 159 without a SIGSYS from a filter.",
    remedy: "Allow that one call in the profile (`--security-opt seccomp=FILE`, `localhostProfile` in a pod), or do \
        without it. Not `--privileged`, and not `seccomp=unconfined` for good.",
    limits: "Of calls that fail with an errno only a list of watched ones is seen, and a rule that looks at arguments \
        supports no verdict. 32-bit programs are not seen.",
    brought_about_by: &[],
    needs: &[Need::Probe(Probe::SyscallRefused), Need::Probe(Probe::SignalSent), Need::Config],
    matches,
};

fn matches(case: &Case) -> Vec<Finding> {
    case.processes()
        .flat_map(|process| {
            let calls: BTreeMap<&str, Refusals<'_>> = by_call(process);
            let refused = calls.into_values().filter_map(|refusals| of_refusals(case, process, refusals));
            let signalled = process.signals.iter().filter_map(|seen| of_signal(case, process, seen));
            refused.chain(signalled).collect::<Vec<_>>()
        })
        .collect()
}

/// The first and the last time that a process was refused a call; the arguments may differ.
#[derive(Clone, Copy)]
struct Refusals<'a> {
    first: &'a RefusedSeen,
    last: &'a RefusedSeen,
}

fn by_call(process: &Process) -> BTreeMap<&str, Refusals<'_>> {
    let mut calls = BTreeMap::new();
    for refused in &process.refused {
        let refusals = calls.entry(&*refused.syscall).or_insert(Refusals { first: refused, last: refused });
        refusals.last = refused;
    }
    calls
}

fn of_refusals(case: &Case, process: &Process, Refusals { first, last }: Refusals<'_>) -> Option<Finding> {
    let call = &*first.syscall;
    let Refusal::Errno(errno) = first.result else { return Some(of_killed_thread(case, process, first)) };
    let is_ours = Rule::behind(case, first) == Rule::Profile && !TOLD_ELSEWHERE.contains(&call);
    if !is_ours || process.is_runtime_stage() {
        return None;
    }
    let end = gave_up(process, last.at);
    let is_tried = TRIED.contains(&call);
    let written = match first.path() {
        Some(path) => format!("{call}(\"{}\")", inert(path)),
        None => call.to_owned(),
    };
    let program = denials::program(process);
    let mut evidence =
        vec![kernel(first.at, format!("{written} by {} failed with {errno}", who(case, process)))];
    evidence.extend(end.map(|exit| ended(exit, "it")));
    evidence.push(denials::profile_answers(call, errno));
    evidence.extend(filter::lacks_capability(case, call));
    if call == "sched_getaffinity" && process.go_started.is_some() {
        evidence.push(kernel(first.at, "without it Go counts one CPU: GOMAXPROCS is 1 unless it is set"));
    }
    let came_of_it = end.map(|exit| came_of_it(exit, last.at)).unwrap_or_default();
    let remedy = remedy::of(case, call, Filter::Profile);
    Some(Finding {
        severity: severity(case, process, end, is_tried),
        // That it was refused is certain; that a call which most programs do without ended this one is not.
        confidence: if is_tried && end.is_some() { Confidence::High } else { Confidence::Certain },
        subject: format!("{call}: {program}"),
        summary: format!("the container's seccomp profile refuses {call}: {program} got {errno}{came_of_it}"),
        remedy: if is_tried && end.is_none() {
            format!("# nothing, if the program works: most do without this call\n{remedy}")
        } else {
            remedy
        },
        evidence,
        at: first.at,
    })
}

fn severity(case: &Case, process: &Process, end: Option<ExitSeen>, is_tried: bool) -> Severity {
    if case.is_from_outside(process) {
        return Severity::Info;
    }
    let has_ended = end.is_some() && is_main(case, process);
    match (has_ended, is_tried) {
        (true, false) => Severity::Error,
        (true, true) | (false, false) => Severity::Warning,
        (false, true) => Severity::Info,
    }
}

fn came_of_it(exit: ExitSeen, at: BootNs) -> String {
    let after = brief(exit.at.since(at));
    match exit.signal {
        Some(signal) => format!(" and was ended by {signal} after {after}"),
        None => format!(" and exited with code {} after {after}", exit.code),
    }
}

/// The thread that made the call is gone without a signal, and the rest of the program does not know.
fn of_killed_thread(case: &Case, process: &Process, refused: &RefusedSeen) -> Finding {
    let call = inert(&refused.syscall).into_owned();
    let filter = Filter::of(case, &call, &[SeccompAction::KillThread]);
    let program = denials::program(process);
    let at = refused.at;
    let mut evidence = vec![kernel(
        at,
        format!("a thread of {} called {call} and was ended by a filter", who(case, process)),
    )];
    evidence.push(match process.exit {
        Some(exit) => ended(exit, "the process"),
        None => kernel(at, "the process has not ended with it".to_owned()),
    });
    evidence.push(filter.evidence(&call, "ends the thread that makes it"));
    Finding {
        severity: Severity::Error,
        confidence: Confidence::Certain,
        subject: format!("{call}: {program}"),
        summary: format!(
            "{} ended the thread of {program} that called {call}; what waits for that thread hangs",
            filter.name()
        ),
        remedy: format!(
            "{}\n# the runtime takes a container without its first thread for ended: end what is left of it by hand\n\
             kill -9 {}   # on the host",
            remedy::of(case, &call, filter),
            process.pid
        ),
        evidence,
        at,
    }
}

fn of_signal(case: &Case, process: &Process, seen: &SignalSeen) -> Option<Finding> {
    if seen.signal != Signal::SYS || seen.code != SYS_SECCOMP {
        return None;
    }
    let call = filter::call(case, seen.syscall);
    let filter = Filter::of(case, &call, &[SeccompAction::KillProcess, SeccompAction::Trap]);
    let killed = process.exit.filter(|exit| exit.signal == Some(Signal::SYS) && exit.at >= seen.at);
    let end = killed.or_else(|| gave_up(process, seen.at));
    // A program that answers its own filter's signal and goes on works as it was meant to.
    if end.is_none() && filter != Filter::Profile {
        return None;
    }
    let handles = seen.delivered.is_some_and(|(_, disposition)| disposition == Disposition::Handler);
    let program = denials::program(process);
    let mut evidence =
        vec![kernel(seen.at, format!("a filter sent SIGSYS to {} for its {call}", who(case, process)))];
    let caught = seen.delivered.filter(|_| handles);
    evidence.extend(caught.map(|(at, _)| kernel(at, "it was delivered to a handler of the program")));
    evidence.extend(end.map(|exit| ended(exit, "it")));
    let does = if handles { "sends SIGSYS for it" } else { "ends the process that makes it" };
    evidence.push(filter.evidence(&call, does));
    let what = match end {
        Some(exit) if killed.is_some() => format!("was killed for it (exit code {})", exit.shell_code()),
        Some(exit) => format!("got SIGSYS for it and exited with code {}", exit.shell_code()),
        None => "got SIGSYS for it".to_owned(),
    };
    Some(Finding {
        severity: match (end, case.is_from_outside(process)) {
            (Some(_), false) => Severity::Error,
            (Some(_), true) | (None, false) => Severity::Warning,
            (None, true) => Severity::Info,
        },
        confidence: Confidence::Certain,
        subject: format!("{call}: {program}"),
        summary: format!("{} does not allow {call}: {program} {what}", filter.name()),
        remedy: remedy::of(case, &call, filter),
        evidence,
        at: seen.at,
    })
}
