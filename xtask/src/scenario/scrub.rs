//! Takes out of a recording's lines what names the machine and the moment. Works on the text, so that the order of
//! members stays as gomon writes it.

use std::collections::{BTreeMap, BTreeSet};

/// 2026-01-01T00:00:00Z, in nanoseconds since the Unix epoch.
const BOOT_EPOCH: &str = "1767225600000000000";
/// The first thing that happens to the container, in nanoseconds since boot.
const FIRST_NS: u64 = 1_000_000_000;
/// The container's cgroups are numbered from here; all others are the host's root.
const FIRST_CGROUP: u64 = 4001;
const ID_DIGITS: usize = 64;
const SHORT_ID_DIGITS: usize = 12;
/// The container's new name.
const NAME: &str = "app";

/// What is replaced by what.
pub(super) struct Scrub {
    container: String,
    name: String,
    first_ns: u64,
    cgroups: BTreeMap<String, String>,
}

impl Scrub {
    /// For a container whose lines are `lines`, the first of them at `first_ns`.
    pub(super) fn new<'a>(
        container: &str,
        name: &str,
        first_ns: u64,
        lines: impl Iterator<Item = &'a str>,
    ) -> Self {
        let found: BTreeSet<u64> = lines
            .flat_map(|line| members(line, "cgroup"))
            .filter_map(|(_, text)| text.parse().ok())
            .collect();
        let cgroups = found.iter().zip(FIRST_CGROUP..).map(|(old, new)| (old.to_string(), new.to_string()));
        Self { container: container.to_owned(), name: name.to_owned(), first_ns, cgroups: cgroups.collect() }
    }

    pub(super) fn line(&self, line: &str) -> String {
        let shifted = |old: &str| {
            let at: u64 = old.parse().unwrap_or_default();
            (at.saturating_sub(self.first_ns) + FIRST_NS).to_string()
        };
        let cgroup = |old: &str| self.cgroups.get(old).cloned().unwrap_or_else(|| "1".to_owned());
        let line = replace(line, "at", |old| if old == "null" { old.to_owned() } else { shifted(old) });
        let line = replace(&line, "cgroup", cgroup);
        let line = replace(&line, "sender_cgroup", cgroup);
        let line = replace(&line, "source", source);
        let line = replace(&line, "kernel", release);
        let line = line.replace(&format!("\"name\":\"{}\"", self.name), &format!("\"name\":\"{NAME}\""));
        let new_id = "5c".repeat(ID_DIGITS / 2);
        let short = |id: &str| id.chars().take(SHORT_ID_DIGITS).collect::<String>();
        let line = line.replace(&self.container, &new_id).replace(&short(&self.container), &short(&new_id));
        other_ids(&line, &new_id)
    }
}

/// The recording's first line.
pub(super) fn header(line: &str) -> String {
    replace(line, "boot_epoch", |_| BOOT_EPOCH.to_owned())
}

/// The host's side of a mount: the container's own files keep their place, everything else becomes neutral.
fn source(old: &str) -> String {
    let path = old.trim_matches('"');
    let is_neutral = !path.starts_with('/')
        || path.starts_with("/var/lib/docker/containers/")
        || path.starts_with("/proc");
    if is_neutral {
        return old.to_owned();
    }
    format!("\"/srv/{}\"", path.rsplit('/').next().unwrap_or_default())
}

/// A kernel release without what a distribution or a machine adds.
fn release(old: &str) -> String {
    let text = old.trim_matches('"');
    format!("\"{}\"", text.split('-').next().unwrap_or(text))
}

/// Names of layers and other containers look like ids.
fn other_ids(line: &str, container: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !matches!(c, '0'..='9' | 'a'..='f')).unwrap_or(rest.len());
        let (run, after) = rest.split_at(digits);
        // Public keys have to stay apart from each other.
        let is_key = out.ends_with("\"public\":\"");
        let is_other = digits == ID_DIGITS && run != container && !is_key;
        out.push_str(if is_other {
            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        } else {
            run
        });
        let next = after.find(|c: char| matches!(c, '0'..='9' | 'a'..='f')).unwrap_or(after.len());
        let (between, after) = after.split_at(next);
        out.push_str(between);
        rest = after;
    }
    out
}

/// Where the values of the members called `key` lie, with their text. A quote inside of a JSON string is escaped, so
/// that no string can pass for a member.
fn members<'a>(line: &'a str, key: &str) -> Vec<(usize, &'a str)> {
    let name = format!("\"{key}\":");
    let mut found = Vec::new();
    for (at, _) in line.match_indices(&name) {
        if !line[..at].ends_with(['{', ',']) {
            continue;
        }
        let start = at + name.len();
        let value = &line[start..];
        let len = if value.starts_with('"') {
            string_len(value)
        } else {
            value.find([',', '}']).unwrap_or(value.len())
        };
        // An object as a value is none of the members that are replaced.
        if !value.starts_with(['{', '[']) {
            found.push((start, &value[..len]));
        }
    }
    found
}

/// The length of the JSON string at the start of `text`, quotes included.
fn string_len(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !is_escaped => return at + 1,
            '\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    text.len()
}

fn replace(line: &str, key: &str, new: impl Fn(&str) -> String) -> String {
    let mut out = String::with_capacity(line.len());
    let mut copied = 0;
    for (start, old) in members(line, key) {
        out.push_str(&line[copied..start]);
        out.push_str(&new(old));
        copied = start + old.len();
    }
    out.push_str(&line[copied..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_replaced_and_strings_that_look_like_them_are_not() {
        let line = r#"{"at":1,"path":"x\",\"at\":2","deep":{"at":3},"at":null}"#;
        let twice =
            replace(line, "at", |old| old.parse::<u64>().map_or(old.to_owned(), |n| (n * 2).to_string()));
        assert_eq!(twice, r#"{"at":2,"path":"x\",\"at\":2","deep":{"at":6},"at":null}"#);
    }

    #[test]
    fn public_keys_stay_and_other_ids_go() {
        let (key, layer) = ("ab".repeat(32), "cd".repeat(32));
        let line = other_ids(&format!(r#"{{"public":"{key}","layer":"{layer}"}}"#), "");
        assert!(line.contains(&key) && !line.contains(&layer), "{line}");
    }

    #[test]
    fn nothing_of_the_machine_stays() {
        let id = "ab".repeat(32);
        let line = format!(
            r#"{{"run":{{"container":"{id}","cgroup":9}},"at":70,"sender_cgroup":5,"kernel":"6.1.9-cloud","env":{{"HOSTNAME":"{}"}},"mounts":[{{"source":"/home/me/x\"y/z"}},{{"source":"/var/lib/docker/containers/{id}/hosts"}},{{"source":"proc"}}],"root":"/l/{}/merged","name":"mine"}}"#,
            &id[..12],
            "9".repeat(64)
        );
        let clean = Scrub::new(&id, "mine", 60, [line.as_str()].into_iter()).line(&line);
        for told in ["abab", "home", "cloud", "mine", "9999"] {
            assert!(!clean.contains(told), "{told}: {clean}");
        }
        for kept in [
            "\"at\":1000000010",
            "\"cgroup\":4001",
            "\"sender_cgroup\":1,",
            "\"HOSTNAME\":\"5c5c5c5c5c5c\"",
            "\"6.1.9\"",
            "/srv/z",
            "/hosts",
            "\"proc\"",
            "\"app\"",
        ] {
            assert!(clean.contains(kept), "{kept}: {clean}");
        }
    }
}
