//! Each part of the bench as tables in Markdown.

use std::fmt::{self, Write};

use super::budget::Budget;
use super::figures::{Comparison, Spread};
use super::goals::{Goal, Verdict};
use super::micro::{Micro, Where};
use super::operation::Operation;
use super::statistics::Statistics;
use super::storm::{Climb, Step};
use super::subject::Subject;
use super::workload::{Work, Workloads};

pub(super) fn goals(page: &mut String, goals: &[Goal]) -> fmt::Result {
    page.push_str("\n## Goals\n\n| goal | measured | limit | | |\n|---|---|---|---|---|\n");
    for Goal { what, unit, measured, obstacle: _ } in goals {
        let Some(measured) = measured else {
            writeln!(page, "| {what} | not measured | | | |")?;
            continue;
        };
        let verdict = match measured.verdict() {
            Verdict::Met => "met",
            Verdict::Close => "within the noise",
            Verdict::Missed => "**not met**",
        };
        let (value, limit) = (short(measured.value), short(measured.limit));
        writeln!(page, "| {what} | {value} {unit} | {limit} {unit} | {verdict} | {} |", measured.distance())?;
    }
    let is_missed = |goal: &&Goal| goal.measured.is_some_and(|found| found.verdict() == Verdict::Missed);
    let missed = goals.iter().filter(is_missed);
    let reasons: Vec<String> = missed.map(|goal| format!("- {}: {}.\n", goal.what, goal.obstacle)).collect();
    if !reasons.is_empty() {
        write!(page, "\nWhat stands in the way of those that are not met:\n\n{}", reasons.concat())?;
    }
    Ok(())
}

pub(super) fn micro(page: &mut String, micro: &Micro) -> fmt::Result {
    let mut subjects: Vec<Subject> = micro.cells.iter().map(|cell| cell.subject).collect();
    subjects.sort();
    subjects.dedup();
    let (peers, own): (Vec<Subject>, Vec<Subject>) =
        subjects.into_iter().partition(|subject| matches!(subject, Subject::Peer(_)));
    let rounds = micro.effort.rounds;
    write!(
        page,
        "\n## Single operations\n\nAdded time beside each subject, {rounds} rounds; × is the ratio to nothing \
        attached.\n"
    )?;
    for place in [Where::Container, Where::Host] {
        let title = match place {
            Where::Container => "Inside a container",
            Where::Host => "On the host",
        };
        write!(page, "\n### {title}\n\n")?;
        operations(page, micro, place, &own)?;
        if !peers.is_empty() {
            writeln!(page)?;
            operations(page, micro, place, &peers)?;
        }
    }
    Ok(())
}

/// A row for each operation, a column for each subject.
fn operations(page: &mut String, micro: &Micro, place: Where, subjects: &[Subject]) -> fmt::Result {
    let titles: Vec<&str> = subjects.iter().map(|subject| subject.title()).collect();
    writeln!(
        page,
        "| operation | nothing | {} |\n|---|--:|{}",
        titles.join(" | "),
        "--:|".repeat(titles.len())
    )?;
    for operation in Operation::ALL {
        let of = |subject: Subject| micro.cell(subject, place, operation);
        let baseline = subjects.iter().find_map(|subject| of(*subject));
        let baseline = baseline.map_or(0.0, |cell| cell.comparison.baseline.median);
        write!(page, "| {} | {} |", operation.title(), nanoseconds(baseline))?;
        for subject in subjects {
            let cell = of(*subject).map(|cell| added_time(&cell.comparison));
            write!(page, " {} |", cell.unwrap_or_default())?;
        }
        writeln!(page)?;
    }
    Ok(())
}

/// `+80 [+78, +82] ns ×1.50`
fn added_time(comparison: &Comparison) -> String {
    let Spread { low, median, high } = comparison.difference;
    if [low, median, high].iter().all(|value| value.abs() < 10_000.0) {
        return added(comparison, |value| format!("{value:.0}"), " ns");
    }
    added(comparison, |value| format!("{:.1}", value / 1e3), " µs")
}

fn added(comparison: &Comparison, shown: fn(f64) -> String, unit: &str) -> String {
    let Comparison { difference, ratio, .. } = comparison;
    let signed = |value: f64| format!("{}{}", if value < 0.0 { "−" } else { "+" }, shown(value.abs()));
    let [low, median, high] = [difference.low, difference.median, difference.high].map(signed);
    format!("{median} [{low}, {high}]{unit} ×{:.2}", ratio.median)
}

pub(super) fn workloads(page: &mut String, workloads: &Workloads) -> fmt::Result {
    let mut subjects: Vec<Subject> = workloads.cells.iter().map(|cell| cell.subject).collect();
    subjects.dedup();
    let titles: Vec<&str> = subjects.iter().map(|subject| subject.title()).collect();
    let effort = &workloads.effort;
    write!(
        page,
        "\n## Whole workloads\n\nIn a container, {} rounds: {} execs and {} opens of each kind a round, four \
        connections for {} s. Added time; × is the ratio to nothing attached.\n\n",
        effort.rounds,
        grouped(effort.execs.into()),
        grouped(effort.opens.into()),
        effort.load.as_secs(),
    )?;
    writeln!(page, "| work | nothing | {} |\n|---|--:|{}", titles.join(" | "), "--:|".repeat(titles.len()))?;
    for work in Work::ALL {
        let of = |subject: Subject| {
            workloads.cells.iter().find(|cell| (cell.subject, cell.work) == (subject, work))
        };
        let Some(baseline) = of(Subject::Gomon) else { continue };
        write!(page, "| {} | {} |", work.title(), short(baseline.comparison.baseline.median))?;
        for subject in &subjects {
            let cell = of(*subject).map(|cell| added(&cell.comparison, short, ""));
            write!(page, " {} |", cell.unwrap_or_default())?;
        }
        writeln!(page)?;
    }
    Ok(())
}

pub(super) fn storms(page: &mut String, climbs: &[Climb]) -> fmt::Result {
    page.push_str(
        "\n## Storms\n\nFailing opens of a `.so` and failing execs at rising rates in a container, for each subject up \
        to the first loss. Where fewer were made than asked for, one CPU could not make more beside the subject. Of one \
        container's events of a kind gomon passes on 15,000 a second; what it keeps back beyond them counts as lost \
        here.\n\n\
        | subject | asked for, a second | s | made | captured | missing | lost by its own account |\n\
        |---|--:|--:|--:|--:|--:|--:|\n",
    );
    for climb in climbs {
        let (sees_opens, sees_execs) = climb.subject.sees();
        for step in &climb.steps {
            let Step { rates, caused, captured } = step;
            let both = |opens: String, execs: String, is_seen: bool| {
                let opens = (rates.opens > 0 && (sees_opens || !is_seen)).then(|| format!("{opens} opens"));
                let execs = (rates.execs > 0 && (sees_execs || !is_seen)).then(|| format!("{execs} execs"));
                [opens, execs].into_iter().flatten().collect::<Vec<_>>().join(", ")
            };
            let (missing_opens, missing_execs) = step.missing();
            writeln!(
                page,
                "| {} | {} | {:.1} | {} | {} | {} | {} |",
                climb.subject.title(),
                both(grouped(rates.opens.into()), grouped(rates.execs.into()), false),
                caused.time.as_secs_f64(),
                both(grouped(caused.opens), grouped(caused.execs), false),
                both(grouped(captured.opens), grouped(captured.execs), true),
                both(grouped(missing_opens), grouped(missing_execs), true),
                grouped(captured.lost),
            )?;
        }
    }
    Ok(())
}

pub(super) fn budget(page: &mut String, budget: &Budget) -> fmt::Result {
    const MIB: f64 = 1024.0 * 1024.0;
    page.push_str(
        "\n## The agent\n\n| containers | events a second | CPU, % of a core | resident, MiB | at most, MiB |\n\
        |--:|--:|--:|--:|--:|\n",
    );
    for load in &budget.loads {
        writeln!(
            page,
            "| {} | {} | {:.2} | {:.1} | {:.1} |",
            grouped(load.containers as u64),
            grouped(load.events_per_second.into()),
            load.cpu_percent,
            load.resident_bytes / MIB,
            load.peak_bytes / MIB
        )?;
    }
    page.push_str("\n| time | median | at most |\n|---|--:|--:|\n");
    for starts in &budget.starts {
        let most = starts.seconds.iter().copied().fold(0.0, f64::max);
        let median = super::figures::median(&starts.seconds);
        let containers = grouped(starts.containers as u64);
        writeln!(page, "| start to `/readyz` 200, {containers} containers | {median:.2} s | {most:.2} s |")?;
    }
    page.push_str("\n| latency | events | p50 | p99 |\n|---|--:|--:|--:|\n");
    let latencies = [
        ("failing execve to the end of the scrape that counts it", budget.to_metric),
        ("event in the kernel to its place in the timeline, at 1,000 a second", budget.to_timeline),
    ];
    for (title, latency) in latencies {
        let (median, p99) = (latency.median * 1e3, latency.p99 * 1e3);
        writeln!(page, "| {title} | {} | {median:.1} ms | {p99:.1} ms |", grouped(latency.samples))?;
    }
    Ok(())
}

pub(super) fn statistics(page: &mut String, statistics: &Statistics) -> fmt::Result {
    write!(
        page,
        "\n## Kernel programs\n\nBy the kernel's own statistics, runs an operation × nanoseconds a run. Taking them \
        is part of each figure: a program that does nothing is said to take {:.0} ns.\n\n\
        | operation | inside a container | on the host |\n|---|---|---|\n",
        statistics.empty_nanoseconds
    )?;
    for operation in Operation::ALL {
        let at = |place: Where| {
            let costs =
                statistics.costs.iter().filter(|cost| (cost.operation, cost.place) == (operation, place));
            let shown: Vec<String> = costs
                .map(|cost| {
                    format!(
                        "`{}` {:.1} × {:.0}",
                        cost.program, cost.runs_per_operation, cost.nanoseconds_per_run
                    )
                })
                .collect();
            if shown.is_empty() { "none".to_owned() } else { shown.join(", ") }
        };
        writeln!(page, "| {} | {} | {} |", operation.title(), at(Where::Container), at(Where::Host))?;
    }
    Ok(())
}

/// Three digits that count.
fn short(value: f64) -> String {
    match value.abs() {
        large if large >= 99.5 => format!("{value:.0}"),
        middle if middle >= 9.95 => format!("{value:.1}"),
        small if small > 0.0 => format!("{value:.2}"),
        _ => "0".to_owned(),
    }
}

fn nanoseconds(value: f64) -> String {
    if value.abs() < 10_000.0 { format!("{value:.0} ns") } else { format!("{:.1} µs", value / 1e3) }
}

/// `1,234,567`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figures::Round;

    #[test]
    fn numbers_are_shown_as_people_read_them() {
        assert_eq!([1, 999, 1_000, 1_234_567].map(grouped), ["1", "999", "1,000", "1,234,567"]);
        assert_eq!([0.0, 0.123, 12.34, 4321.0].map(short), ["0", "0.12", "12.3", "4321"]);
        assert_eq!([80.4, 21_104.0].map(nanoseconds), ["80 ns", "21.1 µs"]);
    }

    #[test]
    fn a_subject_that_seems_to_save_time_is_shown_as_such() {
        let rounds = [Round { before: 100.0, subject: 90.0, after: 100.0 }];
        assert_eq!(added_time(&Comparison::of(&rounds)), "−10 [−10, −10] ns ×0.90");
    }
}
