//! A debugger or tracer may not attach: says which layer refused it.

use monitor_common::probe::Probe;

use super::{
    Need, Pattern,
    denials::{self, Rule, who},
    wording::{config, kernel},
};
use crate::{
    case::{Case, Process, RefusedSeen},
    model::{
        diagnosis::{Confidence, Evidence, Finding, Severity},
        errno::Errno,
        text::inert,
    },
};

/// `PTRACE_*` of linux/ptrace.h.
const TRACEME: u64 = 0;
const ATTACH: u64 = 16;
const SEIZE: u64 = 0x4206;
/// `CAP_SYS_PTRACE` by its number.
const SYS_PTRACE: u32 = 19;

pub(super) const PATTERN: Pattern = Pattern {
    id: "ptrace-denied",
    severity: Severity::Info,
    title: "A debugger may not attach to a process",
    symptom: "`could not attach to pid 7: operation not permitted` (dlv), `ptrace: Operation not permitted` (gdb), \
        `attach: ptrace(PTRACE_SEIZE, 7): Operation not permitted` (strace).",
    evidence: "`ptrace` with PTRACE_ATTACH or PTRACE_SEIZE returns EPERM or EACCES. Reasons: `seccomp` (the container's \
        profile answers so, whatever the arguments; certain; PTRACE_TRACEME counts as well), `security-module` (EACCES \
        with an AppArmor or SELinux profile in force; high), `credentials` (the profile allows it: another user, more \
        capabilities, or Yama; certain), `unknown` (what the profile says is not known; high).",
    look_alikes: "- PTRACE_TRACEME of a process that is traced already: EPERM, benign.\n\
        - ESRCH and EIO in the ordinary work of a debugger: not reported.\n\
        - With the same user and capabilities dlv works in a default container (kernel 4.8 or newer).",
    remedy: "`seccomp`: allow `ptrace` in the profile. `credentials`: run the debugger as the program's own user, or with \
        `--cap-add SYS_PTRACE`; `kernel.yama.ptrace_scope` of the host.",
    limits: "The kernel answers the same EPERM for another user, for missing capabilities, for Yama and for a process that \
        is traced already: they are not told apart.",
    brought_about_by: &[],
    needs: &[Need::Probe(Probe::SyscallRefused), Need::Config],
    matches,
};

/// Who refused.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Layer {
    Seccomp(Errno),
    /// The profile in force.
    SecurityModule(String),
    Credentials,
    Unknown,
}

impl Layer {
    fn of(case: &Case, refused: &RefusedSeen) -> Option<Self> {
        let errno = refused.errno().filter(|errno| matches!(*errno, Errno::EPERM | Errno::EACCES))?;
        let label = case.config.get().and_then(|config| config.security_label.as_deref());
        let layer = match (Rule::behind(case, refused), label) {
            (Rule::Profile, _) => Self::Seccomp(errno),
            (Rule::NotProfile, Some(label)) if errno == Errno::EACCES => {
                Self::SecurityModule(inert(label).into_owned())
            }
            (Rule::NotProfile, _) => Self::Credentials,
            (Rule::Unknown, _) => Self::Unknown,
        };
        let [request, ..] = refused.arguments;
        let attaches = matches!(request, ATTACH | SEIZE);
        (attaches || request == TRACEME && matches!(layer, Self::Seccomp(_))).then_some(layer)
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Seccomp(_) => "seccomp",
            Self::SecurityModule(_) => "security-module",
            Self::Credentials => "credentials",
            Self::Unknown => "unknown",
        }
    }

    fn confidence(&self) -> Confidence {
        match self {
            Self::Seccomp(_) | Self::Credentials => Confidence::Certain,
            Self::SecurityModule(_) | Self::Unknown => Confidence::High,
        }
    }

    fn says(&self) -> String {
        match self {
            Self::Seccomp(_) => "the container's seccomp profile refuses ptrace".to_owned(),
            Self::SecurityModule(label) => {
                format!("a security module refuses it; profile {label} is in force")
            }
            Self::Credentials => {
                "the target has another user or more capabilities, or Yama forbids it".to_owned()
            }
            Self::Unknown => {
                "whether the seccomp profile or the kernel's own check refused is not known".to_owned()
            }
        }
    }

    fn remedy(&self) -> &'static str {
        match self {
            Self::Seccomp(_) | Self::Unknown => {
                "# Docker's current default profile allows ptrace; in a profile of your own add\n\
                 {\"names\": [\"ptrace\"], \"action\": \"SCMP_ACT_ALLOW\"}\n\
                 docker run --security-opt seccomp=profile.json …"
            }
            Self::SecurityModule(_) => {
                "# on a test machine, without the profile\ndocker run --security-opt apparmor=unconfined …"
            }
            Self::Credentials => {
                "# debug as the user that the program runs as\n\
                 docker exec --user UID CONTAINER dlv attach PID\n\
                 # or grant the capability to the container that the debugger runs in\n\
                 docker run --cap-add SYS_PTRACE …\n\
                 # or, if the host's kernel.yama.ptrace_scope is 1 or more, let dlv start the program: dlv exec /app/server"
            }
        }
    }
}

fn matches(case: &Case) -> Vec<Finding> {
    case.processes()
        .filter(|process| !process.is_runtime_stage())
        .filter_map(|process| {
            let mut ptraces = process.refused.iter().filter(|refused| &*refused.syscall == "ptrace");
            let (refused, layer) = ptraces.find_map(|refused| Some((refused, Layer::of(case, refused)?)))?;
            Some(finding(case, process, refused, &layer))
        })
        .collect()
}

fn finding(case: &Case, process: &Process, refused: &RefusedSeen, layer: &Layer) -> Finding {
    let [request, target, _] = refused.arguments;
    let written = match request {
        TRACEME => "PTRACE_TRACEME".to_owned(),
        SEIZE => format!("PTRACE_SEIZE, {target}"),
        _ => format!("PTRACE_ATTACH, {target}"),
    };
    let errno = refused.errno().unwrap_or(Errno::EPERM);
    let program = denials::program(process);
    let mut evidence =
        vec![kernel(refused.at, format!("ptrace({written}) by {} failed with {errno}", who(case, process)))];
    evidence.extend(of_layer(case, layer));
    Finding {
        severity: Severity::Info,
        confidence: layer.confidence(),
        subject: format!("{program}: {}", layer.name()),
        summary: format!("{program} may not trace another process: {}", layer.says()),
        evidence,
        remedy: layer.remedy().to_owned(),
        at: refused.at,
    }
}

fn of_layer(case: &Case, layer: &Layer) -> Vec<Evidence> {
    let lacks = || {
        let granted = case.config.get()?.effective_caps?;
        (granted >> SYS_PTRACE & 1 == 0)
            .then(|| config("the container does not have CAP_SYS_PTRACE, which would lift the check"))
    };
    match layer {
        Layer::Seccomp(errno) => vec![denials::profile_answers("ptrace", *errno)],
        Layer::SecurityModule(label) => vec![config(format!("security profile {label}"))],
        Layer::Credentials => {
            let is_filtered = case.config.get().is_some_and(|config| config.seccomp);
            let fact = if is_filtered {
                "the container's seccomp profile allows ptrace"
            } else {
                "the container has no seccomp profile"
            };
            [config(fact)].into_iter().chain(lacks()).collect()
        }
        Layer::Unknown => lacks().into_iter().collect(),
    }
}
