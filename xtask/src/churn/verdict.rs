//! Holds what gomon said about a dead container against what it died of.

use super::cast::Dead;
use crate::agent::{Diagnosis, Metrics, plain};

/// How one container was judged.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    /// With what is wrong.
    Wrong(String),
    Missing,
}

/// Right is exactly one diagnosis above severity info, once, of the right pattern, with the container's name and image,
/// and one count in the metrics.
pub(super) fn judge(dead: &Dead, all: &[Diagnosis], metrics: &Metrics) -> Verdict {
    let own: Vec<&Diagnosis> = all.iter().filter(|one| one.is_about(&dead.id) && one.is_harsh()).collect();
    let one = match own.as_slice() {
        [] => return Verdict::Missing,
        [one] => one,
        several => {
            let names: Vec<String> = several.iter().map(|one| one.heading()).collect();
            return Verdict::Wrong(format!("{} diagnoses: {}", names.len(), names.join(", ")));
        }
    };
    let (expected, image) = (dead.kind.pattern, &dead.image);
    let counted = metrics.count("gomon_diagnoses_total", &[("container", &dead.name), ("pattern", expected)]);
    if one.pattern != expected {
        return Verdict::Wrong(format!("{} instead of {expected}: {}", one.pattern, plain(&one.summary)));
    }
    if one.target.name != dead.name {
        return Verdict::Wrong(format!("it is called {:?}", one.target.name));
    }
    if one.target.image != *image {
        return Verdict::Wrong(format!("its image is {:?} instead of {image}", one.target.image));
    }
    if one.count != 1 || counted != 1 {
        return Verdict::Wrong(format!("counted {} times, in the metrics {counted} times", one.count));
    }
    Verdict::Right
}

#[cfg(test)]
mod tests {
    use super::super::{Runtime, cast::cast};
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn dead() -> Dead {
        let member = cast("churn", 1, &[Runtime::Docker]).remove(0);
        let image = member.kind.image.reference();
        Dead { id: ID.to_owned(), name: member.name, image, kind: member.kind }
    }

    fn diagnosis(pattern: &str, name: &str, image: &str) -> Diagnosis {
        let json = format!(
            r#"{{"pattern":"{pattern}","severity":"error","confidence":"certain","subject":"x","summary":"s","count":1,
            "target":{{"name":"{name}","image":"{image}","container_id":"{ID}"}}}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    fn page(count: u64) -> Metrics {
        Metrics::new(format!(
            "gomon_diagnoses_total{{container=\"churn-docker-0001\",pattern=\"missing-interpreter\"}} {count}\n"
        ))
    }

    #[test]
    fn only_one_diagnosis_with_the_right_names_is_right() {
        let right = diagnosis("missing-interpreter", "churn-docker-0001", "gomon-test/scratch:1");
        assert_eq!(judge(&dead(), std::slice::from_ref(&right), &page(1)), Verdict::Right);
        assert_eq!(judge(&dead(), &[], &page(0)), Verdict::Missing);
        let pattern = diagnosis("exec-format", "churn-docker-0001", "gomon-test/scratch:1");
        let name = diagnosis("missing-interpreter", "", "gomon-test/scratch:1");
        let image = diagnosis("missing-interpreter", "churn-docker-0001", "gomon-test/musl:1");
        for wrong in [vec![pattern], vec![name], vec![image], vec![right.clone(), right.clone()]] {
            assert!(matches!(judge(&dead(), &wrong, &page(1)), Verdict::Wrong(_)));
        }
        assert!(matches!(judge(&dead(), &[right], &page(2)), Verdict::Wrong(_)));
    }
}
