//! The tool or the shell that the image's HEALTHCHECK runs is not in the image.

use super::{
    Pattern,
    wording::{config, files, kernel},
};
use crate::{
    case::{Case, FailedVisit},
    model::{
        diagnosis::{Confidence, Finding, Severity},
        fact::{Entrypoint, FileFact, LibcKind},
        image::Healthcheck,
        text::inert,
    },
};

pub(super) const PATTERN: Pattern = Pattern {
    id: "healthcheck-tool-missing",
    severity: Severity::Warning,
    title: "The tool or shell that HEALTHCHECK needs is not in the image",
    symptom: "The container is `unhealthy` although it serves; `docker inspect` shows `curl: not found` or `exec: \
        \"/bin/sh\": stat /bin/sh: no such file or directory` in `.State.Health.Log`.",
    evidence: "dockerd's `config.v2.json` names the test; its shell or its first word is nowhere in the container's root \
        (high). A command from outside failed in the container at about the same time (certain).",
    look_alikes: "- A health check that fails because the service does: the tool is there.\n\
        - `wget … || curl …`, where the second tool is there: silent as long as no command fails.\n\
        - Somebody's own `docker exec` of a missing command: `no-shell-for-exec`, or nothing.\n\
        - Kubernetes ignores HEALTHCHECK; its probes run in the kubelet or are exec probes of the pod.",
    remedy: "Let the Go program check itself (`server -healthcheck`), or install the tool.",
    limits: "Only Docker keeps the test on disk. Of a shell command the first word is looked at, not what it runs in turn.",
    brought_about_by: &[],
    needs: &[],
    matches,
};

fn matches(case: &Case) -> Vec<Finding> {
    let Some(check) = case.surroundings.image.get().and_then(|image| image.healthcheck.as_ref()) else {
        return Vec::new();
    };
    find(case, check).into_iter().collect()
}

fn find(case: &Case, check: &Healthcheck) -> Option<Finding> {
    let tool = missing(check)?;
    let failed = case.surroundings.failed_visits.front();
    // Behind `||` another tool may do the work: only a failure says that none did.
    if failed.is_none() && has_alternative(check) {
        return None;
    }
    Some(finding(case, check, tool, failed))
}

/// The first of its tools that is not there.
pub(super) fn missing(check: &Healthcheck) -> Option<&Entrypoint> {
    check.tools.iter().find(|tool| matches!(tool.file.get(), Some(FileFact::Absent { .. })))
}

fn has_alternative(check: &Healthcheck) -> bool {
    let ends_it =
        |rest: &str| matches!(rest.split_whitespace().next(), Some("exit" | "false" | "kill") | None);
    check.test.iter().skip(1).any(|text| text.split("||").skip(1).any(|rest| !ends_it(rest)))
}

fn finding(case: &Case, check: &Healthcheck, tool: &Entrypoint, failed: Option<&FailedVisit>) -> Finding {
    let name = inert(&tool.command).into_owned();
    let test = check.test.join(" ");
    let mut evidence = vec![config(format!("HEALTHCHECK: {}", inert(&test)))];
    let tried: Vec<_> = tool.searched.iter().map(|path| inert(path)).collect();
    evidence.push(files(format!("none of these exists: {}", tried.join(", "))));
    evidence.extend(failed.map(|visit| {
        let how = if visit.has_started { "ended with code" } else { "could not be started, code" };
        kernel(visit.at, format!("a command from outside {how} {}", visit.code))
    }));
    Finding {
        severity: Severity::Warning,
        confidence: if failed.is_some() { Confidence::Certain } else { Confidence::High },
        summary: format!("the health check runs {name}, which is not in the image: it can only fail"),
        subject: name,
        evidence,
        remedy: remedy(case, &tool.command),
        // A failing check is the same occurrence, known better.
        at: case.appeared_at,
    }
}

fn remedy(case: &Case, tool: &str) -> String {
    let itself = "# let the program check itself: no shell and no tool is needed\n\
        HEALTHCHECK CMD [\"/app/server\", \"-healthcheck\"]";
    let package = inert(tool);
    // A path is no package, and an image without a C library has no package manager.
    let kind = case.libc.get().and_then(Option::as_ref).map(|libc| libc.kind).filter(|_| !tool.contains('/'));
    match kind {
        Some(LibcKind::Musl) => format!("{itself}\n# or install the tool\nRUN apk add --no-cache {package}"),
        Some(LibcKind::Glibc) => format!(
            "{itself}\n# or install the tool\n\
             RUN apt-get update && apt-get install -y --no-install-recommends {package}"
        ),
        None => itself.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alternative(text: &str) -> bool {
        let words = vec!["CMD-SHELL".to_owned(), text.to_owned()];
        has_alternative(&Healthcheck { test: words, ..Healthcheck::default() })
    }

    #[test]
    fn a_second_tool_behind_an_or_may_do_the_work() {
        assert!(!alternative("curl -f http://localhost/ || exit 1"));
        assert!(!alternative("curl -f http://localhost/"));
        assert!(!alternative("curl x || kill 1"));
        assert!(alternative("wget -q x || curl -f x || exit 1"));
    }
}
