//! Hostile files of real containers: gomon never leaves the root, says what it cannot know, and stays small.

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use serde_json::Value;

use super::{
    Claimed, Recording,
    guard::{Guarded, WORD},
    most_memory, quiet,
    roots::{Root, Trick},
    wait_long,
};
use crate::{
    runtimes::oci::{Bundle, Oci},
    support::{Agent, said, skip, unique},
};

const STATIC: &str = "/app/probe.static";
const GLIBC: &str = "/app/probe.glibc";
/// What is learned of every container, however it is.
const FACTS: [&str; 7] =
    ["identity", "config", "entrypoint", "libc", "passwd", "trust_store", "dlopen_watched"];
/// Ten times what a file may take.
const MEMORY_LIMIT_BYTES: u64 = 512 << 20;

/// A container of this root.
fn bundle(what: &str, root: &Path, args: &[&str]) -> Bundle {
    Bundle::new(&unique(what), args).with(|config| config["root"]["path"] = root.to_str().unwrap().into())
}

/// Everything is told of it: what there is, or that it is not known.
fn knows(recording: &Recording, id: &str) {
    for kind in FACTS {
        recording.learns(id, kind);
    }
}

#[test]
fn no_trick_in_a_root_leads_out_of_it_or_holds_gomon_up() {
    let Some(runc) = Oci::new("runc") else { return skip("hostile roots", "runc is not installed") };
    let guarded = Guarded::new();
    let (agent, recording) = (Agent::start(), Recording::start());
    for trick in Trick::ALL {
        let root = Root::full_of(trick, &guarded);
        let born = bundle("trick", &root.path(), &[GLIBC]);
        let claimed = Claimed::new(&born.id, born.path());
        knows(&recording, &born.id);
        let passwd = recording.learns(&born.id, "passwd");
        let is_right = match trick {
            // A link that leads nowhere inside is an absent file.
            Trick::AbsoluteLink | Trick::ClimbingLink => {
                passwd.pointer("/is/file_present") == Some(&Value::Bool(false)) || is_unknown(&passwd)
            }
            Trick::Garbage => passwd.pointer("/is/name").is_none_or(Value::is_null),
            // Nothing is known of what is no file, or too large.
            Trick::MagicLink
            | Trick::Loop
            | Trick::Pipe
            | Trick::Socket
            | Trick::Terminal
            | Trick::Directory
            | Trick::Sparse => is_unknown(&passwd),
        };
        assert!(is_right, "{trick:?}: {passwd}");
        drop(claimed);
        // These two runc itself reads, and may wait for without end.
        root.without(&["etc/passwd", "etc/group"]);
        let entry = bundle("entry", &root.path(), &["/app/entry"]);
        assert_ne!(runc.run(&entry).code, Some(0), "{trick:?}");
        knows(&recording, &entry.id);
    }
    wait_long("all inspections to have come back", || {
        (agent.metrics().sum("gomon_inspections_stuck", &[]) == Some(0.0)).then_some(())
    });
    guarded.is_untouched();
    assert!(!recording.text().contains(WORD));
    let most = most_memory(agent.pid());
    assert!(most < MEMORY_LIMIT_BYTES, "{most}");
    recording.ends_well();
    quiet(&agent.stop().exits(0).stderr);
}

fn is_unknown(fact: &Value) -> bool {
    fact.get("unknown").is_some()
}

#[test]
fn a_path_of_any_bytes_is_a_path() {
    let Some(runc) = Oci::new("runc") else { return skip("odd paths", "runc is not installed") };
    let agent = Agent::start();
    let dir = tempfile::tempdir().unwrap();
    let (plain, odd) = (Root::new(), dir.path().join("a b\\040\n (deleted)"));
    fs::create_dir(&odd).unwrap();
    for name in ["rootfs", "bundle"] {
        fs::create_dir(odd.join(name)).unwrap();
    }
    fs::rename(plain.path().join("app"), odd.join("rootfs/app")).unwrap();
    for mount in ["proc", "dev"] {
        fs::create_dir(odd.join("rootfs").join(mount)).unwrap();
    }
    let id = unique("odd");
    let bundle = Bundle::at(odd.join("bundle"), &id, &[GLIBC])
        .with(|config| config["root"]["path"] = odd.join("rootfs").to_str().unwrap().into());
    assert_ne!(runc.run(&bundle).code, Some(0));
    let found = wait_long("the diagnosis", || agent.diagnoses(&id).pop());
    assert_eq!(found["pattern"], "missing-interpreter", "{found:#}");
}

#[test]
fn what_changes_and_what_goes_while_it_is_read_is_no_harm() {
    let Some(runc) = Oci::new("runc") else { return skip("files that change", "runc is not installed") };
    let (agent, recording) = (Agent::start(), Recording::start());
    let root = Root::new();
    let path = |name: &str| root.path().join(name);
    fs::create_dir_all(path("etc/ssl/certs")).unwrap();
    let many = path("etc/ssl/certs");
    for number in 0..20_000 {
        File::create(many.join(number.to_string())).unwrap();
    }
    let is_over = AtomicBool::new(false);
    let mut ids = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                for name in ["etc/passwd", "etc/ssl/cert.pem", "etc/ld.so.cache"] {
                    fs::write(path(name), vec![b'x'; 1 << 20]).unwrap();
                    File::options().write(true).open(path(name)).unwrap().set_len(7).unwrap();
                    fs::remove_file(path(name)).unwrap();
                }
            }
        });
        for _ in 0..4 {
            let bundle = bundle("changing", &root.path(), &[GLIBC]);
            let said = runc.run(&bundle);
            ids.push((bundle.id.clone(), said));
        }
        is_over.store(true, Ordering::Relaxed);
    });
    // Its root goes while it starts.
    let gone = tempfile::tempdir().unwrap();
    mount("gomon", gone.path(), "tmpfs", MountFlags::empty(), c"").unwrap();
    fs::set_permissions(gone.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copied =
        said(Command::new("cp").arg("-a").args([path("app"), path("proc"), path("dev")]).arg(gone.path()));
    assert_eq!(copied.code, Some(0), "{copied:?}");
    let leaving = bundle("leaving", gone.path(), &[STATIC, "sleep", "300s"]);
    runc.start(&leaving);
    unmount(gone.path(), UnmountFlags::DETACH).unwrap();
    knows(&recording, &leaving.id);
    for (id, said) in &ids {
        assert_ne!(said.code, Some(0), "{said:?}");
        knows(&recording, id);
        for found in agent.diagnoses(id) {
            assert_eq!(found["pattern"], "missing-interpreter", "{id}: {found:#}");
        }
    }
    recording.ends_well();
    quiet(&agent.stop().exits(0).stderr);
}
