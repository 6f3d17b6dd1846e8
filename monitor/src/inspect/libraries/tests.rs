//! The search of both loaders over small trees.

use super::*;
use crate::{
    inspect::testing::{ElfFile, TestHost},
    model::fact::Content,
};

const GLIBC: &str = "/lib64/ld-linux-x86-64.so.2";
const MUSL: &str = "/lib/ld-musl-x86_64.so.1";

fn glibc(host: TestHost, program: &ElfFile) -> TestHost {
    let loader = ElfFile { soname: Some("ld-linux-x86-64.so.2"), ..ElfFile::library(&[]) };
    let libc =
        ElfFile { soname: Some("libc.so.6"), defines: vec!["GLIBC_2.2.5", "GLIBC_2.31"], ..loader.clone() };
    host.file(GLIBC, loader.build())
        .file("/lib/x86_64-linux-gnu/libc.so.6", libc.build())
        .file("/app/x", program.build())
}

fn libraries(host: &TestHost) -> Known<Libraries> {
    let content = host.present("/app/x").content;
    let Known::Is(Content::Elf(elf)) = content else { panic!("{content:?}") };
    elf.libraries
}

fn known(host: &TestHost) -> Libraries {
    match libraries(host) {
        Known::Is(libraries) => libraries,
        Known::Unknown(reason) => panic!("{reason}"),
    }
}

#[test]
fn a_library_of_a_library_is_missing_with_its_requester() {
    let program = ElfFile::program(GLIBC, &["libfoo.so", "libc.so.6"]);
    let host = glibc(TestHost::new().env(&["LD_LIBRARY_PATH=/libs"]), &program)
        .file("/libs/libfoo.so", ElfFile::library(&["libbar.so", "libc.so.6"]).build());
    let libraries = known(&host);
    assert_eq!(libraries.found["libfoo.so"], "/libs/libfoo.so");
    let [missing] = libraries.missing.as_slice() else { panic!("{libraries:?}") };
    assert_eq!((missing.name.as_str(), missing.wanted_by.as_str()), ("libbar.so", "/libs/libfoo.so"));
    assert_eq!(missing.searched.first().map(String::as_str), Some("/libs"));
    assert_eq!(missing.searched.last().map(String::as_str), Some("/usr/lib"));
}

#[test]
fn a_runpath_is_relative_to_its_file_and_not_inherited() {
    let program = ElfFile { runpath: Some("$ORIGIN/../private"), ..ElfFile::program(GLIBC, &["liba.so"]) };
    let host = glibc(TestHost::new(), &program)
        .file("/private/liba.so", ElfFile::library(&["libb.so"]).build())
        .file("/private/libb.so", ElfFile::library(&[]).build());
    let libraries = known(&host);
    assert_eq!(libraries.found["liba.so"], "/app/../private/liba.so");
    assert_eq!(libraries.missing.len(), 1, "libb.so is only in the program's runpath");
    let program = ElfFile { runpath: None, rpath: Some("${ORIGIN}/../private"), ..program };
    let host = host.file("/app/x", program.build());
    assert!(known(&host).missing.is_empty(), "an rpath holds for the libraries' own needs");
}

#[test]
fn the_wrong_architecture_is_passed_over_and_garbage_ends_the_search() {
    let program = ElfFile::program(GLIBC, &["libfoo.so"]);
    let foreign = ElfFile { machine: 183, ..ElfFile::library(&[]) };
    let host = glibc(TestHost::new().env(&["LD_LIBRARY_PATH=/a:/b"]), &program)
        .file("/a/libfoo.so", foreign.build())
        .file("/b/libfoo.so", ElfFile::library(&[]).build());
    let libraries = known(&host);
    assert_eq!((libraries.found["libfoo.so"].as_str(), libraries.rejected.len()), ("/b/libfoo.so", 1));
    let host = host.file("/a/libfoo.so", "garbage");
    let libraries = known(&host);
    assert_eq!(
        (libraries.missing.len(), libraries.rejected[0].reason.as_str()),
        (1, "it is not an ELF file")
    );
}

#[test]
fn a_library_that_the_user_may_not_read_is_as_good_as_missing() {
    let program = ElfFile::program(GLIBC, &["libfoo.so"]);
    let host = glibc(TestHost::new().user(1000), &program).mode(
        "/usr/lib/libfoo.so",
        ElfFile::library(&[]).build(),
        0o600,
    );
    let libraries = known(&host);
    assert_eq!((libraries.missing.len(), libraries.rejected[0].path.as_str()), (1, "/usr/lib/libfoo.so"));
}

#[test]
fn a_version_that_the_library_lacks_is_unmet() {
    let needs = vec![
        ("libc.so.6", "GLIBC_2.34", false),
        ("libc.so.6", "GLIBC_2.31", false),
        ("libc.so.6", "GLIBC_2.36", true),
    ];
    let program = ElfFile { needs, ..ElfFile::program(GLIBC, &["libc.so.6"]) };
    let libraries = known(&glibc(TestHost::new(), &program));
    let [unmet] = libraries.unmet.as_slice() else { panic!("{libraries:?}") };
    assert_eq!(
        (unmet.version.as_str(), unmet.highest_offered.as_deref()),
        ("GLIBC_2.34", Some("GLIBC_2.31"))
    );
    assert_eq!(
        (unmet.path.as_str(), unmet.wanted_by.as_str()),
        ("/lib/x86_64-linux-gnu/libc.so.6", "/app/x")
    );
}

#[test]
fn musl_is_its_own_libc_and_ignores_versions() {
    let needs = vec![("libc.so.6", "GLIBC_2.34", false)];
    let program =
        ElfFile { needs, ..ElfFile::program(GLIBC, &["libc.so.6", "libpthread.so.0", "libfoo.so"]) };
    let host = TestHost::new()
        .file("/app/x", program.build())
        .file(MUSL, ElfFile::library(&[]).build())
        .link(GLIBC, MUSL);
    let libraries = known(&host);
    let [missing] = libraries.missing.as_slice() else { panic!("{libraries:?}") };
    assert_eq!(
        (missing.name.as_str(), missing.searched.as_slice()),
        ("libfoo.so", ["/lib", "/usr/local/lib", "/usr/lib"].map(str::to_owned).as_slice())
    );
    assert!(libraries.unmet.is_empty());
    let host = host
        .file("/etc/ld-musl-x86_64.path", "/opt/lib\n/lib\n")
        .file("/opt/lib/libfoo.so", ElfFile::library(&[]).build());
    assert_eq!(known(&host).found["libfoo.so"], "/opt/lib/libfoo.so");
}

#[test]
fn musl_is_known_by_the_name_of_its_library_too() {
    let program = ElfFile::program(GLIBC, &["libc.so.6"]);
    let host = TestHost::new()
        .file("/app/x", program.build())
        .file("/lib/x86_64-linux-musl/libc.so", ElfFile::library(&[]).build())
        .link(MUSL, "x86_64-linux-musl/libc.so")
        .link(GLIBC, MUSL)
        .file("/etc/ld-musl-x86_64.path", "/opt/lib\n")
        .file("/opt/lib/libfoo.so", ElfFile::library(&[]).build());
    assert_eq!(known(&host), Libraries::default());
    for loader in [GLIBC, MUSL] {
        let host_file = ElfFile::program(loader, &["libfoo.so"]).build();
        std::fs::write(host.inside("/app/x"), host_file).unwrap();
        assert_eq!(known(&host).found["libfoo.so"], "/opt/lib/libfoo.so", "{loader}");
    }
}

#[test]
fn a_place_nobody_can_look_into_makes_the_answer_unknown() {
    let program = ElfFile::program(GLIBC, &["libfoo.so"]);
    let mounts = serde_json::json!([{"destination": "/libs", "type": "tmpfs"}]);
    let host = glibc(TestHost::new().env(&["LD_LIBRARY_PATH=/libs"]).mounts(mounts), &program);
    assert!(matches!(libraries(&host), Known::Unknown(reason) if reason.contains("tmpfs")));
    let program = ElfFile { runpath: Some("/opt/$PLATFORM"), ..ElfFile::program(GLIBC, &["libfoo.so"]) };
    let host = glibc(TestHost::new(), &program);
    assert!(matches!(libraries(&host), Known::Unknown(reason) if reason.contains("$PLATFORM")));
}

#[test]
fn without_its_loader_nobody_knows_the_libraries() {
    let host = TestHost::new().file("/app/x", ElfFile::program(GLIBC, &["libc.so.6"]).build());
    assert_eq!(libraries(&host), Known::unknown(format!("there is no {GLIBC}")));
    let host = TestHost::new().file("/app/x", ElfFile::library(&[]).build());
    assert_eq!(libraries(&host), Known::Is(Libraries::default()));
}
