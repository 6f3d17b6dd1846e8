//! What the kernel itself counts about each attached program: runs, run time, runs that it left out.

use std::{
    fs,
    os::fd::{AsFd as _, AsRawFd as _},
    time::Duration,
};

use aya::Ebpf;

use super::hooks::Program;

/// The kernel's books on one program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Books {
    /// Both stay 0 while `kernel.bpf_stats_enabled` is off.
    pub runs: u64,
    pub run_time: Duration,
    /// Runs left out because the program was already running on that CPU. From 5.12.
    pub missed: u64,
}

/// Reads the books of a program; `None` where it is not loaded.
pub fn books(ebpf: &Ebpf, program: &Program) -> Option<Books> {
    let fd = ebpf.program(program.name)?.fd().ok()?.as_fd().as_raw_fd();
    fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok().map(|text| parse(&text))
}

/// The fields of a program's fdinfo (kernel/bpf/syscall.c, `bpf_prog_show_fdinfo`).
fn parse(text: &str) -> Books {
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
    };
    Books {
        runs: field("run_cnt"),
        run_time: Duration::from_nanos(field("run_time_ns")),
        missed: field("recursion_misses"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fdinfo_of_a_program_is_read() {
        let text = "pos:\t0\nflags:\t02000002\nprog_type:\t26\nrun_time_ns:\t1500\nrun_cnt:\t3\nrecursion_misses:\t2\n";
        let books = parse(text);
        assert_eq!(books, Books { runs: 3, run_time: Duration::from_nanos(1500), missed: 2 });
        assert_eq!(parse("pos:\t0\n"), Books::default());
    }
}
