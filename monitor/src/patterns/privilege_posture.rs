//! What the container may do beyond what it most likely needs: a remark, one line.

use super::{
    Need, Pattern,
    permission::capability_names,
    wording::{config, procfs},
};
use crate::{
    case::Case,
    model::{
        access::DOCKER_CAPS,
        diagnosis::{Confidence, Evidence, Finding, Severity},
        fact::Config,
        time::BootNs,
    },
};

/// A container with this many more is privileged for all purposes.
const MANY: u32 = 8;

pub(super) const PATTERN: Pattern = Pattern {
    id: "privilege-posture",
    severity: Severity::Info,
    title: "The container may do more than it most likely needs",
    symptom: "Nothing fails. Whoever takes over the program has these privileges.",
    evidence: "The container's configuration, told in one finding (high): it starts as UID 0 without a user namespace; its \
        bounding set has capabilities beyond Docker's fourteen; it has no seccomp profile; and beside one of these, its root \
        file system is writable.",
    look_alikes: "- UID 0 in a user namespace (userns-remap, rootless) is an ordinary user of the host: not told.\n\
        - An entrypoint that drops its UID: the finding says so once a look at the processes has shown it.\n\
        - A writable root alone: not told.",
    remedy: "Run as a user of its own, drop all capabilities and add the few that are needed, keep the runtime's seccomp \
        profile, and make the root file system read-only with a tmpfs for what has to be written.",
    limits: "What the program needs cannot be known. Security modules and mounts of the host's files are not judged.",
    brought_about_by: &[],
    needs: &[Need::Config],
    matches,
};

fn matches(case: &Case) -> Vec<Finding> {
    find(case).into_iter().collect()
}

fn find(case: &Case) -> Option<Finding> {
    let known = case.config.get()?;
    // What dockerd remembers of a dead container does not tell about user namespaces.
    let is_alive =
        case.from_birth || case.surroundings.table().is_some() || case.processes().next().is_some();
    let mut reasons = reasons(known);
    if !is_alive || reasons.is_empty() {
        return None;
    }
    let dropped = dropped(case).filter(|_| starts_as_root(known));
    if let (Some((_, uid)), Some(first)) = (dropped, reasons.first_mut()) {
        *first = format!("starts as root and drops to UID {uid}");
    }
    if !known.readonly_root {
        reasons.push("can write to its root file system".to_owned());
    }
    let mut evidence = vec![standing(known)];
    evidence.extend(dropped.map(|(at, uid)| procfs(at, format!("its first process ran as UID {uid}"))));
    Some(Finding {
        severity: Severity::Info,
        confidence: Confidence::High,
        subject: "privileges".to_owned(),
        summary: format!("the container {}", reasons.join(", ")),
        evidence,
        remedy: remedy(case, known),
        // A standing fact of this life of the container.
        at: case.appeared_at,
    })
}

fn starts_as_root(known: &Config) -> bool {
    known.uid == 0 && !known.user_namespace
}

fn reasons(known: &Config) -> Vec<String> {
    let more = known.bounding_caps.unwrap_or_default() & !DOCKER_CAPS;
    let root = starts_as_root(known).then(|| "starts as root without a user namespace".to_owned());
    let capabilities = (more != 0).then(|| match more.count_ones() {
        many @ MANY.. => format!("may have {many} capabilities beyond Docker's fourteen"),
        _ => format!("may have {}", capability_names(more)),
    });
    let seccomp = (!known.seccomp).then(|| "has no seccomp profile".to_owned());
    [root, capabilities, seccomp].into_iter().flatten().collect()
}

/// The UID that its first process has taken, where that was looked at and is another one than root's.
fn dropped(case: &Case) -> Option<(BootNs, u32)> {
    let (at, table) = case.surroundings.table()?;
    let first = table.processes.iter().find(|process| process.ns_pid == 1 && !process.is_zombie)?;
    (first.uid != 0 && !case.shares_host_pids()).then_some((*at, first.uid))
}

fn standing(known: &Config) -> Evidence {
    let more = known.bounding_caps.map_or_else(
        || "unknown".to_owned(),
        |caps| match caps & !DOCKER_CAPS {
            0 => "none beyond Docker's".to_owned(),
            more => capability_names(more),
        },
    );
    let yes = |is: bool| if is { "yes" } else { "no" };
    config(format!(
        "UID {}, user namespace: {}, capabilities: {more}, seccomp profile: {}, no_new_privileges: {}, read-only root: {}",
        known.uid,
        yes(known.user_namespace),
        yes(known.seccomp),
        yes(known.no_new_privileges),
        yes(known.readonly_root)
    ))
}

fn remedy(case: &Case, known: &Config) -> String {
    // A UID that is no other program's on most hosts.
    let uid = if known.uid == 0 { 65_532 } else { known.uid };
    if case.identity.pod.is_empty() {
        let seccomp = if known.seccomp { "" } else { "   # and without --security-opt seccomp=unconfined" };
        format!(
            "docker run --user {uid}:{uid} --cap-drop ALL --security-opt no-new-privileges \\\n  \
            --read-only --tmpfs /tmp …{seccomp}"
        )
    } else {
        format!(
            "securityContext:\n  runAsNonRoot: true\n  runAsUser: {uid}\n  allowPrivilegeEscalation: false\n  \
            readOnlyRootFilesystem: true\n  capabilities: {{drop: [ALL]}}\n  seccompProfile: {{type: RuntimeDefault}}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config_of(uid: u32, bounding_caps: u64, seccomp: bool) -> Config {
        Config { uid, bounding_caps: Some(bounding_caps), seccomp, ..Config::default() }
    }

    #[test]
    fn only_what_goes_beyond_an_ordinary_unprivileged_container_is_told() {
        assert_eq!(DOCKER_CAPS, 0xa804_25fb, "CapBnd of a container of Docker");
        assert!(reasons(&config_of(1000, DOCKER_CAPS, true)).is_empty());
        assert!(reasons(&Config { user_namespace: true, ..config_of(0, DOCKER_CAPS, true) }).is_empty());
        assert_eq!(reasons(&config_of(0, DOCKER_CAPS, true)), ["starts as root without a user namespace"]);
        assert_eq!(
            reasons(&config_of(1, DOCKER_CAPS | 1 << 12 | 1 << 21, true)),
            ["may have CAP_NET_ADMIN, CAP_SYS_ADMIN"]
        );
        assert_eq!(
            reasons(&config_of(1, (1 << 41) - 1, false)),
            ["may have 27 capabilities beyond Docker's fourteen", "has no seccomp profile"]
        );
        let unknown = Config { bounding_caps: None, ..config_of(1, 0, true) };
        assert!(reasons(&unknown).is_empty());
    }
}
