//! Holds what a guest told against what gomon must do on its kernel. Pure.

use super::acts::{self, Act, NAMESPACE, POD, Sight};
use super::kernels::{Expected, Kernel};
use super::table;
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
pub(super) fn judge(kernel: &Kernel, ways: &[&Way], told: &Told, hung: bool) -> Vec<Finding> {
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
    for way in ways {
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
    for hook in table::HOOKS {
        findings.add(Subject::Hook, of(hook), hook_fault(of_hook(heard, hook), way, release));
    }
    let Some(is_ready) = heard.watching else {
        let last = heard.said.last().map_or("nothing", String::as_str);
        findings.add(Subject::Guest, of("gomon watches"), Some(format!("it said last: {last}")));
        return;
    };
    let fault = (!is_ready).then(|| "/readyz says no".to_owned());
    findings.add(Subject::Doctor, of("the agent is ready"), fault);
    findings.add(Subject::Hook, of("the agent has every probe"), off(heard));
    for act in acts::of_way(way) {
        let played = heard.acts.get(act.name).map(Vec::as_slice).unwrap_or_default();
        let exit = played.last().map(|last| last.exit);
        let fault = (exit != Some(act.exit)).then(|| format!("exit code {exit:?} instead of {}", act.exit));
        findings.add(Subject::Guest, of(&format!("the container {}", act.name)), fault);
        let before = played.len().saturating_sub(1);
        if let Some(vain) = played.iter().take(before).find(|vain| vain.excuses == 0) {
            let fault = Some(format!("it was played again after {vain:?} without an excuse"));
            findings.add(Subject::Guest, of(&format!("the container {} once", act.name)), fault);
        }
        for sight in act.sights {
            let what = of(&format!("{} in {}", sight.probe, act.name));
            findings.add(Subject::Event, what, sight_fault(heard, &act.id(way, before), act, sight));
        }
        diagnosis(findings, heard, way, act, before);
    }
    account(findings, heard, way, kernel.may_skip(release));
}

fn of_hook<'h>(heard: &'h Heard, hook: &str) -> Option<&'h Check> {
    heard.checks.iter().find(|check| check.name.strip_prefix("hook:") == Some(hook))
}

/// Probes that the agent says it runs without.
fn off(heard: &Heard) -> Option<String> {
    let scrape = heard.scrape();
    let is_on = |probe: &str| scrape.count("gomon_probe_attached", &[("probe", probe)]) == 1;
    let off: Vec<&str> = table::PROBES
        .into_iter()
        .filter(|probe| !table::WITHOUT_HOOK.contains(probe) && !is_on(probe))
        .collect();
    (!off.is_empty()).then(|| format!("without {}", off.join(", ")))
}

/// A hook, and each way that is preferred to the one that was taken, may be off only where the kernel is older than its
/// entry in the hook table.
fn hook_fault(check: Option<&Check>, way: &Way, release: &str) -> Option<String> {
    let Some(check) = check else { return Some("gomon doctor does not name it".to_owned()) };
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
    let is_choosy = check.name.strip_prefix("hook:").is_some_and(|hook| way.hooks.contains(&hook));
    if is_choosy && !taken.starts_with(&format!("attached: {}", way.place)) {
        return Some(format!("it is {taken}"));
    }
    parts.find(|refused| is_due(refused)).map(|refused| format!("refused: {refused}"))
}

fn sight_fault(heard: &Heard, id: &str, act: &Act, sight: &Sight) -> Option<String> {
    let own = || heard.events.iter().filter(|event| event.container_id == id);
    let fitting: Vec<_> = own().filter(|event| sight.fits(&event.happened)).collect();
    match fitting.as_slice() {
        // A name that comes late is in the diagnosis.
        [one] if one.container == act.name || is_cut_from(&one.container, id) => None,
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

fn is_cut_from(shown: &str, id: &str) -> bool {
    !shown.is_empty() && id.starts_with(shown)
}

/// `before`: how often the act was played in vain. What was seen of it then must not have led gomon astray.
fn diagnosis(findings: &mut Findings, heard: &Heard, way: &Way, act: &Act, before: usize) {
    // A remark on its configuration almost every container gets.
    let graver = || heard.diagnoses.iter().filter(|one| one.severity != "info");
    let of_id = |id: &str| graver().filter(|one| one.target.container_id == id).collect::<Vec<_>>();
    for again in 0..before {
        let others = of_id(&act.id(way, again)).into_iter().filter(|one| Some(&*one.pattern) != act.pattern);
        let others: Vec<&str> = others.map(|one| one.pattern.as_str()).collect();
        let what = format!("{}: nothing wrong in {} in spite of gaps", way.name, act.name);
        findings.add(Subject::Diagnosis, what, (!others.is_empty()).then(|| format!("found: {others:?}")));
    }
    let id = act.id(way, before);
    let own = of_id(&id);
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

/// How often an act had to be played again: something that it causes was not seen, and gomon was excused.
pub(super) fn repeats(heard: &Heard) -> usize {
    heard.acts.values().map(|played| played.len().saturating_sub(1)).sum()
}

/// Of the skipped runs that the guest tells, only a preemptible kernel may have any.
fn account(findings: &mut Findings, heard: &Heard, way: &Way, may_skip: bool) {
    let of = |what: &str| format!("{}: {what}", way.name);
    let mut complaints = Account::read(&heard.scrape()).complaints();
    if heard.skipped > 0 && !may_skip {
        complaints.push(format!("{} runs of programs were skipped", heard.skipped));
    }
    let fault = (!complaints.is_empty()).then(|| complaints.join("; "));
    findings.add(Subject::Account, of("no event is lost"), fault);
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
    let is_refused = ways::number(release) >= Some(REFUSED_AT_LOAD);
    for hook in table::HOOKS {
        let fault = match of_hook(heard, hook) {
            None => Some("gomon doctor does not name it".to_owned()),
            Some(check) => (is_refused && check.state == "ok").then(|| "it is on".to_owned()),
        };
        findings.add(Subject::Hook, of(hook), fault);
    }
    let exit = heard.ended.get("agent").copied();
    let fault = (heard.watching.is_some() || exit != CANNOT_OBSERVE)
        .then(|| format!("it ends with {exit:?} instead of 3"));
    findings.add(Subject::Account, of("gomon agent does not watch blindly"), fault);
}

#[cfg(test)]
mod tests {
    use super::super::kernels::KERNELS;
    use super::super::told::{Diagnosis, Event};
    use super::super::ways::WAYS;
    use super::*;

    fn faults(kernel: &str, told: &str) -> Vec<String> {
        let kernel = KERNELS.iter().find(|one| one.name == kernel).unwrap();
        let findings = judge(kernel, &[&WAYS[0]], &Told::parse(told), false);
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
        hook_fault(Some(&check), &WAYS[way], "6.1.0-50-cloud-amd64")
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
    fn a_hook_that_is_not_named_is_a_fault() {
        assert!(hook_fault(None, &WAYS[0], "6.1.0").is_some());
    }

    /// What was found while the first act was played twice, its first time in vain.
    fn of_first_act(pattern: &str, again: usize) -> Vec<String> {
        let (act, way) = (&acts::ACTS[0], &WAYS[0]);
        let target = Target {
            container_id: act.id(way, again),
            namespace: NAMESPACE.to_owned(),
            pod: POD.to_owned(),
            name: act.name.to_owned(),
            runtime: "containerd".to_owned(),
        };
        let one = Diagnosis { pattern: pattern.to_owned(), severity: "error".to_owned(), target };
        let mut findings = Findings(Vec::new());
        diagnosis(&mut findings, &Heard { diagnoses: vec![one], ..Heard::default() }, way, act, 1);
        findings.0.into_iter().filter_map(|finding| finding.fault).collect()
    }

    #[test]
    fn a_gap_excuses_a_diagnosis_that_is_missing_and_none_that_is_wrong() {
        assert_eq!(of_first_act("missing-interpreter", 1), Vec::<String>::new());
        assert_eq!(of_first_act("missing-interpreter", 0), ["found: []"]);
        assert_eq!(of_first_act("oom-kill", 0).len(), 2);
    }

    #[test]
    fn an_event_is_looked_for_where_the_act_was_played_last() {
        let (act, way) = (&acts::ACTS[0], &WAYS[0]);
        let (vain, last) = (act.id(way, 0), act.id(way, 1));
        let seen = |container: &str| {
            let happened = serde_json::json!({ "type": "cgroup_removed" });
            let event = Event { container: container.to_owned(), container_id: last.clone(), happened };
            let heard = Heard { events: vec![event], ..Heard::default() };
            [&vain, &last].map(|id| sight_fault(&heard, id, act, &act.sights[2]).is_none())
        };
        assert_eq!(seen(act.name), [false, true]);
        assert_eq!(seen(&last[..12]), [false, true], "its name came late");
        assert_eq!(seen("other"), [false, false]);
    }

    #[test]
    fn only_a_kernel_that_preempts_may_skip_programs() {
        let heard = Heard { skipped: 3, ..Heard::default() };
        let faults = |may_skip| {
            let mut findings = Findings(Vec::new());
            account(&mut findings, &heard, &WAYS[0], may_skip);
            findings.0.into_iter().filter_map(|finding| finding.fault).collect::<Vec<_>>().concat()
        };
        assert!(faults(false).contains("3 runs of programs were skipped"));
        assert!(!faults(true).contains("skipped"));
    }

    #[test]
    fn a_guest_that_says_nothing_did_not_boot() {
        assert!(faults("6.1", "").iter().any(|fault| fault.contains("did not boot")));
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
        let told = |exit: i32, found: &str, state: &str| {
            let hook = |name: &str| {
                format!(",{{\"name\":\"hook:{name}\",\"state\":\"{state}\",\"found\":\"\",\"remedy\":null}}")
            };
            let hooks = table::HOOKS.map(hook).concat();
            format!(
                "{{\"kind\":\"up\",\"way\":\"none\",\"release\":\"6.18.5\"}}\n\
                {{\"kind\":\"doctor\",\"way\":\"auto\",\"exit\":{exit}}}\n\
                {{\"kind\":\"checks\",\"way\":\"auto\",\"document\":{{\"checks\":[\
                {{\"name\":\"lockdown\",\"state\":\"missing\",\"found\":\"{found}\",\"remedy\":null}}{hooks}]}}}}\n\
                {{\"kind\":\"ended\",\"way\":\"auto\",\"program\":\"agent\",\"exit\":3}}\n\
                {{\"kind\":\"done\",\"way\":\"none\"}}"
            )
        };
        assert_eq!(
            faults("6.18-lockdown", &told(3, "mode confidentiality", "missing")),
            Vec::<String>::new()
        );
        assert_eq!(faults("6.18-lockdown", &told(0, "mode none", "ok")).len(), 2 + table::HOOKS.len());
    }
}
