//! What a seccomp profile answers to the system calls that gomon watches, as runc and libseccomp read it. Tells refusals
//! only: what is not in the answer is allowed.

use monitor_common::refused::WATCHED;
use serde::{Deserialize, de::IgnoredAny};

use crate::model::seccomp::{SeccompAction, SeccompDenials};

/// Calls whose refusal shows as that of a program.
const STARTS: [&str; 2] = ["execve", "execveat"];
const EPERM: u32 = 1;

/// `linux.seccomp` of config.json.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Profile {
    default_action: String,
    default_errno_ret: Option<u32>,
    syscalls: Option<Vec<Rule>>,
}

/// One of `syscalls`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    names: Vec<String>,
    action: String,
    errno_ret: Option<u32>,
    args: Option<Vec<IgnoredAny>>,
}

impl Rule {
    fn answer(&self) -> Option<SeccompAction> {
        answer(&self.action, self.errno_ret)
    }

    fn is_conditional(&self) -> bool {
        self.args.as_ref().is_some_and(|args| !args.is_empty())
    }
}

impl Profile {
    /// The watched calls that it refuses, or may refuse.
    pub(super) fn denials(&self) -> SeccompDenials {
        let calls = WATCHED.iter().map(|call| call.name).chain(STARTS);
        calls.filter_map(|call| Some((call.to_owned(), self.answer_to(call)?))).collect()
    }

    /// `None`: it is allowed, whatever its arguments.
    ///
    /// `seccomp_rule_add(3)`: a rule without conditions outweighs all others of its call, and the first one stays. runc and
    /// crun leave out a rule that says what the default says.
    fn answer_to(&self, call: &str) -> Option<SeccompAction> {
        let default = answer(&self.default_action, self.default_errno_ret);
        let all = self.syscalls.iter().flatten();
        let mut rules = all.filter(|rule| rule.answer() != default && rule.names.iter().any(|n| n == call));
        let Some(first) = rules.next() else { return default };
        let unconditional = std::iter::once(first).chain(rules).find(|rule| !rule.is_conditional());
        unconditional.map_or(Some(SeccompAction::Depends), Rule::answer)
    }
}

/// An action of the OCI runtime specification; `None` lets the call pass.
fn answer(action: &str, errno: Option<u32>) -> Option<SeccompAction> {
    match action {
        "SCMP_ACT_ALLOW" | "SCMP_ACT_LOG" => None,
        "SCMP_ACT_ERRNO" => {
            Some(SeccompAction::Errno(i32::try_from(errno.unwrap_or(EPERM)).unwrap_or(i32::MAX)))
        }
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => Some(SeccompAction::KillThread),
        "SCMP_ACT_KILL_PROCESS" => Some(SeccompAction::KillProcess),
        "SCMP_ACT_TRAP" => Some(SeccompAction::Trap),
        // A tracer or a monitor answers (SCMP_ACT_TRACE, SCMP_ACT_NOTIFY), or an action that is newer than gomon.
        _ => Some(SeccompAction::Depends),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denials(json: &str) -> SeccompDenials {
        serde_json::from_str::<Profile>(json).unwrap().denials()
    }

    fn of(call: &str, default: &str, rules: &str) -> Option<SeccompAction> {
        denials(&format!(r#"{{"defaultAction":"{default}","syscalls":[{rules}]}}"#)).get(call).copied()
    }

    #[test]
    fn a_call_without_a_rule_gets_the_default() {
        assert_eq!(of("mount", "SCMP_ACT_ERRNO", ""), Some(SeccompAction::Errno(1)));
        assert_eq!(of("execve", "SCMP_ACT_KILL", ""), Some(SeccompAction::KillThread));
        assert_eq!(of("mount", "SCMP_ACT_ALLOW", ""), None);
        let json = r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,"syscalls":null}"#;
        assert_eq!(denials(json)["mount"], SeccompAction::Errno(38));
    }

    #[test]
    fn every_action_has_its_consequence() {
        let of = |action: &str| {
            of("mount", "SCMP_ACT_ALLOW", &format!(r#"{{"names":["x","mount"],"action":"{action}"}}"#))
        };
        assert_eq!(of("SCMP_ACT_ERRNO"), Some(SeccompAction::Errno(1)));
        assert_eq!(of("SCMP_ACT_KILL"), Some(SeccompAction::KillThread));
        assert_eq!(of("SCMP_ACT_KILL_THREAD"), Some(SeccompAction::KillThread));
        assert_eq!(of("SCMP_ACT_KILL_PROCESS"), Some(SeccompAction::KillProcess));
        assert_eq!(of("SCMP_ACT_TRAP"), Some(SeccompAction::Trap));
        for unsure in ["SCMP_ACT_TRACE", "SCMP_ACT_NOTIFY", "SCMP_ACT_OF_TOMORROW"] {
            assert_eq!(of(unsure), Some(SeccompAction::Depends), "{unsure}");
        }
        assert_eq!(of("SCMP_ACT_LOG"), None);
    }

    #[test]
    fn a_rule_with_conditions_depends_on_the_arguments() {
        const SOME: &str = r#"{"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":40,"op":"SCMP_CMP_NE"}]}"#;
        const REFUSED: &str = r#"{"names":["socket"],"action":"SCMP_ACT_ERRNO","errnoRet":97,"args":[{"index":0,"value":16,"op":"SCMP_CMP_EQ"}]}"#;
        const ALL: &str = r#"{"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[]}"#;
        assert_eq!(of("socket", "SCMP_ACT_ERRNO", SOME), Some(SeccompAction::Depends));
        assert_eq!(of("socket", "SCMP_ACT_ALLOW", REFUSED), Some(SeccompAction::Depends));
        // What it lets pass, the default would let pass too.
        assert_eq!(of("socket", "SCMP_ACT_ALLOW", SOME), None);
        for order in [format!("{SOME},{ALL}"), format!("{ALL},{SOME}")] {
            assert_eq!(of("socket", "SCMP_ACT_ERRNO", &order), None);
        }
    }

    #[test]
    fn of_two_rules_without_conditions_the_first_stays() {
        let rule = |action: &str| format!(r#"{{"names":["clone3"],"action":"{action}","errnoRet":38}}"#);
        let both = format!("{},{}", rule("SCMP_ACT_ERRNO"), rule("SCMP_ACT_ALLOW"));
        assert_eq!(of("clone3", "SCMP_ACT_KILL", &both), Some(SeccompAction::Errno(38)));
        // The same answer as the default's makes no rule.
        assert_eq!(of("clone3", "SCMP_ACT_ERRNO", &both), Some(SeccompAction::Errno(38)));
        let plain = r#"{"names":["clone3"],"action":"SCMP_ACT_ERRNO"},{"names":["clone3"],"action":"SCMP_ACT_ALLOW"}"#;
        assert_eq!(of("clone3", "SCMP_ACT_ERRNO", plain), None);
    }

    #[test]
    fn what_a_program_needs_that_nobody_refuses_is_not_listed() {
        let json = r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["execve","openat","socket"],"action":"SCMP_ACT_ALLOW"}]}"#;
        let denials = denials(json);
        assert!(!denials.contains_key("execve") && !denials.contains_key("openat"));
        assert_eq!(denials["execveat"], SeccompAction::Errno(1));
        assert_eq!(denials.len(), WATCHED.len());
    }
}
