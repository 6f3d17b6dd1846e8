//! What this kernel lets this process do: load programs, found out without loading one; run foreign ones.

use std::fs;
use std::path::Path;

/// Whether the kernel knows an emulator for arm64 programs, so that they run here.
pub(crate) fn emulates_arm64() -> bool {
    Path::new("/proc/sys/fs/binfmt_misc/qemu-aarch64").exists()
}

/// Why programs would be refused, and what to do about it.
pub(crate) fn refusal() -> Option<String> {
    refusal_below(Path::new("/"))
}

fn refusal_below(root: &Path) -> Option<String> {
    const SYS_ADMIN: u32 = 21;
    const BPF: u32 = 39;
    let status = fs::read_to_string(root.join("proc/self/status")).unwrap_or_default();
    let held = effective_capabilities(&status);
    if ![SYS_ADMIN, BPF].iter().any(|bit| held >> bit & 1 == 1) {
        return Some(
            "this process holds neither CAP_BPF nor CAP_SYS_ADMIN; run it outside of a container".to_owned(),
        );
    }
    if !root.join("sys/kernel/btf/vmlinux").exists() {
        return Some(
            "the kernel has no BTF (/sys/kernel/btf/vmlinux); CONFIG_DEBUG_INFO_BTF is needed".to_owned(),
        );
    }
    let lockdown = fs::read_to_string(root.join("sys/kernel/security/lockdown")).unwrap_or_default();
    if lockdown.contains("[confidentiality]") {
        return Some(
            "lockdown=confidentiality forbids programs to read memory; boot with integrity or none"
                .to_owned(),
        );
    }
    None
}

fn effective_capabilities(status: &str) -> u64 {
    let hex = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap_or_default();
    u64::from_str_radix(hex.trim(), 16).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(capabilities: &str, btf: bool, lockdown: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for part in ["proc/self", "sys/kernel/btf", "sys/kernel/security"] {
            fs::create_dir_all(dir.path().join(part)).unwrap();
        }
        fs::write(dir.path().join("proc/self/status"), format!("Name:\tx\nCapEff:\t{capabilities}\n"))
            .unwrap();
        if btf {
            fs::write(dir.path().join("sys/kernel/btf/vmlinux"), "").unwrap();
        }
        fs::write(dir.path().join("sys/kernel/security/lockdown"), lockdown).unwrap();
        dir
    }

    #[test]
    fn full_capabilities_and_btf_are_enough() {
        let machine = machine("000001fffeffffff", true, "none [integrity] confidentiality");
        assert_eq!(refusal_below(machine.path()), None);
    }

    #[test]
    fn each_obstacle_is_named() {
        let cases = [
            (machine("00000000a80425fb", true, ""), "CAP_BPF"),
            (machine("000001ffffffffff", false, ""), "BTF"),
            (machine("000001ffffffffff", true, "none integrity [confidentiality]"), "lockdown"),
        ];
        for (machine, word) in &cases {
            let why = refusal_below(machine.path()).unwrap();
            assert!(why.contains(word), "{why}");
        }
    }
}
