//! Whole inspections: what a runtime left behind goes in, facts come out.

use std::{fs, time::Duration};

use rustix::fs::{CWD, FileType, Mode, XattrFlags, mknodat, setxattr};
use serde_json::json;

use super::{
    testing::{ElfFile, ID, TestHost, nobody_watches},
    *,
};
use crate::model::fact::{
    Content, Entrypoint, FileCapabilities, FileFact, FileKind, LibcKind, RuntimeState, TrustState, TrustStore,
};

const GLIBC: &str = "/lib64/ld-linux-x86-64.so.2";
const CERTIFICATE: &str = include_str!("testdata/root.pem");
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

fn born(host: &TestHost) -> Vec<Fact> {
    host.bundle();
    at_birth(&host.host, &TestHost::id().into(), &nobody_watches, Deadline::never())
}

fn entrypoint(host: &TestHost) -> Entrypoint {
    let fact = born(host).swap_remove(2);
    let Fact::Entrypoint(Known::Is(entrypoint)) = fact else { panic!("{fact:?}") };
    entrypoint
}

fn content(host: &TestHost) -> Content {
    let fact = entrypoint(host).file;
    let Known::Is(FileFact::Present(file)) = fact else { panic!("{fact:?}") };
    file.content.get().unwrap().clone()
}

fn trust(host: &TestHost) -> TrustStore {
    let fact = born(host).swap_remove(5);
    let Fact::TrustStore(Known::Is(store)) = fact else { panic!("{fact:?}") };
    store
}

#[test]
fn the_facts_come_in_the_order_of_their_urgency() {
    let host = TestHost::new().file("/app/x", "#!/bin/sh\n");
    let facts = born(&host);
    let [
        Fact::Identity(identity),
        Fact::Config(_),
        Fact::Entrypoint(_),
        Fact::Libc(_),
        Fact::Passwd(_),
        Fact::TrustStore(_),
        Fact::Image(Known::Unknown(reason)),
        Fact::DlopenWatched(Known::Is(false)),
    ] = facts.as_slice()
    else {
        panic!("{facts:?}")
    };
    assert_eq!(identity.runtime, Runtime::Containerd);
    assert_eq!(reason, "only Docker keeps the image's configuration on disk");
}

#[test]
fn without_a_bundle_everything_is_unknown_and_says_why() {
    let host = TestHost::new();
    let facts = at_birth(&host.host, &TestHost::id().into(), &nobody_watches, Deadline::never());
    let Fact::Config(Known::Unknown(reason)) = &facts[1] else { panic!("{facts:?}") };
    assert_eq!(reason, &format!("no bundle of container {ID} was found"));
    let broken = host.path(&format!("run/containers/storage/overlay-containers/{ID}/userdata"));
    fs::create_dir_all(&broken).unwrap();
    fs::write(broken.join("config.json"), "{\"process\":").unwrap();
    let facts = at_birth(&host.host, &TestHost::id().into(), &nobody_watches, Deadline::never());
    let Fact::Config(Known::Unknown(reason)) = &facts[1] else { panic!("{facts:?}") };
    assert!(reason.contains("config.json is not a container configuration: EOF"), "{reason}");
}

#[test]
fn an_inspection_out_of_time_says_so_fact_by_fact() {
    let host = TestHost::new().file("/app/x", "x");
    host.bundle();
    let facts =
        at_birth(&host.host, &TestHost::id().into(), &nobody_watches, Deadline::after(Duration::ZERO));
    assert!(matches!(&facts[3], Fact::Libc(Known::Unknown(reason)) if reason.contains("out of time")));
    assert!(matches!(&facts[1], Fact::Config(Known::Is(_))));
}

#[test]
fn a_program_without_its_loader() {
    let host = TestHost::new().file("/app/x", ElfFile::program(GLIBC, &["libc.so.6"]).build());
    let Content::Elf(elf) = content(&host) else { panic!() };
    let interpreter = elf.interpreter.unwrap();
    assert_eq!(interpreter.path, GLIBC);
    assert!(matches!(*interpreter.file, Known::Is(FileFact::Absent { missing, .. }) if missing == "/lib64"));
}

#[test]
fn a_script_with_windows_line_ends() {
    let host = TestHost::new()
        .file("/app/x", "#!/bin/sh\r\nexec app\r\n")
        .file("/bin/sh", ElfFile::program("/lib/ld.so", &[]).build());
    let Content::Script(script) = content(&host) else { panic!() };
    assert_eq!((script.interpreter.path.as_str(), script.crlf), ("/bin/sh\r", true));
    assert!(script.exists_without_cr);
    assert!(matches!(*script.interpreter.file, Known::Is(FileFact::Absent { .. })));
}

#[test]
fn a_shell_is_looked_at_down_to_its_loader() {
    let host = TestHost::new()
        .file("/app/x", "#!/bin/sh -e\n")
        .file("/bin/sh", ElfFile::program("/lib/ld.so", &["libc.so.6"]).build());
    let Content::Script(script) = content(&host) else { panic!() };
    let Some(FileFact::Present(shell)) = script.interpreter.file.get().cloned() else { panic!() };
    let Known::Is(Content::Elf(elf)) = shell.content else { panic!() };
    assert!(matches!(elf.libraries, Known::Unknown(_)));
    assert!(matches!(*elf.interpreter.unwrap().file, Known::Is(FileFact::Absent { .. })));
}

#[test]
fn what_the_kernel_would_not_execute() {
    let of = |bytes: &[u8]| content(&TestHost::new().file("/app/x", bytes));
    assert_eq!(of(b""), Content::Empty);
    assert_eq!(of(b"\xef\xbb\xbf#!/bin/sh\n"), Content::ByteOrderMarkedScript);
    assert_eq!(of(b"echo hello\n"), Content::Other { text: true });
    assert_eq!(of(b"#!\n"), Content::Other { text: true });
    assert_eq!(of(b"\x00\x01\x02"), Content::Other { text: false });
    assert!(matches!(of(&ElfFile::default().build()[..40]), Content::Elf(elf) if elf.truncated));
}

#[test]
fn a_pipe_as_entrypoint_blocks_nobody() {
    let host = TestHost::new().directory("/app", 0o755);
    mknodat(CWD, host.inside("/app/x"), FileType::Fifo, Mode::from_raw_mode(0o755), 0).unwrap();
    let Known::Is(FileFact::Present(file)) = entrypoint(&host).file else { panic!() };
    assert_eq!(file.kind, FileKind::Other);
}

#[test]
fn a_plain_command_is_found_where_it_may_be_executed() {
    let host = TestHost::new()
        .args(&["tool"])
        .mode("/bin/tool", "x", 0o644)
        .directory("/usr/bin", 0o755)
        .file("/usr/bin/tool", "y");
    let found = entrypoint(&host);
    assert_eq!(found.searched, ["/bin/tool", "/usr/bin/tool"]);
    assert_eq!(found.file.get().unwrap().present().unwrap().path, "/usr/bin/tool");
    fs::remove_file(host.inside("/usr/bin/tool")).unwrap();
    assert_eq!(entrypoint(&host).file.get().unwrap().present().unwrap().path, "/bin/tool");
    fs::remove_file(host.inside("/bin/tool")).unwrap();
    let absent = FileFact::Absent { path: "tool".to_owned(), missing: "tool".to_owned() };
    assert_eq!(entrypoint(&host).file, Known::Is(absent));
}

#[test]
fn a_hidden_directory_of_path_may_have_the_command() {
    let mounts = json!([{"destination": "/bin", "type": "tmpfs"}]);
    let host = TestHost::new().args(&["tool"]).mounts(mounts).file("/usr/bin/tool", "y");
    assert!(matches!(entrypoint(&host).file, Known::Unknown(reason) if reason.contains("tmpfs")));
}

#[test]
fn file_capabilities_are_read_from_the_file_itself() {
    let host = TestHost::new().file("/app/x", "x");
    let mut value = Vec::new();
    for word in [0x0200_0001_u32, 1 << 12, 0, 0, 0] {
        value.extend(word.to_le_bytes());
    }
    setxattr(host.inside("/app/x"), "security.capability", &value, XattrFlags::empty()).unwrap();
    let expected = FileCapabilities { permitted: 1 << 12, effective: true };
    assert_eq!(host.present("/app/x").capabilities, Some(expected));
}

#[test]
fn a_huge_sparse_bundle_is_not_read() {
    let host = TestHost::new().file(BUNDLE, "");
    let file = fs::File::options().write(true).open(host.inside(BUNDLE)).unwrap();
    file.set_len(1 << 30).unwrap();
    let store = trust(&host);
    assert!(matches!(&store.files[0], (_, TrustState::Unknown(reason)) if reason.contains("larger than")));
}

#[test]
fn the_first_bundle_with_certificates_makes_the_rest_unneeded() {
    let host = TestHost::new()
        .file(BUNDLE, "not a certificate")
        .file("/etc/ssl/cert.pem", CERTIFICATE)
        .file("/etc/ssl/certs/one.pem", CERTIFICATE);
    let store = trust(&host);
    let states: Vec<_> = store.files.iter().map(|(_, state)| state.clone()).collect();
    assert_eq!(states[0], TrustState::Certificates(0));
    assert_eq!(
        (states.len(), &states[1], &states[5]),
        (6, &TrustState::Absent, &TrustState::Certificates(1))
    );
    assert!(
        matches!(&store.directories[0].1, TrustState::Unknown(reason) if reason.starts_with("not needed"))
    );
    assert_eq!(store.directories[1].1, TrustState::Absent);
    assert!(store.dates.is_some());
}

#[test]
fn a_bundle_of_white_space_is_told_from_a_corrupt_one() {
    let state = |bytes: &str| trust(&TestHost::new().file(BUNDLE, bytes)).files.swap_remove(0).1;
    assert_eq!(state(""), TrustState::Empty);
    assert_eq!(state(" \n\t\r\n"), TrustState::Empty);
    assert_eq!(state("-----BEGIN CERTIFICATE-----\nAAAA\n"), TrustState::Certificates(0));
    let store = trust(&TestHost::new().file(BUNDLE, "\n").file("/etc/ssl/cert.pem", CERTIFICATE));
    assert_eq!((&store.files[0].1, &store.files[5].1), (&TrustState::Empty, &TrustState::Certificates(1)));
    assert_eq!(store.dates.unwrap().total, 1);
}

#[test]
fn without_a_bundle_the_directories_count() {
    let host = TestHost::new()
        .file("/etc/ssl/certs/one.pem", CERTIFICATE)
        .file("/etc/ssl/certs/two", format!("{CERTIFICATE}{CERTIFICATE}"))
        .link("/etc/ssl/certs/gone.pem", "/nowhere")
        .env(&["SSL_CERT_FILE=/nowhere"]);
    mknodat(CWD, host.inside("/etc/ssl/certs/pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    let store = trust(&host);
    assert_eq!(store.files, [("/nowhere".to_owned(), TrustState::Absent)]);
    assert_eq!(store.directories[0].1, TrustState::Certificates(3));
}

#[test]
fn a_bundle_that_the_user_may_not_read() {
    let host = TestHost::new().user(1000).mode(BUNDLE, CERTIFICATE, 0o600);
    let store = trust(&host);
    assert_eq!(store.files[0].1, TrustState::Unreadable("mode 0600, owner 0:0".to_owned()));
    let host = host.directory("/etc/ssl", 0o700);
    assert!(
        matches!(&trust(&host).files[0].1, TrustState::Unreadable(why) if why.contains("/etc/ssl has mode 0700"))
    );
}

#[test]
fn the_c_library_is_told_by_its_own_file() {
    let libc = |host: &TestHost| {
        let fact = born(host).swap_remove(3);
        let Fact::Libc(Known::Is(libc)) = fact else { panic!("{fact:?}") };
        libc.map(|libc| (libc.kind, libc.version, libc.path))
    };
    let host = TestHost::new();
    assert_eq!(libc(&host), None);
    let host =
        host.file("/lib/ld-musl-x86_64.so.1", [ElfFile::default().build(), b"\x001.2.5\0".to_vec()].concat());
    assert_eq!(libc(&host), Some((LibcKind::Musl, Some("1.2.5".into()), "/lib/ld-musl-x86_64.so.1".into())));
    let glibc = ElfFile { defines: vec!["GLIBC_2.4", "GLIBC_2.36", "GLIBC_PRIVATE"], ..ElfFile::default() };
    let host = host.file("/usr/lib/x86_64-linux-gnu/libc.so.6", glibc.build());
    let expected = (LibcKind::Glibc, Some("2.36".into()), "/usr/lib/x86_64-linux-gnu/libc.so.6".into());
    assert_eq!(libc(&host), Some(expected));
}

#[test]
fn a_question_is_answered_for_the_file_it_names() {
    let host = TestHost::new().file("/data/y", "");
    host.bundle();
    let want = |path: &str| {
        answer(&host.host, &TestHost::id().into(), &[], &Want::File(path.to_owned()), Deadline::never())
    };
    assert!(matches!(want("/data/y"), Fact::File { file: Known::Is(FileFact::Present(_)), .. }));
    assert!(matches!(want("/data/z"), Fact::File { file: Known::Is(FileFact::Absent { .. }), .. }));
}

/// What dockerd leaves of a container that failed, with one image layer.
fn dead_container(host: &TestHost, user: &str) {
    let write = |path: &str, text: &str| {
        let at = host.path(&format!("var/lib/docker/{path}"));
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(at, text).unwrap();
    };
    let config = json!({
        "Name": "/web", "Path": "/app/x", "Args": [], "RestartCount": 2,
        "Config": {"Image": "shop:1", "User": user, "Env": ["TOKEN=x"], "WorkingDir": "/srv", "Labels": {"a": "b"},
            "Healthcheck": {"Test": ["CMD", "/app/x", "-health"]}},
        "State": {"ExitCode": 1, "StartedAt": "2026-01-01T00:00:00Z"},
    });
    write(&format!("containers/{ID}/config.v2.json"), &config.to_string());
    write(&format!("containers/{ID}/hostconfig.json"), "{}");
    write(&format!("image/overlay2/layerdb/mounts/{ID}/mount-id"), "top");
    write("overlay2/top/lower", "l/BASE");
    write("overlay2/top/diff/etc/passwd", "root:x:0:0::/:\napp:x:1000:1001::/:\n");
    write("overlay2/base/diff/app/x", "#!/bin/sh\n");
    fs::create_dir_all(host.path("var/lib/docker/overlay2/l")).unwrap();
    std::os::unix::fs::symlink("../base/diff", host.path("var/lib/docker/overlay2/l/BASE")).unwrap();
}

#[test]
fn a_dead_docker_container_is_read_from_its_layers() {
    let host = TestHost::new();
    dead_container(&host, "app");
    let facts = of_dead(&host.host, &TestHost::id(), Deadline::never());
    let [
        Fact::Identity(identity),
        Fact::Config(Known::Is(config)),
        Fact::Entrypoint(Known::Is(entrypoint)),
        ..,
        Fact::Image(Known::Is(image)),
        Fact::RuntimeState(state),
    ] = facts.as_slice()
    else {
        panic!("{facts:?}")
    };
    assert_eq!((identity.name.as_str(), identity.image.as_str()), ("web", "shop:1"));
    assert_eq!((config.uid, config.gid, config.effective_caps), (1000, 1001, Some(0)));
    assert_eq!((config.env["TOKEN"].as_str(), config.cwd.as_str()), ("***", "/srv"));
    assert!(entrypoint.file.get().unwrap().present().is_some());
    assert_eq!(image.labels["a"], "b");
    assert!(image.healthcheck.as_ref().unwrap().tools[0].file.get().unwrap().present().is_some());
    let expected = RuntimeState {
        status: "exited".into(),
        exit_code: Some(1),
        restart_count: 2,
        ..RuntimeState::default()
    };
    assert_eq!(*state, expected);
    assert_eq!(last_exit(&host.host, &TestHost::id()), Some(Fact::RuntimeState(expected)));
}

#[test]
fn a_birth_or_a_question_that_comes_too_late_is_answered_from_what_dockerd_keeps() {
    let host = TestHost::new();
    dead_container(&host, "app");
    let born = at_birth(&host.host, &TestHost::id().into(), &nobody_watches, Deadline::never());
    assert!(matches!(&born[0], Fact::Identity(identity) if identity.name == "web"), "{born:?}");
    assert!(matches!(&born[2], Fact::Entrypoint(Known::Is(entrypoint)) if entrypoint.file.get().is_some()));
    let asked = Want::File("/app/x".to_owned());
    let answer = answer(&host.host, &TestHost::id().into(), &[], &asked, Deadline::never());
    assert!(
        matches!(&answer, Fact::File { file: Known::Is(file), .. } if file.present().is_some()),
        "{answer:?}"
    );
}

#[test]
fn a_user_that_the_image_does_not_know_leaves_the_configuration_open() {
    let facts = |user: &str| {
        let host = TestHost::new();
        dead_container(&host, user);
        of_dead(&host.host, &TestHost::id(), Deadline::never())
    };
    let unknown = facts("nobody-knows");
    assert!(matches!(&unknown[1], Fact::Config(Known::Unknown(reason)) if reason.contains("nobody-knows")));
    let Fact::Image(Known::Is(image)) = &unknown[6] else { panic!("{unknown:?}") };
    let tool = &image.healthcheck.as_ref().unwrap().tools[0];
    assert!(matches!(&tool.file, Known::Unknown(reason) if reason.contains("nobody-knows")));
    let facts = facts("77:88");
    assert!(matches!(&facts[1], Fact::Config(Known::Is(config)) if (config.uid, config.gid) == (77, 88)));
}
