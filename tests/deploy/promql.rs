//! Which metrics and labels a query names, and whether gomon has them. Reads words, and is no parser.

use std::collections::BTreeSet;

use gomon::sink::metrics::{METRICS, alerts::RECORDINGS};

/// Labels that Prometheus adds.
const ADDED: [&str; 5] = ["job", "instance", "le", "alertname", "alertstate"];
/// What stands before a list of labels.
const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// What is wrong with the names in a query.
pub(crate) fn faults(query: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut known: BTreeSet<String> = ADDED.iter().map(|&label| label.to_owned()).collect();
    let mut grouped = Vec::new();
    let mut rest = query;
    while let Some((word, after)) = next_word(rest) {
        rest = after;
        if GROUPING.contains(&word) {
            let (labels, after) = in_brackets(after, '(', ')');
            grouped.extend(
                labels.split(',').map(|label| label.trim().to_owned()).filter(|label| !label.is_empty()),
            );
            rest = after;
        } else if is_metric(word) {
            let Some(labels) = labels_of(word) else {
                faults.push(format!("no metric is called {word}"));
                continue;
            };
            let (matchers, after) = in_brackets(after, '{', '}');
            rest = after;
            let absent = names(matchers).into_iter().filter(|name| !labels.contains(name) && !is_added(name));
            faults.extend(absent.map(|name| format!("{word} has no label {name}")));
            known.extend(labels);
        }
    }
    let absent = grouped.into_iter().filter(|label| !known.contains(label));
    faults.extend(absent.map(|label| format!("no metric of the query has a label {label}")));
    faults
}

fn is_added(label: &str) -> bool {
    ADDED.contains(&label)
}

fn is_metric(word: &str) -> bool {
    word.starts_with("gomon_")
        || word.starts_with("process_")
        || word.contains(':')
        || ["up", "ALERTS"].contains(&word)
}

/// The labels of a metric or of a recorded series; `None` if there is none of that name.
fn labels_of(name: &str) -> Option<Vec<String>> {
    if let Some(recording) = RECORDINGS.iter().find(|recording| recording.name == name) {
        let (_, after) = recording.expr.split_once("by ")?;
        return Some(
            in_brackets(after, '(', ')').0.split(',').map(|label| label.trim().to_owned()).collect(),
        );
    }
    if name == "up" {
        return Some(Vec::new());
    }
    if name == "ALERTS" {
        return Some(["severity", "namespace", "pod", "container", "pattern"].map(str::to_owned).to_vec());
    }
    let base =
        ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
    let metric = METRICS.iter().find(|metric| metric.name == base)?;
    Some(metric.labels.iter().map(|&label| label.to_owned()).collect())
}

/// The next identifier, and what follows it; strings and durations are passed over.
fn next_word(text: &str) -> Option<(&str, &str)> {
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
    let mut rest = text;
    loop {
        let first = rest.chars().next()?;
        if first == '"' {
            rest = rest[1..].split_once('"')?.1;
        } else if first.is_ascii_digit() {
            rest = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '.');
        } else if is_first(first) {
            let end = rest.find(|c: char| !is_first(c) && !c.is_ascii_digit()).unwrap_or(rest.len());
            return Some(rest.split_at(end));
        } else {
            rest = &rest[first.len_utf8()..];
        }
    }
}

/// What stands in the brackets that `text` begins with, and what follows them; nothing where it begins otherwise.
fn in_brackets(text: &str, open: char, close: char) -> (&str, &str) {
    let Some(inside) = text.trim_start().strip_prefix(open) else { return ("", text) };
    let mut is_quoted = false;
    for (at, c) in inside.char_indices() {
        is_quoted ^= c == '"';
        if c == close && !is_quoted {
            return (&inside[..at], &inside[at + 1..]);
        }
    }
    ("", text)
}

/// The names of labels in `a="b",c=~"d"`.
fn names(matchers: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = matchers;
    while let Some((word, after)) = next_word(rest) {
        names.push(word.to_owned());
        rest = after;
    }
    names
}
