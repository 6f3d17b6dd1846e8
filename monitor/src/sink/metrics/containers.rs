//! What each container's series say: names as they are learned, counters from zero, findings, the end after 15 minutes.

use std::collections::{HashMap, HashSet};

use crate::{
    model::{
        container::{CgroupId, ContainerId, Identity},
        diagnosis::{Diagnosis, Severity},
        errno::Errno,
        event::{Event, EventKind, SignalOutcome},
        fact::{Content, Elf, Entrypoint, Fact, File, FileFact, Known, Libc, LibcKind},
        signal::Signal,
        time::{BootEpoch, BootNs, SECOND},
    },
    patterns::CATALOGUE,
};

use super::{
    families::Families,
    series::{Family, Names, Series, label},
};

/// How long the series of a container stay after its end, and a finding active after its last occurrence.
const KEPT_NS: u64 = 15 * 60 * SECOND;
/// How long a container may stay nameless before it goes by its short id.
const NAMELESS_NS: u64 = 10 * SECOND;
/// Containers that are known at least, however few series there may be: those without series of their own count together.
const MIN_CONTAINERS: usize = 4_096;
/// Findings of one container that are told apart; further ones are not counted.
const MAX_FINDINGS: usize = 512;
/// Exec failures that begin at zero: those that alerts ask for.
const BORN_ERRNOS: [Errno; 3] = [Errno::ENOENT, Errno::EACCES, Errno::ENOEXEC];

/// All containers that have series.
pub(super) struct Containers {
    series: Series,
    by_id: HashMap<ContainerId, Container>,
    pub(super) epoch: BootEpoch,
    max: usize,
}

/// What the metrics know of one container.
struct Container {
    /// Its labels, once it has any.
    names: Option<Names>,
    runs: HashSet<CgroupId>,
    seen: BootNs,
    gone: Option<BootNs>,
    findings: HashMap<(String, String), Finding>,
    about: About,
    /// The labels of its info series behind the names.
    info: Option<Vec<String>>,
}

/// The part of the info metric that comes from facts.
struct About {
    image: String,
    runtime: &'static str,
    go_version: String,
    libc: &'static str,
    linkage: &'static str,
    /// Where an OOM kill would come from, as far as the configuration tells.
    oom_scope: &'static str,
}

impl About {
    fn unknown() -> Self {
        Self {
            image: String::new(),
            runtime: "unknown",
            go_version: String::new(),
            libc: "unknown",
            linkage: "unknown",
            oom_scope: "unknown",
        }
    }
}

struct Finding {
    count: u64,
    severity: Severity,
    last: BootNs,
    /// It rests on no event: it holds as long as the container runs.
    standing: bool,
}

impl Finding {
    fn is_active(&self, now: BootNs, gone: bool) -> bool {
        (self.standing && !gone) || now.since(self.last) < KEPT_NS
    }
}

impl Containers {
    pub(super) fn new(families: Families, epoch: BootEpoch, max_series: usize) -> Self {
        let max = max_series.max(MIN_CONTAINERS);
        Self { series: Series::new(families, max_series), by_id: HashMap::new(), epoch, max }
    }

    pub(super) fn set_max(&mut self, max_series: usize) {
        self.max = max_series;
        self.series.set_max(max_series);
    }

    /// A run began.
    pub(super) fn appeared(&mut self, id: &ContainerId, cgroup: CgroupId, at: BootNs) {
        if let Some(container) = self.container(id, at) {
            container.runs.insert(cgroup);
            container.gone = None;
        }
    }

    /// A run ended.
    pub(super) fn vanished(&mut self, id: &ContainerId, cgroup: CgroupId, at: BootNs) {
        if let Some(container) = self.by_id.get_mut(id) {
            container.runs.remove(&cgroup);
            if container.runs.is_empty() {
                container.gone = Some(at);
            }
        }
    }

    /// Something is known of a container.
    pub(super) fn learned(&mut self, id: &ContainerId, at: BootNs, fact: &Fact) {
        let Some(container) = self.container(id, at) else { return };
        let about = &mut container.about;
        match fact {
            Fact::Identity(identity) => return self.named(id, identity, at),
            Fact::Config(Known::Is(config)) => {
                about.oom_scope = if config.memory_limit_bytes.is_some() { "container" } else { "outside" };
            }
            Fact::Entrypoint(Known::Is(entrypoint)) => {
                (about.linkage, about.go_version) = linkage(entrypoint);
            }
            Fact::Libc(Known::Is(libc)) => about.libc = libc_name(libc.as_ref()),
            Fact::Config(Known::Unknown(_))
            | Fact::Entrypoint(Known::Unknown(_))
            | Fact::Libc(Known::Unknown(_))
            | Fact::File { .. }
            | Fact::TrustStore(_)
            | Fact::Passwd(_)
            | Fact::Image(_)
            | Fact::Pem { .. }
            | Fact::Linked { .. }
            | Fact::Processes(_)
            | Fact::Cpu(_)
            | Fact::DlopenWatched(_)
            | Fact::RuntimeState(_) => return,
        }
        self.tell_info(id);
    }

    /// Something happened in a container.
    pub(super) fn happened(&mut self, id: &ContainerId, event: &Event) {
        match &event.kind {
            EventKind::ExecFailed { errno, .. } => {
                let errno = errno.name().unwrap_or("other");
                self.count(id, event.at, Family::ExecFailures, &[errno]);
            }
            EventKind::OomKill { victim, .. } => {
                let Some(container) = self.container(id, event.at) else { return };
                let scope = container.about.oom_scope;
                let init = match victim.ns_pid {
                    0 => "unknown",
                    1 => "true",
                    _ => "false",
                };
                self.count(id, event.at, Family::OomKills, &[scope, init]);
            }
            EventKind::SignalSent {
                signal, code, outcome: SignalOutcome::Delivered, sender_cgroup, ..
            } => {
                // si_code above SI_USER: the kernel, sigaction(2).
                let origin = match code {
                    1.. => "kernel",
                    _ if *sender_cgroup == event.cgroup => "container",
                    _ => "outside",
                };
                self.count(id, event.at, Family::Signals, &[&signal_label(*signal), origin]);
            }
            EventKind::SignalSent { .. }
            | EventKind::SignalDelivered { .. }
            | EventKind::Exec { .. }
            | EventKind::Open { .. }
            | EventKind::Exit { .. }
            | EventKind::TlsRefused { .. }
            | EventKind::SyscallRefused { .. }
            | EventKind::Listening { .. }
            | EventKind::DlopenFailed { .. }
            | EventKind::Flooded { .. }
            | EventKind::CgroupMade { .. }
            | EventKind::CgroupRemoved { .. } => {}
        }
    }

    /// A finding is new or was repeated; counts what its count grew by.
    pub(super) fn diagnosed(&mut self, diagnosis: &Diagnosis, identity: &Identity) {
        let Diagnosis { container: id, pattern, severity, subject, evidence, last_seen, count, .. } =
            diagnosis;
        self.named(id, identity, *last_seen);
        let Some(names) = self.settled(id, *last_seen) else { return };
        let Some(container) = self.by_id.get_mut(id) else { return };
        let key = (pattern.clone(), subject.clone());
        if container.findings.len() >= MAX_FINDINGS && !container.findings.contains_key(&key) {
            return;
        }
        let standing = evidence.iter().all(|one| one.at.is_none());
        let finding = Finding { count: *count, severity: *severity, last: *last_seen, standing };
        let before = container.findings.insert(key, finding);
        let known = before.as_ref().map_or(0, |before| before.count);
        // A smaller count means that the engine began anew.
        let grown = if *count >= known { count - known } else { *count };
        let labels = [label(pattern), severity.name().to_owned()];
        let labels = labels.each_ref().map(String::as_str);
        self.series.add(Family::Diagnoses, &names, &labels, grown);
        self.series.set(Family::Active, &names, &labels, 1.0);
        let seconds = self.epoch.utc(*last_seen).as_duration().as_secs_f64();
        self.series.set(Family::Last, &names, &labels, seconds);
        if before.is_some_and(|before| before.severity != *severity) {
            self.tell_active(*last_seen);
        }
    }

    /// Gives nameless containers their short id, ends findings, and removes what is long gone.
    pub(super) fn expire(&mut self, now: BootNs) {
        let nameless: Vec<ContainerId> = self
            .by_id
            .iter()
            .filter(|(_, one)| one.names.is_none() && now.since(one.seen) >= NAMELESS_NS)
            .map(|(id, _)| id.clone())
            .collect();
        for id in &nameless {
            self.settled(id, now);
        }
        self.tell_active(now);
        let over = |one: &Container| one.gone.is_some_and(|gone| now.since(gone) >= KEPT_NS);
        let gone: Vec<(ContainerId, Container)> = self.by_id.extract_if(|_, one| over(one)).collect();
        for (id, container) in gone {
            let Some(names) = container.names else { continue };
            if self.by_id.values().any(|one| one.names.as_ref() == Some(&names)) {
                self.forget_info(&id, &names, container.info);
            } else {
                self.series.remove_owner(&names);
            }
        }
    }

    /// The container's entry; `None` beyond the cap. One that never appeared counts as gone already.
    fn container(&mut self, id: &ContainerId, at: BootNs) -> Option<&mut Container> {
        if self.by_id.len() >= self.max && !self.by_id.contains_key(id) {
            self.series.drop_one();
            return None;
        }
        Some(self.by_id.entry(id.clone()).or_insert_with(|| Container {
            names: None,
            runs: HashSet::new(),
            seen: at,
            gone: Some(at),
            findings: HashMap::new(),
            about: About::unknown(),
            info: None,
        }))
    }

    fn count(&mut self, id: &ContainerId, at: BootNs, family: Family, rest: &[&str]) {
        if let Some(names) = self.settled(id, at) {
            self.series.add(family, &names, rest, 1);
        }
    }

    /// Takes over a container's names. One that had others hands its series over, unless it shares them.
    fn named(&mut self, id: &ContainerId, identity: &Identity, at: BootNs) {
        let Identity { name, image, namespace, pod, pod_uid: _, runtime, workload: _ } = identity;
        let Some(container) = self.container(id, at) else { return };
        container.about.image = label(image);
        container.about.runtime = runtime.name();
        if !name.is_empty() {
            let new = Names { namespace: label(namespace), pod: label(pod), container: label(name) };
            match container.names.clone() {
                None => self.born(id, new),
                Some(old) if old == new || old.is_other() => {}
                Some(old) => self.renamed(id, &old, &new),
            }
        }
        self.tell_info(id);
    }

    fn renamed(&mut self, id: &ContainerId, old: &Names, new: &Names) {
        let Some(container) = self.by_id.get_mut(id) else { return };
        let info = container.info.take();
        container.names = Some(new.clone());
        self.forget_info(id, old, info);
        if !self.by_id.values().any(|one| one.names.as_ref() == Some(old)) {
            self.series.rename(old, new);
        }
    }

    /// The container's labels; where it has no name yet, its short id.
    fn settled(&mut self, id: &ContainerId, at: BootNs) -> Option<Names> {
        if self.container(id, at)?.names.is_none() {
            let container = label(id.short());
            self.born(id, Names { namespace: String::new(), pod: String::new(), container });
            self.tell_info(id);
        }
        self.by_id.get(id)?.names.clone()
    }

    /// Counters that alerts use begin at zero. Without room for all of them the container is one of the others.
    fn born(&mut self, id: &ContainerId, names: Names) {
        let wanted = CATALOGUE.len() + BORN_ERRNOS.len() + 5;
        let room = self.series.has_owner(&names) || self.series.has_room(wanted);
        let names = if room { names } else { Names::other() };
        if let Some(container) = self.by_id.get_mut(id) {
            container.names = Some(names.clone());
        }
        if !room {
            return self.series.drop_one();
        }
        for pattern in CATALOGUE {
            self.series.add(Family::Diagnoses, &names, &[pattern.id, pattern.severity.name()], 0);
        }
        for errno in BORN_ERRNOS {
            self.series.add(Family::ExecFailures, &names, &[errno.name().unwrap_or("other")], 0);
        }
        for (scope, init) in
            [("container", "true"), ("container", "false"), ("outside", "true"), ("outside", "false")]
        {
            self.series.add(Family::OomKills, &names, &[scope, init], 0);
        }
    }

    fn tell_info(&mut self, id: &ContainerId) {
        let Some(container) = self.by_id.get_mut(id) else { return };
        let Some(names) = container.names.clone().filter(|names| !names.is_other()) else { return };
        let About { image, runtime, go_version, libc, linkage, oom_scope: _ } = &container.about;
        let new: Vec<String> =
            [image.as_str(), runtime, go_version, libc, linkage].into_iter().map(str::to_owned).collect();
        if container.info.as_ref() == Some(&new) {
            return;
        }
        let old = container.info.replace(new.clone());
        self.forget_info(id, &names, old);
        let id = label(&id.0);
        let rest: Vec<&str> = std::iter::once(id.as_str()).chain(new.iter().map(String::as_str)).collect();
        self.series.set(Family::Info, &names, &rest, 1.0);
    }

    fn forget_info(&mut self, id: &ContainerId, names: &Names, info: Option<Vec<String>>) {
        let Some(info) = info else { return };
        let id = label(&id.0);
        let rest: Vec<&str> = std::iter::once(id.as_str()).chain(info.iter().map(String::as_str)).collect();
        self.series.remove(Family::Info, names, &rest);
    }

    /// Sets each active gauge to what the findings say now.
    fn tell_active(&mut self, now: BootNs) {
        let mut active = HashSet::new();
        for container in self.by_id.values() {
            let Some(names) = &container.names else { continue };
            for ((pattern, _), finding) in &container.findings {
                if finding.is_active(now, container.gone.is_some()) {
                    active.insert(names.with(&[&label(pattern), finding.severity.name()]));
                }
            }
        }
        self.series.keep_active(&active);
    }
}

/// How the program was linked, and the Go that built it.
fn linkage(entrypoint: &Entrypoint) -> (&'static str, String) {
    let content = entrypoint.file.get().and_then(FileFact::present).map(|File { content, .. }| content);
    match content {
        Some(Known::Is(Content::Elf(elf))) => {
            let Elf { interpreter, needed, go, .. } = elf.as_ref();
            let linkage = if interpreter.is_none() && needed.is_empty() { "static" } else { "dynamic" };
            let version = go.get().and_then(Option::as_ref).map_or_else(String::new, |go| label(&go.version));
            (linkage, version)
        }
        Some(Known::Is(Content::Script(_) | Content::ByteOrderMarkedScript)) => ("script", String::new()),
        Some(Known::Is(Content::Empty | Content::Other { .. }) | Known::Unknown(_)) | None => {
            ("unknown", String::new())
        }
    }
}

fn libc_name(libc: Option<&Libc>) -> &'static str {
    match libc.map(|libc| libc.kind) {
        Some(LibcKind::Glibc) => "glibc",
        Some(LibcKind::Musl) => "musl",
        None => "none",
    }
}

/// The name of signal(7); real-time signals share one.
fn signal_label(signal: Signal) -> String {
    if signal.0 < 32 { signal.to_string() } else { "real-time".to_owned() }
}
