//! Holds what gomon said against what the parade expects.

use super::parade::Act;
use crate::agent::Diagnosis;

/// How one container was judged.
#[derive(Debug)]
pub(super) enum Outcome {
    /// As expected; nothing for a healthy container.
    Right(Option<Box<Diagnosis>>),
    Silent,
    Wrong(Vec<Diagnosis>),
}

impl Outcome {
    pub(super) fn is_right(&self) -> bool {
        matches!(self, Self::Right(_))
    }
}

/// Judges one container. Remarks of severity info are no verdict on a healthy one.
pub(super) fn judge(act: &Act, container_id: &str, all: &[Diagnosis]) -> Outcome {
    let own: Vec<&Diagnosis> = all.iter().filter(|one| one.is_about(container_id)).collect();
    let Some(expected) = act.expected else {
        let harsh: Vec<Diagnosis> = own.into_iter().filter(|one| one.is_harsh()).cloned().collect();
        return if harsh.is_empty() { Outcome::Right(None) } else { Outcome::Wrong(harsh) };
    };
    match own.iter().find(|one| one.pattern == expected) {
        Some(right) => Outcome::Right(Some(Box::new((*right).clone()))),
        None if own.is_empty() => Outcome::Silent,
        None => Outcome::Wrong(own.into_iter().cloned().collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parade::PARADE;
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn report(pattern: &str, severity: &str) -> Vec<Diagnosis> {
        let json = format!(
            r#"[{{"pattern":"{pattern}","severity":"{severity}","confidence":"certain",
            "subject":"x","summary":"s","evidence":[{{"time":"t","source":"kernel","fact":"f"}}],"remedy":"r","count":1,
            "target":{{"name":"n","image":"i","container_id":"{ID}"}}}}]"#
        );
        serde_json::from_str(&json).unwrap()
    }

    fn broken() -> &'static Act {
        PARADE.iter().find(|act| act.expected == Some("oom-kill")).unwrap()
    }

    fn healthy() -> &'static Act {
        PARADE.iter().find(|act| act.expected.is_none()).unwrap()
    }

    #[test]
    fn the_expected_pattern_for_the_right_container_is_right() {
        assert!(judge(broken(), ID, &report("oom-kill", "error")).is_right());
        assert!(judge(broken(), &ID[..12], &report("oom-kill", "error")).is_right());
    }

    #[test]
    fn silence_and_another_pattern_are_told_apart() {
        assert!(matches!(judge(broken(), "fedcba9876543210", &report("oom-kill", "error")), Outcome::Silent));
        assert!(matches!(judge(broken(), ID, &report("zombies", "error")), Outcome::Wrong(_)));
    }

    #[test]
    fn a_healthy_container_may_get_remarks_but_no_findings() {
        assert!(judge(healthy(), ID, &[]).is_right());
        assert!(judge(healthy(), ID, &report("privilege-posture", "info")).is_right());
        assert!(!judge(healthy(), ID, &report("sigterm-ignored", "warning")).is_right());
    }
}
