//! Containers of a test, removed at its end whatever happens.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{need_live_machine, unique, wait_for};

/// What a command said, and its exit code.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs `docker`, whatever comes of it.
pub(crate) fn docker(args: &[&str]) -> Said {
    said(Command::new("docker").args(args))
}

/// Runs a command to its end.
pub(crate) fn said(command: &mut Command) -> Said {
    let output = command.stdin(Stdio::null()).output().expect("the command starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    Said { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

/// Runs a `docker` command that must succeed; its output.
pub(crate) fn docker_ok(args: &[&str]) -> String {
    let said = docker(args);
    assert_eq!(said.code, Some(0), "docker {args:?}: {}", said.err);
    said.out
}

/// A container by its name; removed when dropped.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) name: String,
    pub(crate) image: String,
    options: Vec<String>,
    command: Vec<String>,
}

impl Container {
    /// One that does not exist yet. `image` is the short name of a fixture image.
    pub(crate) fn new(what: &str, image: &str, command: &[&str]) -> Self {
        need_live_machine();
        Self {
            name: unique(what),
            image: format!("gomon-test/{image}:1"),
            options: Vec::new(),
            command: command.iter().map(|&word| word.to_owned()).collect(),
        }
    }

    /// Further options of `docker run`.
    #[must_use]
    pub(crate) fn with(mut self, options: &[&str]) -> Self {
        self.options.extend(options.iter().map(|&option| option.to_owned()));
        self
    }

    fn line<'a>(&'a self, verb: &[&'a str]) -> Vec<&'a str> {
        let mut line = verb.to_vec();
        line.extend(["--name", &self.name]);
        if !self.options.iter().any(|option| option == "--network") {
            line.extend(["--network", "none"]);
        }
        line.extend(self.options.iter().map(String::as_str));
        line.push(&self.image);
        line.extend(self.command.iter().map(String::as_str));
        line
    }

    /// Runs it to its end, or to the error that keeps it from starting.
    pub(crate) fn run(&self) -> Said {
        docker(&self.line(&["run"]))
    }

    /// Starts it in the background.
    pub(crate) fn start(&self) -> Said {
        docker(&self.line(&["run", "--detach"]))
    }

    /// Creates it without starting it.
    pub(crate) fn create(&self) -> String {
        docker_ok(&self.line(&["create"]))
    }

    /// Starts it in the background and waits for its first word, `ready`.
    pub(crate) fn serve(&self) {
        let said = self.start();
        assert_eq!(said.code, Some(0), "{self:?}: {said:?}");
        wait_for(&format!("{} to be ready", self.name), || {
            docker(&["logs", &self.name]).out.contains("ready").then_some(())
        });
    }

    /// A field of `docker inspect`.
    pub(crate) fn inspect(&self, template: &str) -> String {
        docker_ok(&["inspect", "--format", template, &self.name])
    }

    pub(crate) fn id(&self) -> String {
        self.inspect("{{.Id}}")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.inspect("{{.State.Pid}}").parse().expect("a process id")
    }

    /// Waits for its end; its exit code.
    pub(crate) fn wait(&self) -> i32 {
        docker_ok(&["wait", &self.name]).parse().expect("an exit code")
    }

    /// Ends a container whose main thread is gone while others live on. runc takes it for ended and kills nothing, and the
    /// process would outlive the container.
    pub(crate) fn kill_behind_runc(&self) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, Signal::KILL).expect("its process lives");
    }

    pub(crate) fn remove(&self) {
        docker(&["rm", "--force", "--volumes", &self.name]);
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- {} said: {:?}", self.name, docker(&["logs", &self.name]));
        }
        self.remove();
    }
}

/// Removes the containers of test runs that were killed.
pub(crate) fn remove_left_over() {
    let names = docker(&["ps", "--all", "--filter", "name=^gomon-live-", "--format", "{{.Names}}"]).out;
    for name in names.lines() {
        let pid = name.trim_start_matches("gomon-live-").split('-').next().unwrap_or_default();
        if !pid.is_empty() && !Path::new("/proc").join(pid).exists() {
            docker(&["rm", "--force", "--volumes", name]);
        }
    }
}
