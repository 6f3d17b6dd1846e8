//! A label of the image says something else about the build than the program itself.

use super::{
    Pattern,
    wording::{config, files},
};
use crate::{
    case::Case,
    model::{
        diagnosis::{Confidence, Finding, Severity},
        text::inert,
    },
};

pub(super) const PATTERN: Pattern = Pattern {
    id: "label-mismatch",
    severity: Severity::Info,
    title: "An image label contradicts the program's build information, or was never expanded",
    symptom: "`docker inspect` shows `go.version=1.21` while `go version /app/server` says go1.27, or a label whose value \
        is literally `$(go env GOVERSION)`.",
    evidence: "dockerd's `config.v2.json` has the labels; the program's embedded build information (`go version -m`) has \
        the Go version. A label that names Go's version and differs, or a value with `$(` in it: certain.",
    look_alikes: "- `1.27` against `go1.27.3`: the same release, told less exactly.\n\
        - A label of the base image about another program: only labels that name Go's version are compared.\n\
        - A program without build information: nothing to compare with.",
    remedy: "Fill labels from build arguments: `ARG GO_VERSION` and `LABEL go.version=$GO_VERSION`, `docker build \
        --build-arg GO_VERSION=$(go env GOVERSION)`. LABEL expands variables, never commands.",
    limits: "Only Docker keeps labels on disk. Stripped build information (`patchelf`, some packers) leaves nothing to compare.",
    brought_about_by: &[],
    needs: &[],
    matches,
};

fn matches(case: &Case) -> Vec<Finding> {
    let Some(image) = case.surroundings.image.get() else { return Vec::new() };
    image.labels.iter().filter_map(|(name, value)| find(case, name, value)).collect()
}

fn find(case: &Case, name: &str, value: &str) -> Option<Finding> {
    if value.contains("$(") {
        let said = format!("LABEL {}=\"{}\"", inert(name), inert(value));
        let summary = format!("label {} holds a command that nobody ran: {}", inert(name), inert(value));
        return Some(finding(case, name, summary, vec![config(said)]));
    }
    let build = case.go()?;
    let (told, true_version) = (go_version(value)?, go_version(&build.version)?);
    if !names_go_version(name) || is_same(&told, &true_version) {
        return None;
    }
    let evidence = vec![
        config(format!("LABEL {}=\"{}\"", inert(name), inert(value))),
        files(format!("the program was built with {}", inert(&build.version))),
    ];
    let summary = format!(
        "label {} says {}, the program was built with {}",
        inert(name),
        inert(value),
        inert(&build.version)
    );
    Some(finding(case, name, summary, evidence))
}

fn finding(
    case: &Case,
    name: &str,
    summary: String,
    evidence: Vec<crate::model::diagnosis::Evidence>,
) -> Finding {
    let name = inert(name).into_owned();
    Finding {
        severity: Severity::Info,
        confidence: Confidence::Certain,
        summary,
        evidence,
        remedy: format!(
            "ARG GO_VERSION\nLABEL {name}=$GO_VERSION\n# docker build --build-arg GO_VERSION=\"$(go env GOVERSION)\" ."
        ),
        subject: name,
        at: case.appeared_at,
    }
}

/// `go.version`, `org.example.golang-version`, `GO_VERSION`.
fn names_go_version(label: &str) -> bool {
    let label = label.to_ascii_lowercase();
    let words: Vec<&str> = label.split(['.', '-', '_', '/']).collect();
    let tail = words.get(words.len().saturating_sub(2)..).unwrap_or_default();
    matches!(tail, ["go" | "golang", "version"]) || matches!(tail, [.., "goversion"])
}

/// The numbers of `go1.27.3`, `1.27`, `v1.27.3`; `None` for anything else (`devel`, a module's version with words).
fn go_version(text: &str) -> Option<Vec<u32>> {
    let text = text.trim();
    let text = text.strip_prefix("go").or_else(|| text.strip_prefix('v')).unwrap_or(text);
    let numbers = text.split('.').map(|part| part.parse().ok()).collect::<Option<Vec<u32>>>()?;
    matches!(numbers.as_slice(), [1, _] | [1, _, _]).then_some(numbers)
}

/// As far as both tell.
fn is_same(one: &[u32], other: &[u32]) -> bool {
    one.iter().zip(other).all(|(a, b)| a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_name_gos_version_are_told_from_others() {
        for label in ["go.version", "org.example.go-version", "GOLANG_VERSION", "goversion", "a/go.version"] {
            assert!(names_go_version(label), "{label}");
        }
        for label in [
            "org.opencontainers.image.version",
            "version",
            "django.version",
            "go.version.note",
            "mongo.version",
        ] {
            assert!(!names_go_version(label), "{label}");
        }
    }

    #[test]
    fn versions_are_compared_as_far_as_both_tell() {
        let same = |a: &str, b: &str| Some(is_same(&go_version(a)?, &go_version(b)?));
        assert_eq!(same("1.27", "go1.27.3"), Some(true));
        assert_eq!(same("v1.27.3", "go1.27.3"), Some(true));
        assert_eq!(same("1.21", "go1.27.3"), Some(false));
        assert_eq!(same("1.2", "go1.27.3"), Some(false));
        assert_eq!(same("latest", "go1.27.3"), None);
        assert_eq!(same("1.27", "devel +abc"), None);
    }
}
