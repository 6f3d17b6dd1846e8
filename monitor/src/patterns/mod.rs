//! The catalogue: one visible list of failure patterns. Pure functions over a case; no IO.

mod aftermath;
mod bad_shebang;
mod bind_failed;
mod ca_bundle_stale;
mod ca_bundle_unusable;
mod clone3_denied;
mod cpu_throttled;
mod denials;
mod dlopen_failed;
mod entrypoint_not_found;
mod exec_format;
mod exec_not_permitted;
mod glibc_too_old;
mod godebug_unknown;
mod gomemlimit_advice;
mod gomemlimit_malformed;
mod healthcheck_tool_missing;
mod label_mismatch;
mod libc_mismatch;
mod memory;
mod missing_interpreter;
mod missing_library;
mod mounted;
mod no_ca_certificates;
mod no_shell_for_exec;
mod oom_kill;
mod osrelease_unreadable;
mod permission;
mod pprof_exposed;
mod privilege_posture;
mod ptrace_denied;
mod ranking;
mod read_only_filesystem;
mod resolver_config_missing;
mod root_fault;
mod roots;
mod seccomp_denied;
mod secret_names;
mod secrets_in_environment;
mod sigterm_ignored;
mod sigterm_lost_behind_wrapper;
mod start;
#[cfg(test)]
mod testing;
mod timezone_data_missing;
mod tls_fault;
mod tls_key_pair_unusable;
mod tls_names;
mod tty_carriage_returns;
mod uid_without_passwd;
mod wording;
mod writable;
mod wrong_architecture;
mod zombies_not_reaped;

use monitor_common::probe::Probe;
pub use ranking::rank;

use crate::{
    case::Case,
    model::diagnosis::{Finding, Severity},
};

/// The facts that a pattern can rest on besides kernel events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Need {
    /// A probe must be attached and must not have lost events.
    Probe(Probe),
    /// The container's OCI configuration.
    Config,
    /// The file that the container starts with.
    Entrypoint,
    /// The container was seen from its birth.
    Birth,
    /// Failing calls of dlopen(3) are seen, where the program can make any.
    Dlopen,
    /// Files and directories that the container could not write to.
    WrittenFiles,
    /// The container's /etc/passwd.
    Passwd,
    /// Where roots of TLS servers are looked for.
    TrustStore,
    /// Looks at the processes of the running container, where there was reason for one.
    Processes,
    /// Looks at how often its CPU quota ran out, where it has one.
    CpuStat,
}

/// A failure pattern: a value, not a type.
#[derive(Debug)]
pub struct Pattern {
    /// Its name in metrics, JSON and pages. Fixed.
    pub id: &'static str,
    /// The severity of its ordinary finding; a finding may lower or raise it.
    pub severity: Severity,
    /// One line: what failed.
    pub title: &'static str,
    /// What a user sees, with the real error texts. Markdown.
    pub symptom: &'static str,
    /// What gomon sees in the kernel and in the files. Markdown.
    pub evidence: &'static str,
    /// What looks alike and is healthy or another pattern, and how it is told apart. Markdown.
    pub look_alikes: &'static str,
    /// What to do. Markdown.
    pub remedy: &'static str,
    /// What the pattern cannot see. Markdown.
    pub limits: &'static str,
    /// Patterns that bring this one about where both are found in a container.
    pub brought_about_by: &'static [&'static str],
    /// Without these the answer is "cannot tell".
    pub needs: &'static [Need],
    /// The findings in one run of a container.
    pub matches: fn(&Case) -> Vec<Finding>,
}

/// All patterns, in the order of docs/patterns.md.
pub const CATALOGUE: &[Pattern] = &[
    missing_interpreter::PATTERN,
    entrypoint_not_found::PATTERN,
    wrong_architecture::PATTERN,
    exec_format::PATTERN,
    bad_shebang::PATTERN,
    exec_not_permitted::PATTERN,
    missing_library::PATTERN,
    dlopen_failed::PATTERN,
    glibc_too_old::PATTERN,
    libc_mismatch::PATTERN,
    osrelease_unreadable::PATTERN,
    no_ca_certificates::PATTERN,
    ca_bundle_unusable::PATTERN,
    ca_bundle_stale::PATTERN,
    tls_key_pair_unusable::PATTERN,
    uid_without_passwd::PATTERN,
    oom_kill::PATTERN,
    gomemlimit_malformed::PATTERN,
    gomemlimit_advice::PATTERN,
    sigterm_ignored::PATTERN,
    sigterm_lost_behind_wrapper::PATTERN,
    zombies_not_reaped::PATTERN,
    read_only_filesystem::PATTERN,
    seccomp_denied::PATTERN,
    clone3_denied::PATTERN,
    pprof_exposed::PATTERN,
    bind_failed::PATTERN,
    ptrace_denied::PATTERN,
    tty_carriage_returns::PATTERN,
    healthcheck_tool_missing::PATTERN,
    no_shell_for_exec::PATTERN,
    timezone_data_missing::PATTERN,
    cpu_throttled::PATTERN,
    godebug_unknown::PATTERN,
    label_mismatch::PATTERN,
    resolver_config_missing::PATTERN,
    privilege_posture::PATTERN,
    secrets_in_environment::PATTERN,
];

/// The pattern with this id.
pub fn find(id: &str) -> Option<&'static Pattern> {
    CATALOGUE.iter().find(|pattern| pattern.id == id)
}
