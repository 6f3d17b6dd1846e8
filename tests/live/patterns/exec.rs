//! Programs that cannot be started, and what looks like it.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use crate::support::{Agent, fixture, install, play, scene};

const STATIC: &str = "/app/probe.static";
/// What docker says when the kernel refuses the program: 255 with recent runc.
const REFUSED: &[i32] = &[1, 255];
/// The runtime found no such command, and the container was never started.
const NOT_FOUND: &[i32] = &[127];
/// The runtime may not execute it, and the container was never started.
const NOT_PERMITTED: &[i32] = &[126];
const OK: &[i32] = &[0];
const GLIBC_LOADER: &str = "/lib64/ld-linux-x86-64.so.2";
const MUSL_LOADER: &str = "/lib/ld-musl-x86_64.so.1";

#[test]
fn a_missing_loader_is_named_wherever_the_program_was_started_from() {
    const ID: &str = "missing-interpreter";
    let agent = Agent::start();
    let glibc = &["/app/probe.glibc", GLIBC_LOADER, "no C library"];
    play(
        &agent,
        vec![
            scene("glibc-scratch", "scratch", &["/app/probe.glibc", "ok"], REFUSED).fails(ID, glibc),
            scene("pie-scratch", "scratch", &["/app/probe.pie", "ok"], REFUSED)
                .fails(ID, &["/app/probe.pie", GLIBC_LOADER]),
            scene("glibc-musl", "musl", &["/app/probe.glibc", "ok"], REFUSED)
                .fails(ID, &[GLIBC_LOADER, "musl"]),
            scene("musl-glibc", "bookworm", &["/app/probe.musl", "ok"], REFUSED)
                .fails(ID, &[MUSL_LOADER, "glibc"]),
            scene("go-child", "scratch", &[STATIC, "exec", "/app/probe.glibc", "ok"], OK).fails(ID, glibc),
            scene("shell-child", "musl", &["/bin/sh", "-c", "/app/probe.glibc ok; true"], OK)
                .fails(ID, &["/app/probe.glibc", GLIBC_LOADER]),
            scene("static", "scratch", &[STATIC, "ok"], OK),
            scene("pie-glibc", "bookworm", &["/app/probe.pie", "ok"], OK),
            scene("glibc-glibc", "bookworm", &["/app/probe.glibc", "ok"], OK),
            scene("musl-musl", "musl", &["/app/probe.musl", "ok"], OK),
        ],
    );
}

#[test]
fn a_search_along_path_that_ends_well_is_healthy() {
    let agent = Agent::start();
    let path = "PATH=/no/such:/usr/local/bin:/app:/bin";
    play(
        &agent,
        vec![
            scene("env", "musl", &["env", "probe.static", "ok"], OK).with(&["--env", path]),
            scene("env-absolute", "musl", &["env", STATIC, "ok"], OK),
            scene("execvp", "scratch", &[STATIC, "spawn-path", "probe.static", "ok"], &[0, 2])
                .with(&["--env", path]),
        ],
    );
}

#[test]
fn a_command_that_does_not_exist_is_named() {
    const ID: &str = "entrypoint-not-found";
    let agent = Agent::start();
    play(
        &agent,
        vec![
            scene("absolute", "scratch", &["/app/sevrer"], NOT_FOUND).fails(ID, &["/app/sevrer"]),
            scene("no-directory", "scratch", &["/opt/app/server"], NOT_FOUND)
                .fails(ID, &["/opt/app/server", "/opt is missing"]),
            scene("on-path", "musl", &["sevrer", "ok"], NOT_FOUND).fails(ID, &["\"sevrer\"", "PATH"]),
            scene("visited", "scratch", &[STATIC, "serve"], OK).visited(&["/no/such"], 126).stopped("10"),
            scene("visited-path", "musl", &[STATIC, "serve"], OK).visited(&["nosuch"], 126).stopped("10"),
            scene("found-on-path", "musl", &["true"], OK),
        ],
    );
}

#[test]
fn a_program_for_another_processor_is_told_from_a_32_bit_one() {
    const ID: &str = "wrong-architecture";
    const ARM: &str = "/app/probe.arm64";
    let agent = Agent::start();
    play(
        &agent,
        vec![
            scene("arm64", "scratch", &[ARM, "ok"], REFUSED).fails(ID, &[ARM, "arm64", "amd64"]),
            scene("arm64-child", "scratch", &[STATIC, "exec", ARM, "ok"], OK).fails(ID, &[ARM, "arm64"]),
            scene("386", "scratch", &["/app/probe.386", "ok"], OK),
        ],
    );
}

#[test]
fn a_file_that_is_no_program_is_told_by_its_first_bytes_and_its_length() {
    const ID: &str = "exec-format";
    let agent = Agent::start();
    play(
        &agent,
        vec![
            scene("empty", "scratch", &["/app/empty"], REFUSED).fails(ID, &["/app/empty", "empty"]),
            scene("noshebang", "musl", &["/app/noshebang.sh"], REFUSED).fails(ID, &["no-shebang"]),
            scene("bom", "musl", &["/app/bom.sh"], REFUSED).fails(ID, &["byte-order-mark"]),
            scene("trunc40", "scratch", &["/app/trunc40"], REFUSED).fails(ID, &["truncated"]),
            scene("trunc100k", "scratch", &["/app/trunc100k"], &[139])
                .fails(ID, &["/app/trunc100k", "truncated"]),
            scene("go-child", "musl", &[STATIC, "exec", "/app/noshebang.sh"], OK).fails(ID, &["no-shebang"]),
            scene("busybox", "musl", &["/bin/sh", "-c", "/app/noshebang.sh; echo done"], OK),
            scene("dash", "bookworm", &["/bin/dash", "-c", "/app/noshebang.sh; echo done"], OK),
            scene("bash", "bookworm", &["/bin/bash", "-c", "/app/noshebang.sh; echo done"], OK),
        ],
    );
}

#[test]
fn a_script_whose_interpreter_is_missing_is_told_from_windows_line_ends() {
    const ID: &str = "bad-shebang";
    let agent = Agent::start();
    play(
        &agent,
        vec![
            scene("crlf", "musl", &["/app/crlf.sh"], REFUSED)
                .fails(ID, &["/app/crlf.sh", "carriage return", "/bin/sh\\r"]),
            scene("bash", "musl", &["/app/bash.sh"], REFUSED).fails(ID, &["/app/bash.sh", "/bin/bash"]),
            scene("nosuch", "bookworm", &["/app/nosuch.sh"], REFUSED)
                .fails(ID, &["/opt/no/such/interpreter"]),
            scene("shell-child", "musl", &["/bin/sh", "-c", "/app/bash.sh; true"], OK)
                .fails(ID, &["/app/bash.sh", "/bin/bash"]),
            scene("good", "musl", &["/app/good.sh"], OK),
            scene("good-bash", "bookworm", &["/app/bash.sh"], OK),
        ],
    );
}

#[test]
fn the_rule_that_forbids_to_execute_a_file_is_named() {
    const ID: &str = "exec-not-permitted";
    let host = tempfile::tempdir().expect("a directory to mount");
    let (closed, open) = (host.path().join("closed"), host.path().join("open"));
    let program = fixture("bin/probe.static");
    install(&program, &closed.join("probe"), 0o755);
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
    install(&program, &open.join("busy"), 0o755);
    install(&program, &open.join("setuid"), 0o4755);
    let mount = |from: &Path, to: &str| format!("{}:{to}", from.display());
    let (closed, open) = (mount(&closed, "/closed"), mount(&open, "/open"));
    let _writer = File::options().append(true).open(host.path().join("open/busy")).unwrap();
    let agent = Agent::start();
    let caps = &["/app/caps", "ok"];
    play(
        &agent,
        vec![
            scene("caps", "scratch", caps, REFUSED).fails(ID, &["file-capabilities", "CAP_NET_ADMIN"]),
            scene("caps-none", "scratch", caps, REFUSED)
                .with(&["--cap-drop", "ALL"])
                .fails(ID, &["file-capabilities", "CAP_NET_ADMIN"]),
            scene("caps-granted", "scratch", caps, OK).with(&["--cap-add", "NET_ADMIN"]),
            scene("mode", "scratch", &["/app/noexec", "ok"], NOT_PERMITTED)
                .fails(ID, &["/app/noexec: mode", "0644"]),
            scene("directory", "scratch", &["/app/dir"], NOT_PERMITTED)
                .fails(ID, &["mode", "is a directory"]),
            scene("owner-only", "scratch", &["/app/root700", "ok"], NOT_PERMITTED)
                .with(&["--user", "1000"])
                .fails(ID, &["mode", "0700"]),
            scene("owner-only-root", "scratch", &["/app/root700", "ok"], OK).with(&["--cap-drop", "ALL"]),
            scene("closed", "scratch", &["/closed/probe", "ok"], NOT_PERMITTED)
                .with(&["--user", "1000", "--volume", &closed])
                .fails(ID, &["directory-mode", "/closed"]),
            scene("busy", "scratch", &["/open/busy", "ok"], REFUSED)
                .with(&["--volume", &open])
                .fails(ID, &["text-busy"]),
            scene("setuid", "scratch", &["/open/setuid", "ok"], OK)
                .with(&["--user", "1000", "--volume", &open]),
        ],
    );
}

#[test]
fn a_program_on_a_noexec_mount_is_named_while_the_container_runs_and_when_it_is_gone() {
    const ID: &str = "exec-not-permitted";
    let agent = Agent::start();
    play(
        &agent,
        vec![
            scene(
                "runs-on",
                "musl",
                &[
                    "/bin/sh",
                    "-c",
                    "cp /app/probe.static /mnt/p && /app/probe.static exec-then-sleep 2s /mnt/p ok",
                ],
                OK,
            )
            .with(&["--tmpfs", "/mnt:rw,noexec"])
            .fails(ID, &["/mnt/p", "noexec-mount", "/mnt, which is mounted noexec"]),
            scene("exec", "musl", &["/bin/sh", "-c", "cp /app/probe.static /mnt/p && /mnt/p ok"], OK)
                .with(&["--tmpfs", "/mnt:rw,exec"]),
        ],
    );
}
