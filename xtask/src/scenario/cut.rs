//! Chooses the lines of a recording that one container's answer rests on. Pure text in, text out.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::scrub::{self, Scrub};

/// A failed exec counts when this much time has passed: a tick of that age is part of the evidence.
const EXEC_SETTLE_NS: u64 = 10_000_000;

/// One line with what it says.
struct Line<'a> {
    text: &'a str,
    /// The observation's kind: `happened`, `learned`, …
    kind: String,
    body: Value,
}

impl Line<'_> {
    fn text_at(&self, pointer: &str) -> Option<&str> {
        self.body.pointer(pointer)?.as_str()
    }

    fn is_of(&self, container: &str) -> bool {
        self.text_at("/run/container") == Some(container)
    }

    fn at(&self) -> Option<u64> {
        self.body.pointer("/at").or_else(|| self.body.pointer("/event/at"))?.as_u64()
    }
}

/// The recording of the container called `name`, alone and scrubbed.
pub(super) fn cut(recording: &str, name: &str) -> Result<String> {
    let mut lines = recording.lines();
    let header = lines.next().filter(|line| line.starts_with("{\"gomon_recording\":1,"));
    let header = header.context("it is no recording that this version knows")?;
    let mut lines = lines.map(parse).collect::<Result<Vec<_>>>()?;
    ensure!(lines.pop().is_some_and(|last| last.kind == "end"), "the recording was cut off");
    let container = container_called(&lines, name)?;
    let own = || lines.iter().filter(|line| line.is_of(&container));
    let first = own().filter_map(Line::at).min().context("nothing happened to it")?;
    let last = own().filter_map(Line::at).max().unwrap_or(first);
    let scrub = Scrub::new(&container, name, first, own().map(|line| line.text));

    let chosen = choose(&lines, &container, first, last);
    let mut out = vec![scrub::header(header)];
    out.extend(chosen.iter().map(|line| scrub.line(line.text)));
    out.push(format!("{{\"end\":{{\"observations\":{}}}}}\n", chosen.len()));
    Ok(out.join("\n"))
}

fn parse(text: &str) -> Result<Line<'_>> {
    let value: Value = serde_json::from_str(text).context("a line is no JSON")?;
    let Value::Object(mut outer) = value else { bail!("a line is no object") };
    if outer.contains_key("end") {
        return Ok(Line { text, kind: "end".to_owned(), body: Value::Null });
    }
    let Some(Value::Object(observation)) = outer.remove("observation") else {
        bail!("a line is no observation")
    };
    let (kind, body) = observation.into_iter().next().context("an observation is empty")?;
    Ok(Line { text, kind, body })
}

fn container_called(lines: &[Line<'_>], name: &str) -> Result<String> {
    let called = |line: &&Line<'_>| line.text_at("/fact/identity/name") == Some(name);
    let ids: BTreeSet<&str> =
        lines.iter().filter(called).filter_map(|line| line.text_at("/run/container")).collect();
    ensure!(ids.len() < 2, "{} containers have this name", ids.len());
    ids.first().map(|id| (*id).to_owned()).context("no container has this name")
}

/// The host, what was blind, the container's own lines; of the ticks those that settle a failed exec.
fn choose<'l, 'a>(lines: &'l [Line<'a>], container: &str, first: u64, last: u64) -> Vec<&'l Line<'a>> {
    let mut settles = None;
    let mut chosen = Vec::new();
    for line in lines {
        let at = line.at().unwrap_or_default();
        let keep = match line.kind.as_str() {
            "host" | "blind" => true,
            "lost" => (first..=last).contains(&at),
            "tick" => settles.take_if(|settles| at >= *settles).is_some(),
            _ => line.is_of(container),
        };
        if keep && line.body.pointer("/event/kind/exec_failed").is_some() {
            settles = Some(at + EXEC_SETTLE_NS);
        }
        if keep {
            chosen.push(line);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(kind: &str, id: &str, rest: &str) -> String {
        format!(
            "{{\"observation\":{{\"{kind}\":{{\"run\":{{\"container\":\"{id}\",\"cgroup\":77}},{rest}}}}}}}\n"
        )
    }

    fn recording(id: &str) -> String {
        let failed = "\"event\":{\"at\":5000000100,\"cgroup\":77,\"kind\":{\"exec_failed\":{\"errno\":2}}}";
        [
            "{\"gomon_recording\":1,\"gomon_version\":\"0.1.0\",\"boot_epoch\":17}\n".to_owned(),
            "{\"observation\":{\"host\":{\"at\":5,\"host\":{\"machine\":62,\"kernel\":\"6.1.2-of-here\"}}}}\n".to_owned(),
            "{\"observation\":{\"tick\":{\"at\":6}}}\n".to_owned(),
            line("appeared", id, "\"at\":5000000000,\"from_birth\":true"),
            line("learned", id, "\"at\":5000000001,\"fact\":{\"identity\":{\"name\":\"web\"}}"),
            line("appeared", &"b".repeat(64), "\"at\":5000000002,\"from_birth\":true"),
            line("happened", id, failed),
            "{\"observation\":{\"tick\":{\"at\":5000000200}}}\n".to_owned(),
            "{\"observation\":{\"tick\":{\"at\":5020000000}}}\n".to_owned(),
            "{\"observation\":{\"tick\":{\"at\":6000000000}}}\n".to_owned(),
            "{\"end\":{\"observations\":9}}\n".to_owned(),
        ]
        .concat()
    }

    #[test]
    fn only_the_container_its_host_and_the_tick_that_settles_it_stay() {
        let out = cut(&recording(&"a".repeat(64)), "web").unwrap();
        let kinds: Vec<_> = out
            .lines()
            .skip(1)
            .map(|text| parse(text).unwrap())
            .map(|line| (line.kind.clone(), line.at()))
            .collect();
        let second = 1_000_000_000;
        let expected = [
            ("host", Some(second)),
            ("appeared", Some(second)),
            ("learned", Some(second + 1)),
            ("happened", Some(second + 100)),
            ("tick", Some(second + 20_000_000)),
            ("end", None),
        ];
        assert_eq!(kinds, expected.map(|(kind, at)| (kind.to_owned(), at)));
        assert!(out.ends_with("{\"end\":{\"observations\":5}}\n"));
        assert!(!out.contains("aaaa") && !out.contains("of-here"), "{out}");
    }

    #[test]
    fn a_name_that_nobody_has_and_a_cut_recording_are_errors() {
        let whole = recording(&"a".repeat(64));
        assert!(cut(&whole, "nobody").is_err());
        let without_end = whole.trim_end().rsplit_once('\n').unwrap().0;
        assert!(cut(without_end, "web").is_err());
    }
}
