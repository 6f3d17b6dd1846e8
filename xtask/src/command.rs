//! Runs other programs: captured, quiet, or looked up on PATH; a failure carries what the program said.

use std::env;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

/// Directories of system tools that the PATH of an ordinary user leaves out.
const SYSTEM_DIRS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// The standard output of a program that must succeed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = capture(command)?;
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// Runs a program that must succeed and shows nothing unless it fails.
pub(crate) fn quiet(command: &mut Command) -> Result<()> {
    capture(command).map(drop)
}

/// Whether the program could be started and succeeded.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn capture(command: &mut Command) -> Result<Output> {
    let name = describe(command);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start `{name}`"))?;
    if !output.status.success() {
        bail!("`{name}` failed ({}){}", output.status, last_lines(&output));
    }
    Ok(output)
}

/// The command line, for messages; the program without its directory.
pub(crate) fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut words = vec![program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|arg| arg.to_string_lossy().into_owned()));
    words.join(" ")
}

fn last_lines(output: &Output) -> String {
    const SHOWN: usize = 15;
    let said = if output.stderr.trim_ascii().is_empty() { &output.stdout } else { &output.stderr };
    let text = String::from_utf8_lossy(said);
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(SHOWN);
    lines.iter().skip(from).fold(String::new(), |all, line| format!("{all}\n    {line}"))
}

/// Where an executable is found, on PATH or among the system tools.
pub(crate) fn find(name: impl AsRef<Path>) -> Option<PathBuf> {
    let name = name.as_ref();
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(SYSTEM_DIRS.iter().map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// A PATH value with `dirs` in front and the system tools at the end.
pub(crate) fn path_with(dirs: &[PathBuf]) -> Result<std::ffi::OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    let all =
        dirs.iter().cloned().chain(env::split_paths(&path)).chain(SYSTEM_DIRS.iter().map(PathBuf::from));
    env::join_paths(all).context("a directory on PATH contains a colon")
}

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_carries_the_last_words_of_the_program() {
        let error =
            output(Command::new("sh").args(["-c", "echo lost; echo reason >&2; exit 3"])).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("reason") && text.contains("exit status: 3") && !text.contains("    lost"),
            "{text}"
        );
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = quiet(&mut Command::new("gomon-no-such-program")).unwrap_err();
        assert!(error.to_string().contains("gomon-no-such-program"));
    }

    #[test]
    fn find_sees_programs_and_not_plain_files() {
        assert!(find("sh").is_some());
        assert!(find("gomon-no-such-program").is_none());
    }
}
