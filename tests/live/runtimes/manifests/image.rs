//! The image that `cargo xtask image` made: what is in it, and how it does where the manifest puts it.

#[path = "image/systemd.rs"]
mod systemd;

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;

use super::{manifest::Manifest, names_a_failing_neighbour, pod::Pod};
use crate::{
    runtimes::oci::{Bundle, Oci},
    support::{Running, docker, docker_ok, gomon, run, said, skip, tool, unique, wait_for},
};

/// The image's name; ring `image` of `cargo xtask test` makes it and says it.
const NAME: &str = "GOMON_IMAGE";
/// Containers that fail while the agent's memory is measured.
const CONTAINERS: usize = 150;

fn image() -> String {
    env::var(NAME).unwrap_or_else(|_| {
        panic!("{NAME} names no image: start these tests with `cargo xtask test --ring image`")
    })
}

/// The files of the image.
fn root() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let id = docker_ok(&["create", &image()]);
    let archive = root.path().with_extension("tar");
    let exported = docker(&["export", "--output", archive.to_str().unwrap(), &id]);
    docker_ok(&["rm", &id]);
    assert_eq!(exported.code, Some(0), "{exported:?}");
    let unpacked = said(Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(root.path()));
    fs::remove_file(archive).unwrap();
    assert_eq!(unpacked.code, Some(0), "{unpacked:?}");
    root
}

/// Files below `dir` with something in them; Docker puts empty ones and links where it mounts its own.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let listed = entries.map(|entry| (entry.path(), entry.metadata().unwrap()));
    listed
        .flat_map(|(path, metadata)| {
            if metadata.is_dir() {
                return files(&path);
            }
            Vec::from_iter((metadata.is_file() && metadata.len() > 0).then_some(path))
        })
        .collect()
}

#[test]
fn the_image_holds_one_program_and_the_list_of_its_parts() {
    let root = root();
    let found: BTreeSet<PathBuf> = files(root.path())
        .into_iter()
        .map(|path| path.strip_prefix(root.path()).unwrap().to_owned())
        .collect();
    assert_eq!(found, ["gomon", "sbom.spdx.json"].map(PathBuf::from).into());
}

#[test]
fn the_list_of_its_parts_is_valid_spdx_for_others() {
    let Some(program) = tool("checkers/bin", "pyspdxtools") else {
        return skip(
            "pyspdxtools",
            "it is not installed; `cargo xtask setup` fetches it where there is python3 with venv",
        );
    };
    let root = root();
    let checked = said(Command::new(program).arg("--infile").arg(root.path().join("sbom.spdx.json")));
    assert_eq!(checked.code, Some(0), "{checked:?}");
}

#[test]
fn the_image_names_a_failing_neighbour_in_the_restricted_profile() {
    names_a_failing_neighbour("restricted", root());
}

#[test]
fn the_image_stays_well_within_the_manifests_memory_while_many_containers_fail() {
    let manifest = Manifest::read("full");
    let Some(pod) = Pod::start(&manifest, root()) else { return skip("full", "runc is not installed") };
    let resident = || pod.memory("memory.usage_in_bytes", "memory.current");
    let idle = resident();
    let runc = Oci::new("runc").unwrap();
    let ids: Vec<String> = (0..CONTAINERS)
        .map(|_| {
            let bundle = Bundle::new(&unique("fails"), &["/app/probe.glibc"]);
            runc.run(&bundle);
            runc.delete(&bundle.id);
            bundle.id.clone()
        })
        .collect();
    for id in &ids {
        wait_for(&format!("the verdict of {id}"), || (!pod.told(id).is_empty()).then_some(()));
    }
    let peak = pod.memory("memory.max_usage_in_bytes", "memory.peak");
    let (request, limit) = (manifest.memory("requests"), manifest.memory("limits"));
    let mib = |bytes: u64| bytes >> 20;
    eprintln!(
        "memory: {} MiB idle, {} MiB at most, {} MiB requested, limit {} MiB",
        mib(idle),
        mib(peak),
        mib(request),
        mib(limit)
    );
    assert!(idle <= request, "{} MiB", mib(idle));
    assert!(peak <= limit / 4 * 3, "{} MiB", mib(peak));
}

#[test]
fn the_images_log_is_json_with_times_in_utc() {
    let Some(pod) = Pod::start(&Manifest::read("restricted"), root()) else {
        return skip("restricted", "runc is not installed");
    };
    let log = pod.log();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    assert!(lines.iter().any(|line| line["fields"]["message"] == "gomon is ready: it sees"), "{log}");
    for line in lines {
        let time = line["timestamp"].as_str().unwrap();
        assert!(time.parse::<jiff::Timestamp>().is_ok() && time.ends_with('Z'), "{line}");
    }
}

#[test]
fn gomon_has_nothing_to_say_against_its_own_container() {
    let name = unique("own");

    let capabilities = ["SYS_ADMIN", "DAC_READ_SEARCH", "SYS_PTRACE", "SETUID", "SETGID", "SETPCAP", "CHOWN"];
    let mut line = vec![
        "create",
        "--name",
        &name,
        "--network",
        "none",
        "--pid",
        "host",
        "--read-only",
        "--cap-drop",
        "ALL",
    ];
    // Docker before version 25 knows no CAP_BPF: SYS_ADMIN takes its place.
    line.extend(capabilities.iter().flat_map(|one| ["--cap-add", one]));
    line.extend(["--security-opt", "seccomp=unconfined", "--security-opt", "no-new-privileges"]);
    line.extend(["--volume", "/:/host:ro", "--volume", "/sys/fs/cgroup:/sys/fs/cgroup:ro"]);
    line.extend(["--tmpfs", "/run/gomon", "--tmpfs", "/var/lib/gomon"]);
    let image = image();
    line.extend([image.as_str(), "agent", "--host-root", "/host", "--log-format", "json"]);
    docker_ok(&line);
    let _gone = Removed(&name);
    let file = tempfile::NamedTempFile::new().unwrap();
    let file = file.path().to_str().unwrap();
    let recording = Running::watching(&["record", "--output", file]);
    docker_ok(&["start", &name]);
    wait_for("the agent to see", || docker_ok(&["logs", &name]).contains("gomon is ready").then_some(()));
    // Whoever comes late cannot know how it started, and finds nothing else.
    let answer = run(gomon(&["diagnose", &name, "-o", "json", "--timeout", "2s"])).exits(5).json();
    assert_eq!(above_remarks(&answer), Vec::<&Value>::new());
    docker_ok(&["stop", &name]);
    recording.stop().exits(0);
    let answer = run(gomon(&["replay", file, "-c", &name, "-o", "json"])).json();
    assert_eq!(above_remarks(&answer), Vec::<&Value>::new());
    assert_eq!(
        (&answer["exit"]["code"], &answer["coverage"]["blind"]),
        (&0.into(), &Value::Array(Vec::new())),
        "{answer:#}"
    );
}

fn above_remarks(answer: &Value) -> Vec<&Value> {
    answer["diagnoses"].as_array().unwrap().iter().filter(|one| one["severity"] != "info").collect()
}

struct Removed<'a>(&'a str);

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        docker(&["rm", "--force", self.0]);
    }
}
