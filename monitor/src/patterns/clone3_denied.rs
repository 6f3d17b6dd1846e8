//! A new C library starts threads with clone3, and the seccomp profile answers EPERM instead of ENOSYS: no thread starts.

use monitor_common::probe::Probe;

use super::{
    Need, Pattern,
    denials::{self, Rule, gave_up, who},
    start::ended,
    wording::{files, kernel},
};
use crate::{
    case::{Case, Process, RefusedSeen},
    model::{
        diagnosis::{Confidence, Evidence, Finding, Severity},
        errno::Errno,
        event::Refusal,
        fact::LibcKind,
    },
};

const CLONE3: &str = "clone3";

pub(super) const PATTERN: Pattern = Pattern {
    id: "clone3-denied",
    severity: Severity::Error,
    title: "An old seccomp profile refuses clone3 with EPERM: the C library cannot start threads",
    symptom: "`runtime/cgo: pthread_create failed: Operation not permitted`, SIGABRT and a stack, exit code 2 (134 of a \
        process that is not PID 1). Other programs: `can't start new thread`, `Resource temporarily unavailable`.",
    evidence: "`clone3` returns EPERM and the container's own seccomp profile answers it so (certain). glibc 2.34 and \
        newer tries `clone3` first and falls back to `clone` only after ENOSYS.",
    look_alikes: "- ENOSYS on every start under a current profile: the fallback that glibc knows, no event.\n\
        - EPERM for a namespace that needs a capability: the profile allows `clone3`.\n\
        - A static Go program makes its threads with `clone`: it runs under the same profile.\n\
        - What runc and crun themselves try before the program starts.",
    remedy: "Update Docker (20.10.10 or newer) with its containerd, runc and libseccomp, or answer ENOSYS in a profile of \
        your own. Or build without cgo: `CGO_ENABLED=0`.",
    limits: "Without the container's config.json nobody knows whose EPERM it was: no verdict.",
    brought_about_by: &[],
    needs: &[Need::Probe(Probe::SyscallRefused), Need::Config],
    matches,
};

fn matches(case: &Case) -> Vec<Finding> {
    let of_each = |process| find(case, process);
    case.processes().filter(|process| !process.is_runtime_stage()).filter_map(of_each).collect()
}

fn find(case: &Case, process: &Process) -> Option<Finding> {
    let is_it = |refused: &&RefusedSeen| {
        &*refused.syscall == CLONE3
            && refused.result == Refusal::Errno(Errno::EPERM)
            && Rule::behind(case, refused) == Rule::Profile
    };
    let refused = process.refused.iter().find(is_it)?;
    let end = gave_up(process, refused.at);
    let program = denials::program(process);
    let came_of_it = end.map_or_else(
        || "cannot start threads and children".to_owned(),
        |exit| format!("could not start a thread and ended with exit code {}", exit.shell_code()),
    );
    let mut evidence =
        vec![kernel(refused.at, format!("clone3 by {} failed with EPERM", who(case, process)))];
    evidence.extend(end.map(|exit| ended(exit, "it")));
    evidence.push(denials::profile_answers(CLONE3, Errno::EPERM));
    evidence.extend(glibc(case));
    Some(Finding {
        severity: if case.is_from_outside(process) { Severity::Warning } else { Severity::Error },
        confidence: Confidence::Certain,
        subject: format!("clone3: {program}"),
        summary: format!(
            "the container's seccomp profile refuses clone3 with EPERM, not ENOSYS: {program} {came_of_it}"
        ),
        evidence,
        remedy: remedy(process.go_started.is_some()),
        at: refused.at,
    })
}

fn glibc(case: &Case) -> Option<Evidence> {
    let libc = case.libc.get()?.as_ref().filter(|libc| libc.kind == LibcKind::Glibc)?;
    let version = libc.version.as_deref()?;
    let minor: u32 = version.strip_prefix("2.")?.parse().ok()?;
    (minor >= 34).then(|| {
        files(format!("the image has glibc 2.{minor}: from 2.34 on it falls back after ENOSYS only"))
    })
}

fn remedy(is_go: bool) -> String {
    let profile = "# update the host: Docker 20.10.10 or newer, with the containerd, runc and libseccomp of its time\n\
        apt-get update && apt-get install --only-upgrade docker.io containerd runc libseccomp2\n\
        # in a profile of your own: ENOSYS, so that the C library falls back\n\
        {\"names\": [\"clone3\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 38}";
    if is_go {
        format!("{profile}\n# or build without the C library\nRUN CGO_ENABLED=0 go build -o /out/app .")
    } else {
        profile.to_owned()
    }
}
