//! The kernel killed a process of the container because memory ran out.

use monitor_common::probe::Probe;

use super::{
    Need, Pattern,
    memory::{self, Advice},
    start::{ended, past, unseen_end},
    wording::{bytes, config, kernel},
};
use crate::{
    case::{Case, OomSeen, Process},
    model::{
        diagnosis::{Confidence, Evidence, Finding, Severity},
        text::inert,
        time::BootNs,
    },
};

/// The exit code of a container whose PID 1 was ended by SIGKILL.
const SIGKILLED: i64 = 137;

pub(super) const PATTERN: Pattern = Pattern {
    id: "oom-kill",
    severity: Severity::Error,
    title: "The kernel killed a process of the container for lack of memory",
    symptom: "Exit code 137, `OOMKilled: true`. When a child was the victim the container may live on, and \
        `OOMKilled` stays false while it runs.",
    evidence: "The kernel's `mark_victim` names a process of the container. Its resident memory is held against the \
        configured limit and against GOMEMLIMIT. Of a container that was dead before gomon looked: the runtime's flag \
        `OOMKilled` (high).",
    look_alikes: "- `docker kill`, `docker rm -f` and the end of the grace period also give 137: no victim is marked.\n\
        - The end of a pid namespace kills all its processes: no victim is marked.\n\
        - `GOMEMLIMIT=400Mi` ends a Go program at once with code 2: not memory, but spelling.",
    remedy: "Raise the limit, or let Go know it: `GOMEMLIMIT` at about 90 % of the limit makes the garbage collector work \
        harder before the kernel steps in. It does not help against a leak.",
    limits: "Resident memory is the kernel's approximate count at the moment of choice. Whether an ancestor's limit or the \
        whole machine ran out is inferred from the container's own limit.",
    needs: &[Need::Probe(Probe::OomKill), Need::Config],
    matches,
};

fn matches(case: &Case) -> Vec<Finding> {
    let seen = case.processes().filter_map(|process| Some(victim(case, process, process.oom.as_ref()?)));
    let mut found: Vec<Finding> = seen.collect();
    if found.is_empty() {
        found.extend(unseen(case));
    }
    found
}

fn victim(case: &Case, process: &Process, oom: &OomSeen) -> Finding {
    let is_init = process.is_init(case);
    let comm = inert(&process.comm);
    let victim = if is_init { format!("PID 1 ({comm})") } else { format!("child process {comm}") };
    let resident = memory::resident_bytes(oom, case.host.page_bytes);
    let sizes = sizes(resident, limit(case));
    let mut evidence = vec![kernel(oom.at, format!("the kernel chose {victim} as OOM victim{sizes}"))];
    if oom.allocator.pid != process.pid && oom.allocator.pid != 0 {
        evidence.push(kernel(
            oom.at,
            format!("{} asked for the memory that was not there", inert(&oom.allocator.comm)),
        ));
    }
    evidence.extend(process.exit.map(|exit| ended(exit, &victim)));
    let subject = if is_init { "PID 1".to_owned() } else { format!("child {comm}") };
    let finding = finding(case, &victim, evidence, oom.at);
    Finding { subject, confidence: Confidence::Certain, ..finding }
}

/// It was over before gomon looked; the runtime has noted that memory ran out.
fn unseen(case: &Case) -> Option<Finding> {
    let (at, state) = unseen_end(case).filter(|(_, state)| state.oom_killed)?;
    let is_init = state.exit_code == Some(SIGKILLED);
    let victim = if is_init { "PID 1" } else { "a process of the container" };
    let mut noted = past(state);
    noted.fact.push_str(", OOMKilled");
    Some(finding(case, victim, vec![noted], at))
}

/// With the limit and what Go knows of it.
fn finding(case: &Case, victim: &str, mut evidence: Vec<Evidence>, at: BootNs) -> Finding {
    let limit = limit(case);
    evidence.push(config(limit.map_or_else(
        || "no memory limit of its own: an ancestor's limit or the machine ran out".to_owned(),
        |limit| format!("memory limit {}", bytes(limit)),
    )));
    let advice = Advice::of(case, limit);
    evidence.extend(advice.evidence());
    let against = limit.map_or_else(
        || "without a limit of its own".to_owned(),
        |limit| format!("at its limit of {}", bytes(limit)),
    );
    Finding {
        severity: Severity::Error,
        confidence: Confidence::High,
        subject: victim.to_owned(),
        summary: format!("{victim} was killed for lack of memory, the container {against}"),
        remedy: advice.remedy(limit),
        evidence,
        at,
    }
}

fn limit(case: &Case) -> Option<u64> {
    case.config.get().and_then(|config| config.memory_limit_bytes)
}

fn sizes(resident: Option<u64>, limit: Option<u64>) -> String {
    match (resident, limit) {
        (Some(resident), Some(limit)) => format!(": {} resident, limit {}", bytes(resident), bytes(limit)),
        (Some(resident), None) => format!(": {} resident", bytes(resident)),
        (None, _) => String::new(),
    }
}
