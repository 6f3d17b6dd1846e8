//! Turns the bytes of one record into an event. Pure; never panics on kernel input.

mod refused;
mod texts;

use monitor_common::{
    path::PathClass,
    probe::Probe,
    record::{self, Header},
};
use thiserror::Error;
use zerocopy::{FromBytes, Immutable, KnownLayout};

use texts::{Texts, until_nul};

use crate::model::{
    container::CgroupId,
    errno::Errno,
    event::{Disposition, Event, EventKind, SignalOutcome, Task},
    signal::Signal,
    time::BootNs,
};

/// A record that this build does not understand.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    #[error("{len} bytes are too few for a record header")]
    NoHeader { len: usize },
    #[error("record kind {0} is unknown")]
    Kind(u32),
    #[error("a {probe} record of {len} bytes is too short")]
    Short { probe: &'static str, len: usize },
    #[error("path class {0} is unknown")]
    Class(u32),
    #[error("the answer to a call of gomon's own is no event of a container")]
    OwnCall,
}

/// When gomon's own failing call was made, if the record is about one.
pub fn self_test(bytes: &[u8]) -> Option<BootNs> {
    let record: &record::SelfTest = read(bytes, Probe::SelfTest).ok()?;
    (record.header.kind == Probe::SelfTest as u32).then_some(BootNs(record.header.boot_ns))
}

/// Decodes records, and keeps the strings that come again.
#[derive(Debug, Default)]
pub struct Decoder(Texts);

impl Decoder {
    /// Decodes one record.
    pub fn event(&mut self, bytes: &[u8]) -> Result<Event, DecodeError> {
        event(&mut self.0, bytes)
    }
}

fn event(texts: &mut Texts, bytes: &[u8]) -> Result<Event, DecodeError> {
    let (header, _) =
        Header::ref_from_prefix(bytes).map_err(|_| DecodeError::NoHeader { len: bytes.len() })?;
    let probe = Probe::from_kind(header.kind).ok_or(DecodeError::Kind(header.kind))?;
    let kind = match probe {
        Probe::ExecFailed => exec_failed(read(bytes, probe)?),
        Probe::Exec => exec(read(bytes, probe)?),
        Probe::Open => open(texts, bytes)?,
        Probe::OomKill => oom_kill(texts, read(bytes, probe)?),
        Probe::SignalSent => signal_sent(texts, read(bytes, probe)?),
        Probe::SignalDelivered => signal_delivered(read(bytes, probe)?),
        Probe::Exit => exit(read(bytes, probe)?),
        Probe::CgroupMade => {
            let record: &record::CgroupMade = read(bytes, probe)?;
            EventKind::CgroupMade {
                hierarchy: record.hierarchy,
                path: text(&record.path),
                command: words(&record.command, record.command_length),
            }
        }
        Probe::CgroupRemoved => {
            let record: &record::Cgroup = read(bytes, probe)?;
            EventKind::CgroupRemoved { hierarchy: record.hierarchy, path: text(&record.path) }
        }
        Probe::TlsAlert => {
            let record: &record::TlsAlert = read(bytes, probe)?;
            EventKind::TlsRefused { fd: record.fd }
        }
        Probe::SyscallRefused => refused::syscall(texts, read(bytes, probe)?),
        Probe::Listening => refused::listening(read(bytes, probe)?),
        Probe::DlopenFailed => {
            let record: &record::DlopenFailed = read(bytes, probe)?;
            EventKind::DlopenFailed { name: text(&record.name), flags: record.flags }
        }
        Probe::Flood => {
            let record: &record::Flood = read(bytes, probe)?;
            let of = Probe::from_kind(record.probe).ok_or(DecodeError::Kind(record.probe))?;
            EventKind::Flooded { probe: of.name().to_owned() }
        }
        Probe::SelfTest => return Err(DecodeError::OwnCall),
    };
    Ok(Event {
        at: BootNs(header.boot_ns),
        cgroup: CgroupId(header.cgroup),
        task: Task {
            pid: header.tgid,
            tid: header.tid,
            ns_pid: header.ns_tgid,
            comm: texts.shared(&header.comm),
        },
        kind,
    })
}

fn read<T: FromBytes + KnownLayout + Immutable>(bytes: &[u8], probe: Probe) -> Result<&T, DecodeError> {
    T::ref_from_prefix(bytes)
        .map(|(record, _)| record)
        .map_err(|_| DecodeError::Short { probe: probe.name(), len: bytes.len() })
}

/// Words that end with a NUL each.
fn words(bytes: &[u8], length: u32) -> Vec<String> {
    let bytes = bytes.get(..length as usize).unwrap_or_default();
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    if bytes.is_empty() {
        return Vec::new();
    }
    bytes.split(|&byte| byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// Up to the first NUL, as lossy UTF-8.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(until_nul(bytes)).into_owned()
}

fn exec_failed(record: &record::ExecFailed) -> EventKind {
    EventKind::ExecFailed { errno: Errno(record.errno), path: text(&record.path), argv0: text(&record.argv0) }
}

fn exec(record: &record::Exec) -> EventKind {
    EventKind::Exec {
        path: text(&record.path),
        interpreter: text(&record.interpreter),
        parent_pid: record.parent_tgid,
    }
}

/// The record ends behind its path.
fn open(texts: &mut Texts, bytes: &[u8]) -> Result<EventKind, DecodeError> {
    let short = DecodeError::Short { probe: Probe::Open.name(), len: bytes.len() };
    let Ok((head, path)) = record::OpenHead::ref_from_prefix(bytes) else { return Err(short) };
    if !path.contains(&0) {
        return Err(short);
    }
    let class = PathClass::from_number(head.class).ok_or(DecodeError::Class(head.class))?;
    let result = if head.result < 0 { Err(Errno(head.result.saturating_neg())) } else { Ok(head.result) };
    Ok(EventKind::Open { path: texts.shared(path), class, result, flags: head.flags })
}

fn oom_kill(texts: &mut Texts, record: &record::OomKill) -> EventKind {
    let pages = |count: i64| u64::try_from(count).ok();
    EventKind::OomKill {
        victim: Task {
            pid: record.victim_tgid,
            tid: record.victim_tgid,
            ns_pid: record.victim_ns_tgid,
            comm: texts.shared(&record.victim_comm),
        },
        anon_pages: pages(record.anon_pages),
        file_pages: pages(record.file_pages),
        shmem_pages: pages(record.shmem_pages),
        limit_pages: pages(record.limit_pages),
    }
}

fn signal_sent(texts: &mut Texts, record: &record::SignalSent) -> EventKind {
    EventKind::SignalSent {
        signal: Signal(record.signal),
        code: record.code,
        target: Task {
            pid: record.target_tgid,
            tid: record.target_tid,
            ns_pid: record.target_ns_tgid,
            comm: texts.shared(&record.target_comm),
        },
        sender_cgroup: CgroupId(record.sender_cgroup),
        outcome: match record.result {
            0 => SignalOutcome::Delivered,
            1 => SignalOutcome::Ignored,
            2 => SignalOutcome::AlreadyPending,
            3 => SignalOutcome::OverflowFail,
            4 => SignalOutcome::LoseInfo,
            _ => SignalOutcome::Other,
        },
        syscall: u32::try_from(record.syscall).ok(),
    }
}

fn signal_delivered(record: &record::SignalDelivered) -> EventKind {
    EventKind::SignalDelivered {
        signal: Signal(record.signal),
        code: record.code,
        disposition: match record.disposition {
            0 => Disposition::Default,
            1 => Disposition::Ignored,
            _ => Disposition::Handler,
        },
    }
}

/// Splits a wait(2) status: low seven bits the signal, bit 7 the core dump, then the exit code.
fn exit(record: &record::Exit) -> EventKind {
    let signal = record.status & 0x7f;
    EventKind::Exit {
        code: (record.status >> 8) & 0xff,
        signal: (signal != 0).then_some(Signal(signal)),
        core_dumped: record.status & 0x80 != 0,
        parent_pid: record.parent_tgid,
    }
}

#[cfg(test)]
mod tests {
    use zerocopy::{FromZeros as _, IntoBytes as _};

    use super::*;

    fn event(bytes: &[u8]) -> Result<Event, DecodeError> {
        Decoder::default().event(bytes)
    }

    fn failed_exec() -> record::ExecFailed {
        let mut record = record::ExecFailed::new_zeroed();
        record.header.kind = Probe::ExecFailed as u32;
        record.header.boot_ns = 7;
        record.errno = 2;
        // Kernel memory behind the NUL is not zero.
        record.path = [b'x'; 256];
        record.path[..9].copy_from_slice(b"/app/go\0x");
        record
    }

    #[test]
    fn a_record_becomes_an_event() {
        let event = event(failed_exec().as_bytes()).unwrap();
        assert_eq!(event.at, BootNs(7));
        assert_eq!(
            event.kind,
            EventKind::ExecFailed { errno: Errno::ENOENT, path: "/app/go".into(), argv0: String::new() }
        );
    }

    #[test]
    fn the_command_that_made_a_cgroup_comes_with_it_as_far_as_it_is_known() {
        let of = |command: &[u8], length: u32| {
            let mut record = record::CgroupMade::new_zeroed();
            record.header.kind = Probe::CgroupMade as u32;
            record.command = [b'x'; 1024];
            record.command[..command.len()].copy_from_slice(command);
            record.command_length = length;
            let EventKind::CgroupMade { command, .. } = event(record.as_bytes()).unwrap().kind else {
                panic!()
            };
            command
        };
        assert_eq!(of(b"runc\0run\0web\0", 13), ["runc", "run", "web"]);
        assert_eq!(of(b"cut off\0\0web", 12), ["cut off", "", "web"]);
        assert!(of(b"", 0).is_empty() && of(b"", 5000).is_empty());
    }

    #[test]
    fn the_answer_to_a_call_of_gomons_own_is_no_event() {
        let mut record = record::SelfTest::new_zeroed();
        record.header.kind = Probe::SelfTest as u32;
        record.header.boot_ns = 7;
        let bytes = record.as_bytes();
        assert_eq!(self_test(bytes), Some(BootNs(7)));
        assert_eq!(event(bytes), Err(DecodeError::OwnCall));
        assert_eq!(self_test(&bytes[..bytes.len() - 1]), None);
        assert_eq!(self_test(failed_exec().as_bytes()), None);
    }

    #[test]
    fn every_cut_of_a_record_is_an_error() {
        let record = failed_exec();
        let bytes = record.as_bytes();
        for len in 0..bytes.len() {
            assert!(event(&bytes[..len]).is_err(), "{len} bytes decoded");
        }
    }

    #[test]
    fn an_open_ends_with_its_path_and_every_cut_of_it_is_an_error() {
        let mut record = record::Open::new_zeroed();
        record.head.header.kind = Probe::Open as u32;
        record.path[..5].copy_from_slice(b"/a.so");
        let whole = size_of::<record::OpenHead>() + 6;
        for len in 0..whole {
            assert!(event(&record.as_bytes()[..len]).is_err(), "{len} bytes decoded");
        }
        let EventKind::Open { path, .. } = event(&record.as_bytes()[..whole]).unwrap().kind else { panic!() };
        assert_eq!(&*path, "/a.so");
    }

    #[test]
    fn an_unknown_kind_or_class_is_an_error() {
        let mut record = failed_exec();
        record.header.kind = 99;
        assert_eq!(event(record.as_bytes()), Err(DecodeError::Kind(99)));
        let mut open = record::Open::new_zeroed();
        open.head.header.kind = Probe::Open as u32;
        open.head.class = 77;
        assert_eq!(event(open.as_bytes()), Err(DecodeError::Class(77)));
    }

    #[test]
    fn an_exit_status_splits_into_code_and_signal() {
        let mut record = record::Exit::new_zeroed();
        record.header.kind = Probe::Exit as u32;
        record.status = 127 << 8;
        let plain = event(record.as_bytes()).unwrap().kind;
        assert_eq!(plain, EventKind::Exit { code: 127, signal: None, core_dumped: false, parent_pid: 0 });
        record.status = 9;
        let killed = event(record.as_bytes()).unwrap().kind;
        assert_eq!(
            killed,
            EventKind::Exit { code: 0, signal: Some(Signal::KILL), core_dumped: false, parent_pid: 0 }
        );
    }
}
