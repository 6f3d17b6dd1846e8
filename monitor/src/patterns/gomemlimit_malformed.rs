//! Go ends at its start, because it cannot read GOMEMLIMIT.

use monitor_common::probe::Probe;

use super::{
    Need, Pattern,
    denials::{program, who},
    memory::{GoMemoryLimit, KNOWS_GOMEMLIMIT},
    start::{ended, past, unseen_end},
    wording::config,
};
use crate::{
    case::{Case, ExitSeen, Process},
    model::{
        diagnosis::{Confidence, Evidence, Finding, Severity},
        fact::GoBuild,
        signal::Signal,
        text::{inert, inert_short},
        time::SECOND,
    },
};

/// The runtime reads the variable before anything of the program runs.
const READS_WITHIN_NS: u64 = SECOND;
/// The exit code of a fatal error of the Go runtime.
const FATAL: i32 = 2;
/// What is told of a value.
const VALUE_CHARS: usize = 128;

pub(super) const PATTERN: Pattern = Pattern {
    id: "gomemlimit-malformed",
    severity: Severity::Error,
    title: "Go ends at its start: GOMEMLIMIT is written in a way that it cannot read",
    symptom: "`fatal error: malformed GOMEMLIMIT; see `go doc runtime/debug.SetMemoryLimit``, exit code 2 at once, with \
        every restart. Most often `400Mi`, as Kubernetes writes it, instead of `400MiB`.",
    evidence: "The container's environment sets GOMEMLIMIT to something that is neither `off` nor a number with an \
        optional `B`, `KiB`, `MiB`, `GiB` or `TiB`, and a Go program ends with code 2 within a second of its start. \
        Certain for the container's own command with Go 1.19 or newer; high below a shell, of an unknown Go version, and \
        of a container that was dead before gomon looked.",
    look_alikes: "- Go 1.18 and older do not read it.\n\
        - A panic at start also ends with code 2: GOMEMLIMIT is well-formed then.\n\
        - An empty value counts as not set.\n\
        - A malformed GOGC is ignored without a word.\n\
        - A program that is not Go passes the variable over: no verdict unless a Go program ends.",
    remedy: "Write `400MiB`, not `400Mi`, `400M` or `400mb`.",
    limits: "A shell that changes the variable before it starts the program is not seen.",
    brought_about_by: &[],
    needs: &[Need::Probe(Probe::Exit), Need::Probe(Probe::Open), Need::Config],
    matches,
};

fn matches(case: &Case) -> Vec<Finding> {
    let value = case.config.get().and_then(|config| config.env.get("GOMEMLIMIT"));
    let Some(value) = value.filter(|text| GoMemoryLimit::read(text) == GoMemoryLimit::Malformed) else {
        return Vec::new();
    };
    let is_too_old = |build: &GoBuild| build.release().is_some_and(|release| release < KNOWS_GOMEMLIMIT);
    if case.go().is_some_and(is_too_old) {
        return Vec::new();
    }
    let mut found: Vec<Finding> = case.processes().filter_map(|process| seen(case, process, value)).collect();
    if found.is_empty() {
        found.extend(unseen(case, value));
    }
    found
}

fn seen(case: &Case, process: &Process, value: &str) -> Option<Finding> {
    let started = process.program.as_ref()?;
    process.go_started?;
    let exit = process.exit.filter(|exit| exit.at.since(started.at) <= READS_WITHIN_NS && is_fatal(*exit))?;
    let is_certain = case.is_init(process) && case.go().is_some_and(|build| build.release().is_some());
    let evidence = vec![ended(exit, &who(case, process))];
    Some(Finding {
        severity: if case.is_from_outside(process) { Severity::Warning } else { Severity::Error },
        confidence: if is_certain { Confidence::Certain } else { Confidence::High },
        at: exit.at,
        ..finding(case, &program(process), value, evidence)
    })
}

/// GOTRACEBACK=crash makes it a SIGABRT.
fn is_fatal(exit: ExitSeen) -> bool {
    exit.signal.map_or(exit.code == FATAL, |signal| signal == Signal::ABRT)
}

/// It was over before gomon looked.
fn unseen(case: &Case, value: &str) -> Option<Finding> {
    let (at, state) = unseen_end(case).filter(|(_, state)| state.exit_code == Some(i64::from(FATAL)))?;
    case.go()?;
    let file = case.entrypoint.get()?.file.get()?.present()?;
    Some(Finding { at, ..finding(case, &inert(&file.path), value, vec![past(state)]) })
}

fn finding(case: &Case, program: &str, value: &str, mut evidence: Vec<Evidence>) -> Finding {
    let value = inert_short(value, VALUE_CHARS);
    evidence.push(config(format!("GOMEMLIMIT={value}")));
    if let Some(build) = case.go() {
        evidence.push(config(format!("the program was built with {}", inert(&build.version))));
    }
    let right = right_spelling(&value);
    let says = match &right {
        Some(right) => format!("{right} is right"),
        None => "it takes a whole number with B, KiB, MiB, GiB or TiB".to_owned(),
    };
    let limit = case.config.get().and_then(|config| config.memory_limit_bytes);
    let right = right.unwrap_or_else(|| limit.map_or_else(|| "400MiB".to_owned(), most_of));
    Finding {
        severity: Severity::Error,
        confidence: Confidence::High,
        subject: format!("GOMEMLIMIT={value}"),
        summary: format!("Go cannot read GOMEMLIMIT={value} and ends {program} at its start; {says}"),
        evidence,
        remedy: format!(
            "env:\n- name: GOMEMLIMIT\n  value: {right}   # B, KiB, MiB, GiB, TiB or off\n\
             # or\ndocker run -e GOMEMLIMIT={right} …"
        ),
        at: case.now,
    }
}

/// What was most likely meant: the number with its unit spelled out, a fraction in the next smaller unit.
fn right_spelling(value: &str) -> Option<String> {
    let value = value.trim();
    let (number, unit) = value.split_at_checked(value.find(|c: char| !c.is_ascii_digit() && c != '.')?)?;
    let unit = unit.trim().to_ascii_uppercase();
    let shift = match unit.as_str() {
        "K" | "KI" | "KB" | "KIB" => 10,
        "M" | "MI" | "MB" | "MIB" => 20,
        "G" | "GI" | "GB" | "GIB" => 30,
        "T" | "TI" | "TB" | "TIB" => 40,
        _ => return None,
    };
    let name = |shift: u32| ["", "KiB", "MiB", "GiB", "TiB"].get(usize::try_from(shift / 10).ok()?).copied();
    let Some((whole, tenths)) = number.split_once('.') else {
        number.parse::<u64>().ok()?;
        return Some(format!("{number}{}", name(shift)?));
    };
    let tenths: u64 = (tenths.len() == 1).then(|| tenths.parse().ok())??;
    let smaller = whole.parse::<u64>().ok()?.checked_mul(1024)?.checked_add(tenths * 1024 / 10)?;
    (shift > 10).then(|| Some(format!("{smaller}{}", name(shift - 10)?)))?
}

/// About 90 % of the container's limit.
fn most_of(limit: u64) -> String {
    format!("{}MiB", (limit >> 20) * 9 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        container::{CgroupId, ContainerId, Run},
        fact::{Config, Content, Elf, Entrypoint, Fact, File, FileFact, FileKind, Known, RuntimeState},
        observation::Host,
        time::BootNs,
    };

    #[test]
    fn the_right_spelling_keeps_number_and_unit() {
        for written in ["400Mi", "400M", "400mb", "400MB", "400 MiB", " 400m"] {
            assert_eq!(right_spelling(written).as_deref(), Some("400MiB"), "{written}");
        }
        assert_eq!(right_spelling("1.5GiB").as_deref(), Some("1536MiB"));
        for unclear in ["80%", "lots", "0.25G", "1.5K", "5 monkeys", "1.2.3G", "-4G", "99999999999999999999M"]
        {
            assert_eq!(right_spelling(unclear), None, "{unclear}");
        }
    }

    /// A container that was dead when gomon came, with what the runtime remembers of it.
    fn dead(version: &str, exit_code: i64) -> Case {
        let run = Run { container: ContainerId("ab".repeat(32).into()), cgroup: CgroupId(1) };
        let mut case = Case::new(run, BootNs(0), Host::default());
        let env = [("GOMEMLIMIT".to_owned(), "400Mi".to_owned())].into_iter().collect();
        let elf = Elf {
            class: 64,
            machine: 62,
            kind: 2,
            truncated: false,
            interpreter: None,
            needed: Vec::new(),
            libraries: Known::default(),
            version_needs: Vec::new(),
            go: Known::Is(Some(GoBuild { version: version.into(), ..GoBuild::default() })),
        };
        let file = File {
            path: "/app/x".into(),
            resolved: "/app/x".into(),
            kind: FileKind::Regular,
            mode: 0o755,
            uid: 0,
            gid: 0,
            size_bytes: 1,
            noexec_mount: None,
            closed_directory: None,
            capabilities: None,
            content: Known::Is(Content::Elf(Box::new(elf))),
        };
        let entrypoint = Entrypoint {
            command: "/app/x".into(),
            searched: Vec::new(),
            file: Known::Is(FileFact::Present(Box::new(file))),
        };
        let state =
            RuntimeState { status: "exited".into(), exit_code: Some(exit_code), ..RuntimeState::default() };
        for fact in [
            Fact::Config(Known::Is(Config { env, ..Config::default() })),
            Fact::Entrypoint(Known::Is(entrypoint)),
            Fact::RuntimeState(state),
        ] {
            case.learn(BootNs(1), fact);
        }
        case
    }

    #[test]
    fn a_dead_container_is_judged_by_its_exit_code_and_go_release() {
        let confidence = |version, code| matches(&dead(version, code)).first().map(|found| found.confidence);
        assert_eq!(confidence("go1.21.3", 2), Some(Confidence::High));
        assert_eq!(confidence("go1.21.3", 1), None);
        assert_eq!(confidence("go1.18.9", 2), None, "it does not read the variable");
    }
}
