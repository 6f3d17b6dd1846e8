//! `cargo xtask soak`: everyday Docker activity in which nothing fails; gomon must have nothing to say about it.

mod builds;
mod jobs;
mod packages;
mod report;
mod services;
mod stage;
mod watch;

use std::process::ExitCode;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::agent::{Account, Agent, Profile, Start};
use crate::{cache, ground, say};
use packages::Packages;
use report::Report;
use stage::{Scene, Stage};
use watch::Watch;

const LOOK_EVERY: Duration = Duration::from_secs(5);
/// What must not come may come late.
const AFTERMATH: Duration = Duration::from_secs(5);

/// How the soak is run.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Options {
    /// How long containers come and go
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    minutes: u16,
    /// Run an optimised gomon
    #[arg(long)]
    release: bool,
}

/// Fails if there is a diagnosis at or above severity warning, or if events were lost.
pub(crate) fn run(options: Options) -> Result<ExitCode> {
    let _daemon = ground::prepare("soak")?;
    let profile = if options.release { Profile::Release } else { Profile::Dev };
    let agent = Start { task: "soak", listen: None, profile, max_series: None }.run()?;
    let stage = Stage::new(cache::dir("soak")?.join("stage"), Duration::from_mins(options.minutes.into()))?;
    let started = Instant::now();
    let resident_at_start = agent.metrics()?.value("process_resident_memory_bytes");
    let packages = Packages::prepare(&stage);
    let mut watch = Watch::default();
    play(&agent, &stage, &packages, &mut watch)?;
    thread::sleep(AFTERMATH);
    watch.look(&agent)?;
    let account = Account::settled(&agent)?;
    let at_end = agent.metrics()?;
    let report = Report {
        stage: &stage,
        found: watch.found(&stage),
        left_out: packages.left_out(),
        account,
        took: started.elapsed(),
        resident_at_start,
        resident_at_end: at_end.value("process_resident_memory_bytes"),
        peak: agent.peak_resident_bytes(),
        cpu_seconds: at_end.value("process_cpu_seconds_total"),
    };
    Ok(if report.show() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Three lanes side by side; meanwhile the agent is asked now and then.
fn play(agent: &Agent, stage: &Stage, packages: &Packages, watch: &mut Watch) -> Result<()> {
    thread::scope(|scope| {
        let lanes = [
            scope.spawn(|| over_and_over(stage, || play_jobs(stage))),
            scope.spawn(|| over_and_over(stage, || play_scenes(stage, services::SERVICES))),
            scope.spawn(|| {
                over_and_over(stage, || {
                    play_scenes(stage, builds::BUILDS);
                    packages.play(stage);
                });
            }),
        ];
        let watched = watch_until(agent, stage, watch, || lanes.iter().all(ScopedJoinHandle::is_finished));
        // Without an agent the rest is of no use.
        stage.end();
        watched
    })
}

fn watch_until(agent: &Agent, stage: &Stage, watch: &mut Watch, is_done: impl Fn() -> bool) -> Result<()> {
    let mut told = Instant::now();
    while !is_done() {
        thread::park_timeout(LOOK_EVERY);
        watch.look(agent)?;
        if told.elapsed() >= Duration::from_mins(1) {
            told = Instant::now();
            tell(agent, stage, watch)?;
        }
    }
    Ok(())
}

fn over_and_over(stage: &Stage, round: impl Fn()) {
    while stage.goes_on() {
        round();
    }
}

fn play_jobs(stage: &Stage) {
    for job in jobs::JOBS {
        if stage.goes_on() {
            stage.note(job.name, job.play(stage));
        }
    }
}

fn play_scenes(stage: &Stage, scenes: &[Scene]) {
    for scene in scenes {
        if stage.goes_on() {
            stage.play(scene);
        }
    }
}

fn tell(agent: &Agent, stage: &Stage, watch: &Watch) -> Result<()> {
    let resident = agent.metrics()?.value("process_resident_memory_bytes");
    let found = watch.found(stage);
    let harsh = found.iter().filter(|found| found.diagnosis.is_harsh()).count();
    say::progress(format_args!(
        "{} containers, {harsh} diagnoses of severity warning or above, {} others, {} resident",
        stage.book().own.len(),
        found.len() - harsh,
        crate::units::mib(resident)
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_scene_has_a_name_of_its_own_that_a_container_can_have() {
        let scenes = [services::SERVICES, builds::BUILDS].into_iter().flatten().map(|scene| scene.name);
        let names: Vec<&str> = jobs::JOBS.iter().map(|job| job.name).chain(scenes).collect();
        let unique: BTreeSet<&&str> = names.iter().collect();
        assert_eq!(unique.len(), names.len());
        let is_plain =
            |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        assert!(names.iter().all(|name| is_plain(name)), "{names:?}");
    }
}
