//! As much of an HTTP client as it takes to ask an agent on this machine.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

const PATIENCE: Duration = Duration::from_secs(5);
const LIMIT: u64 = 64 << 20;

/// Status and body of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Asks with HTTP/1.0, so that the answer ends with the connection and is never chunked.
pub(crate) fn get(address: SocketAddr, path: &str) -> Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)
        .with_context(|| format!("the agent does not listen on {address}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nAccept: */*\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    stream.take(LIMIT).read_to_end(&mut bytes).with_context(|| format!("no full answer to GET {path}"))?;
    parse(&String::from_utf8_lossy(&bytes))
}

/// The body of an answer that must be a success.
pub(crate) fn get_ok(address: SocketAddr, path: &str) -> Result<String> {
    match get(address, path)? {
        Answer { status: 200, body } => Ok(body),
        Answer { status, body } => bail!("GET {path} was answered with {status}: {body}"),
    }
}

fn parse(answer: &str) -> Result<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no end of headers")?;
    let status = head.split_whitespace().nth(1).and_then(|code| code.parse().ok());
    Ok(Answer { status: status.context("the answer has no status")?, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn an_answer_is_split_into_status_and_body() {
        let answer = parse("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 5\r\n\r\nblind").unwrap();
        assert_eq!(answer, Answer { status: 503, body: "blind".to_owned() });
        assert!(parse("HTTP/1.1 200 OK\r\n").is_err());
        assert!(parse("nonsense\r\n\r\n").is_err());
    }

    #[test]
    fn a_path_is_asked_for_over_the_socket() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // Closing with unread bytes would reset the connection.
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let request: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nready").unwrap();
            request.join("\n")
        });
        assert_eq!(get_ok(address, "/readyz").unwrap(), "ready");
        assert!(server.join().unwrap().starts_with("GET /readyz HTTP/1.0\n"));
    }
}
