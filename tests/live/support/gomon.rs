//! Runs `gomon`: to its end, or in the background until it is told to stop.

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::{install, need_live_machine, tied, wait_for};

/// The program under test.
const GOMON: &str = env!("CARGO_BIN_EXE_gomon");

/// How a command ended and what it said.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// Standard output as one JSON document.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// The exit code must be this one.
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }
}

/// A command line of `gomon` that no configuration of this machine influences.
pub(crate) fn gomon(args: &[&str]) -> Command {
    need_live_machine();
    let mut command = tied(GOMON);
    command.args(args).env_remove("RUST_LOG").stdin(Stdio::null());
    let is_ours = |name: &str| ["GOMON_", "OTEL_"].iter().any(|prefix| name.starts_with(prefix));
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_ours(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    command
}

/// Runs a command to its end.
pub(crate) fn run(mut command: Command) -> Finished {
    let output = command.output().expect("gomon starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Finished { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// `gomon` as a user without privileges, from a place that this user can reach.
pub(crate) fn gomon_as_nobody(args: &[&str]) -> Finished {
    gomon_as(65534, &["--inh-caps=-all"], args)
}

/// `gomon` as this user with these capabilities alone, in the words of setpriv(1).
pub(crate) fn gomon_with(user: u32, capabilities: &str, args: &[&str]) -> Finished {
    let inheritable = format!("--inh-caps=-all,{capabilities}");
    gomon_as(user, &[&inheritable, "--ambient-caps", capabilities], args)
}

fn gomon_as(user: u32, capabilities: &[&str], args: &[&str]) -> Finished {
    need_live_machine();
    let dir = tempfile::tempdir().expect("a directory for the program");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("the directory can be opened");
    let program = dir.path().join("gomon");
    install(Path::new(GOMON), &program, 0o755);
    let mut command = Command::new("setpriv");
    let user = user.to_string();
    command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]).args(capabilities);
    command.arg(&program).args(args).current_dir("/").env("HOME", "/nonexistent").stdin(Stdio::null());
    run(command)
}

/// A `gomon` in the background; ended when dropped. What it writes goes to files.
pub(crate) struct Running {
    child: Child,
    dir: TempDir,
    name: String,
}

impl Running {
    /// Starts it.
    pub(crate) fn start(mut command: Command) -> Self {
        let name = format!("{command:?}");
        let dir = tempfile::tempdir().expect("a directory for what it writes");
        let file = |name| File::create(dir.path().join(name)).expect("a file for what it writes");
        let child = command.stdout(file("out")).stderr(file("err")).spawn().expect("gomon starts");
        Self { child, dir, name }
    }

    /// Starts `gomon -v …` and waits until it watches.
    pub(crate) fn watching(args: &[&str]) -> Self {
        let mut command = gomon(&["-v"]);
        command.args(args);
        let mut running = Self::start(command);
        wait_for("gomon to watch", || {
            assert_eq!(running.ended(), None, "it ended early: {}", running.stderr());
            let said = running.stderr();
            (said.contains("watching") || said.contains("recording to")).then_some(())
        });
        running
    }

    /// The number of its process, which is the one that was started: setpriv(1) makes no other.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A place for its files.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn stdout(&self) -> String {
        fs::read_to_string(self.path("out")).unwrap_or_default()
    }

    pub(crate) fn stderr(&self) -> String {
        fs::read_to_string(self.path("err")).unwrap_or_default()
    }

    /// The whole lines that it has printed, as JSON.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let text = self.stdout();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect()
    }

    /// Its status, once it has ended.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("its status can be asked for")
    }

    /// Waits until it ends by itself.
    pub(crate) fn finish(mut self) -> Finished {
        let status = wait_for(&format!("the end of {}", self.name), || self.ended());
        Finished { code: status.code(), stdout: self.stdout(), stderr: self.stderr() }
    }

    /// Tells it to stop and waits for its end.
    pub(crate) fn stop(self) -> Finished {
        self.signal(Signal::TERM);
        self.finish()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // It may have ended by itself.
        let _ = pid.map(|pid| kill_process(pid, signal));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- {} said:\n{}", self.name, self.stderr());
        }
    }
}
