//! The scenarios on disk: `tests/scenarios/PATTERN/(fires|near-miss)[-VARIANT].jsonl` and the answer beside each.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::{collections::BTreeSet, env, fmt, fs, path::PathBuf};

use gomon::{
    engine::Engine,
    model::{
        diagnosis::{Conclusion, Severity},
        observation::Observation,
        time::BootEpoch,
    },
    patterns,
    recording::{Header, Reader},
    report::json::Document,
};

/// One recording and what is expected of its pattern.
pub(crate) struct Scenario {
    pub(crate) pattern: String,
    pub(crate) fires: bool,
    path: PathBuf,
    pub(crate) text: String,
    pub(crate) header: Header,
    pub(crate) observations: Vec<Observation>,
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.pattern, self.path.file_name().unwrap_or_default().to_string_lossy())
    }
}

impl Scenario {
    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).unwrap();
        let mut reader = Reader::open(text.as_bytes()).unwrap();
        let observations = reader.by_ref().collect::<Result<_, _>>();
        let observations = observations.unwrap_or_else(|error| unreachable!("{}: {error}", path.display()));
        let header = reader.header.clone();
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let pattern = path.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        let fires = stem.starts_with("fires");
        assert!(fires || stem.starts_with("near-miss"), "{}: neither fires nor near-miss", path.display());
        Self { pattern, fires, path, text, header, observations }
    }

    /// Whether its pattern may be found so, or not at all: what fires is more than a remark, unless its pattern only makes
    /// remarks.
    pub(crate) fn fits(&self, found: Option<Severity>) -> bool {
        let ordinary = patterns::find(&self.pattern).map_or(Severity::Warning, |pattern| pattern.severity);
        found.is_some_and(|severity| severity >= ordinary.min(Severity::Warning)) == self.fires
    }

    /// Holds the answer against the one on disk; `GOMON_UPDATE_SCENARIOS=1` rewrites that.
    pub(crate) fn compare(&self, answer: &str) {
        let path = self.path.with_extension("json");
        if env::var_os("GOMON_UPDATE_SCENARIOS").is_some() {
            fs::write(&path, answer).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if answer != expected {
            let first = answer.lines().zip(expected.lines()).find(|(new, old)| new != old);
            unreachable!(
                "{self}: another answer than in {} (GOMON_UPDATE_SCENARIOS=1 rewrites it); first difference: {first:#?}",
                path.display()
            );
        }
    }
}

/// All of them, in the order of their names.
pub(crate) fn all() -> Vec<Scenario> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/scenarios");
    let entries = |dir: PathBuf| fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = entries(root)
        .filter(|path| path.is_dir())
        .flat_map(entries)
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "there are no scenarios");
    paths.into_iter().map(Scenario::read).collect()
}

/// What an engine that saw all of them says of each container.
pub(crate) fn conclude(observations: &[Observation]) -> Vec<Conclusion> {
    let mut engine = Engine::new();
    for observation in observations {
        engine.observe(observation);
    }
    engine.settle();
    engine.containers().into_iter().filter_map(|container| engine.conclude(container)).collect()
}

/// The patterns that fit, with the highest severity of each.
pub(crate) fn diagnoses(observations: &[Observation]) -> BTreeSet<(String, Severity)> {
    let conclusions = conclude(observations);
    let found = conclusions.iter().flat_map(|conclusion| &conclusion.diagnoses);
    found.map(|diagnosis| (diagnosis.pattern.clone(), diagnosis.severity)).collect()
}

/// As `gomon replay -o json` prints it.
pub(crate) fn json(conclusions: &[Conclusion], epoch: BootEpoch) -> String {
    let documents: Vec<_> = conclusions.iter().map(|conclusion| Document::new(conclusion, epoch)).collect();
    serde_json::to_string_pretty(&documents).unwrap() + "\n"
}
