//! The headers of every request, which may hold a password: where they come from, and how they read. Never shows a value.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use hyper::{
    HeaderMap,
    header::{HeaderName, HeaderValue},
};
use serde::Deserialize;

/// Bytes of a file.
const MAX_BYTES: u64 = 64 << 10;

/// Where headers come from.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "PathBuf")]
pub enum HeaderSource {
    /// `NAME: VALUE` a line.
    File(PathBuf),
    /// `NAME=VALUE,NAME=VALUE`, the values percent-encoded, as OpenTelemetry's variables have it.
    Given(Given),
}

/// Secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Given(String);

impl fmt::Debug for HeaderSource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(out, "{}", path.display()),
            Self::Given(_) => out.write_str("…"),
        }
    }
}

impl From<PathBuf> for HeaderSource {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

/// What is wrong with headers. Names them by their place, as a value may stand where a name belongs.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    #[error("cannot read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{}: larger than {MAX_BYTES} bytes", path.display())]
    TooLarge { path: PathBuf },
    #[error("header {place} is none: {wanted}")]
    Wrong { place: usize, wanted: &'static str },
}

impl HeaderSource {
    #[must_use]
    pub fn given(text: String) -> Self {
        Self::Given(Given(text))
    }

    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Given(_) => None,
        }
    }

    /// The headers, marked as secret.
    pub(super) fn read(&self) -> Result<HeaderMap, HeaderError> {
        match self {
            Self::Given(Given(text)) => parse(text.split(','), '=', decoded),
            Self::File(path) => {
                let failed = |source| HeaderError::Read { path: path.clone(), source };
                if fs::metadata(path).map_err(failed)?.len() > MAX_BYTES {
                    return Err(HeaderError::TooLarge { path: path.clone() });
                }
                let text = fs::read_to_string(path).map_err(failed)?;
                let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
                parse(lines, ':', |value| Some(value.as_bytes().to_vec()))
            }
        }
    }
}

fn parse<'a>(
    pairs: impl Iterator<Item = &'a str>,
    between: char,
    value_of: impl Fn(&str) -> Option<Vec<u8>>,
) -> Result<HeaderMap, HeaderError> {
    let mut headers = HeaderMap::new();
    let pairs = pairs.map(str::trim).filter(|pair| !pair.is_empty());
    for (place, pair) in pairs.enumerate().map(|(index, pair)| (index + 1, pair)) {
        let wrong = |wanted| HeaderError::Wrong { place, wanted };
        let (name, value) = pair
            .split_once(between)
            .ok_or(wrong("a name and a value are needed, parted by : in a file, else by ="))?;
        let name: HeaderName = name.trim().parse().map_err(|_| wrong("its name is no name of a header"))?;
        let value = value_of(value.trim()).and_then(|value| HeaderValue::from_bytes(&value).ok());
        let mut value = value.ok_or(wrong("its value cannot be sent"))?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

/// Percent-decoded, RFC 3986 section 2.1.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    let digit = |byte: u8| char::from(byte).to_digit(16);
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let (high, low) = (digit(bytes.next()?)?, digit(bytes.next()?)?);
            out.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            out.push(byte);
        }
    }
    Some(out)
}
