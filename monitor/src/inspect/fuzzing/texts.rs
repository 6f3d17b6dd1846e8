//! Texts of procfs, of configurations, of certificates: readers that take bytes alone.

use std::path::{Path, PathBuf};

use crate::{
    fuzzing::Told,
    inspect::{
        environment, file, image, libc,
        living::{self, status},
        loader, mounted, mounts, oci, pem, running, script, teller, trust, whereabouts,
    },
};

/// A private key of Ed25519 in PKCS #8, RFC 8410.
pub(super) const KEY: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20\
    01234567890123456789012345678901";

pub(super) fn heads(bytes: &[u8]) -> Told {
    let shebang = script::shebang(bytes);
    if let Some(shebang) = &shebang {
        assert!(!shebang.interpreter.is_empty(), "a script without an interpreter");
        // What is no UTF-8 takes three bytes for one.
        assert!(shebang.interpreter.len() <= 3 * script::HEAD_BYTES, "{} bytes", shebang.interpreter.len());
    }
    let others = (script::is_text(bytes), file::capabilities(bytes), libc::musl_version(bytes));
    Told::Value(format!("{shebang:?} {others:?}"))
}

pub(super) fn pem(bytes: &[u8]) -> Told {
    Told::known(&pem::of_bytes(bytes))
}

pub(super) fn key(bytes: &[u8]) -> Told {
    Told::option(pem::key::parse(bytes))
}

pub(super) fn trust_store(bytes: &[u8]) -> Told {
    let (count, dates) = trust::certificates(bytes);
    assert_eq!(count > 0, dates.is_some(), "dates of {count} certificates");
    Told::value(&(count, dates))
}

pub(super) fn config(bytes: &[u8]) -> Told {
    let path = PathBuf::from("/bundle/config.json");
    let parsed = oci::parse(bytes, Path::new("/bundle"), path);
    if let Ok(bundle) = &parsed {
        assert!(!bundle.config.cwd.is_empty(), "a working directory without a name");
        let _: bool = whereabouts::fits_path(&bundle.cgroups_path, "web", "/system.slice/docker-web.scope");
    }
    Told::result(parsed)
}

pub(super) fn mountinfo(bytes: &[u8]) -> Told {
    let text = String::from_utf8_lossy(bytes);
    let mounts = mounts::of_process(&text);
    let numbered: Vec<_> = text.lines().filter_map(mounted::kind_in).collect();
    let at = (mounts.at(Path::new("/"), None), mounts.below(Path::new("/"), None));
    Told::Value(format!("{numbered:?} {at:?} {mounts:?} {}", mounts::unescape(&text)))
}

pub(super) fn cpu_stat(bytes: &[u8]) -> Told {
    let text = String::from_utf8_lossy(bytes);
    let mounted = [living::cpu::Version::V1, living::cpu::Version::V2]
        .map(|version| living::cpu::mount_in(&text, version));
    Told::Value(format!(
        "{:?} {mounted:?} {:?} {:?}",
        living::cpu::cgroup_in(&text),
        living::cpu::parse(&text),
        running::path_of(&text)
    ))
}

pub(super) fn status(bytes: &[u8]) -> Told {
    Told::value(&(status::parse(1, bytes), status::parent_in_stat(bytes)))
}

pub(super) fn command_line(bytes: &[u8]) -> Told {
    let text = String::from_utf8_lossy(bytes);
    let args: Vec<&str> = text.split_terminator('\0').collect();
    Told::option(teller::of_command(&args, || Some(PathBuf::from("/here"))))
}

pub(super) fn environment(bytes: &[u8]) -> Told {
    let text = String::from_utf8_lossy(bytes);
    let environment = environment::environment(text.split('\0').map(str::to_owned).collect());
    for (name, value) in &environment {
        let is_hidden = value.is_empty() || value == environment::HIDDEN;
        assert!(!name.to_ascii_uppercase().contains("PASSWORD") || is_hidden, "{name} is shown");
    }
    Told::value(&environment)
}

pub(super) fn lines(bytes: &[u8]) -> Told {
    let text = String::from_utf8_lossy(bytes);
    let path = loader::split(&loader::expand(&text, "/origin"), &[':', ';'], "/");
    let (id, cgroup) = text.split_once('/').unwrap_or_default();
    Told::Value(format!(
        "{:?} {:?} {path:?} {}",
        image::shell::first_command(&text),
        image::without_secrets(&text),
        whereabouts::fits_path(&text, id, cgroup)
    ))
}
