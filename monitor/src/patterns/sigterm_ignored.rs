//! PID 1 did not stop on SIGTERM: it ignored it, swallowed it or was too slow.

use monitor_common::probe::Probe;

use super::{
    Need, Pattern, denials,
    start::ended,
    wording::{kernel, procfs, seconds},
};
use crate::{
    case::{Case, Process, SignalSeen},
    model::{
        diagnosis::{Confidence, Evidence, Finding, Severity},
        event::{Disposition, SignalOutcome},
        signal::{SI_KERNEL, SI_TKILL, Signal},
        text::inert,
        time::{BootNs, SECOND},
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
        once); the process table tells the two apart (`SigIgn` in `/proc/PID/status`). Or one that is delivered, PID 1 does not end, and a SIGKILL from the same side follows a second or more \
        later (certain; the time between them is the grace period).",
    look_alikes: "- A Go program as PID 1 without `signal.Notify` does end on SIGTERM (exit code 143, or 2 with older Go).\n\
        - `docker kill` and `docker rm -f` send SIGKILL without a SIGTERM.\n\
        - An OOM kill: the kernel itself sends SIGKILL.\n\
        - A stop signal other than SIGTERM.\n\
        - A container without any Go program (a shell, `sleep`) behaves the same: info.\n\
        - PID 1 drops the signal and ends by itself soon after (its child was stopped by a preStop hook): info.",
    remedy: "Exec-form ENTRYPOINT, `exec` in a start script, and `signal.NotifyContext(ctx, syscall.SIGTERM)` in the \
        program. An init (`--init`, tini) makes the stop fast but passes the signal only to its direct child.",
    limits: "Whether a program swallowed the signal or was still at work cannot be told from outside; the verdict says \
        how long it had.",
    brought_about_by: &[],
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
    // A process that is at its end already drops every signal.
    let kill = init.signals.iter().find(|seen| {
        seen.signal == Signal::KILL
            && seen.code != SI_KERNEL
            && case.awake_ns(term.at, seen.at) >= SHORTEST_GRACE_NS
            && init.exit.is_none_or(|exit| exit.at >= seen.at && exit.signal == Some(Signal::KILL))
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
    let program = denials::program(init);
    let place = if term.sender_cgroup == case.run.cgroup { "inside" } else { "outside" };
    let sender = format!("{} {place} the container", inert(&term.sender.comm));
    let below = case.go_program_at(term.at).filter(|go| go.pid != init.pid);
    let is_go = init.go_started.is_some() || case.go().is_some();
    // It went its own way after all: a child that ended, a preStop hook.
    let ended_itself = init.exit.filter(|exit| kill.is_none() && exit.signal != Some(Signal::KILL));
    let grace = kill.map(|kill| seconds(case.awake_ns(term.at, kill.at)));
    let who = if case.shares_host_pids() { "the first process" } else { "PID 1" };
    let outcome = if ignored { "the kernel dropped it: no handler, or ignored" } else { "it was queued" };
    let pid = term.sender.pid;
    let mut evidence =
        vec![kernel(term.at, format!("SIGTERM to {who} by {sender} (pid {pid} of the host); {outcome}"))];
    evidence.extend(term.delivered.map(|(at, disposition)| kernel(at, delivered(who, disposition))));
    if let (Some(kill), Some(grace)) = (kill, &grace) {
        let comm = inert(&kill.sender.comm);
        evidence
            .push(kernel(kill.at, format!("{comm} sent SIGKILL {grace} later: the grace period was over")));
    }
    evidence.extend(init.exit.map(|exit| ended(exit, who)));
    evidence.extend(below.map(|go| {
        let path = inert(&go.path);
        kernel(
            go.started_at,
            format!("the Go program is {path} (pid {} in the container), below {who}", go.ns_pid),
        )
    }));
    let disposition = Ignores::of(case, init).filter(|_| ignored);
    evidence.extend(disposition.map(|(at, ignores)| ignores.evidence(at, who)));
    let why = disposition.map(|(_, ignores)| ignores);
    let dropped = match why {
        Some(Ignores::OnPurpose) => "ignores SIGTERM",
        Some(Ignores::WithoutHandler) => "has no handler for SIGTERM",
        None => "ignores SIGTERM or has no handler for it",
    };
    let what = match (ignored, grace, ended_itself) {
        (true, Some(grace), _) => format!("{dropped} and was killed {grace} later"),
        (true, None, Some(exit)) => {
            format!("{dropped}, but ended by itself {} later", seconds(exit.at.since(term.at)))
        }
        (true, None, None) => format!("{dropped}: the kernel dropped the signal"),
        (false, grace, _) => {
            format!("got SIGTERM, did not end within {} and was killed", grace.unwrap_or_default())
        }
    };
    let is_ours = (is_go || below.is_some()) && ended_itself.is_none();
    Finding {
        severity: if is_ours { Severity::Warning } else { Severity::Info },
        confidence: Confidence::Certain,
        subject: format!("PID 1 {program}"),
        summary: format!("{who} ({program}) {what}; sent by {sender}"),
        evidence,
        remedy: remedy(is_go, ignored, why),
        at: term.at,
    }
}

fn delivered(who: &str, disposition: Disposition) -> String {
    match disposition {
        Disposition::Handler => format!("SIGTERM was delivered to a handler of {who}"),
        Disposition::Ignored => "SIGTERM was delivered and ignored".to_owned(),
        Disposition::Default => "SIGTERM was delivered with its default action".to_owned(),
    }
}

/// Why the kernel dropped the signal, as the process table has it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ignores {
    /// `SIG_IGN`.
    OnPurpose,
    /// `SIG_DFL`, which for PID 1 means the same.
    WithoutHandler,
}

impl Ignores {
    /// With the time when it was looked at.
    fn of(case: &Case, init: &Process) -> Option<(BootNs, Self)> {
        const TERM: u64 = 1 << (Signal::TERM.0 - 1);
        let (at, table) = case.surroundings.table()?;
        let started = init.program.as_ref().map(|program| program.at);
        let status = table.processes.iter().find(|process| process.pid == init.pid)?;
        let is_same_program = started.is_none_or(|started| started <= *at) && !status.is_zombie;
        let is = match (status.ignored_signals & TERM != 0, status.caught_signals & TERM != 0) {
            (true, _) => Self::OnPurpose,
            (false, false) => Self::WithoutHandler,
            (false, true) => return None,
        };
        is_same_program.then_some((*at, is))
    }

    fn evidence(self, at: BootNs, who: &str) -> Evidence {
        procfs(
            at,
            match self {
                Self::OnPurpose => format!("{who} ignores SIGTERM: SIG_IGN (SigIgn in its status)"),
                Self::WithoutHandler => {
                    format!("{who} neither ignores nor catches SIGTERM: without a handler PID 1 gets none")
                }
            },
        )
    }
}

fn remedy(is_go: bool, ignored: bool, why: Option<Ignores>) -> String {
    let handle = "ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)\n\
        defer stop()\n<-ctx.Done()   // then shut down: server.Shutdown(…), within terminationGracePeriodSeconds";
    let longer = "# or, if its shutdown takes that long, give it more time\n\
        docker stop -t 60 …   # in a pod: terminationGracePeriodSeconds: 60";
    match (is_go, ignored) {
        (true, true) if why == Some(Ignores::OnPurpose) => {
            format!("// instead of signal.Ignore(syscall.SIGTERM)\n{handle}")
        }
        (true, true) => handle.to_owned(),
        (false, true) if why == Some(Ignores::OnPurpose) => {
            "# take out what makes it ignore the signal (trap '' TERM in a start script, or what started it)\n\
             # best: hand over to the program, as the script's last line\nexec /app/server \"$@\""
                .to_owned()
        }
        (true, false) => format!("{handle}\n{longer}"),
        (false, true) => "# exec form: the program itself becomes PID 1\nENTRYPOINT [\"/app/server\"]\n\
            # or, in a start script, as its last line\nexec /app/server \"$@\""
            .to_owned(),
        (false, false) => longer.replace("# or, if", "# if"),
    }
}
