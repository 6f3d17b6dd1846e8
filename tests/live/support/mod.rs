//! What every live test uses: the machine's fitness, processes of `gomon`, containers, waiting with a deadline.

mod agent;
mod collector;
mod container;
mod gomon;
mod prometheus;
mod scene;
/// The check that the unit tests of the reports use.
#[path = "../../../monitor/src/report/schema.rs"]
mod schema;
mod tls;
mod tools;

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Once,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

pub(crate) use agent::{Agent, Series, free_address};
pub(crate) use collector::{Collector, Received};
pub(crate) use container::{Container, Said, docker, docker_ok, said};
pub(crate) use gomon::{Finished, Running, gomon, gomon_as_nobody, gomon_with, run};
pub(crate) use prometheus::{Monitoring, await_in};
pub(crate) use scene::{Scene, fence, play, scene};
pub(crate) use tls::{TlsServer, pem};
pub(crate) use tools::{find, skip, tool};

/// How long anything may take that normally takes a moment, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

const PAUSE: Duration = Duration::from_millis(25);

/// Fails the test when this machine cannot run it, or when it was not started as it should be.
pub(crate) fn need_live_machine() {
    static CHECKED: Once = Once::new();
    let fixtures = env::var_os("GOMON_FIXTURES").is_some_and(|dir| PathBuf::from(dir).join("bin").is_dir());
    assert!(
        fixtures && rustix::process::geteuid().is_root(),
        "live tests need root, Docker and fixtures: start them with `cargo xtask test --ring live`"
    );
    CHECKED.call_once(container::remove_left_over);
}

/// A file below the fixtures.
pub(crate) fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env::var_os("GOMON_FIXTURES").unwrap_or_default()).join(name)
}

/// A name that no other test, and no other run, has.
pub(crate) fn unique(what: &str) -> String {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("gomon-live-{}-{number}-{what}", std::process::id())
}

/// What `look` finds, as soon as it finds something.
///
/// # Panics
/// When the deadline passes; the message names `what` was awaited.
pub(crate) fn wait_for<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    let found = wait_up_to(PATIENCE, look);
    found.unwrap_or_else(|| panic!("waited {} s in vain for {what}", PATIENCE.as_secs()))
}

/// What `look` finds in time.
pub(crate) fn wait_up_to<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        let found = look();
        if found.is_some() || Instant::now() >= deadline {
            return found;
        }
        thread::sleep(PAUSE);
    }
}

/// What is wrong with an answer of `gomon diagnose -o json` under the published schema.
pub(crate) fn schema_faults(answer: &Value) -> Vec<String> {
    let published = include_str!("../../../docs/diagnose.schema.json");
    schema::faults(&serde_json::from_str(published).expect("the schema is JSON"), answer)
}

/// The same of an answer about one incident.
pub(crate) fn schema_faults_of_incidents(answer: &Value) -> Vec<String> {
    let published = include_str!("../../../docs/incidents.schema.json");
    let root: Value = serde_json::from_str(published).expect("the schema is JSON");
    schema::faults_of(&root, &root["$defs"]["incident_document"], answer, "$")
}

/// A copy of a program with this mode, below directories that everybody may enter. In a process of its own: a thread that
/// forks while this one writes would hand its child the open file, and the copy would be busy.
pub(crate) fn install(from: &Path, to: &Path, mode: u32) {
    let mut install = Command::new("install");
    install.arg("-D").args(["-m", &format!("{mode:o}")]).args([from, to]);
    assert!(install.status().is_ok_and(|status| status.success()), "{install:?} fails");
}

/// A command that the kernel ends when the calling thread ends, so that nothing outlives a killed test.
pub(crate) fn tied(program: &str) -> Command {
    if find("setpriv").is_none() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", program]);
    command
}
