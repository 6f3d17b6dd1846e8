//! What the host around gomon offers: container bundles, the sockets of runtimes, a running agent.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::timeout,
};

use super::check::Check;
use crate::{
    cli::args::DoctorArgs,
    config::DEFAULT_SOCKET,
    inspect::{Bundles, Host, Survey, error_text},
    runtime::{known_sockets, names},
};

const DEADLINE: Duration = Duration::from_secs(2);
/// More of the agent's answer is not read.
const ANSWER_LIMIT_BYTES: u64 = 4 << 10;

/// Where container configurations lie, and how many.
pub(super) fn bundles(root: &Path, proc: &Path) -> Check {
    match Host::new(root, proc) {
        Ok(host) => surveyed(&host.bundles, &host),
        Err(error) => Check::missing(
            "bundles",
            error_text(&error),
            "gomon reads the configuration of containers below the host's root. Pass --host-root.",
        ),
    }
}

fn surveyed(bundles: &Bundles, host: &Host) -> Check {
    let survey = bundles.survey(host);
    let (mut total, mut open, mut closed) = (0, Vec::new(), Vec::new());
    for (place, found) in &survey {
        match found {
            Survey::Bundles(0) | Survey::Absent => {}
            Survey::Bundles(count) => {
                total += count;
                open.push(format!("{} {count} in {}", place.runtime.name(), place.pattern));
            }
            Survey::Closed => closed.push(place.pattern.as_str()),
        }
    }
    let mut found = format!("{total} container{}", if total == 1 { "" } else { "s" });
    if !open.is_empty() {
        found = format!("{found}: {}", open.join(", "));
    }
    if !closed.is_empty() {
        found = format!("{found}; closed to this user: {}", closed.join(", "));
        let remedy = "Containers in closed places have no name, configuration or files. Run as root or grant \
            CAP_DAC_READ_SEARCH.";
        return Check::degraded("bundles", found, remedy);
    }
    if survey.iter().all(|(_, found)| *found == Survey::Absent) {
        return Check::degraded(
            "bundles",
            format!("none of the {} known places exists", survey.len()),
            "Without bundles containers have no configuration. If this is a pod, mount the host's root and pass \
             --host-root; else no known runtime has run here.",
        );
    }
    Check::ok("bundles", found)
}

/// The sockets of runtimes and of the agent, asked at the same time.
pub(super) async fn sockets(args: &DoctorArgs, root: &Path) -> Vec<Check> {
    let configured = &args.host.runtime_sockets;
    let known = if configured.is_empty() { known_sockets(root) } else { configured.clone() };
    let agent = args.socket.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_SOCKET));
    let asked: Vec<_> = known.into_iter().map(|socket| tokio::spawn(runtime_socket(socket))).collect();
    let agent = tokio::spawn(async move { agent_socket(&agent).await });
    let mut checks = Vec::new();
    if asked.is_empty() {
        let found = "none in the usual places; not needed: names come from the runtimes' files";
        checks.push(Check::ok("runtime-socket", found));
    }
    for answer in asked.into_iter().chain([agent]) {
        checks.extend(answer.await);
    }
    checks
}

async fn runtime_socket(socket: PathBuf) -> Check {
    let name = format!("runtime-socket:{}", socket.display());
    match names(&socket, DEADLINE).await {
        Ok(listed) => Check::ok(name, format!("answers: {} containers, dead ones included", listed.len())),
        Err(error) => Check::degraded(
            name,
            error_text(&error),
            "Optional: names come from the runtimes' files first. Check the daemon, and that this user may use it.",
        ),
    }
}

async fn agent_socket(socket: &Path) -> Check {
    let path = socket.display();
    match timeout(DEADLINE, readiness(socket)).await {
        Ok(Ok(answer)) => answered(&format!("{path}"), &answer),
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
            Check::ok("agent-socket", format!("no agent at {path}; the commands observe on their own"))
        }
        Ok(Err(error)) => Check::degraded(
            "agent-socket",
            format!("{path}: {error}"),
            "Commands cannot ask the agent and observe on their own. Check that it runs and that this user may use its socket.",
        ),
        Err(_elapsed) => Check::degraded(
            "agent-socket",
            format!("the agent at {path} did not answer within {} s", DEADLINE.as_secs()),
            "The agent is stuck: look at its log and restart it.",
        ),
    }
}

async fn readiness(socket: &Path) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: gomon\r\nConnection: close\r\n\r\n").await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_LIMIT_BYTES).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn answered(path: &str, answer: &str) -> Check {
    let status = answer.split_whitespace().nth(1).unwrap_or_default();
    if status == "200" {
        return Check::ok("agent-socket", format!("the agent at {path} is ready"));
    }
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.trim()).unwrap_or_default();
    let reasons: Vec<&str> = body.lines().filter(|line| !line.is_empty()).collect();
    Check::degraded(
        "agent-socket",
        format!("the agent at {path} answers {status}: {}", reasons.join("; ")),
        "The agent runs and does not see everything: the checks above tell why, and its log.",
    )
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        io::{Read, Write},
        os::unix::net::UnixListener,
        thread,
    };

    use super::*;
    use crate::command::doctor::check::State;

    #[test]
    fn bundles_are_counted_by_place() {
        let dir = tempfile::tempdir().unwrap();
        let check = bundles(dir.path(), Path::new("/proc"));
        assert_eq!(check.state, State::Degraded);
        let place = "run/containerd/io.containerd.runtime.v2.task/k8s.io";
        fs::create_dir_all(dir.path().join(place).join("aa")).unwrap();
        assert_eq!(bundles(dir.path(), Path::new("/proc")), Check::ok("bundles", "0 containers"));
        fs::write(dir.path().join(place).join("aa/config.json"), "{}").unwrap();
        let check = bundles(dir.path(), Path::new("/proc"));
        assert!(check.found.starts_with("1 container: containerd 1 in /run/containerd/"), "{check:?}");
        assert_eq!(bundles(Path::new("/no/such/root"), Path::new("/proc")).state, State::Missing);
    }

    #[tokio::test]
    async fn the_agents_answer_tells_whether_it_sees() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("gomon.sock");
        assert_eq!(agent_socket(&socket).await.state, State::Ok);
        let listener = UnixListener::bind(&socket).unwrap();
        thread::spawn(move || {
            for answer in ["200 OK\r\n\r\nready\n", "503 Service Unavailable\r\n\r\nnot ready: blind\n"] {
                let (mut stream, _) = listener.accept().unwrap();
                // Closing over unread bytes would reset the connection.
                let _ = stream.read(&mut [0; 1024]).unwrap();
                write!(stream, "HTTP/1.1 {answer}").unwrap();
            }
        });
        assert_eq!(agent_socket(&socket).await.state, State::Ok);
        let blind = agent_socket(&socket).await;
        assert!(
            blind.state == State::Degraded && blind.found.ends_with("503: not ready: blind"),
            "{blind:?}"
        );
    }
}
