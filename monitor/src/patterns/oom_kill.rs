//! The kernel killed a process of the container because memory ran out.

use monitor_common::probe::Probe;

use super::{
    Need, Pattern,
    memory::{self, Advice, Gogc},
    start::{ended, past, unseen_end},
    wording::{bytes, config, kernel},
};
use crate::{
    case::{Case, OomSeen, Process},
    model::{
        diagnosis::{Confidence, Evidence, Finding, Severity},
        text::inert,
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
        harder before the kernel steps in. `GOGC` above 100 or `off` makes it work less. Neither helps against a leak.",
    limits: "Resident memory is the kernel's approximate count at the moment of choice. Whether an ancestor's limit or the \
        whole machine ran out is inferred from the container's own limit.",
    brought_about_by: &[],
    needs: &[Need::Probe(Probe::OomKill), Need::Config],
    matches,
};

fn matches(case: &Case) -> Vec<Finding> {
    let seen = case.processes().filter_map(|process| Some(finding(case, process, process.oom.as_ref()?)));
    let mut found: Vec<Finding> = seen.collect();
    if found.is_empty() {
        found.extend(unseen(case));
    }
    found
}

/// It was over before gomon looked; the runtime has noted that memory ran out.
fn unseen(case: &Case) -> Option<Finding> {
    let (at, state) = unseen_end(case).filter(|(_, state)| state.oom_killed)?;
    let victim = if state.exit_code == Some(SIGKILLED) { "PID 1" } else { "a process of the container" };
    let mut noted = past(state);
    noted.fact.push_str(", OOMKilled");
    let limit = case.config.get().and_then(|config| config.memory_limit_bytes);
    let ran_out = case.config.get().map_or(RanOut::Unknown, |_| RanOut::of(limit, None));
    let mut evidence = vec![noted];
    evidence.extend(ran_out.evidence(case));
    let advice = Advice::of_entrypoint(case, limit);
    evidence.extend(advice.evidence(limit));
    let gogc = Gogc::of(case);
    evidence.extend(gogc.evidence().filter(|_| advice.is_about_go()));
    Some(Finding {
        severity: Severity::Error,
        confidence: Confidence::High,
        subject: victim.to_owned(),
        summary: format!("{victim} was killed for lack of memory{}", ran_out.says()),
        remedy: advice.remedy(limit, gogc),
        evidence,
        at,
    })
}

fn finding(case: &Case, process: &Process, oom: &OomSeen) -> Finding {
    let is_init = case.is_init(process);
    let comm = inert(&process.comm);
    let victim = match (is_init, case.shares_host_pids()) {
        (true, false) => format!("PID 1 ({comm})"),
        (true, true) => format!("the first process ({comm})"),
        (false, _) => format!("child process {comm}"),
    };
    let configured = case.config.get().and_then(|config| config.memory_limit_bytes);
    let limit = memory::current_limit_bytes(oom, case.host.page_bytes, configured);
    let resident = memory::resident_bytes(oom, case.host.page_bytes);
    let ran_out = case.config.get().map_or(RanOut::Unknown, |_| RanOut::of(limit, resident));
    let sizes = sizes(oom, resident, case.host.page_bytes);
    let mut evidence = vec![kernel(oom.at, format!("the kernel chose {victim} as OOM victim{sizes}"))];
    if oom.allocator.pid != process.pid && oom.allocator.pid != 0 {
        evidence.push(kernel(
            oom.at,
            format!("{} asked for the memory that was not there", inert(&oom.allocator.comm)),
        ));
    }
    evidence.extend(process.exit.map(|exit| ended(exit, &victim)));
    evidence.extend(ran_out.evidence(case));
    let advice = Advice::of(case, process, limit, !matches!(ran_out, RanOut::Elsewhere(..)));
    evidence.extend(advice.evidence(limit));
    let gogc = Gogc::of(case);
    evidence.extend(gogc.evidence().filter(|_| advice.is_about_go()));
    Finding {
        severity: Severity::Error,
        confidence: Confidence::Certain,
        subject: if is_init { "PID 1".to_owned() } else { format!("child {comm}") },
        summary: format!("{victim} was killed for lack of memory{}", ran_out.says()),
        remedy: advice.remedy(limit, gogc),
        evidence,
        at: oom.at,
    }
}

/// Whose memory ran out, as far as the victim's size tells.
#[derive(Clone, Copy)]
enum RanOut {
    /// The container's limit in bytes.
    OwnLimit(u64),
    /// The container's limit, and the victim's much smaller size.
    Elsewhere(u64, u64),
    /// The container has no limit.
    NoLimit,
    /// The configuration is unknown.
    Unknown,
}

impl RanOut {
    fn of(limit: Option<u64>, resident: Option<u64>) -> Self {
        match (limit, resident) {
            // The kernel kills the largest process; below half of the limit it cannot have filled it alone.
            (Some(limit), Some(resident)) if resident < limit / 2 => Self::Elsewhere(limit, resident),
            (Some(limit), _) => Self::OwnLimit(limit),
            (None, _) => Self::NoLimit,
        }
    }

    fn says(self) -> String {
        match self {
            Self::OwnLimit(limit) => format!(", the container at its limit of {}", bytes(limit)),
            Self::Elsewhere(limit, resident) => {
                format!(
                    ", with {} resident far below the container's limit of {}",
                    bytes(resident),
                    bytes(limit)
                )
            }
            Self::NoLimit => ", the container without a limit of its own".to_owned(),
            Self::Unknown => String::new(),
        }
    }

    fn evidence(self, case: &Case) -> Option<Evidence> {
        case.config.get()?;
        Some(config(match self {
            Self::OwnLimit(limit) => format!("memory limit {}", bytes(limit)),
            Self::Elsewhere(limit, _) => format!(
                "memory limit {}: other processes of the container, an ancestor's limit (the pod's) or the whole \
                 machine ran out",
                bytes(limit)
            ),
            Self::NoLimit => {
                "no memory limit of its own: an ancestor's limit (the pod's) or the machine ran out"
                    .to_owned()
            }
            Self::Unknown => return None,
        }))
    }
}

fn sizes(oom: &OomSeen, resident: Option<u64>, page_bytes: u64) -> String {
    let anonymous = oom.anon_pages.and_then(|pages| pages.checked_mul(page_bytes));
    match (resident, anonymous) {
        (Some(resident), Some(anonymous)) => {
            format!(": {} resident, {} of it its own (anonymous)", bytes(resident), bytes(anonymous))
        }
        (Some(resident), None) => format!(": {} resident", bytes(resident)),
        (None, _) => String::new(),
    }
}
