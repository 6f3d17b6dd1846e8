//! Where the scenes of the soak are played: runs docker, keeps account of the containers, notes what did not go as meant.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::docker::Labelled;
use crate::{command, process, say};

/// Digits of a container's id that are enough to know it by.
const SHORT_ID: usize = 12;
/// A docker command that hangs must not hang the soak.
const SECONDS_PER_COMMAND: &str = "240";
const READY: Duration = Duration::from_mins(1);
const LISTED_MISHAPS: usize = 50;

/// An everyday use of Docker in which nothing fails that gomon should report.
pub(super) struct Scene {
    pub(super) name: &'static str,
    pub(super) play: fn(&Stage, &'static str) -> Result<()>,
}

/// Shared by all lanes of the soak.
pub(super) struct Stage {
    /// A directory of the soak's own.
    pub(super) dir: PathBuf,
    labelled: Labelled,
    deadline: Instant,
    is_over: AtomicBool,
    book: Mutex<Book>,
}

/// What happened on the stage.
#[derive(Default)]
pub(super) struct Book {
    containers: u64,
    /// The scene of a container, by the beginning of its id.
    pub(super) own: BTreeMap<String, &'static str>,
    pub(super) played: BTreeMap<&'static str, u64>,
    pub(super) mishaps: Vec<String>,
    pub(super) more_mishaps: u64,
}

impl Stage {
    pub(super) fn new(dir: PathBuf, time: Duration) -> Result<Self> {
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir_all(dir.join("ids"))?;
        let labelled = Labelled::clear("soak");
        Ok(Self {
            dir,
            labelled,
            deadline: Instant::now() + time,
            is_over: AtomicBool::new(false),
            book: Mutex::default(),
        })
    }

    pub(super) fn goes_on(&self) -> bool {
        Instant::now() < self.deadline && !self.is_over.load(Ordering::Relaxed)
    }

    /// Ends the soak before its time.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// Plays a scene; one that fails does not end the soak.
    pub(super) fn play(&self, scene: &Scene) {
        let played = (scene.play)(self, scene.name);
        self.note(scene.name, played);
    }

    pub(super) fn note(&self, scene: &'static str, played: Result<()>) {
        let mut book = self.book();
        *book.played.entry(scene).or_default() += 1;
        let Err(error) = played else { return };
        say::warning(format_args!("{scene}: {error:#}"));
        if book.mishaps.len() < LISTED_MISHAPS {
            book.mishaps.push(format!("{scene}: {error:#}"));
        } else {
            book.more_mishaps += 1;
        }
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The scene that a container belongs to, if it is one of the soak's.
    pub(super) fn scene_of(&self, container_id: &str) -> Option<&'static str> {
        self.book().own.get(short(container_id)).copied()
    }

    /// A container of the soak.
    pub(super) fn own(&self, scene: &'static str, container_id: &str) {
        self.book().own.insert(short(container_id.trim()).to_owned(), scene);
    }

    fn next_name(&self, scene: &str) -> String {
        let mut book = self.book();
        book.containers += 1;
        format!("soak-{:05}-{scene}", book.containers)
    }

    /// Runs a container to its end, which must be this exit code.
    pub(super) fn run(&self, scene: &'static str, args: &[&str], code: i32) -> Result<String> {
        let name = self.next_name(scene);
        let ids = self.dir.join("ids").join(&name);
        let mut run = docker(&["run", "--rm", "--name", &name, &self.labelled.option(), "--cidfile"]);
        let output = run.arg(&ids).args(args).output().context("cannot start docker")?;
        if let Ok(id) = fs::read_to_string(&ids) {
            self.own(scene, &id);
            fs::remove_file(&ids)?;
        }
        expect(&run, &output, &[code])?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Makes a container and does not start it.
    pub(super) fn create(&self, scene: &'static str, args: &[&str]) -> Result<Service> {
        self.detached(scene, &["create"], args)
    }

    /// Starts a container and waits until its program says that it is ready.
    pub(super) fn serve(&self, scene: &'static str, args: &[&str]) -> Result<Service> {
        let service = self.detached(scene, &["run", "--detach"], args)?;
        service.until_ready()?;
        Ok(service)
    }

    fn detached(&self, scene: &'static str, command: &[&str], args: &[&str]) -> Result<Service> {
        let name = self.next_name(scene);
        let mut docker = docker(command);
        docker.args(["--name", &name, &self.labelled.option()]).args(args);
        let id = command::output(&mut docker)?;
        self.own(scene, &id);
        Ok(Service { name })
    }
}

/// A container that lives on; removed by force when dropped.
pub(super) struct Service {
    pub(super) name: String,
}

impl Service {
    /// A docker command whose last argument is the container; it must succeed.
    pub(super) fn docker(&self, args: &[&str]) -> Result<String> {
        command::output(docker(args).arg(&self.name))
    }

    /// Runs a command in the container, which must end with one of these codes.
    pub(super) fn exec(&self, args: &[&str], codes: &[i32]) -> Result<()> {
        let mut exec = docker(&["exec"]);
        // Options of `docker exec` come first.
        let options = args.iter().take_while(|arg| arg.starts_with('-')).count();
        let (options, program) = args.split_at(options);
        exec.args(options).arg(&self.name).args(program);
        let output = exec.output().context("cannot start docker")?;
        expect(&exec, &output, codes)
    }

    /// Waits until it has ended, which must be with one of these codes.
    pub(super) fn ends_with(&self, codes: &[i32]) -> Result<()> {
        let ended = self.docker(&["wait"])?;
        if codes.iter().all(|code| ended != code.to_string()) {
            bail!("{} ended with {ended} instead of {codes:?}", self.name);
        }
        Ok(())
    }

    pub(super) fn until_ready(&self) -> Result<()> {
        let is_ready = || self.docker(&["logs"]).is_ok_and(|log| log.contains("ready"));
        if !process::wait_until(READY, is_ready) {
            bail!("{} does not become ready: {}", self.name, self.docker(&["logs"]).unwrap_or_default());
        }
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        command::succeeds(docker(&["rm", "--force", "--volumes"]).arg(&self.name));
    }
}

/// A docker command with a deadline.
pub(super) fn docker(args: &[&str]) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=10", SECONDS_PER_COMMAND, "docker"]).args(args);
    command
}

fn expect(command: &Command, output: &Output, codes: &[i32]) -> Result<()> {
    if output.status.code().is_some_and(|code| codes.contains(&code)) {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    bail!(
        "`{}` ended with {} instead of {codes:?}: {}",
        command::describe(command),
        output.status,
        said.trim()
    )
}

fn short(id: &str) -> &str {
    id.get(..SHORT_ID).unwrap_or(id)
}
