//! What the engine could not see of a container, and which patterns cannot tell because of it.

use std::collections::BTreeMap;

use monitor_common::probe::Probe;

use super::Engine;
use crate::{
    case::Case,
    model::{
        container::ContainerId,
        diagnosis::{Blindness, Coverage, Diagnosis, Severity},
        fact::Known,
        text::inert,
        time::{BootNs, SECOND},
    },
    patterns::{self, CATALOGUE, Need},
};

/// A loss is told this long after it happened, at the latest.
const LOSS_TOLD_NS: u64 = 2 * SECOND;

impl Engine {
    pub(super) fn coverage(
        &self,
        container: &ContainerId,
        case: Option<&Case>,
        diagnoses: &[Diagnosis],
    ) -> Coverage {
        let first_run =
            self.cases.values().filter(|c| c.run.container == *container).map(|c| c.appeared_at).min();
        let first_diagnosis = diagnoses.iter().map(|diagnosis| diagnosis.first_seen).min();
        let from = first_run.into_iter().chain(first_diagnosis).min().unwrap_or(self.now);
        let to = case.and_then(|case| case.vanished_at).unwrap_or(self.now);
        let concerns = |first: BootNs, last: BootNs| last >= from && first <= to.later(LOSS_TOLD_NS);
        let dropped = case.map_or(0, Case::dropped);
        let lost = self.losses.iter().filter(|(first, last, _)| concerns(*first, *last));
        let events_lost = lost.fold(dropped, |sum, (.., count)| sum.saturating_add(*count));
        Coverage {
            from,
            to,
            attached_before_start: case.is_some_and(|case| case.from_birth),
            events_lost,
            blind: self.blindness(case),
        }
    }

    /// What could not be seen of a container, with the patterns that cannot tell because of it.
    fn blindness(&self, case: Option<&Case>) -> Vec<Blindness> {
        let mut found: BTreeMap<Need, Blindness> = BTreeMap::new();
        for pattern in CATALOGUE {
            for need in pattern.needs {
                let Some((what, why)) = self.unmet(*need, case) else { continue };
                let entry =
                    found.entry(*need).or_insert_with(|| Blindness { what, why, patterns: Vec::new() });
                entry.patterns.push(pattern.id.to_owned());
            }
        }
        // A file that was to be written is a need of its own.
        let unknown_file =
            case.and_then(|case| case.unknown_files().find(|(path, _)| !case.is_written_to(path)));
        let about_files = unknown_file.map(|(path, why)| Blindness {
            what: format!("file {}", inert(path)),
            why: why.to_owned(),
            patterns: CATALOGUE
                .iter()
                .filter(|pattern| pattern.needs.contains(&Need::Probe(Probe::ExecFailed)))
                .map(|pattern| pattern.id.to_owned())
                .collect(),
        });
        found.into_values().chain(about_files).collect()
    }

    /// The reason why a need is not met.
    fn unmet(&self, need: Need, case: Option<&Case>) -> Option<(String, String)> {
        let why_unknown = |what: &str, why: Option<&String>| why.map(|why| (what.to_owned(), why.clone()));
        let dlopen = case.and_then(|case| case.surroundings.dlopen_watched.as_ref());
        match need {
            // Of most containers there is nothing to miss, and of each it was told.
            Need::Probe(Probe::DlopenFailed) if dlopen.is_some() => None,
            Need::Probe(probe) => {
                self.blind.get(probe.name()).map(|why| (format!("probe {}", probe.name()), why.clone()))
            }
            Need::Config => why_unknown("OCI configuration", case.and_then(|case| unknown(&case.config))),
            Need::Entrypoint => why_unknown(
                "entrypoint file",
                case.and_then(|case| match &case.entrypoint {
                    Known::Is(entrypoint) => unknown(&entrypoint.file),
                    Known::Unknown(why) => Some(why),
                }),
            ),
            Need::Dlopen => why_unknown("calls of dlopen", dlopen.and_then(unknown)),
            Need::WrittenFiles => case.and_then(|case| {
                let (path, why) = case.unknown_files().find(|(path, _)| case.is_written_to(path))?;
                Some((format!("file {}", inert(path)), why.to_owned()))
            }),
            Need::Passwd => why_unknown("/etc/passwd", case.and_then(|case| unknown(&case.passwd))),
            Need::TrustStore => why_unknown("trust store", case.and_then(|case| unknown(&case.trust_store))),
            Need::Processes => why_unknown("table of processes", case.and_then(Case::missed_processes)),
            Need::CpuStat => why_unknown("use of the CPU quota", case.and_then(Case::missed_cpu)),
            Need::Birth => case.filter(|case| !case.from_birth).map(|_| {
                (
                    "start of the container".to_owned(),
                    "observation began after the container had started".to_owned(),
                )
            }),
        }
    }
}

/// A pattern above severity info cannot tell: what only informs leaves no answer open.
pub(super) fn is_decisive(blind: &Blindness) -> bool {
    let of = |id: &String| patterns::find(id).is_none_or(|pattern| pattern.severity > Severity::Info);
    blind.patterns.iter().any(of)
}

fn unknown<T>(known: &Known<T>) -> Option<&String> {
    match known {
        Known::Is(_) => None,
        Known::Unknown(why) => Some(why),
    }
}
