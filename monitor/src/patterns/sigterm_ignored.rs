//! PID 1 did not stop on SIGTERM: it ignored it, swallowed it or was too slow.

use monitor_common::probe::Probe;

use super::{
    Need, Pattern,
    start::ended,
    wording::{files, kernel, seconds},
};
use crate::{
    case::{Case, Process, SignalSeen},
    model::{
        diagnosis::{Confidence, Evidence, Finding, Severity},
        event::{Disposition, SignalOutcome},
        signal::{SI_KERNEL, SI_TKILL, Signal},
        text::inert,
        time::SECOND,
    },
};

/// A SIGKILL sooner than this after the SIGTERM is no end of a grace period.
const SHORTEST_GRACE_NS: u64 = SECOND;

pub(super) const PATTERN: Pattern = Pattern {
    id: "sigterm-ignored",
    severity: Severity::Warning,
    title: "PID 1 did not stop on SIGTERM and was, or will be, killed at the end of the grace period",
    symptom: "`docker stop` and pod deletion take the whole grace period; exit code 137; requests in flight are cut off.",
    evidence: "A SIGTERM to PID 1 that the kernel drops because PID 1 has no handler for it or ignores it (certain, at \
        once). Or one that is delivered, PID 1 does not end, and a SIGKILL from the same side follows a second or more \
        later (certain; the time between them is the grace period).",
    look_alikes: "- A Go program as PID 1 without `signal.Notify` does end on SIGTERM (exit code 143, or 2 with older Go).\n\
        - `docker kill` and `docker rm -f` send SIGKILL without a SIGTERM.\n\
        - An OOM kill: the kernel itself sends SIGKILL.\n\
        - A stop signal other than SIGTERM.\n\
        - A container without any Go program (a shell, `sleep`) behaves the same: info.",
    remedy: "Exec-form ENTRYPOINT, `exec` in a start script, and `signal.NotifyContext(ctx, syscall.SIGTERM)` in the \
        program. An init (`--init`, tini) makes the stop fast but passes the signal only to its direct child.",
    limits: "Whether a program swallowed the signal or was still at work cannot be told from outside; the verdict says \
        how long it had.",
    needs: &[Need::Probe(Probe::SignalSent)],
    matches,
};

fn matches(case: &Case) -> Vec<Finding> {
    let Some(init) = case.init().filter(|init| !init.is_runtime_stage()) else { return Vec::new() };
    let outside = |seen: &&SignalSeen| seen.code != SI_TKILL && seen.code != SI_KERNEL;
    let terms = init.signals.iter().filter(|seen| seen.signal == Signal::TERM).filter(outside);
    // Of several the first one starts the grace period.
    let mut found: Vec<Finding> = terms.filter_map(|term| find(case, init, term)).collect();
    found.truncate(1);
    found
}

fn find(case: &Case, init: &Process, term: &SignalSeen) -> Option<Finding> {
    let kill = init.signals.iter().find(|seen| {
        seen.signal == Signal::KILL && seen.code != SI_KERNEL && seen.at.since(term.at) >= SHORTEST_GRACE_NS
    });
    let ignored = match term.outcome {
        SignalOutcome::Ignored => true,
        SignalOutcome::Delivered
        | SignalOutcome::AlreadyPending
        | SignalOutcome::OverflowFail
        | SignalOutcome::LoseInfo
        | SignalOutcome::Other => false,
    };
    if !ignored && kill.is_none() {
        return None;
    }
    Some(finding(case, init, term, kill, ignored))
}

fn finding(
    case: &Case,
    init: &Process,
    term: &SignalSeen,
    kill: Option<&SignalSeen>,
    ignored: bool,
) -> Finding {
    let program = init.program.as_ref().map_or(init.comm.as_str(), |program| program.path.as_str());
    let program = inert(program).into_owned();
    let sender = sender(case, term);
    let mut evidence = vec![kernel(term.at, sent(&sender, ignored))];
    evidence.extend(term.delivered.map(|(at, disposition)| kernel(at, delivered(disposition))));
    evidence.extend(kill.map(|kill| {
        let after = seconds(kill.at.since(term.at));
        kernel(
            kill.at,
            format!("{} sent SIGKILL {after} later: the grace period was over", inert(&kill.sender.comm)),
        )
    }));
    evidence.extend(init.exit.map(|exit| ended(exit, "PID 1")));
    evidence.extend(runs_go_below(case, init));
    let grace = kill.map(|kill| seconds(kill.at.since(term.at)));
    let what = match (ignored, grace) {
        (true, None) => "ignores SIGTERM or has no handler for it: the kernel dropped the signal".to_owned(),
        (true, Some(grace)) => {
            format!("ignores SIGTERM or has no handler for it and was killed {grace} later")
        }
        (false, Some(grace)) => format!("got SIGTERM, did not end within {grace} and was killed"),
        (false, None) => "got SIGTERM".to_owned(),
    };
    Finding {
        severity: if case.has_go() { Severity::Warning } else { Severity::Info },
        confidence: Confidence::Certain,
        subject: format!("PID 1 {program}"),
        summary: format!("PID 1 ({program}) {what}; sent by {sender}"),
        evidence,
        remedy: remedy(case, init),
        at: term.at,
    }
}

fn sender(case: &Case, term: &SignalSeen) -> String {
    let place = if term.sender_cgroup == case.run.cgroup { "inside" } else { "outside" };
    format!("{} (pid {}, {place} the container)", inert(&term.sender.comm), term.sender.pid)
}

fn sent(sender: &str, ignored: bool) -> String {
    let outcome =
        if ignored { "the kernel dropped it: PID 1 ignores it or has no handler" } else { "it was queued" };
    format!("{sender} sent SIGTERM to PID 1; {outcome}")
}

fn delivered(disposition: Disposition) -> &'static str {
    match disposition {
        Disposition::Handler => "SIGTERM was delivered to a handler of PID 1",
        Disposition::Ignored => "SIGTERM was delivered and ignored",
        Disposition::Default => "SIGTERM was delivered with its default action",
    }
}

/// The Go program runs below a shell or another wrapper.
fn runs_go_below(case: &Case, init: &Process) -> Option<Evidence> {
    if init.go_started.is_some() || case.go().is_some() {
        return None;
    }
    let go = case.processes().find(|process| process.go_started.is_some() && process.pid != init.pid)?;
    let program = go.program.as_ref()?;
    Some(files(format!(
        "the Go program is {} (pid {} in the container), below PID 1",
        inert(&program.path),
        go.ns_pid
    )))
}

fn remedy(case: &Case, init: &Process) -> String {
    let is_go = init.go_started.is_some() || case.go().is_some();
    if is_go {
        "ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)\ndefer stop()\n\
         <-ctx.Done()   // then shut down: server.Shutdown(…), within terminationGracePeriodSeconds"
            .to_owned()
    } else {
        "# exec form: the program itself becomes PID 1\nENTRYPOINT [\"/app/server\"]\n\
         # or, in a start script, as its last line\nexec /app/server \"$@\""
            .to_owned()
    }
}
