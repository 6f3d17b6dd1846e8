//! Holds what a guest told against what gomon must do on its kernel. Pure.

use super::acts::{self, Act, NAMESPACE, POD, Sight};
use super::kernels::{Expected, Kernel};
use super::told::{Check, Heard, Target, Told};
use super::ways::{self, Way};
use crate::agent::Account;

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// The guest itself: that it ran, and played its acts.
    Guest,
    /// What `gomon doctor` says.
    Doctor,
    /// A hook attaches.
    Hook,
    /// An event is seen, once.
    Event,
    /// A diagnosis comes, with the right identity; no other does.
    Diagnosis,
    /// Nothing is lost, and programs end as they should.
    Account,
}

/// Something that was looked at, and what is wrong with it.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) subject: Subject,
    pub(super) what: String,
    pub(super) fault: Option<String>,
}

struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, subject: Subject, what: impl Into<String>, fault: Option<String>) {
        self.0.push(Finding { subject, what: what.into(), fault });
    }
}

/// Everything that was looked at on this kernel.
pub(super) fn judge(kernel: &Kernel, told: &Told, hung: bool) -> Vec<Finding> {
    let mut findings = Findings(Vec::new());
    let release = told.release.as_deref().unwrap_or_default();
    let fault = match (told.release.is_some(), hung, told.is_done) {
        (_, true, _) => Some("it hung and was killed".to_owned()),
        (false, ..) => Some("it did not boot".to_owned()),
        (_, _, false) => Some("it ended early".to_owned()),
        _ => told.garbled.first().map(|line| format!("it told something odd: {line}")),
    };
    findings.add(Subject::Guest, "the guest runs to its end", fault);
    let silent = Heard::default();
    for way in kernel.ways(release) {
        let heard = told.ways.get(way.name).unwrap_or(&silent);
        match kernel.expected {
            Expected::Sees => sees(&mut findings, kernel, release, heard, way),
            Expected::LockedOut => locked_out(&mut findings, heard, way, release),
        }
    }
    findings.0
}

fn sees(findings: &mut Findings, kernel: &Kernel, release: &str, heard: &Heard, way: &Way) {
    let of = |what: &str| format!("{}: {what}", way.name);
    let exit = heard.doctor_exit;
    let fault = (exit != Some(0)).then(|| format!("gomon doctor exits with {exit:?}"));
    findings.add(Subject::Doctor, of("gomon can observe"), fault);
    for check in hooks(heard) {
        findings.add(Subject::Hook, of(&check.name), hook_fault(check, way, release));
    }
    for absent in way.hooks.iter().filter(|name| hooks(heard).all(|check| check.name != **name)) {
        findings.add(Subject::Hook, of(absent), Some("gomon doctor does not name it".to_owned()));
    }
    let Some(is_ready) = heard.watching else {
        let last = heard.said.last().map_or("nothing", String::as_str);
        findings.add(Subject::Guest, of("gomon watches"), Some(format!("it said last: {last}")));
        return;
    };
    let fault = (!is_ready).then(|| "/readyz says no".to_owned());
    findings.add(Subject::Doctor, of("the agent is ready"), fault);
    for act in acts::of_way(way) {
        let exit = heard.acts.get(act.name).copied();
        let fault = (exit != Some(act.exit)).then(|| format!("exit code {exit:?} instead of {}", act.exit));
        findings.add(Subject::Guest, of(&format!("the container {}", act.name)), fault);
        for sight in act.sights {
            let what = of(&format!("{} in {}", sight.probe, act.name));
            findings.add(Subject::Event, what, sight_fault(heard, way, act, sight));
        }
        diagnosis(findings, heard, way, act);
    }
    account(findings, heard, way, kernel.may_skip(release));
}

fn hooks(heard: &Heard) -> impl Iterator<Item = &Check> {
    heard.checks.iter().filter(|check| check.name.starts_with("hook:"))
}

/// A hook, and each way that is preferred to the one that was taken, may be off only where the kernel is older than its
/// entry in the hook table.
fn hook_fault(check: &Check, way: &Way, release: &str) -> Option<String> {
    let is_due = |text: &str| {
        let since = text.split("Linux ").nth(1).and_then(ways::number);
        since <= ways::number(release)
    };
    if check.state != "ok" {
        let remedy = check.remedy.as_deref().unwrap_or_default();
        return is_due(remedy).then(|| format!("{}; {remedy}", check.found));
    }
    let mut parts = check.found.split("; not ");
    let taken = parts.next().unwrap_or_default();
    if way.hooks.contains(&check.name.as_str()) && !taken.starts_with(&format!("attached: {}", way.place)) {
        return Some(format!("it is {taken}"));
    }
    parts.find(|refused| is_due(refused)).map(|refused| format!("refused: {refused}"))
}

fn sight_fault(heard: &Heard, way: &Way, act: &Act, sight: &Sight) -> Option<String> {
    let id = act.id(way);
    let own = || heard.events.iter().filter(|event| event.container_id == id);
    let fitting: Vec<_> = own().filter(|event| sight.fits(&event.happened)).collect();
    match fitting.as_slice() {
        [one] if one.container == act.name => None,
        [one] => Some(format!("its container is called {:?}", one.container)),
        [] => {
            let alike =
                own().filter(|event| event.happened.get("type").is_some_and(|kind| kind == sight.probe));
            let alike: Vec<String> = alike.map(|event| event.happened.to_string()).take(3).collect();
            Some(format!("not seen; alike: [{}]", alike.join(", ")))
        }
        several => Some(format!("seen {} times", several.len())),
    }
}

fn diagnosis(findings: &mut Findings, heard: &Heard, way: &Way, act: &Act) {
    let id = act.id(way);
    // A remark on its configuration almost every container gets.
    let graver = heard.diagnoses.iter().filter(|one| one.severity != "info");
    let own: Vec<_> = graver.filter(|one| one.target.container_id == id).collect();
    let patterns: Vec<&str> = own.iter().map(|one| one.pattern.as_str()).collect();
    let expected: Vec<&str> = act.pattern.into_iter().collect();
    let what = format!("{}: {} in {}", way.name, act.pattern.unwrap_or("nothing"), act.name);
    let identity = Target {
        container_id: id,
        namespace: NAMESPACE.to_owned(),
        pod: POD.to_owned(),
        name: act.name.to_owned(),
        runtime: "containerd".to_owned(),
    };
    let fault = if patterns == expected {
        own.iter().find(|one| one.target != identity).map(|one| format!("its target is {:?}", one.target))
    } else {
        Some(format!("found: {patterns:?}"))
    };
    findings.add(Subject::Diagnosis, what, fault);
}

/// Runs of programs that the kernel skipped, whether or not they would have found an event.
pub(super) fn skipped_runs(heard: &Heard) -> u64 {
    let scrape = heard.scrape();
    let lost = Account::read(&scrape).total(|probe| probe.lost);
    scrape.count("gomon_events_dropped_total", &[("stage", "kernel")]).saturating_sub(lost)
}

fn account(findings: &mut Findings, heard: &Heard, way: &Way, may_skip: bool) {
    let of = |what: &str| format!("{}: {what}", way.name);
    let mut account = Account::read(&heard.scrape());
    if may_skip {
        account.dropped = account.dropped.saturating_sub(skipped_runs(heard));
    }
    let complaints = account.complaints();
    findings.add(Subject::Account, of("no event is lost"), complaints.into_iter().next());
    for program in ["agent", "events"] {
        let exit = heard.ended.get(program).copied();
        let fault = (exit != Some(0)).then(|| format!("it ends with {exit:?}"));
        findings.add(Subject::Account, of(&format!("gomon {program} ends when it is told")), fault);
    }
}

/// From 5.13 on the verifier refuses a program that reads memory; before, it loads, and each read fails.
const REFUSED_AT_LOAD: (u32, u32) = (5, 13);

fn locked_out(findings: &mut Findings, heard: &Heard, way: &Way, release: &str) {
    const CANNOT_OBSERVE: Option<i32> = Some(3);
    let of = |what: &str| format!("{}: {what}", way.name);
    let exit = heard.doctor_exit;
    let fault = (exit != CANNOT_OBSERVE).then(|| format!("it exits with {exit:?} instead of 3"));
    findings.add(Subject::Doctor, of("gomon doctor says that gomon cannot observe"), fault);
    let lockdown = heard.checks.iter().find(|check| check.name == "lockdown");
    let named = lockdown.filter(|check| check.state == "missing" && check.found.contains("confidentiality"));
    let fault = named.is_none().then(|| format!("it says {lockdown:?}"));
    findings.add(Subject::Doctor, of("gomon doctor names lockdown as the reason"), fault);
    if ways::number(release) >= Some(REFUSED_AT_LOAD) {
        let on = hooks(heard).find(|check| check.state == "ok");
        let fault = on.map(|check| format!("{} is on", check.name));
        findings.add(Subject::Hook, of("every hook is refused"), fault);
    }
    let exit = heard.ended.get("agent").copied();
    let fault = (heard.watching.is_some() || exit != CANNOT_OBSERVE)
        .then(|| format!("it ends with {exit:?} instead of 3"));
    findings.add(Subject::Account, of("gomon agent does not watch blindly"), fault);
}

#[cfg(test)]
mod tests {
    use super::super::kernels::KERNELS;
    use super::super::ways::WAYS;
    use super::*;

    fn faults(kernel: &str, told: &str) -> Vec<String> {
        let kernel = KERNELS.iter().find(|one| one.name == kernel).unwrap();
        let findings = judge(kernel, &Told::parse(told), false);
        findings
            .into_iter()
            .filter_map(|one| one.fault.map(|fault| format!("{}: {fault}", one.what)))
            .collect()
    }

    /// On a kernel 6.1.
    fn hook(way: usize, state: &str, found: &str, remedy: &str) -> Option<String> {
        let check = Check {
            name: "hook:tls".to_owned(),
            state: state.to_owned(),
            found: found.to_owned(),
            remedy: Some(remedy.to_owned()),
        };
        hook_fault(&check, &WAYS[way], "6.1.0-50-cloud-amd64")
    }

    #[test]
    fn a_hook_may_be_off_only_on_a_kernel_that_is_older_than_it() {
        assert_eq!(hook(0, "degraded", "off", "It needs Linux 6.3, and"), None);
        assert!(hook(0, "degraded", "off", "It needs Linux 5.8, and").is_some());
        assert!(hook(0, "missing", "off", "It needs luck.").is_some());
    }

    #[test]
    fn a_better_way_may_be_refused_only_by_a_kernel_that_is_older_than_it() {
        let taken = |refused: &str| format!("attached: fexit/f fexit/g{refused}");
        assert_eq!(hook(0, "ok", &taken(""), ""), None);
        assert_eq!(hook(0, "ok", &taken("; not raw (Linux 6.3), which costs less: no such type"), ""), None);
        let fault = hook(0, "ok", &taken("; not raw (Linux 5.8), which costs less: EPERM"), "").unwrap();
        assert!(fault.contains("EPERM"), "{fault}");
    }

    #[test]
    fn the_way_that_gomon_was_told_to_take_is_the_one_that_it_takes() {
        assert_eq!(hook(1, "ok", "attached: fexit/f", ""), None);
        assert!(hook(1, "ok", "attached: tp_btf/sys_exit", "").is_some());
    }

    #[test]
    fn a_guest_that_says_nothing_did_not_boot() {
        assert_eq!(faults("6.1", "").len(), 1);
    }

    #[test]
    fn a_guest_in_which_gomon_never_watches_fails() {
        let told = "{\"kind\":\"up\",\"way\":\"none\",\"release\":\"6.1.0\"}\n\
            {\"kind\":\"said\",\"way\":\"auto\",\"line\":\"no BTF\"}\n{\"kind\":\"done\",\"way\":\"none\"}";
        let faults = faults("6.1", told);
        assert!(faults.iter().any(|fault| fault.contains("no BTF")), "{faults:?}");
    }

    #[test]
    fn under_lockdown_only_the_right_reason_passes() {
        let told = |exit: i32, found: &str, hook: &str| {
            format!(
                "{{\"kind\":\"up\",\"way\":\"none\",\"release\":\"6.18.5\"}}\n\
                {{\"kind\":\"doctor\",\"way\":\"auto\",\"exit\":{exit}}}\n\
                {{\"kind\":\"checks\",\"way\":\"auto\",\"document\":{{\"checks\":[\
                {{\"name\":\"lockdown\",\"state\":\"missing\",\"found\":\"{found}\",\"remedy\":null}},\
                {{\"name\":\"hook:x\",\"state\":\"{hook}\",\"found\":\"\",\"remedy\":null}}]}}}}\n\
                {{\"kind\":\"ended\",\"way\":\"auto\",\"program\":\"agent\",\"exit\":3}}\n\
                {{\"kind\":\"done\",\"way\":\"none\"}}"
            )
        };
        assert_eq!(
            faults("6.18-lockdown", &told(3, "mode confidentiality", "missing")),
            Vec::<String>::new()
        );
        assert_eq!(faults("6.18-lockdown", &told(0, "mode none", "ok")).len(), 3);
    }
}
