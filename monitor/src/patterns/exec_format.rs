//! The file is nothing that the kernel can execute: empty, cut off, a script without its first line.

use super::{
    Need, Pattern,
    start::{Attempt, Seen, attempts},
    wording::files,
};
use crate::{
    case::{Case, Process},
    model::{
        diagnosis::{Finding, Severity},
        errno::Errno,
        fact::{Content, File, FileKind},
        signal::Signal,
    },
};
use monitor_common::probe::Probe;

pub(super) const PATTERN: Pattern = Pattern {
    id: "exec-format",
    severity: Severity::Error,
    title: "The file is not executable: empty, truncated, or a script without a shebang",
    symptom: "`exec /app/run.sh: exec format error`, exit code 1 (255 with recent runc). A binary that was cut off \
        behind its headers dies with SIGSEGV, exit code 139, and prints nothing.",
    evidence: "`execve` returns ENOEXEC and the file is empty, has no `#!`, or starts with a UTF-8 byte order mark; or \
        `execve` returns EFAULT after the point of no return and the ELF file ends before its last segment.",
    look_alikes: "- A binary for another processor: `wrong-architecture`.\n\
        - A shell that gets ENOEXEC for a script without `#!` runs it itself: healthy, ignored.\n\
        - Exit code 139 of a program that started: a crash of its own.",
    remedy: "Copy the whole file; start a script with `#!/bin/sh` as its very first bytes; check the build stage's \
        output size.",
    limits: "A file that was damaged behind its headers may also start and crash later.",
    brought_about_by: &[],
    needs: &[Need::Probe(Probe::ExecFailed), Need::Entrypoint],
    matches,
};

/// What is wrong with the file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reason {
    Empty,
    Truncated,
    NoShebang,
    ByteOrderMark,
    NoProgram,
}

impl Reason {
    fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Truncated => "truncated",
            Self::NoShebang => "no-shebang",
            Self::ByteOrderMark => "byte-order-mark",
            Self::NoProgram => "no-program",
        }
    }

    fn says(self) -> &'static str {
        match self {
            Self::Empty => "is empty",
            Self::Truncated => "is an ELF file that ends before its last segment",
            Self::NoShebang => "is a text file without a #! line",
            Self::ByteOrderMark => "has a UTF-8 byte order mark before its #!",
            Self::NoProgram => "is neither an ELF file nor a script",
        }
    }

    fn remedy(self, path: &str, size_bytes: u64) -> String {
        match self {
            Self::Empty | Self::Truncated | Self::NoProgram => format!(
                "# the image holds {size_bytes} bytes of it; compare with what the build stage wrote, and copy that\n\
                 RUN go build -o /out/app . && ls -l /out/app\nCOPY --from=build /out/app {path}"
            ),
            Self::NoShebang => format!("RUN sed -i '1i #!/bin/sh' {path}"),
            Self::ByteOrderMark => format!("RUN sed -i '1s/^\\xEF\\xBB\\xBF//' {path}"),
        }
    }
}

fn matches(case: &Case) -> Vec<Finding> {
    attempts(case)
        .iter()
        .filter_map(|attempt| {
            let file = attempt.file?.present()?;
            let reason = reason(case, attempt, file)?;
            Some(finding(case, attempt, file, reason))
        })
        .collect()
}

fn reason(case: &Case, attempt: &Attempt<'_>, file: &File) -> Option<Reason> {
    if file.kind != FileKind::Regular {
        return None;
    }
    let content = file.content.get()?;
    if let Content::Elf(elf) = content {
        let died = match attempt.seen {
            Seen::Refused(process, failure) => {
                failure.errno == Errno::EFAULT
                    && process.exit.is_none_or(|exit| exit.signal == Some(Signal::SEGV))
                    || failure.errno == Errno::ENOEXEC
            }
            Seen::Checked(..) => false,
            Seen::Past(state) => state.exit_code == Some(139),
        };
        return (elf.truncated && died).then_some(Reason::Truncated);
    }
    let reason = match content {
        Content::Empty => Reason::Empty,
        Content::ByteOrderMarkedScript => Reason::ByteOrderMark,
        Content::Other { text: true } => Reason::NoShebang,
        Content::Other { text: false } => Reason::NoProgram,
        Content::Script(_) | Content::Elf(_) => return None,
    };
    let is_read_as_script = reason != Reason::NoProgram && runs_it_itself(case, attempt);
    (attempt.refused_with(Errno::ENOEXEC) && !is_read_as_script).then_some(reason)
}

/// Shells read a file that the kernel refuses with ENOEXEC as a script of their own (POSIX sh, command search): dash and
/// busybox execute themselves for it, bash goes on in the process that it forked.
fn runs_it_itself(case: &Case, attempt: &Attempt<'_>) -> bool {
    let Seen::Refused(process, failure) = attempt.seen else { return false };
    let runs_shell = |process: &Process| {
        process
            .program
            .as_ref()
            .is_some_and(|program| is_shell(&program.path) || is_shell(&program.interpreter))
    };
    // A forked process bears the name of the shell, or of the script that the shell runs.
    let is_fork_of_shell = || case.processes().any(|other| other.comm == failure.comm && runs_shell(other));
    runs_shell(process) || process.program.is_none() && (is_shell(&failure.comm) || is_fork_of_shell())
}

fn is_shell(path: &str) -> bool {
    const SHELLS: [&str; 8] = ["sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "busybox"];
    SHELLS.contains(&path.rsplit('/').next().unwrap_or_default())
}

fn finding(case: &Case, attempt: &Attempt<'_>, file: &File, reason: Reason) -> Finding {
    let path = &attempt.path;
    let mut evidence = attempt.evidence(case);
    evidence.push(files(format!("{path} {} ({} bytes)", reason.says(), file.size_bytes)));
    Finding {
        severity: attempt.severity(),
        confidence: attempt.confidence(),
        subject: format!("{path}: {}", reason.name()),
        summary: format!("{path} cannot be executed: it {}", reason.says()),
        remedy: reason.remedy(path, file.size_bytes),
        evidence,
        at: attempt.at,
    }
}
