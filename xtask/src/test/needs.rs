//! What a ring needs of this machine; whatever can be put in place is, once for all rings.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::docker::Daemon;
use crate::fixtures::{self, Fixtures, Image};
use crate::setup::{self, Part, State};
use crate::{command, kernel, say};

/// One need.
pub(super) enum Need {
    Root,
    /// Programs may be loaded into the kernel.
    Bpf,
    Part(Part),
    /// Some tests skip themselves without it.
    Wish(Part),
    /// The kernel programs are compiled along, or left out where that is impossible.
    KernelBuild,
    /// A Docker daemon and the fixture images.
    Containers,
    Program {
        name: &'static str,
        remedy: &'static str,
    },
    /// A file of this repository.
    File(&'static str),
}

/// What has been put in place so far.
#[derive(Default)]
pub(super) struct Bench {
    daemon: Option<Daemon>,
    fixtures: Option<Fixtures>,
    /// Whether kernel programs can be compiled; looked up once.
    kernel_build: Option<bool>,
}

impl Bench {
    /// The first need that is not met, and what to do about it.
    pub(super) fn check(&mut self, needs: &[Need]) -> Result<(), String> {
        needs.iter().try_for_each(|need| self.meet(need))
    }

    fn meet(&mut self, need: &Need) -> Result<(), String> {
        match need {
            Need::Root if command::is_root() => Ok(()),
            Need::Root => Err("needs root; run it with sudo".to_owned()),
            Need::Bpf => kernel::refusal().map_or(Ok(()), Err),
            Need::Part(part) => one_part(*part),
            Need::Wish(part) => {
                if let Err(why) = one_part(*part) {
                    say::warning(format_args!("some tests will be skipped: {why}"));
                }
                Ok(())
            }
            Need::KernelBuild => {
                self.look_for_kernel_build();
                Ok(())
            }
            Need::Containers => self.containers().map_err(|error| format!("{error:#}")),
            Need::Program { name, .. } if command::find(name).is_some() => Ok(()),
            Need::Program { name, remedy } => Err(format!("{name} is not installed; {remedy}")),
            Need::File(name) if Path::new(name).exists() => Ok(()),
            Need::File(name) => Err(format!("the repository has no {name}")),
        }
    }

    fn look_for_kernel_build(&mut self) {
        if self.kernel_build.is_some() {
            return;
        }
        let missing = setup::require(&Part::KERNEL_BUILD);
        if let Err(why) = &missing {
            say::warning(format_args!("the kernel programs are left out of all builds: {why:#}"));
        }
        self.kernel_build = Some(missing.is_ok());
    }

    fn containers(&mut self) -> Result<()> {
        if self.fixtures.is_some() {
            return Ok(());
        }
        setup::require(&Part::CONTAINERS)?;
        if self.daemon.is_none() {
            self.daemon = Some(Daemon::ensure()?);
        }
        self.fixtures = Some(fixtures::ensure(&setup::go::ensure()?, &Image::ALL)?);
        Ok(())
    }

    /// Tells a step what is there.
    pub(super) fn equip(&self, step: &mut Command) {
        if let Ok(path) = setup::path() {
            step.env("PATH", path);
        }
        if self.kernel_build == Some(false) {
            step.env("AYA_BUILD_SKIP", "1");
        }
        if let Some(fixtures) = &self.fixtures {
            step.env(fixtures::VARIABLE, &fixtures.dir);
        }
    }
}

fn one_part(part: Part) -> Result<(), String> {
    let states = setup::ensure(&[part]).map_err(|error| format!("{error:#}"))?;
    states.into_iter().try_for_each(|(part, state)| match state {
        State::Ready => Ok(()),
        State::Missing { why, remedy } => Err(format!("{part}: {why}; {remedy}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_or_program_is_named_with_its_remedy() {
        let mut bench = Bench::default();
        let why = bench.meet(&Need::Program { name: "gomon-none", remedy: "install it" }).unwrap_err();
        assert_eq!(why, "gomon-none is not installed; install it");
        assert!(bench.meet(&Need::File("no-such-file")).unwrap_err().contains("no-such-file"));
    }
}
