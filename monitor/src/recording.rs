//! A recording: everything the engine ever sees, one JSON object a line, closed by a count. Pure over readers and
//! writers; opens no file.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::model::{observation::Observation, time::BootEpoch};

/// The version of the format. A reader refuses any other.
pub const VERSION: u32 = 1;
/// Bytes of one line; a longer one is no recording of gomon's.
const MAX_LINE: u64 = 16 << 20;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    pub gomon_recording: u32,
    /// The gomon that wrote it.
    pub gomon_version: String,
    pub boot_epoch: BootEpoch,
}

/// The last line: without it the recording was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Footer {
    observations: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum LineRef<'a> {
    Observation(&'a Observation),
    End(Footer),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Observation(Box<Observation>),
    End(Footer),
}

/// What is wrong with a recording.
#[derive(Debug, Error)]
pub enum RecordingError {
    #[error("cannot read line {line}")]
    Read { line: u64, source: io::Error },
    #[error("line 1 is not the header of a gomon recording")]
    NoHeader(#[source] serde_json::Error),
    #[error("the recording has format {found}, this gomon reads {VERSION}: replay it with gomon {writer}")]
    Version { found: u32, writer: String },
    #[error("line {line} is no observation")]
    Malformed { line: u64, source: serde_json::Error },
    #[error("the recording ends after line {line} without its closing count: it was cut off")]
    Truncated { line: u64 },
    #[error("the recording says that it has {said} observations, and has {found}")]
    Count { said: u64, found: u64 },
}

/// Writes a recording.
pub struct Recorder<W> {
    out: W,
    observations: u64,
}

impl<W: Write> Recorder<W> {
    /// Writes the header.
    pub fn start(mut out: W, gomon_version: &str, boot_epoch: BootEpoch) -> io::Result<Self> {
        let header = Header { gomon_recording: VERSION, gomon_version: gomon_version.to_owned(), boot_epoch };
        line(&mut out, &header)?;
        Ok(Self { out, observations: 0 })
    }

    pub fn record(&mut self, observation: &Observation) -> io::Result<()> {
        line(&mut self.out, &LineRef::Observation(observation))?;
        self.observations += 1;
        Ok(())
    }

    /// What was recorded so far reaches the file.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Closes the recording; the number of its observations.
    pub fn finish(mut self) -> io::Result<u64> {
        line(&mut self.out, &LineRef::End(Footer { observations: self.observations }))?;
        self.out.flush()?;
        Ok(self.observations)
    }
}

fn line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(value)?;
    text.push(b'\n');
    out.write_all(&text)
}

/// Reads a recording, one observation at a time.
pub struct Reader<R> {
    input: R,
    pub header: Header,
    line: u64,
    observations: u64,
    done: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads the header.
    pub fn open(mut input: R) -> Result<Self, RecordingError> {
        let text = read_line(&mut input, 1)?;
        let header: Header = serde_json::from_slice(&text).map_err(RecordingError::NoHeader)?;
        if header.gomon_recording != VERSION {
            return Err(RecordingError::Version {
                found: header.gomon_recording,
                writer: header.gomon_version,
            });
        }
        Ok(Self { input, header, line: 1, observations: 0, done: false })
    }

    /// The next observation; `None` behind the closing count.
    fn read(&mut self) -> Result<Option<Observation>, RecordingError> {
        let text = read_line(&mut self.input, self.line + 1)?;
        if !text.ends_with(b"\n") {
            return Err(RecordingError::Truncated { line: self.line });
        }
        self.line += 1;
        let line = serde_json::from_slice(&text)
            .map_err(|source| RecordingError::Malformed { line: self.line, source })?;
        match line {
            Line::Observation(observation) => {
                self.observations += 1;
                Ok(Some(*observation))
            }
            Line::End(Footer { observations: said }) if said == self.observations => Ok(None),
            Line::End(Footer { observations: said }) => {
                Err(RecordingError::Count { said, found: self.observations })
            }
        }
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Observation, RecordingError>;

    /// Ends after the first error.
    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let item = self.read().transpose();
        self.done = !matches!(item, Some(Ok(_)));
        item
    }
}

fn read_line(input: &mut impl BufRead, line: u64) -> Result<Vec<u8>, RecordingError> {
    let mut text = Vec::new();
    let mut limited = io::Read::take(input, MAX_LINE);
    limited.read_until(b'\n', &mut text).map_err(|source| RecordingError::Read { line, source })?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::BootNs;

    fn recorded(count: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut recorder = Recorder::start(&mut bytes, "0.1.0", BootEpoch(7)).unwrap();
        for at in 0..count {
            recorder.record(&Observation::Tick { at: BootNs(at) }).unwrap();
        }
        recorder.finish().unwrap();
        bytes
    }

    #[test]
    fn a_recording_reads_back() {
        let bytes = recorded(3);
        let reader = Reader::open(bytes.as_slice()).unwrap();
        assert_eq!(reader.header.boot_epoch, BootEpoch(7));
        let observations: Vec<_> = reader.map(Result::unwrap).collect();
        assert_eq!(observations.len(), 3);
    }

    #[test]
    fn every_cut_is_told() {
        let bytes = recorded(3);
        for len in 0..bytes.len() {
            let cut = &bytes[..len];
            let whole = Reader::open(cut).is_ok_and(|reader| reader.into_iter().all(|item| item.is_ok()));
            assert!(!whole, "a recording cut at byte {len} passes for whole");
        }
    }

    #[test]
    fn another_format_and_a_broken_line_are_named() {
        let other = b"{\"gomon_recording\":9,\"gomon_version\":\"9.9\",\"boot_epoch\":0}\n";
        assert!(matches!(Reader::open(&other[..]), Err(RecordingError::Version { found: 9, .. })));
        let mut bytes = recorded(1);
        bytes.splice(bytes.len() - 4..bytes.len() - 4, *b"x");
        let errors: Vec<_> = Reader::open(bytes.as_slice()).unwrap().filter_map(Result::err).collect();
        assert!(matches!(errors.as_slice(), [RecordingError::Malformed { line: 3, .. }]));
    }
}
