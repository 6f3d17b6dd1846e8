//! A hostile tree: nothing in it leads out of it, blocks, or makes absent what is only hidden.

use std::{fs, os::unix::net::UnixListener, time::Duration};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::json;

use crate::{
    inspect::{
        Deadline, Host,
        oci::{self, Bundle},
        source,
        testing::TestHost,
    },
    model::fact::{Content, FileKind, Known},
};

/// A host file that no link of the container may reach.
fn with_secret() -> TestHost {
    let host = TestHost::new();
    fs::write(host.path("secret"), "#!/outside\n").unwrap();
    host
}

#[test]
fn links_out_of_the_root_stay_inside() {
    let host = with_secret();
    let absolute = host.path("secret").display().to_string();
    let host = host.link("/absolute", &absolute).link("/climb", "../../../../secret").link("/up", "..");
    assert_eq!(host.missing("/absolute"), absolute);
    assert_eq!(host.missing("/climb"), "/secret");
    assert_eq!(host.missing("/up/../secret"), "/secret");
    assert_eq!(host.missing("/../../secret"), "/secret");
    assert_eq!(host.present("/up/../..").resolved, "/");
}

#[test]
fn links_resolve_as_inside_the_container() {
    let host = TestHost::new()
        .file("/usr/bin/real", "x")
        .link("/bin", "usr/bin")
        .link("/usr/bin/alias", "/bin/./real")
        .link("/app", "bin/../bin/alias");
    assert_eq!(host.present("/app").resolved, "/usr/bin/real");
    assert_eq!(host.present("/bin/../bin/real").resolved, "/usr/bin/real");
}

#[test]
fn a_loop_is_unknown_and_ends() {
    let host = TestHost::new().link("/a", "b").link("/b", "a").link("/self", "self/x");
    assert!(host.unknown("/a").contains("too many levels"));
    assert!(host.unknown("/self").contains("too many levels"));
}

#[test]
fn absence_names_the_first_gap_or_the_links_target() {
    let host = TestHost::new()
        .file("/app/file", "x")
        .link("/app/dangling", "/opt/tool/bin")
        .directory("/usr", 0o755)
        .link("/lib64", "usr/lib64");
    assert_eq!(host.missing("/app/no/such/file"), "/app/no");
    assert_eq!(host.missing("/app/dangling"), "/opt/tool/bin");
    assert_eq!(host.missing("/lib64/ld.so"), "/usr/lib64");
    assert_eq!(host.missing("/app/file/below"), "/app/file/below");
    assert_eq!(host.missing("/app/file/"), "/app/file/.");
}

#[test]
fn pipes_sockets_and_devices_are_named_but_not_opened() {
    let host = TestHost::new();
    mknodat(CWD, host.inside("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    let _socket = UnixListener::bind(host.inside("socket")).unwrap();
    // Opening the watchdog would arm it.
    mknodat(
        CWD,
        host.inside("watchdog"),
        FileType::CharacterDevice,
        Mode::RWXU,
        rustix::fs::makedev(10, 130),
    )
    .unwrap();
    for path in ["/pipe", "/socket", "/watchdog"] {
        let file = host.present(path);
        assert_eq!(file.kind, FileKind::Other, "{path}");
        assert_eq!(file.content, Known::unknown("not a regular file"));
    }
    assert_eq!(host.present("/etc").kind, FileKind::Directory);
}

#[test]
fn a_bind_mount_shows_its_source_even_where_the_image_has_nothing() {
    let host = with_secret().link("/var/run", "../run").directory("/run", 0o755).mounts(json!([
        {"destination": "/etc/app.conf", "type": "bind", "source": "/secret"},
        {"destination": "/not/there/yet", "type": "bind", "source": "/volume"},
        {"destination": "/var/run/token", "type": "bind", "source": "/secret"},
        {"destination": "/gone", "type": "bind", "source": "/no-such-volume"},
    ]));
    fs::create_dir(host.path("volume")).unwrap();
    fs::write(host.path("volume/data"), "").unwrap();
    std::os::unix::fs::symlink("/etc/app.conf", host.path("volume/link")).unwrap();
    assert_eq!(host.present("/etc/app.conf").size_bytes, 11);
    assert_eq!(host.present("/not/there/yet/data").content, Known::Is(Content::Empty));
    assert_eq!(host.present("/not/there/yet/link").resolved, "/etc/app.conf");
    assert_eq!(host.present("/run/token").size_bytes, 11);
    assert_eq!(host.present("/not/there/yet/../../../etc/app.conf").size_bytes, 11);
    assert_eq!(host.missing("/not/there/other"), "/not/there/other");
    assert!(host.unknown("/gone").contains("/no-such-volume"));
}

#[test]
fn what_a_later_tmpfs_hides_is_unknown_not_absent() {
    let host = TestHost::new()
        .file("/run/app", "x")
        .mounts(json!([{"destination": "/run", "type": "tmpfs", "source": "tmpfs"}]));
    assert_eq!(
        host.unknown("/run/app"),
        "/run lies on the tmpfs mount at /run, which gomon cannot look into"
    );
}

#[test]
fn a_noexec_mount_and_a_closed_directory_are_named() {
    let host = TestHost::new().user(1000).file("/closed/inner/app", "x").directory("/closed", 0o700).mounts(
        json!([{"destination": "/data", "type": "bind", "source": "/volume", "options": ["noexec", "ro"]}]),
    );
    fs::create_dir(host.path("volume")).unwrap();
    fs::write(host.path("volume/app"), "x").unwrap();
    assert_eq!(host.present("/data/app").noexec_mount.as_deref(), Some("/data"));
    let file = host.present("/closed/inner/app");
    assert_eq!((file.closed_directory, file.noexec_mount), (Some(("/closed".to_owned(), 0o700)), None));
}

#[test]
fn root_without_capabilities_may_not_search_either() {
    let mut host = TestHost::new().file("/closed/app", "x").directory("/closed", 0o000);
    host.config["process"]["capabilities"] = json!({"effective": []});
    assert!(host.present("/closed/app").closed_directory.is_some());
    host.config["process"]["capabilities"] = json!({"effective": ["CAP_DAC_OVERRIDE"]});
    assert_eq!(host.present("/closed/app").closed_directory, None);
}

#[test]
fn owners_read_as_the_user_namespace_maps_them() {
    let mut host = TestHost::new().file("/app", "x");
    host.config["linux"] = json!({"uidMappings": [{"containerID": 0, "hostID": 5000, "size": 10}],
        "gidMappings": [{"containerID": 0, "hostID": 5000, "size": 10}]});
    rustix::fs::chown(
        host.inside("app"),
        Some(rustix::fs::Uid::from_raw(5007)),
        Some(rustix::fs::Gid::from_raw(0)),
    )
    .unwrap();
    let file = host.present("/app");
    assert_eq!((file.uid, file.gid), (7, 65534));
}

#[test]
fn an_empty_root_is_one_that_is_not_mounted() {
    let host = TestHost::new();
    fs::remove_dir(host.inside("etc")).unwrap();
    let directory = host.bundle();
    let bundle = oci::read(&host.host, &directory.path).unwrap();
    let error =
        source::of_bundle(&host.host, &bundle, &directory.path, None, Deadline::never()).err().unwrap();
    assert!(error.to_string().contains("is not mounted here"), "{error}");
}

#[test]
fn the_hosts_own_root_is_never_taken_for_a_containers() {
    let host = Host::local().unwrap();
    let error =
        source::of_process(&host, &Bundle::default(), (std::process::id(), ""), Deadline::never()).err();
    assert!(error.unwrap().to_string().contains("host's root"));
}

#[test]
fn no_lookup_begins_after_the_deadline() {
    let host = TestHost::new().file("/app", "x");
    let directory = host.bundle();
    let bundle = oci::read(&host.host, &directory.path).unwrap();
    let late = Deadline::after(Duration::ZERO);
    let root = source::of_bundle(&host.host, &bundle, &directory.path, None, late).unwrap();
    assert!(root.look("/app").err().unwrap().to_string().contains("out of time"));
}

#[test]
fn layers_show_as_one_tree_with_deletions() {
    let host = TestHost::new();
    for (layer, file) in [("lower", "base"), ("middle", "removed"), ("upper", "new")] {
        fs::create_dir_all(host.path(layer).join("app")).unwrap();
        fs::write(host.path(layer).join("app").join(file), layer).unwrap();
    }
    fs::write(host.path("lower/app/removed"), "").unwrap();
    // A whiteout of overlayfs.
    mknodat(CWD, host.path("upper/app/removed"), FileType::CharacterDevice, Mode::empty(), 0).unwrap();
    let bundle = oci::read(&host.host, &host.bundle().path).unwrap();
    let layers = ["/upper", "/middle", "/lower"].map(Into::into);
    let root = source::of_layers(&host.host, &bundle, &layers, Deadline::never()).unwrap();
    assert_eq!(root.read("/app/base", 99).unwrap().unwrap(), b"lower");
    assert_eq!(root.read("/app/new", 99).unwrap().unwrap(), b"upper");
    assert_eq!(root.read("/app/removed", 99).unwrap(), None);
    let single = source::of_layers(&host.host, &bundle, &["/middle".into()], Deadline::never()).unwrap();
    assert_eq!(single.read("/app/removed", 99).unwrap().unwrap(), b"middle");
}
