//! A stop reached PID 1 and not the Go program behind it, or did not leave the program the time to shut down.

use monitor_common::probe::Probe;

use super::{
    Need, Pattern,
    denials::{program, who},
    start::{ended, first_process},
    wording::{brief, kernel},
};
use crate::{
    case::{Case, ExitSeen, GoProgram, Process, SignalSeen},
    model::{
        diagnosis::{Confidence, Evidence, Finding, Severity},
        event::SignalOutcome,
        signal::{SI_KERNEL, SI_TKILL, Signal},
        text::inert,
        time::BootNs,
    },
};

/// Processes on the signal's way that are told one by one.
const MOST_ON_THE_WAY: usize = 3;

pub(super) const PATTERN: Pattern = Pattern {
    id: "sigterm-lost-behind-wrapper",
    severity: Severity::Warning,
    title: "A stop killed the Go program behind an init or a shell before it could shut down",
    symptom: "`docker stop` and pod deletion are quick and the exit code is 0 or 143, but requests in flight are cut off \
        and the program never logs that it shuts down. `--init` or tini with `sh -c 'app; …'`, `tini -g` with a shell, a \
        start script whose trap does not wait.",
    evidence: "SIGTERM goes to PID 1, which ends. The Go program, which is not PID 1, got no SIGTERM, or got one and was \
        still at work; then the kernel ends it with SIGKILL (`si_code` SI_KERNEL), because the pid namespace ends with \
        PID 1 (high). In the host's pid namespace it is the runtime that kills what is left.",
    look_alikes: "- An init that passes SIGTERM on to the program itself, which ends by its own hand: healthy.\n\
        - A shell whose trap passes the signal on and waits: healthy.\n\
        - PID 1 that does not end on SIGTERM and is killed after the grace period: `sigterm-ignored`.\n\
        - `docker kill` and `docker rm -f`: no SIGTERM before the SIGKILL.\n\
        - An OOM kill: the kernel marks its victim.\n\
        - A Go program as PID 1 whose helpers die with it, and Go programs that somebody started with `docker exec`.\n\
        - A container whose PID 1 ends by itself: no stop.",
    remedy: "Let the program be PID 1, or the init's direct child: exec-form ENTRYPOINT, or `exec` as the script's last \
        line. An init passes SIGTERM to its direct child only; `tini -g` passes it to all, and still ends with the shell.",
    limits: "Whether the program would have done anything with the signal is not known. Another stop signal than SIGTERM \
        is not judged.",
    brought_about_by: &[],
    needs: &[Need::Probe(Probe::SignalSent), Need::Probe(Probe::Exit), Need::Birth],
    matches,
};

fn matches(case: &Case) -> Vec<Finding> {
    find(case).into_iter().collect()
}

/// A stop as far as it concerns the Go program behind PID 1.
struct Stop<'a> {
    init: &'a Process,
    init_exit: ExitSeen,
    /// To PID 1.
    term: &'a SignalSeen,
    go: &'a Process,
    path: String,
    /// To the Go program.
    reached: Option<&'a SignalSeen>,
    /// What ended it.
    kill: &'a SignalSeen,
}

fn find(case: &Case) -> Option<Finding> {
    let init = case.init().filter(|init| init.program.is_some() && init.go_started.is_none())?;
    // Killed at the end of the grace period it took the program with it: that is a story of its own.
    let init_exit = init.exit.filter(|exit| exit.signal != Some(Signal::KILL))?;
    let asks = |seen: &&SignalSeen| {
        seen.signal == Signal::TERM
            && !matches!(seen.code, SI_TKILL | SI_KERNEL)
            && seen.sender.pid != init.pid
            && seen.at <= init_exit.at
    };
    let term = init.signals.iter().rfind(asks)?;
    let GoProgram { pid, path, .. } = case.go_program_at(term.at).filter(|go| go.pid != init.pid)?;
    let go = case.process(*pid).filter(|go| go.oom.is_none())?;
    let is_own_child = go.program.as_ref().is_some_and(|program| program.parent_pid == init.pid);
    if case.is_from_outside(go) && !is_own_child {
        return None;
    }
    go.exit.filter(|exit| exit.signal == Some(Signal::KILL) && exit.at >= init_exit.at)?;
    let kill = go.signals.iter().find(|seen| ends_the_rest(case, seen, init_exit.at))?;
    let reached = go.signals.iter().find(|seen| {
        seen.signal == Signal::TERM && seen.code != SI_TKILL && (term.at..=kill.at).contains(&seen.at)
    });
    let path = inert(path).into_owned();
    Some(finding(case, &Stop { init, init_exit, term, go, path, reached, kill }))
}

/// The kernel ends a pid namespace with its PID 1; where there is none of its own the runtime clears up.
fn ends_the_rest(case: &Case, seen: &SignalSeen, init_ended: BootNs) -> bool {
    let by_runtime = case.shares_host_pids() && seen.sender_cgroup != case.run.cgroup;
    seen.signal == Signal::KILL && (seen.code == SI_KERNEL || by_runtime) && seen.at >= init_ended
}

fn finding(case: &Case, stop: &Stop<'_>) -> Finding {
    let Stop { init, init_exit, term, path, reached, kill, .. } = stop;
    let who_is_first = if case.shares_host_pids() { "the first process" } else { "PID 1" };
    let first = format!("{who_is_first} ({})", program(init));
    let what = match reached {
        None => "got no SIGTERM and was killed".to_owned(),
        Some(seen) if seen.outcome == SignalOutcome::Ignored => "ignores SIGTERM and was killed".to_owned(),
        Some(seen) => format!("got SIGTERM and was killed {} later", brief(kill.at.since(seen.at))),
    };
    Finding {
        severity: Severity::Warning,
        confidence: Confidence::High,
        subject: path.clone(),
        summary: format!(
            "{path} {what}, because {first} ended {} into the stop",
            brief(init_exit.at.since(term.at))
        ),
        evidence: evidence(case, stop),
        remedy: remedy(path, *reached),
        at: term.at,
    }
}

fn evidence(case: &Case, stop: &Stop<'_>) -> Vec<Evidence> {
    let Stop { init, init_exit, term, go, path, reached, kill } = stop;
    let place = if term.sender_cgroup == case.run.cgroup { "inside" } else { "outside" };
    let sender = inert(&term.sender.comm);
    let mut all = Vec::new();
    let parent = go.program.as_ref().and_then(|program| case.process(program.parent_pid));
    if let (Some(program), Some(parent)) = (&go.program, parent) {
        all.push(kernel(program.at, format!("{path} was started by {}", who(case, parent))));
    }
    all.push(kernel(term.at, format!("SIGTERM to {} by {sender} {place} the container", who(case, init))));
    all.extend(on_the_way(case, stop));
    if let Some(seen) = reached {
        let outcome = if seen.outcome == SignalOutcome::Ignored { "; it ignores it" } else { "" };
        all.push(kernel(seen.at, format!("SIGTERM to {path} by {}{outcome}", inert(&seen.sender.comm))));
    }
    all.push(ended(*init_exit, first_process(case)));
    let by = if kill.code == SI_KERNEL {
        "the kernel sent SIGKILL to it, because the pid namespace ended".to_owned()
    } else {
        format!("{} sent SIGKILL to it, because the container had ended", inert(&kill.sender.comm))
    };
    let none = if reached.is_some() { "" } else { "; no SIGTERM had been sent to it" };
    all.push(kernel(kill.at, format!("{}: {by}{none}", who(case, go))));
    all.extend(go.exit.map(|exit| ended(exit, path)));
    all
}

/// Who else got the signal between PID 1 and the end.
fn on_the_way(case: &Case, stop: &Stop<'_>) -> Vec<Evidence> {
    let others = case.processes().filter(|other| other.pid != stop.init.pid && other.pid != stop.go.pid);
    let passed = others.filter_map(|other| {
        let seen = other.signals.iter().find(|seen| {
            seen.signal == Signal::TERM && (stop.term.at..=stop.init_exit.at).contains(&seen.at)
        })?;
        Some((other, seen))
    });
    passed
        .take(MOST_ON_THE_WAY)
        .flat_map(|(other, seen)| {
            let fact = format!("{} passed SIGTERM on to {}", inert(&seen.sender.comm), who(case, other));
            [Some(kernel(seen.at, fact)), other.exit.map(|exit| ended(exit, &program(other)))]
        })
        .flatten()
        .collect()
}

fn remedy(path: &str, reached: Option<&SignalSeen>) -> String {
    if reached.is_some_and(|seen| seen.outcome == SignalOutcome::Ignored) {
        return "ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)\n\
            defer stop()   // instead of signal.Ignore\n<-ctx.Done()   // then shut down"
            .to_owned();
    }
    let exec = format!(
        "# let nothing stand between the init and the program: exec form, no shell\nENTRYPOINT [\"{path}\"]\n\
         # or, in a start script, as its last line\nexec {path} \"$@\""
    );
    match reached {
        None => exec,
        Some(_) => format!(
            "{exec}\n# or, where a shell must stay: wait until the program has ended\n\
             {path} \"$@\" & pid=$!\ntrap 'kill -TERM \"$pid\"' TERM\nwait \"$pid\" || wait \"$pid\""
        ),
    }
}
