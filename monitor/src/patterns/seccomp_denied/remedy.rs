//! How to let a container make one more system call, and no other.

use super::filter::{Filter, capability};
use crate::case::Case;

/// A change that can be pasted.
pub(super) fn of(case: &Case, call: &str, filter: Filter) -> String {
    let own = "# it may be a filter of the program's own (seccomp(2), prctl(2) with PR_SET_SECCOMP, libseccomp): let it \
        allow the call";
    match filter {
        Filter::Profile => in_profile(case, call),
        Filter::Own { .. } => own.replace("may be", "is"),
        Filter::Unknown => format!("{}\n{own}", in_profile(case, call)),
    }
}

fn in_profile(case: &Case, call: &str) -> String {
    let is_named = !call.contains(' ');
    let names = if is_named { call } else { "NAME OF THE CALL" };
    let rule = format!(
        "# add to \"syscalls\" of the profile that is in force (or of a copy of your runtime's default):\n\
         {{\"names\": [\"{names}\"], \"action\": \"SCMP_ACT_ALLOW\"}}"
    );
    let place = if case.identity.pod.is_empty() {
        "docker run --security-opt seccomp=profile.json …"
    } else {
        "securityContext:\n  seccompProfile:\n    type: Localhost\n    localhostProfile: profiles/app.json"
    };
    let granted = case.config.get().and_then(|config| config.effective_caps).unwrap_or_default();
    match capability(call).filter(|(number, _)| granted >> number & 1 == 0) {
        Some((_, name)) => format!(
            "# best: do without {call}; the kernel asks for CAP_{name} as well, and Docker's default profile allows it\n\
             # to who has that (docker run --cap-add {name} …)\n{rule}\n{place}"
        ),
        None => format!("{rule}\n{place}"),
    }
}
