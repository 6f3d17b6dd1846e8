//! Asks a running agent over its unix socket. Never waits long: an agent answers at once or is in trouble of its own.

use std::{fmt::Write, io, path::Path, time::Duration};

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{net::UnixStream, time::timeout};

/// Reading a large store takes a moment.
const TIME: Duration = Duration::from_secs(10);

/// What an agent answered.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// No agent listens there.
pub(super) fn is_nobody(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    matches!(kind, Some(io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused))
}

/// The answer to a GET of `path`, of at most so many bytes. That nobody listens is an [`io::Error`].
pub(super) async fn get(socket: &Path, path: &str, max_bytes: usize) -> Result<Answer> {
    let stream = UnixStream::connect(socket).await?;
    timeout(TIME, exchange(stream, path, max_bytes)).await.context("the agent does not answer")?
}

async fn exchange(stream: UnixStream, path: &str, max_bytes: usize) -> Result<Answer> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::get(path).header("host", "gomon").body(Empty::<&[u8]>::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), max_bytes).collect().await;
    connection.abort();
    let body = body.map_err(|error| anyhow::anyhow!("cannot read the agent's answer: {error}"))?.to_bytes();
    Ok(Answer { status, body })
}

/// The body of a successful answer.
#[cfg(feature = "kernel")]
pub(super) async fn get_ok(socket: &Path, path: &str, max_bytes: usize) -> Result<Bytes> {
    let Answer { status, body } = get(socket, path, max_bytes).await?;
    if !status.is_success() {
        anyhow::bail!("the agent answers {status}: {}", String::from_utf8_lossy(&body));
    }
    Ok(body)
}

/// `text` as a part of a URL.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_does_not_carry_is_escaped() {
        assert_eq!(escaped("shop/a b&c=1"), "shop%2Fa%20b%26c%3D1");
    }
}
