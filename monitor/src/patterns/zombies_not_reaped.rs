//! Children that have ended fill the process table, because nobody waits for them: says whose task it is.

use std::collections::BTreeMap;

use monitor_common::probe::Probe;

use super::{
    Need, Pattern, denials,
    wording::{counted, kernel, procfs, seconds},
};
use crate::{
    case::{Case, ZOMBIE_NS, Zombie},
    model::{
        diagnosis::{Confidence, Evidence, Finding, Severity},
        fact::{File, Libc, LibcKind},
        living::ProcessStatus,
        text::inert,
        time::BootNs,
    },
};

/// Zombies that are told one by one.
const MOST_EXAMPLES: usize = 3;
/// Growth beyond these numbers is told.
const MANY: [usize; 3] = [10, 50, 200];

pub(super) const PATTERN: Pattern = Pattern {
    id: "zombies-not-reaped",
    severity: Severity::Warning,
    title: "Children that have ended stay in the process table: nobody waits for them",
    symptom: "`<defunct>` and state `Z` in `ps`; in the end `fork/exec …: resource temporarily unavailable` at the limit \
        of pids. `--init` helps in one of two cases only.",
    evidence: "A process that has ended is still in the container's process table ten seconds or more later. Reasons: \
        `no-reaper` (its parent had ended before, so that PID 1 inherited it, and PID 1 does not wait for it), \
        `missing-wait` (its parent is the one that started it and still lives), `start-unseen` (its parent is PID 1, and \
        who started it was not seen). Certain where its start was seen, else high.",
    look_alikes: "- Every child is a zombie until its parent waits, for micro- or milliseconds: younger than ten seconds \
        counts for nothing.\n\
        - Shells (busybox, dash, bash), `docker-init` and tini as PID 1 wait for what they inherit: no zombies.\n\
        - A process whose first thread alone has ended shows state `Z`, and lives.\n\
        - A container in the host's pid namespace has no PID 1 of its own: what it leaves behind is none of its \
        processes' children.\n\
        - What `docker exec` started is waited for by the runtime outside.\n\
        - A container without any Go program: info.",
    remedy: "`no-reaper`: an init as PID 1 (`--init`, tini). `missing-wait`: `cmd.Wait()` after every `cmd.Start()`; an init \
        does not help, because the parent is the program itself.",
    limits: "A helper that a start script left behind before its `exec` counts as the program's own child. Zombies are \
        counted when gomon looks: some seconds after a process has ended, and when the container is told to stop.",
    brought_about_by: &[],
    needs: &[Need::Probe(Probe::Exit), Need::Processes],
    matches,
};

/// Whose task it would be to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    NoReaper,
    MissingWait,
    StartUnseen,
}

impl Reason {
    fn of(parent: &ProcessStatus, zombie: &Zombie) -> (Self, Confidence) {
        let Some(departed) = zombie.departed else {
            let guess = if parent.ns_pid == 1 { Self::StartUnseen } else { Self::MissingWait };
            return (guess, Confidence::High);
        };
        match departed.started_by {
            by if by == parent.pid => (Self::MissingWait, Confidence::Certain),
            // It never executed anything. Whoever was its parent at its end has ended since.
            0 if departed.parent_pid != 0 && departed.parent_pid != parent.pid => {
                (Self::NoReaper, Confidence::Certain)
            }
            0 if parent.ns_pid == 1 => (Self::StartUnseen, Confidence::High),
            0 => (Self::MissingWait, Confidence::High),
            _ => (Self::NoReaper, Confidence::Certain),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::NoReaper => "no-reaper",
            Self::MissingWait => "missing-wait",
            Self::StartUnseen => "start-unseen",
        }
    }
}

/// Zombies of one parent for one reason.
struct Group<'a> {
    parent: &'a ProcessStatus,
    reason: Reason,
    confidence: Confidence,
    zombies: Vec<(u32, &'a Zombie)>,
}

fn matches(case: &Case) -> Vec<Finding> {
    let Some((looked_at, table)) = case.surroundings.table() else { return Vec::new() };
    let mut groups: BTreeMap<(u32, Reason), Group<'_>> = BTreeMap::new();
    for (pid, zombie) in &case.surroundings.zombies {
        let parent = table.processes.iter().find(|process| process.pid == zombie.parent_pid);
        let Some(parent) = parent.filter(|parent| !parent.is_zombie) else { continue };
        if case.awake_ns(zombie.since, *looked_at) < ZOMBIE_NS {
            continue;
        }
        let (reason, confidence) = Reason::of(parent, zombie);
        let group = groups.entry((parent.pid, reason)).or_insert_with(|| Group {
            parent,
            reason,
            confidence,
            zombies: Vec::new(),
        });
        group.confidence = group.confidence.min(confidence);
        group.zombies.push((*pid, zombie));
    }
    groups.values_mut().filter_map(|group| finding(case, *looked_at, group)).collect()
}

fn finding(case: &Case, looked_at: BootNs, group: &mut Group<'_>) -> Option<Finding> {
    group.zombies.sort_by_key(|(_, zombie)| zombie.since);
    let Group { parent, reason, confidence, zombies } = group;
    let oldest = zombies.first()?.1.since;
    let program = program(case, parent);
    let is_first = parent.ns_pid == 1;
    let who = if is_first {
        format!("PID 1 ({program})")
    } else {
        format!("{program} (pid {} in the container)", parent.ns_pid)
    };
    let count = u64::try_from(zombies.len()).unwrap_or(u64::MAX);
    let children = counted(count, "child that has ended", "children that have ended");
    let why = match (*reason, is_first) {
        (Reason::MissingWait, _) => "it has to wait for what it starts",
        (Reason::NoReaper, true) => "as PID 1 it inherits orphans, and it is no init",
        (Reason::NoReaper, false) => "it made itself the heir of orphans",
        (Reason::StartUnseen, _) => "whether it started or inherited them was not seen",
    };
    Some(Finding {
        severity: if concerns_go(case, looked_at) { Severity::Warning } else { Severity::Info },
        confidence: *confidence,
        // The path may become known only later, the name does not change.
        subject: format!("{}: {}", reason.name(), inert(&parent.name)),
        summary: format!(
            "{who} does not wait for {children} ({}), the oldest {} ago: {why}",
            names(zombies),
            seconds(looked_at.since(oldest))
        ),
        evidence: evidence(case, looked_at, parent, zombies),
        remedy: remedy(case, *reason, &program, is_go(case, parent)),
        at: oldest,
    })
}

/// The program's name, or a Go program beside it.
fn concerns_go(case: &Case, at: BootNs) -> bool {
    case.go().is_some() || case.go_program_at(at).is_some()
}

/// The parent's program. Nothing may have been heard of it; then PID 1 is the container's own command, if it has its name.
fn program(case: &Case, parent: &ProcessStatus) -> String {
    let known = case.process(parent.pid).filter(|process| process.program.is_some());
    match (known, own_command(case, parent)) {
        (Some(process), _) => denials::program(process),
        (None, Some(file)) => inert(&file.path).into_owned(),
        (None, None) => inert(&parent.name).into_owned(),
    }
}

fn own_command<'a>(case: &'a Case, parent: &ProcessStatus) -> Option<&'a File> {
    let file = case.entrypoint.get()?.file.get()?.present()?;
    let name = file.path.rsplit('/').next()?;
    // The kernel keeps fifteen bytes of a name.
    (parent.ns_pid == 1 && !parent.name.is_empty() && name.starts_with(&parent.name)).then_some(file)
}

/// Go's runtime runs in the parent.
fn is_go(case: &Case, parent: &ProcessStatus) -> bool {
    let has_started = case.process(parent.pid).is_some_and(|process| process.go_started.is_some());
    has_started || own_command(case, parent).is_some() && case.go().is_some()
}

/// `12 × git, sh`.
fn names(zombies: &[(u32, &Zombie)]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, zombie) in zombies {
        *counts.entry(&zombie.name).or_default() += 1;
    }
    let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(name, count)| (usize::MAX - count, *name));
    let few = counts.iter().take(MOST_EXAMPLES).map(|(name, count)| match count {
        1 => inert(name).into_owned(),
        count => format!("{count} × {}", inert(name)),
    });
    let few = few.collect::<Vec<_>>().join(", ");
    if counts.len() > MOST_EXAMPLES { format!("{few}, …") } else { few }
}

fn evidence(
    case: &Case,
    looked_at: BootNs,
    parent: &ProcessStatus,
    zombies: &[(u32, &Zombie)],
) -> Vec<Evidence> {
    let started_by = |pid: u32| match pid {
        0 => String::new(),
        by if by == parent.pid => "; its parent had started it".to_owned(),
        by => match case.process(by) {
            Some(process) => format!("; {} (pid {by} of the host) had started it", inert(&process.comm)),
            None => format!("; pid {by} of the host, which has ended, had started it"),
        },
    };
    let end = |(pid, zombie): &(u32, &Zombie)| {
        let name = inert(&zombie.name);
        match zombie.departed {
            Some(departed) => kernel(
                departed.at,
                format!("{name} (pid {pid} of the host) ended{}", started_by(departed.started_by)),
            ),
            None => procfs(zombie.since, format!("{name} (pid {pid} of the host) was a zombie already")),
        }
    };
    let mut all: Vec<Evidence> = zombies.iter().take(MOST_EXAMPLES).map(end).collect();
    let parent_name = inert(&parent.name);
    all.push(procfs(
        looked_at,
        format!(
            "state Z, parent {parent_name} (pid {} in the container): {}",
            parent.ns_pid,
            counted(u64::try_from(zombies.len()).unwrap_or(u64::MAX), "process", "processes")
        ),
    ));
    let passed = MANY.iter().filter(|many| zombies.len() > **many);
    all.extend(
        passed.map(|many| procfs(looked_at, format!("more than {many} of them: the limit of pids is next"))),
    );
    all
}

fn remedy(case: &Case, reason: Reason, program: &str, is_go: bool) -> String {
    let go = "// each Start needs its Wait; an init (--init, tini) does not help: the program itself is the parent\n\
        if err := cmd.Start(); err != nil {\n\treturn err\n}\n\
        go func() { _ = cmd.Wait() }()   // or cmd.Run(); after os.StartProcess: process.Wait()";
    let other =
        format!("# {program} has to call waitpid(2) for each child; an init (--init, tini) does not help");
    let wait = if is_go { go.to_owned() } else { other };
    let init = format!(
        "# an init as PID 1\ndocker run --init …   # compose: init: true\n{}\n\
         # in a pod instead: the pause container becomes PID 1 and waits\nspec:\n  shareProcessNamespace: true",
        tini(case.libc.get().and_then(Option::as_ref), program)
    );
    match reason {
        Reason::MissingWait => wait,
        Reason::NoReaper => init,
        Reason::StartUnseen => format!("{init}\n{wait}"),
    }
}

fn tini(libc: Option<&Libc>, program: &str) -> String {
    let (get, path) = match libc.map(|libc| libc.kind) {
        Some(LibcKind::Musl) => ("RUN apk add --no-cache tini".to_owned(), "/sbin/tini"),
        Some(LibcKind::Glibc) => (
            "RUN apt-get update && apt-get install -y --no-install-recommends tini".to_owned(),
            "/usr/bin/tini",
        ),
        None => (
            "FROM debian:bookworm-slim AS init\nRUN apt-get update && apt-get install -y tini\n\
             # in the final stage\nCOPY --from=init /usr/bin/tini-static /tini"
                .to_owned(),
            "/tini",
        ),
    };
    format!("# or in the image\n{get}\nENTRYPOINT [\"{path}\", \"--\", \"{program}\"]")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Departed;

    fn zombie(departed: Option<(u32, u32)>) -> Zombie {
        let departed = departed.map(|(started_by, parent_pid)| Departed {
            pid: 9,
            at: BootNs(0),
            started_by,
            parent_pid,
        });
        Zombie { since: BootNs(0), parent_pid: 70, name: "git".into(), departed }
    }

    fn reason(ns_pid: u32, departed: Option<(u32, u32)>) -> (Reason, Confidence) {
        let parent = ProcessStatus { pid: 70, ns_pid, ..ProcessStatus::default() };
        Reason::of(&parent, &zombie(departed))
    }

    #[test]
    fn who_started_it_decides_whose_task_it_is_to_wait() {
        use Confidence::{Certain, High};
        use Reason::{MissingWait, NoReaper, StartUnseen};
        assert_eq!(reason(1, Some((70, 70))), (MissingWait, Certain));
        assert_eq!(reason(1, Some((80, 70))), (NoReaper, Certain), "an orphan when it ended");
        assert_eq!(reason(1, Some((80, 80))), (NoReaper, Certain), "an orphan since");
        assert_eq!(reason(1, Some((0, 80))), (NoReaper, Certain), "it executed nothing");
        assert_eq!(reason(1, Some((0, 70))), (StartUnseen, High));
        assert_eq!(reason(1, None), (StartUnseen, High));
        assert_eq!(reason(7, None), (MissingWait, High));
        assert_eq!(reason(7, Some((70, 70))), (MissingWait, Certain));
    }

    #[test]
    fn the_most_frequent_names_come_first() {
        let all: Vec<Zombie> = ["sh", "git", "git", "a", "b"]
            .iter()
            .map(|name| Zombie { name: (*name).to_owned(), ..zombie(None) })
            .collect();
        let all: Vec<(u32, &Zombie)> = all.iter().map(|zombie| (1, zombie)).collect();
        assert_eq!(names(&all), "2 × git, a, b, …");
    }
}
