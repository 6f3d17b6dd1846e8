//! What a Docker Engine API socket (dockerd, or podman's compatible service) knows of containers. Bounded in time: a
//! daemon that is stuck costs the deadline and nothing else.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use bollard::{
    API_DEFAULT_VERSION, Docker,
    models::{ContainerSummary, ContainerSummaryStateEnum as State},
    query_parameters::ListContainersOptions,
};
use tokio::task::JoinSet;

use super::Listed;
use crate::{
    inspect::docker_identity,
    model::{
        container::{ContainerId, Identity, Runtime},
        fact::RuntimeState,
    },
};

/// Where the sockets are that nobody configured.
const KNOWN: [&str; 3] = ["run/docker.sock", "var/run/docker.sock", "run/podman/podman.sock"];
/// More containers than this of one socket are not listed.
const LIMIT: usize = 4096;

/// A socket that gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    #[error("cannot use the socket {}", socket.display())]
    Open {
        socket: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the socket {} gives no usable answer", socket.display())]
    Answer {
        socket: PathBuf,
        #[source]
        source: Box<bollard::errors::Error>,
    },
    #[error("the socket {} did not answer within {} ms", socket.display(), deadline.as_millis())]
    Silent { socket: PathBuf, deadline: Duration },
}

/// The sockets in the usual places below the host's root that are there, each once.
#[must_use]
pub fn known_sockets(host_root: &Path) -> Vec<PathBuf> {
    let mut seen = HashSet::new();
    let there = KNOWN.iter().map(|path| host_root.join(path));
    // /var/run is mostly a link to /run.
    there.filter(|path| fs::canonicalize(path).is_ok_and(|real| seen.insert(real))).collect()
}

/// All containers of all sockets, and why some did not answer. The deadline is one for all of them.
pub async fn from_sockets(sockets: &[PathBuf], deadline: Duration) -> (Vec<Listed>, Vec<SocketError>) {
    let mut asked = JoinSet::new();
    for socket in sockets {
        let socket = socket.clone();
        asked.spawn(async move { names(&socket, deadline).await });
    }
    let (mut listed, mut silent) = (Vec::new(), Vec::new());
    for answer in asked.join_all().await {
        match answer {
            Ok(containers) => listed.extend(containers),
            Err(error) => silent.push(error),
        }
    }
    (listed, silent)
}

/// All containers of one socket, the dead ones too: names, image, status, exit code.
pub async fn names(socket: &Path, deadline: Duration) -> Result<Vec<Listed>, SocketError> {
    let named = || socket.to_owned();
    // bollard takes every reason for an absent socket.
    fs::metadata(socket).map_err(|source| SocketError::Open { socket: named(), source })?;
    match tokio::time::timeout(deadline, list(socket, deadline)).await {
        Ok(answer) => {
            answer.map_err(|source| SocketError::Answer { socket: named(), source: Box::new(source) })
        }
        Err(_elapsed) => Err(SocketError::Silent { socket: named(), deadline }),
    }
}

async fn list(socket: &Path, deadline: Duration) -> Result<Vec<Listed>, bollard::errors::Error> {
    let timeout_s = deadline.as_secs().saturating_add(1);
    let docker = Docker::connect_with_unix(&socket.to_string_lossy(), timeout_s, API_DEFAULT_VERSION)?;
    let docker = docker.negotiate_version().await?;
    let components = docker.version().await?.components.unwrap_or_default();
    let is_podman = components.iter().any(|component| component.name == "Podman Engine");
    let runtime = if is_podman { Runtime::Podman } else { Runtime::Docker };
    let options = ListContainersOptions { all: true, ..ListContainersOptions::default() };
    let summaries = docker.list_containers(Some(options)).await?;
    Ok(summaries.into_iter().filter_map(|summary| listed(summary, runtime)).take(LIMIT).collect())
}

fn listed(summary: ContainerSummary, runtime: Runtime) -> Option<Listed> {
    // The id becomes part of paths.
    let id = summary.id.filter(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    let names = summary.names.unwrap_or_default();
    // A link to another container reads /THIS/ALIAS.
    let own = names.iter().find(|name| !name.trim_start_matches('/').contains('/'));
    let image = summary.image.unwrap_or_default();
    let identity =
        docker_identity(own.map(String::as_str).unwrap_or_default(), &image, summary.labels.as_ref());
    let state = summary.state.unwrap_or(State::EMPTY);
    Some(Listed {
        id: ContainerId(id.into()),
        identity: Identity { runtime, ..identity },
        state: Some(RuntimeState {
            status: state.to_string(),
            exit_code: summary.status.as_deref().and_then(exit_code),
            ..RuntimeState::default()
        }),
        running: matches!(state, State::RUNNING | State::PAUSED | State::STOPPING),
        pid: None,
    })
}

/// The answer to a list of containers.
#[cfg(feature = "fuzzing")]
pub(super) fn fuzzed(bytes: &[u8]) -> crate::fuzzing::Told {
    use crate::fuzzing::Told;
    let summaries: Vec<ContainerSummary> = match serde_json::from_slice(bytes) {
        Ok(summaries) => summaries,
        Err(error) => return Told::Refused(error.to_string()),
    };
    let listed: Vec<Listed> = summaries.into_iter().filter_map(|one| listed(one, Runtime::Docker)).collect();
    assert!(listed.iter().all(|one| one.id.0.bytes().all(|byte| byte.is_ascii_hexdigit())));
    Told::value(&listed)
}

/// Out of `Exited (137) 5 minutes ago` or `Restarting (1) 2 seconds ago`.
fn exit_code(status: &str) -> Option<i64> {
    let (_, rest) =
        status.strip_prefix("Exited ").or_else(|| status.strip_prefix("Restarting "))?.split_once('(')?;
    rest.split_once(')')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        os::unix::net::UnixListener,
        thread,
        time::Instant,
    };

    use super::*;

    const VERSION: &str = r#"{"ApiVersion":"1.41","Components":[{"Name":"Podman Engine","Version":"5"}]}"#;

    /// A daemon that answers three requests, the last with `containers`.
    fn daemon(containers: &'static str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("daemon.sock");
        let listener = UnixListener::bind(&path).unwrap();
        thread::spawn(move || {
            for body in [VERSION, VERSION, containers] {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.read(&mut [0; 4096]).unwrap();
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
                write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
            }
        });
        (dir, path)
    }

    #[tokio::test]
    async fn a_socket_tells_names_and_states_of_living_and_dead_containers() {
        let (_dir, socket) = daemon(
            r#"[{"Id":"ab12","Names":["/db/api","/api"],"Image":"img:1","State":"running","Status":"Up 2 s"},
                {"Id":"cd34","Names":["/job"],"State":"exited","Status":"Exited (137) 3 minutes ago"},
                {"Id":"../etc","Names":["/x"]}]"#,
        );
        let listed = names(&socket, Duration::from_secs(10)).await.unwrap();
        let seen: Vec<_> = listed
            .iter()
            .map(|one| {
                let state = one.state.as_ref().unwrap();
                (&*one.id.0, one.identity.name.as_str(), one.running, state.exit_code)
            })
            .collect();
        assert_eq!(seen, [("ab12", "api", true, None), ("cd34", "job", false, Some(137))]);
        assert!(listed.iter().all(|one| one.identity.runtime == Runtime::Podman));
    }

    #[tokio::test]
    async fn a_stuck_daemon_costs_the_deadline_and_an_absent_socket_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let stuck = dir.path().join("stuck.sock");
        let _listener = UnixListener::bind(&stuck).unwrap();
        let start = Instant::now();
        let deadline = Duration::from_millis(50);
        let (listed, errors) = from_sockets(&[stuck, dir.path().join("absent.sock")], deadline).await;
        assert!(listed.is_empty() && start.elapsed() < Duration::from_secs(10));
        assert_eq!(errors.len(), 2);
        assert!(errors.iter().any(|error| matches!(error, SocketError::Silent { .. })));
        assert!(errors.iter().any(|error| matches!(error, SocketError::Open { .. })));
    }

    #[tokio::test]
    async fn an_answer_that_is_no_list_is_an_error_with_a_reason() {
        let (_dir, socket) = daemon(r#"{"message":"no"}"#);
        let error = names(&socket, Duration::from_secs(10)).await.unwrap_err();
        assert!(matches!(error, SocketError::Answer { .. }), "{error:?}");
    }

    #[test]
    fn an_exit_code_stands_in_brackets_behind_the_word() {
        for (status, code) in [
            ("Exited (137) 5 minutes ago", Some(137)),
            ("Restarting (1) 2 seconds ago", Some(1)),
            ("Exited (-1) Less than a second ago", Some(-1)),
            ("Up 3 hours (healthy)", None),
            ("Created", None),
            ("Exited", None),
        ] {
            assert_eq!(exit_code(status), code, "{status}");
        }
    }
}
