//! Which series exist for which container: the cap on their number, their renaming, their end.

use std::collections::{HashMap, HashSet};

use crate::model::text::{inert, inert_short};

use super::{families::Families, process::float, table::Dropped};

/// Characters of a label value.
const LABEL_CHARS: usize = 128;

/// The container label of all that the cap leaves out.
const OTHER: &str = "~other";

/// `text` as a label value: inert, and not longer than 128 characters with the ellipsis of the cut.
pub(super) fn label(text: &str) -> String {
    let whole = inert(text);
    if whole.chars().count() <= LABEL_CHARS { whole.into_owned() } else { inert_short(text, LABEL_CHARS - 1) }
}

/// The labels that a container is known by. Containers that share them share their series.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Names {
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) container: String,
}

impl Names {
    pub(super) fn other() -> Self {
        Self { namespace: String::new(), pod: String::new(), container: OTHER.to_owned() }
    }

    pub(super) fn is_other(&self) -> bool {
        self.container == OTHER
    }

    /// All label values of a series.
    pub(super) fn with(&self, rest: &[&str]) -> Vec<String> {
        [self.namespace.as_str(), &self.pod, &self.container]
            .into_iter()
            .chain(rest.iter().copied())
            .map(str::to_owned)
            .collect()
    }
}

/// The metrics with container labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Family {
    Diagnoses,
    Active,
    Last,
    Info,
    ExecFailures,
    OomKills,
    Signals,
}

/// All series with container labels, by their owner.
pub(super) struct Series {
    families: Families,
    owned: HashMap<Names, HashSet<(Family, Vec<String>)>>,
    count: usize,
    max: usize,
}

impl Series {
    pub(super) fn new(families: Families, max: usize) -> Self {
        families.container_series_max.set(float(max as u64));
        Self { families, owned: HashMap::new(), count: 0, max }
    }

    pub(super) fn set_max(&mut self, max: usize) {
        self.max = max;
    }

    /// Whether so many new series fit under the cap.
    pub(super) fn has_room(&self, wanted: usize) -> bool {
        self.count.saturating_add(wanted) <= self.max
    }

    /// Adds to a counter, which is created where it is new; `by` may be zero. Beyond the cap it counts for all others.
    pub(super) fn add(&mut self, family: Family, names: &Names, rest: &[&str], by: u64) {
        if self.admit(family, names, rest) {
            self.write(family, &names.with(rest), Value::Add(by));
        } else {
            self.write(family, &Names::other().with(rest), Value::Add(by));
        }
    }

    /// Sets a gauge, which is created where it is new. Beyond the cap there is none: others cannot share a gauge.
    pub(super) fn set(&mut self, family: Family, names: &Names, rest: &[&str], to: f64) {
        if self.admit(family, names, rest) {
            self.write(family, &names.with(rest), Value::Set(to));
        }
    }

    /// Whether the owner has series already.
    pub(super) fn has_owner(&self, names: &Names) -> bool {
        self.owned.contains_key(names)
    }

    /// Counts something that the cap left out.
    pub(super) fn drop_one(&self) {
        self.families.dropped.with_label_values(&Dropped::MaxSeries.labels()).inc();
    }

    /// Sets the gauges of findings: one for the labels in `active`, zero for the rest.
    pub(super) fn keep_active(&self, active: &HashSet<Vec<String>>) {
        for (family, labels) in self.owned.values().flatten() {
            if *family == Family::Active {
                let value = if active.contains(labels) { 1.0 } else { 0.0 };
                self.write(Family::Active, labels, Value::Set(value));
            }
        }
    }

    /// Removes one series.
    pub(super) fn remove(&mut self, family: Family, names: &Names, rest: &[&str]) {
        let series = (family, names.with(rest));
        if self.owned.get_mut(names).is_some_and(|owned| owned.remove(&series)) {
            self.counted(self.count - 1);
            self.forget(family, &series.1);
        }
    }

    /// Removes all series of an owner.
    pub(super) fn remove_owner(&mut self, names: &Names) {
        for (family, labels) in self.owned.remove(names).unwrap_or_default() {
            self.counted(self.count - 1);
            self.forget(family, &labels);
        }
    }

    /// Hands all series of `from` over to `to`, with their values.
    pub(super) fn rename(&mut self, from: &Names, to: &Names) {
        for (family, labels) in self.owned.remove(from).unwrap_or_default() {
            let value = self.read(family, &labels);
            self.counted(self.count - 1);
            self.forget(family, &labels);
            let rest: Vec<&str> = labels.iter().skip(3).map(String::as_str).collect();
            match value {
                Value::Add(by) => self.add(family, to, &rest, by),
                Value::Set(value) => self.set(family, to, &rest, value),
            }
        }
    }

    /// Whether the series exists or may be created; what may not is counted as dropped.
    fn admit(&mut self, family: Family, names: &Names, rest: &[&str]) -> bool {
        let key = (family, names.with(rest));
        if self.owned.get(names).is_some_and(|owned| owned.contains(&key)) {
            return true;
        }
        if names.is_other() || self.count >= self.max {
            self.drop_one();
            return false;
        }
        self.counted(self.count + 1);
        self.owned.entry(names.clone()).or_default().insert(key)
    }

    fn counted(&mut self, count: usize) {
        self.count = count;
        self.families.container_series.set(float(count as u64));
    }

    fn read(&self, family: Family, labels: &[String]) -> Value {
        let Families { diagnoses, active, last, info, exec_failures, oom_kills, signals, .. } =
            &self.families;
        match family {
            Family::Diagnoses => Value::Add(diagnoses.with_label_values(labels).get()),
            Family::ExecFailures => Value::Add(exec_failures.with_label_values(labels).get()),
            Family::OomKills => Value::Add(oom_kills.with_label_values(labels).get()),
            Family::Signals => Value::Add(signals.with_label_values(labels).get()),
            Family::Active => Value::Set(active.with_label_values(labels).get()),
            Family::Info => Value::Set(info.with_label_values(labels).get()),
            Family::Last => Value::Set(last.with_label_values(labels).get()),
        }
    }

    fn write(&self, family: Family, labels: &[String], value: Value) {
        let Families { diagnoses, active, last, info, exec_failures, oom_kills, signals, .. } =
            &self.families;
        match (family, value) {
            (Family::Diagnoses, Value::Add(by)) => diagnoses.with_label_values(labels).inc_by(by),
            (Family::ExecFailures, Value::Add(by)) => exec_failures.with_label_values(labels).inc_by(by),
            (Family::OomKills, Value::Add(by)) => oom_kills.with_label_values(labels).inc_by(by),
            (Family::Signals, Value::Add(by)) => signals.with_label_values(labels).inc_by(by),
            (Family::Active, Value::Set(to)) => active.with_label_values(labels).set(to),
            (Family::Info, Value::Set(to)) => info.with_label_values(labels).set(to),
            (Family::Last, Value::Set(to)) => last.with_label_values(labels).set(to),
            (
                Family::Diagnoses | Family::ExecFailures | Family::OomKills | Family::Signals,
                Value::Set(_),
            )
            | (Family::Active | Family::Info | Family::Last, Value::Add(_)) => {
                debug_assert!(false, "a counter adds, a gauge is set");
            }
        }
    }

    fn forget(&self, family: Family, labels: &[String]) {
        let Families { diagnoses, active, last, info, exec_failures, oom_kills, signals, .. } =
            &self.families;
        // An error means that it is gone already.
        let _ = match family {
            Family::Diagnoses => diagnoses.remove_label_values(labels),
            Family::ExecFailures => exec_failures.remove_label_values(labels),
            Family::OomKills => oom_kills.remove_label_values(labels),
            Family::Signals => signals.remove_label_values(labels),
            Family::Active => active.remove_label_values(labels),
            Family::Info => info.remove_label_values(labels),
            Family::Last => last.remove_label_values(labels),
        };
    }
}

/// A counter's increase, or a gauge's value.
#[derive(Debug, Clone, Copy)]
enum Value {
    Add(u64),
    Set(f64),
}
