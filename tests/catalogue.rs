//! Every scenario, a recording of a real container, gives the diagnoses that it must give, however it is cut or ordered.

#[path = "catalogue/confusion.rs"]
mod confusion;
#[path = "catalogue/scenario.rs"]
mod scenario;
#[path = "catalogue/sleep.rs"]
mod sleep;

use std::collections::BTreeSet;

use gomon::{
    model::{
        container::{CgroupId, Run},
        event::EventKind,
        fact::Fact,
        observation::Observation,
        time::{BootNs, SECOND},
    },
    recording::{Reader, Recorder},
};
use scenario::{all, conclude, diagnoses, json};

#[test]
fn each_scenario_gives_its_expected_diagnoses() {
    for scenario in all() {
        let conclusions = conclude(&scenario.observations);
        let severity = conclusions
            .iter()
            .flat_map(|conclusion| &conclusion.diagnoses)
            .filter(|diagnosis| diagnosis.pattern == scenario.pattern)
            .map(|diagnosis| diagnosis.severity)
            .max();
        assert!(scenario.fits(severity), "{scenario}: found with severity {severity:?}");
        scenario.compare(&json(&conclusions, scenario.header.boot_epoch));
    }
}

#[test]
fn a_recording_replays_to_the_same_bytes() {
    for scenario in all() {
        let told = || json(&conclude(&scenario.observations), scenario.header.boot_epoch);
        assert_eq!(told(), told(), "{scenario}");
        let mut again = Vec::new();
        let header = &scenario.header;
        let mut recorder = Recorder::start(&mut again, &header.gomon_version, header.boot_epoch).unwrap();
        for observation in &scenario.observations {
            recorder.record(observation).unwrap();
        }
        recorder.finish().unwrap();
        assert!(again == scenario.text.as_bytes(), "{scenario}: recording it again gives other lines");
    }
}

#[test]
fn every_cut_of_a_recording_is_told() {
    /// Coprime to the length of any line that repeats.
    const STEP: usize = 997;
    for scenario in all() {
        let bytes = scenario.text.as_bytes();
        let ends_of_lines =
            bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
        let lengths: BTreeSet<usize> = (0..bytes.len()).step_by(STEP).chain(ends_of_lines).collect();
        for len in lengths.into_iter().filter(|len| *len < bytes.len()) {
            let Ok(reader) = Reader::open(&bytes[..len]) else { continue };
            let (read, broken): (Vec<_>, Vec<_>) = reader.partition(Result::is_ok);
            assert_eq!(broken.len(), 1, "{scenario}: cut at byte {len} it passes for whole");
            // What stands before the cut is still an answer.
            drop(conclude(&read.into_iter().map(Result::unwrap).collect::<Vec<_>>()));
        }
    }
}

/// A kind of observation, by its name and how to know it.
type Kind = (&'static str, fn(&Observation) -> bool);

fn event(observation: &Observation) -> Option<&EventKind> {
    let Observation::Happened { event, .. } = observation else { return None };
    Some(&event.kind)
}

fn fact(observation: &Observation) -> Option<&Fact> {
    let Observation::Learned { fact, .. } = observation else { return None };
    Some(fact)
}

const KINDS: [Kind; 27] = [
    ("all facts", |o| fact(o).is_some()),
    ("identity", |o| matches!(fact(o), Some(Fact::Identity(_)))),
    ("configuration", |o| matches!(fact(o), Some(Fact::Config(_)))),
    ("entrypoint", |o| matches!(fact(o), Some(Fact::Entrypoint(_)))),
    ("files", |o| matches!(fact(o), Some(Fact::File { .. }))),
    ("C library", |o| matches!(fact(o), Some(Fact::Libc(_)))),
    ("trust store", |o| matches!(fact(o), Some(Fact::TrustStore(_)))),
    ("users", |o| matches!(fact(o), Some(Fact::Passwd(_)))),
    ("certificates", |o| matches!(fact(o), Some(Fact::Pem { .. }))),
    ("packages", |o| matches!(fact(o), Some(Fact::Linked { .. }))),
    ("image", |o| matches!(fact(o), Some(Fact::Image(_)))),
    ("processes", |o| matches!(fact(o), Some(Fact::Processes(_)))),
    ("CPU", |o| matches!(fact(o), Some(Fact::Cpu(_)))),
    ("refused calls", |o| matches!(event(o), Some(EventKind::SyscallRefused { .. }))),
    ("listening", |o| matches!(event(o), Some(EventKind::Listening { .. }))),
    ("dlopens", |o| matches!(event(o), Some(EventKind::DlopenFailed { .. }))),
    ("failed execs", |o| matches!(event(o), Some(EventKind::ExecFailed { .. }))),
    ("execs", |o| matches!(event(o), Some(EventKind::Exec { .. }))),
    ("opens", |o| matches!(event(o), Some(EventKind::Open { .. }))),
    ("OOM kills", |o| matches!(event(o), Some(EventKind::OomKill { .. }))),
    ("signals", |o| matches!(event(o), Some(EventKind::SignalSent { .. }))),
    ("deliveries", |o| matches!(event(o), Some(EventKind::SignalDelivered { .. }))),
    ("exits", |o| matches!(event(o), Some(EventKind::Exit { .. }))),
    ("TLS refusals", |o| matches!(event(o), Some(EventKind::TlsRefused { .. }))),
    ("births", |o| matches!(o, Observation::Appeared { .. })),
    ("ends", |o| matches!(o, Observation::Vanished { .. })),
    ("host and ticks", |o| matches!(o, Observation::Host { .. } | Observation::Tick { .. })),
];

fn patterns(observations: &[Observation]) -> BTreeSet<String> {
    diagnoses(observations).into_iter().map(|(pattern, _)| pattern).collect()
}

#[test]
fn patterns_without_their_evidence_stay_silent() {
    for scenario in all().into_iter().filter(|scenario| scenario.fires) {
        let whole = patterns(&scenario.observations);
        for (name, is_of_kind) in KINDS {
            let mut left = scenario.observations.clone();
            left.retain(|observation| !is_of_kind(observation));
            let found = patterns(&left);
            let new: Vec<_> = found.difference(&whole).collect();
            assert!(new.is_empty(), "{scenario}: without {name} it finds {new:?}");
        }
    }
}

/// What a look at running processes or at a quota finds belongs to its moment, unlike what is found in files.
fn is_standing(fact: &Fact) -> bool {
    !matches!(fact, Fact::Processes(_) | Fact::Cpu(_))
}

#[test]
fn late_facts_give_the_same_diagnoses() {
    for scenario in all() {
        let (facts, mut late): (Vec<_>, Vec<_>) = scenario
            .observations
            .iter()
            .cloned()
            .partition(|observation| fact(observation).is_some_and(is_standing));
        let end = late.iter().map(Observation::at).max().unwrap_or_default();
        late.extend(facts.into_iter().map(|observation| moved(observation, end, 0, 0)));
        assert_eq!(diagnoses(&late), diagnoses(&scenario.observations), "{scenario}");
    }
}

#[test]
fn a_crash_loop_is_one_diagnosis_with_a_count() {
    const LIVES: u64 = 5;
    for scenario in all().into_iter().filter(|scenario| scenario.fires) {
        let end = scenario.observations.iter().map(Observation::at).max().unwrap_or_default();
        let life = |number: u64| {
            let later = number * (end.0 + 10 * SECOND);
            let each = scenario.observations.iter().cloned();
            each.map(move |observation| moved(observation, BootNs(0), later, number * 1000))
        };
        let all_lives: Vec<Observation> = (0..LIVES).flat_map(life).collect();
        let once = conclude(&scenario.observations);
        let looped = conclude(&all_lives);
        assert_eq!((once.len(), looped.len()), (1, 1), "{scenario}");
        let counts = |conclusion: &gomon::model::diagnosis::Conclusion, times: u64| -> Vec<_> {
            let key = |d: &gomon::model::diagnosis::Diagnosis| (d.pattern.clone(), d.subject.clone());
            conclusion.diagnoses.iter().map(|d| (key(d), d.count * times)).collect()
        };
        assert_eq!(counts(&looped[0], 1), counts(&once[0], LIVES), "{scenario}");
    }
}

/// The same observation at another time, not before `earliest`, and in another cgroup.
fn moved(observation: Observation, earliest: BootNs, later: u64, cgroups: u64) -> Observation {
    let at = |at: BootNs| BootNs(at.0.max(earliest.0) + later);
    let cgroup = |CgroupId(id): CgroupId| CgroupId(id + cgroups);
    let run = |run: Run| Run { cgroup: cgroup(run.cgroup), ..run };
    match observation {
        Observation::Host { at: old, host } => Observation::Host { at: at(old), host },
        Observation::Appeared { run: old, at: when, from_birth } => {
            Observation::Appeared { run: run(old), at: at(when), from_birth }
        }
        Observation::Happened { run: old, mut event } => {
            (event.at, event.cgroup) = (at(event.at), cgroup(event.cgroup));
            if let EventKind::SignalSent { sender_cgroup, .. } = &mut event.kind
                && *sender_cgroup == old.cgroup
            {
                *sender_cgroup = cgroup(*sender_cgroup);
            }
            Observation::Happened { run: run(old), event }
        }
        Observation::Learned { run: old, at: when, fact } => {
            Observation::Learned { run: run(old), at: at(when), fact }
        }
        Observation::Vanished { run: old, at: when } => Observation::Vanished { run: run(old), at: at(when) },
        Observation::Tick { at: when } => Observation::Tick { at: at(when) },
        Observation::Slept { at: when, ns } => Observation::Slept { at: at(when), ns },
        Observation::ClockSet { at: when, epoch } => Observation::ClockSet { at: at(when), epoch },
        Observation::Lost { at: when, probe, count, reason } => {
            Observation::Lost { at: at(when), probe, count, reason }
        }
        Observation::KeptBack { run: old, at: when, probe, count, ended } => {
            Observation::KeptBack { run: run(old), at: at(when), probe, count, ended }
        }
        Observation::Blind { at: when, probe, why } => Observation::Blind { at: at(when), probe, why },
    }
}
