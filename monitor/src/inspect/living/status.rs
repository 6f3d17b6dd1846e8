//! What procfs tells of one process, proc(5). Its name is its own choice: line feeds and backslashes are escaped by the kernel,
//! everything else is as the process wrote it.

use std::io::{BufRead, BufReader, Read};

use super::super::{host::Host, process::Process};
use crate::model::living::ProcessStatus;

/// A process may be in 65,536 groups, all on one line.
const LIMIT_BYTES: u64 = 1 << 20;

/// The status of a process that is in this cgroup, in any where that is empty; `None` where it has ended.
pub(super) fn read(host: &Host, cgroup: &str, pid: u32) -> Option<ProcessStatus> {
    let file = Process::of_cgroup(host, pid, cgroup).ok()?.file("status").ok()?;
    parse(pid, BufReader::new(file.take(LIMIT_BYTES)))
}

/// The lines of interest, as far as they were there.
#[derive(Default)]
struct Lines {
    name: Option<String>,
    state: Option<char>,
    parent_pid: Option<u32>,
    uid: Option<u32>,
    ns_pid: Option<u32>,
    threads: Option<u32>,
    blocked: Option<u64>,
    ignored: Option<u64>,
    caught: Option<u64>,
}

impl Lines {
    fn take(&mut self, key: &str, value: &str) {
        let signals = || u64::from_str_radix(value, 16).ok();
        match key {
            "Name" => self.name = Some(value.to_owned()),
            "State" => self.state = value.chars().next(),
            "PPid" => self.parent_pid = value.parse().ok(),
            // Real, effective, saved, of file systems.
            "Uid" => self.uid = value.split('\t').nth(1).and_then(|uid| uid.parse().ok()),
            // In the namespace of the procfs first, in its own last.
            "NSpid" => self.ns_pid = value.split('\t').next_back().and_then(|pid| pid.parse().ok()),
            "Threads" => self.threads = value.parse().ok(),
            "SigBlk" => self.blocked = signals(),
            "SigIgn" => self.ignored = signals(),
            "SigCgt" => self.caught = signals(),
            _ => {}
        }
    }
}

pub(in crate::inspect) fn parse(pid: u32, mut text: impl BufRead) -> Option<ProcessStatus> {
    let (mut lines, mut line) = (Lines::default(), Vec::new());
    while text.read_until(b'\n', &mut line).ok()? > 0 {
        if let Some((key, value)) = String::from_utf8_lossy(&line).trim_end_matches('\n').split_once(":\t") {
            lines.take(key, value);
        }
        line.clear();
    }
    let state = lines.state.filter(|&state| state != 'X')?;
    let threads = lines.threads?;
    Some(ProcessStatus {
        pid,
        ns_pid: lines.ns_pid.unwrap_or_default(),
        parent_pid: lines.parent_pid?,
        name: lines.name?,
        // The state is that of the first thread. Where it ended before others, nobody can wait for the process yet.
        is_zombie: state == 'Z' && threads <= 1,
        uid: lines.uid?,
        ignored_signals: lines.ignored?,
        caught_signals: lines.caught?,
        blocked_signals: lines.blocked?,
    })
}

/// The parent in the text of `/proc/PID/stat`: the second field behind the name, which may have parentheses of its own.
pub(in crate::inspect) fn parent_in_stat(stat: &[u8]) -> Option<u32> {
    let behind = stat.iter().rposition(|&byte| byte == b')')?.checked_add(1)?;
    let fields = String::from_utf8_lossy(stat.get(behind..)?).into_owned();
    fields.split_ascii_whitespace().nth(1)?.parse().ok()
}
