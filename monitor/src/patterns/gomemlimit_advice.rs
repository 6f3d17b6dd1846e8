//! A memory limit that Go's garbage collector does not know of: advice before it becomes an OOM kill.

use super::{
    Need, Pattern,
    memory::{self, Advice, Gogc},
    wording::{bytes, config, files},
};
use crate::{
    case::Case,
    model::{
        diagnosis::{Confidence, Finding, Severity},
        text::inert,
    },
};

pub(super) const PATTERN: Pattern = Pattern {
    id: "gomemlimit-advice",
    severity: Severity::Info,
    title: "The container has a memory limit that Go's garbage collector does not know of",
    symptom: "None yet. Under load the heap grows to twice what is in use before the collector runs, and the kernel \
        kills the program (`oom-kill`) although half of its memory is garbage.",
    evidence: "The container's command is a Go program, the container has a memory limit, and GOMEMLIMIT is not set \
        (`not-set`), is not below the limit (`too-high`), or the collector is switched off with GOGC=off and nothing \
        limits the heap (`gogc-off`). Certain: it is written so.",
    look_alikes: "- A program that links github.com/KimMachineGun/automemlimit sets the limit itself.\n\
        - GOGC=off with a GOMEMLIMIT below the container's limit: a choice, and a good one for some.\n\
        - Go 1.18 and older know no GOMEMLIMIT.\n\
        - A malformed value: `gomemlimit-malformed`.",
    remedy: "`GOMEMLIMIT` at about 90 % of the limit: the collector works harder before the kernel steps in.",
    limits: "A call of `debug.SetMemoryLimit` in the program is not seen, nor what a start script sets. A Go program below \
        a shell is not looked at.",
    brought_about_by: &[],
    needs: &[Need::Config, Need::Entrypoint],
    matches,
};

fn matches(case: &Case) -> Vec<Finding> {
    find(case).into_iter().collect()
}

fn find(case: &Case) -> Option<Finding> {
    let limit = case.config.get()?.memory_limit_bytes?;
    let build = case.go()?;
    let gogc = Gogc::of(case);
    let advice = Advice::of_entrypoint(case, Some(limit));
    let (reason, what) = match (&advice, gogc) {
        (Advice::NoGoLimit, Gogc::Off) => {
            ("gogc-off", "GOGC is off and GOMEMLIMIT is not set: the garbage collector never runs".to_owned())
        }
        (Advice::NoGoLimit, Gogc::Percent(_) | Gogc::Default) => {
            ("not-set", "GOMEMLIMIT is not set: Go does not know of it".to_owned())
        }
        (Advice::GoLimitTooHigh(go), _) => {
            ("too-high", format!("GOMEMLIMIT is {}, not below it", bytes(*go)))
        }
        (
            Advice::NotGo
            | Advice::Elsewhere
            | Advice::TooOld(_)
            | Advice::ByProgram
            | Advice::Malformed
            | Advice::GoLimitSet(_),
            _,
        ) => return None,
    };
    let mut evidence = vec![config(format!("memory limit {}", bytes(limit)))];
    evidence.extend(advice.evidence(Some(limit)));
    evidence.extend(gogc.evidence());
    evidence.push(files(format!("the program was built with {}", inert(&build.version))));
    Some(Finding {
        severity: Severity::Info,
        confidence: Confidence::Certain,
        subject: format!("GOMEMLIMIT: {reason}"),
        summary: format!("the container's memory limit is {}, and {what}", bytes(limit)),
        evidence,
        remedy: memory::tell_go(limit),
        at: case.appeared_at,
    })
}
