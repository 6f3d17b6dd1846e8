//! The container's CPU quota runs out in period after period: holds it against the threads that Go runs at once.

mod width;

use super::{
    Need, Pattern,
    wording::{config, procfs, seconds},
};
use crate::{
    case::{Case, Throttling},
    model::{
        diagnosis::{Confidence, Finding, Severity},
        fact::CpuQuota,
    },
};
use width::Width;

pub(super) const PATTERN: Pattern = Pattern {
    id: "cpu-throttled",
    severity: Severity::Warning,
    title: "The CPU quota runs out in many of its periods, and all threads stand still until the next",
    symptom: "Latency in steps of up to 100 ms, timeouts and failed probes while the CPU use looks moderate; \
        `nr_throttled` in `cpu.stat` grows.",
    evidence: "Looks at the container's `cpu.stat` every ten seconds: over half a minute each finds that `nr_throttled` grew \
        by more than a quarter of what `nr_periods` grew by (high). The quota is held against GOMAXPROCS: the variable, or what the Go \
        version makes of the quota. An episode is one occurrence; it ends when the share falls below a tenth.",
    look_alikes: "- A burst, at the start for example, that is over within half a minute: not counted.\n\
        - A container that hardly runs: fewer than 10 periods with something to run in ten seconds say nothing.\n\
        - A container without a quota: `cpu.shares` and `cpu.weight` slow down, and throttle nobody.\n\
        - A batch job that takes all it may is throttled as well: as much work gets done, in steps.\n\
        - A container without any Go program: info.",
    remedy: "Raise the limit, or let Go run no more threads at once than the quota pays for: Go 1.25 or newer with a \
        current `go` line in go.mod does so by itself, otherwise set GOMAXPROCS.",
    limits: "Only the container's own quota is looked at, not one of its pod. How many CPUs the machine has is not known, \
        so that GOMAXPROCS is a number only where it is set or follows from the quota.",
    brought_about_by: &[],
    needs: &[Need::Config, Need::CpuStat],
    matches,
};

fn matches(case: &Case) -> Vec<Finding> {
    find(case).into_iter().collect()
}

fn find(case: &Case) -> Option<Finding> {
    let Throttling { since, until, stat } = case.surroundings.throttling?;
    let quota = case.config.get()?.cpu_quota.filter(|quota| quota.period_us > 0)?;
    let percent = stat.throttled.saturating_mul(100).checked_div(stat.periods)?;
    let is_go = case.go().is_some() || case.go_program_at(until).is_some();
    let width = is_go.then(|| Width::of(case, quota));
    let stood = seconds(stat.throttled_us.saturating_mul(1000));
    let mut evidence = vec![
        procfs(
            until,
            format!(
                "cpu.stat: in {} the quota ran out in {} of {} periods; the threads stood still for {stood} together",
                seconds(until.since(since)),
                stat.throttled,
                stat.periods
            ),
        ),
        config(format!(
            "CPU quota {} in each {} ms: {} CPUs",
            milliseconds(quota.quota_us),
            quota.period_us / 1000,
            cpus(quota)
        )),
    ];
    evidence.extend(width.as_ref().map(Width::evidence));
    Some(Finding {
        severity: if is_go { Severity::Warning } else { Severity::Info },
        confidence: Confidence::High,
        subject: "CPU quota".to_owned(),
        summary: format!("the quota of {} CPUs runs out in {percent} % of its periods", cpus(quota)),
        evidence,
        remedy: remedy(quota, width.as_ref()),
        at: since,
    })
}

fn milliseconds(us: u64) -> String {
    if us.is_multiple_of(1000) { format!("{} ms", us / 1000) } else { format!("{us} µs") }
}

/// `1.5`, as `docker run --cpus` takes it.
fn cpus(quota: CpuQuota) -> String {
    let hundredths = quota.quota_us.saturating_mul(100) / quota.period_us.max(1);
    match (hundredths / 100, hundredths % 100) {
        (whole, 0) => whole.to_string(),
        (whole, part) if part % 10 == 0 => format!("{whole}.{}", part / 10),
        (whole, part) => format!("{whole}.{part:02}"),
    }
}

fn remedy(quota: CpuQuota, width: Option<&Width>) -> String {
    let twice = CpuQuota { quota_us: quota.quota_us.saturating_mul(2), ..quota };
    let raise = format!("resources:\n  limits:\n    cpu: \"{}\"   # was {}", cpus(twice), cpus(quota));
    match width.and_then(|width| width.remedy(quota)) {
        Some(narrower) => format!("{narrower}\n# or, if the work needs it, raise the limit\n{raise}"),
        None => raise,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_told_as_numbers_of_cpus() {
        let of = |quota_us| cpus(CpuQuota { quota_us, period_us: 100_000 });
        assert_eq!([of(50_000), of(200_000), of(125_000), of(5_000)], ["0.5", "2", "1.25", "0.05"]);
    }
}
