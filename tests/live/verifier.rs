//! What each kernel program costs the kernel: its instructions, and how many of them the verifier has to follow. No time
//! is taken: growth shows in review, as a change of `tests/snapshots/verifier.txt`.

use std::{collections::BTreeMap, env, fmt::Write as _, fs, path::Path};

use gomon::kernel::{
    cgroupfs::Hierarchy,
    hooks::Kind,
    load::{self, Choice},
    uprobes,
};

/// The verifier of another kernel follows other paths; more than this many times as many would be a surprise.
const OTHER_KERNEL: u32 = 3;

/// Instructions and verified instructions of every program that this kernel accepts, by name.
fn programs() -> BTreeMap<&'static str, (u32, u32)> {
    let hierarchy = Hierarchy::of_host(Path::new("/proc"), false).expect("cgroups are mounted");
    let mut found = BTreeMap::new();
    for kind in Kind::ALL {
        let (mut ebpf, btf) = load::load_maps(&hierarchy, 0).expect("the object loads");
        let mut states = load::attach_all(&mut ebpf, &btf, &Choice { only: Some(kind), ..Choice::default() });
        states.extend(uprobes::load(&mut ebpf, &btf).0);
        for state in states {
            for program in state.programs() {
                let info = ebpf.program(program.name).and_then(|program| program.info().ok());
                let info = info.expect("an attached program is loaded");
                let translated = info.size_translated().expect("the kernel tells the size") / 8;
                let verified = info.verified_instruction_count().expect("the kernel counts, from 5.16 on");
                found.insert(program.name, (translated, verified));
            }
        }
    }
    found
}

#[test]
fn kernel_programs_are_as_large_as_they_were() {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let release = release.splitn(3, '.').take(2).collect::<Vec<_>>().join(".");
    let found = programs();
    let mut text = format!("# program, instructions, instructions verified, on Linux {release}\n");
    for (name, (instructions, verified)) in &found {
        writeln!(text, "{name} {instructions} {verified}").expect("a string takes all");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/snapshots/verifier.txt");
    if env::var_os("GOMON_UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, &text).expect("the snapshot can be written");
    }
    let before = fs::read_to_string(&path).unwrap_or_default();
    if before.lines().next() == text.lines().next() {
        assert_eq!(text, before, "GOMON_UPDATE_SNAPSHOTS=1 writes {} anew", path.display());
        return;
    }
    // Taken on another kernel: the order of magnitude must be the same.
    assert!(before.lines().count() > 5, "{} is missing or empty", path.display());
    assert!(found.len() > 5, "this kernel accepts no more than {found:?}");
    for line in before.lines().skip(1) {
        let mut words = line.split(' ');
        let (Some(name), Some(_), Some(verified)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let Some((_, now)) = found.get(name) else { continue };
        let then: u32 = verified.parse().expect("a number");
        assert!(*now <= then * OTHER_KERNEL, "{name}: {now} verified instructions, {then} in the snapshot");
    }
}
