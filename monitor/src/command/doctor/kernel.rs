//! What the running kernel offers whatever the privileges: its release, its description of itself, its lockdown.

use std::{fs, io, path::Path};

use super::check::Check;

/// The ring buffer, the newest thing that gomon cannot do without.
const FIRST_RELEASE: (u32, u32) = (5, 8);
/// From here on the verifier refuses a program that reads kernel memory under lockdown; before, each read failed.
const REFUSED_AT_LOAD: (u32, u32) = (5, 13);
const VMLINUX: &str = "/sys/kernel/btf/vmlinux";
const SECURITYFS: &str = "sys/kernel/security";

/// `seeing`: the kernel has accepted a program that reads its memory.
pub(super) fn checks(root: &Path, seeing: bool) -> Vec<Check> {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy();
    vec![
        kernel(&release),
        btf(),
        lockdown(&securityfs(root), seeing && number(&release) >= Some(REFUSED_AT_LOAD)),
    ]
}

fn kernel(release: &str) -> Check {
    let (major, minor) = FIRST_RELEASE;
    match number(release) {
        Some(found) if found >= FIRST_RELEASE => Check::ok("kernel", format!("Linux {release}")),
        Some(_) => Check::missing(
            "kernel",
            format!("Linux {release}"),
            format!(
                "gomon needs Linux {major}.{minor} or newer: older kernels have no BPF ring buffer. Upgrade."
            ),
        ),
        None => Check::degraded(
            "kernel",
            format!("the release \"{release}\" has no number"),
            format!("gomon needs Linux {major}.{minor} or newer and cannot tell whether this is."),
        ),
    }
}

/// `6.1.0-18-amd64` begins with 6 and 1.
fn number(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn btf() -> Check {
    let remedy = "Without it gomon cannot know where this kernel keeps its data. Use a kernel with \
        CONFIG_DEBUG_INFO_BTF=y (all current distributions) and mount sysfs at /sys.";
    match fs::File::open(VMLINUX) {
        Ok(_) => Check::ok("btf", VMLINUX),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Check::missing("btf", format!("{VMLINUX} does not exist"), remedy)
        }
        Err(error) => Check::missing("btf", format!("{VMLINUX} cannot be read: {error}"), remedy),
    }
}

/// What is known of the kernel's lockdown.
#[derive(Debug, PartialEq, Eq)]
enum Lockdown {
    /// The file's text: `none [integrity] confidentiality`.
    Text(String),
    /// securityfs is there and has no such file: the kernel knows no lockdown.
    None,
    Unknown(String),
}

fn securityfs(root: &Path) -> Lockdown {
    // A pod has no securityfs of its own; the host's may be below its root.
    let places = [Path::new("/").join(SECURITYFS), root.join(SECURITYFS)];
    let mut why = "securityfs is not mounted at /sys/kernel/security".to_owned();
    for place in places {
        match fs::read_to_string(place.join("lockdown")) {
            Ok(text) => return Lockdown::Text(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if place.join("lsm").exists() {
                    return Lockdown::None;
                }
            }
            Err(error) => why = format!("{} cannot be read: {error}", place.join("lockdown").display()),
        }
    }
    Lockdown::Unknown(why)
}

/// `proven`: a loaded program shows that reading is allowed.
fn lockdown(found: &Lockdown, proven: bool) -> Check {
    let mode = match found {
        Lockdown::Text(text) => text.split(['[', ']']).nth(1).unwrap_or(text.trim()),
        Lockdown::None => "none",
        Lockdown::Unknown(_) if proven => {
            return Check::ok("lockdown", "off for BPF: the kernel accepted programs that read its memory");
        }
        Lockdown::Unknown(why) => {
            return Check::degraded(
                "lockdown",
                format!("cannot tell: {why}"),
                "In mode confidentiality the kernel refuses BPF programs to read its memory. Run as root, \
                 mount securityfs, or pass --host-root.",
            );
        }
    };
    match mode {
        "confidentiality" => Check::missing(
            "lockdown",
            "mode confidentiality",
            "The kernel refuses BPF programs to read its memory, and gomon sees nothing without. Boot with \
             lockdown=integrity or without the lockdown parameter.",
        ),
        mode => Check::ok("lockdown", format!("mode {mode}: BPF programs may read kernel memory")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::doctor::check::State;

    #[test]
    fn a_release_is_compared_by_number() {
        for (release, state) in [
            ("5.8.0", State::Ok),
            ("5.10.0-28-amd64", State::Ok),
            ("6.1", State::Ok),
            ("10.0.1", State::Ok),
            ("5.7.19", State::Missing),
            ("4.18.0-553.el8.x86_64", State::Missing),
            ("mainline", State::Degraded),
        ] {
            assert_eq!(kernel(release).state, state, "{release}");
        }
    }

    #[test]
    fn only_confidentiality_forbids_reading_kernel_memory() {
        let text = |text: &str| Lockdown::Text(text.to_owned());
        for (found, proven, state) in [
            (text("[none] integrity confidentiality\n"), false, State::Ok),
            (text("none [integrity] confidentiality\n"), false, State::Ok),
            (text("none integrity [confidentiality]\n"), true, State::Missing),
            (Lockdown::None, false, State::Ok),
            (Lockdown::Unknown("x".to_owned()), true, State::Ok),
            (Lockdown::Unknown("x".to_owned()), false, State::Degraded),
        ] {
            assert_eq!(lockdown(&found, proven).state, state, "{found:?}");
        }
    }

    #[test]
    fn securityfs_without_a_lockdown_file_means_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(SECURITYFS);
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("lockdown"), "[none]").unwrap();
        // The machine's own comes first, where it has one.
        assert!(!matches!(securityfs(dir.path()), Lockdown::Unknown(_)));
    }
}
