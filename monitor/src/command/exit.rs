//! The exit codes of `gomon`, which scripts rely on, and the error that carries one.

use std::{fmt, io, process::ExitCode};

use crate::runtime::ResolveError;

/// How a command ended. The numbers are API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Nothing at or above `--fail-on`.
    Nothing = 0,
    /// Findings at or above `--fail-on`.
    Findings = 1,
    /// A wrong command line or configuration.
    Usage = 2,
    /// gomon cannot observe: privileges, BTF, kernel.
    CannotObserve = 3,
    /// No such container, file or image.
    NotFound = 4,
    /// Observation started late, events were lost, or a probe or fact that a pattern needs is missing.
    Inconclusive = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command gave up, and its exit code.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub error: anyhow::Error,
}

impl Failure {
    /// A failure with this exit code.
    pub fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: error.into() }
    }

    /// Nobody reads the output any more, as in `gomon events | head`: an end, not an error.
    #[must_use]
    pub fn is_closed_pipe(&self) -> bool {
        self.error
            .chain()
            .filter_map(|cause| cause.downcast_ref::<io::Error>())
            .any(|error| error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl fmt::Display for Failure {
    /// The error with its causes on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

impl From<ResolveError> for Failure {
    fn from(error: ResolveError) -> Self {
        let exit = match error {
            ResolveError::Ambiguous { .. } => Exit::Usage,
            ResolveError::NotFound { .. }
            | ResolveError::Process { .. }
            | ResolveError::NotContained { .. } => Exit::NotFound,
        };
        Self::new(exit, error)
    }
}

/// Gives an error its exit code: `read(path).or_exit(Exit::Usage)?`.
pub trait OrExit<T> {
    fn or_exit(self, exit: Exit) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> OrExit<T> for Result<T, E> {
    fn or_exit(self, exit: Exit) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(exit, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_tells_its_causes_and_knows_a_closed_pipe() {
        let cause = io::Error::from(io::ErrorKind::BrokenPipe);
        let failure = Failure::new(Exit::Usage, anyhow::Error::new(cause).context("cannot write"));
        assert!(failure.to_string().starts_with("cannot write: "), "{failure}");
        assert!(failure.is_closed_pipe());
        assert!(!Failure::new(Exit::Usage, anyhow::anyhow!("no")).is_closed_pipe());
    }

    #[test]
    fn a_target_that_is_not_there_and_one_that_fits_several_end_differently() {
        let ambiguous = ResolveError::Ambiguous { wanted: "a".to_owned(), candidates: Vec::new() };
        assert_eq!(Failure::from(ambiguous).exit, Exit::Usage);
        assert_eq!(Failure::from(ResolveError::NotContained { pid: 1 }).exit, Exit::NotFound);
    }
}
