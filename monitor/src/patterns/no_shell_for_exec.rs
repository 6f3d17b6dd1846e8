//! Somebody ran a command in the container from outside, and the image has no shell to run it.

use monitor_common::probe::Probe;

use super::{
    Need, Pattern,
    healthcheck_tool_missing::missing,
    wording::{files, kernel, libc},
};
use crate::{
    case::Case,
    model::{
        container::Runtime,
        diagnosis::{Confidence, Finding, Severity},
        fact::FileFact,
    },
};

/// The shell that `docker exec`, `kubectl exec` and their users ask for.
const SHELL: &str = "/bin/sh";

pub(super) const PATTERN: Pattern = Pattern {
    id: "no-shell-for-exec",
    severity: Severity::Info,
    title: "Somebody tried to run a command in an image that has no shell",
    symptom: "`docker exec -it app sh`: `exec: \"sh\": executable file not found in $PATH`, exit code 126 or 127. The \
        application is not affected.",
    evidence: "The runtime's stage of a command from outside ends with a code other than 0 and never calls `execve`, and \
        the image has no /bin/sh.",
    look_alikes: "- The health check's own shell is missing: `healthcheck-tool-missing`.\n\
        - The command fails after it was started: it was there.\n\
        - The container's own command is missing: `entrypoint-not-found`.",
    remedy: "Debug from outside: `kubectl debug -it POD --image=busybox --target=CONTAINER`, `docker run -it --pid \
        container:NAME --network container:NAME busybox`, or an image variant with a shell.",
    limits: "Which command was asked for does not show: it never came to an `execve`.",
    brought_about_by: &[],
    needs: &[Need::Probe(Probe::Exit)],
    matches,
};

fn matches(case: &Case) -> Vec<Finding> {
    find(case).into_iter().collect()
}

/// The visitor was the container's own health check, or nobody knows whether it has one. Docker alone runs them.
fn may_be_health_check(case: &Case) -> bool {
    match case.surroundings.image.get() {
        Some(image) => image.healthcheck.as_ref().is_some_and(|check| missing(check).is_some()),
        None => case.identity.runtime == Runtime::Docker,
    }
}

fn find(case: &Case) -> Option<Finding> {
    let visit = case.surroundings.failed_visits.iter().rfind(|visit| !visit.has_started)?;
    let Some(FileFact::Absent { .. }) = case.file(SHELL) else { return None };
    if may_be_health_check(case) {
        return None;
    }
    let mut evidence = vec![
        kernel(
            visit.at,
            format!(
                "a command from outside could not be started: its stage of the runtime exited with code {}",
                visit.code
            ),
        ),
        files(format!("{SHELL} does not exist in the container's root")),
    ];
    if let Some(found) = case.libc.get() {
        evidence.push(files(format!("the root file system has {}", libc(found.as_ref()))));
    }
    Some(Finding {
        severity: Severity::Info,
        confidence: Confidence::High,
        subject: SHELL.to_owned(),
        summary: "somebody tried to run a command in this container, and the image has no shell; the application is not \
            affected"
            .to_owned(),
        evidence,
        remedy: "# bring the tools along instead of the shell into the image\n\
            docker run -it --rm --pid container:NAME --network container:NAME busybox\n\
            # in a cluster\n\
            kubectl debug -it POD --image=busybox --target=CONTAINER"
            .to_owned(),
        at: visit.at,
    })
}
