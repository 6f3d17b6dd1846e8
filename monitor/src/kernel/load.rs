//! Loads each kernel program on its own and says which are on and which are not, and why.

use aya::{
    Btf, Ebpf, EbpfLoader,
    programs::{BtfTracePoint, FExit, ProgramError, TracePoint, UProbe},
};
use thiserror::Error;
use tokio::io::unix::AsyncFd;

use super::{
    cgroupfs::Hierarchy,
    hooks::{Attach, HOOKS, Hook, Kind, Program, Way},
    object::OBJECT,
    offsets::{Layout, OffsetsError},
    self_test,
    tracepoints::Links,
};

/// Why nothing can be observed at all.
#[derive(Debug, Error)]
pub enum LoadError {
    #[error("this binary was built without its kernel programs (AYA_BUILD_SKIP)")]
    NotEmbedded,
    #[error(transparent)]
    Offsets(#[from] OffsetsError),
    #[error("cannot use the kernel's BTF: {0}")]
    Btf(#[from] aya::BtfError),
    #[error(
        "the kernel refuses BPF maps: {0}. gomon needs root, or CAP_BPF and CAP_PERFMON (and CAP_SYS_RESOURCE before 5.11)"
    )]
    Refused(String),
}

/// What became of one hook.
#[derive(Debug)]
pub enum Outcome {
    Attached(&'static Way),
    /// Off, with the kernel's reasons.
    Blind(String),
}

/// A hook and what became of it.
#[derive(Debug)]
pub struct HookState {
    pub hook: &'static Hook,
    pub outcome: Outcome,
    /// Ways that were preferred and that the kernel refused, with its reasons.
    pub refused: Vec<(&'static Way, String)>,
    /// Holds its programs to tracepoints; they detach when it goes.
    _links: Links,
}

impl HookState {
    pub fn is_attached(&self) -> bool {
        matches!(self.outcome, Outcome::Attached(_))
    }

    /// The programs that run for it.
    pub fn programs(&self) -> &'static [Program] {
        match self.outcome {
            Outcome::Attached(way) => way.programs,
            Outcome::Blind(_) => &[],
        }
    }
}

/// Loads the object's maps with everything the programs need to know. No program is loaded yet.
pub fn load_maps(hierarchy: &Hierarchy, log_level: u8) -> Result<(Ebpf, Btf), LoadError> {
    if OBJECT.is_empty() {
        return Err(LoadError::NotEmbedded);
    }
    let layout = Layout::of_running_kernel()?;
    let btf = Btf::from_sys_fs()?;
    let v1 = u32::from(hierarchy.is_v1());
    let victim_is_task = u32::from(layout.victim_is_task);
    let ebpf = EbpfLoader::new()
        .btf(Some(&btf))
        .override_global("OFFSETS", &layout.offsets[..], true)
        .override_global("CGROUP_V1", &v1, true)
        .override_global("HIERARCHY", &hierarchy.id, true)
        .override_global("GROUP_DEAD_IS_TOLD", &u32::from(layout.group_dead_is_told), true)
        .override_global("TASK_IS_TYPED", &u32::from(layout.task_is_typed), true)
        .override_global("REGISTERS_ARE_TO_BE_HAD", &u32::from(layout.registers_are_to_be_had), true)
        .override_global("VICTIM_IS_TASK", &victim_is_task, true)
        .override_global("SELF_TEST_MARK", &self_test::mark(), true)
        .override_global(aya_log::LEVEL, &log_level, false)
        .load(OBJECT)
        .map_err(|e| LoadError::Refused(chain(&e)))?;
    Ok((ebpf, btf))
}

/// Begins to send the programs' own messages to the log. Needs a runtime.
pub type KernelLog = Box<dyn FnOnce() + Send>;

/// Where the programs' own messages come out, if they do.
pub fn kernel_log(ebpf: &mut Ebpf) -> Option<KernelLog> {
    let lost = |why: String| tracing::warn!(why, "messages of the kernel programs are lost");
    let logger = aya_log::EbpfLogger::init(ebpf).map_err(|error| lost(chain(&error))).ok()?;
    Some(Box::new(move || {
        // SAFETY: the logger owns its ring's descriptor and keeps it open until it is dropped with the registration.
        match unsafe { AsyncFd::register(logger) } {
            Ok(mut logger) => drop(tokio::spawn(async move {
                while let Ok(mut guard) = logger.readable_mut().await {
                    guard.get_inner_mut().flush();
                    guard.clear_ready();
                }
            })),
            Err(error) => lost(error.to_string()),
        }
    }))
}

/// Which hooks are attached, and in which way: comparisons and tests restrict both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// Hooks that can see in several ways use this one alone.
    pub only: Option<Kind>,
    /// Hooks that are left out, as if the kernel had refused them.
    pub without: Vec<&'static str>,
}

/// Attaches every hook; one that the kernel refuses does not keep the others from seeing.
pub fn attach_all(ebpf: &mut Ebpf, btf: &Btf, choice: &Choice) -> Vec<HookState> {
    let state = |hook: &'static Hook| {
        if choice.without.contains(&hook.name) {
            let outcome = Outcome::Blind("it was left out by request".to_owned());
            return HookState { hook, outcome, refused: Vec::new(), _links: Links::default() };
        }
        attach(ebpf, btf, hook, choice.only)
    };
    HOOKS.iter().map(state).collect()
}

/// The first way that the kernel accepts.
pub(super) fn attach(ebpf: &mut Ebpf, btf: &Btf, hook: &'static Hook, only: Option<Kind>) -> HookState {
    let has_only = hook.ways.iter().any(|way| Some(way.kind) == only);
    let mut refused = Vec::new();
    for way in hook.ways.iter().filter(|way| !has_only || Some(way.kind) == only) {
        match attach_way(ebpf, btf, way) {
            Ok(links) => return HookState { hook, outcome: Outcome::Attached(way), refused, _links: links },
            Err(why) => refused.push((way, why)),
        }
    }
    let reasons: Vec<String> =
        refused.iter().map(|(way, why)| format!("{}: {why}", way.kind.name())).collect();
    HookState { hook, outcome: Outcome::Blind(reasons.join("; ")), refused, _links: Links::default() }
}

/// All programs of a way, or none.
fn attach_way(ebpf: &mut Ebpf, btf: &Btf, way: &Way) -> Result<Links, String> {
    let mut links = Links::default();
    for (count, program) in way.programs.iter().enumerate() {
        let Err(why) = attach_program(ebpf, btf, program, &mut links) else { continue };
        for program in way.programs.iter().take(count + 1) {
            // An error means that it was not loaded: there is nothing to undo.
            let _ = unload(ebpf, program);
        }
        return Err(format!("{}: {why}", program.attach));
    }
    Ok(links)
}

fn attach_program(
    ebpf: &mut Ebpf,
    btf: &Btf,
    Program { name, attach }: &Program,
    links: &mut Links,
) -> Result<(), String> {
    let program = ebpf.program_mut(name).ok_or("not in the object")?;
    match attach {
        Attach::TpBtf(tracepoint) => {
            let program: &mut BtfTracePoint = program.try_into().map_err(|e| chain(&e))?;
            program.load(tracepoint, btf).map_err(|e| chain(&e))?;
            program.attach().map_err(|e| chain(&e))?;
        }
        Attach::Tracepoint(category, tracepoint) => {
            let program: &mut TracePoint = program.try_into().map_err(|e| chain(&e))?;
            program.load().map_err(|e| chain(&e))?;
            links.attach(program, category, tracepoint).map_err(|e| chain(&e))?;
        }
        Attach::Behind(calls) => {
            let program: &mut TracePoint = program.try_into().map_err(|e| chain(&e))?;
            program.load().map_err(|e| chain(&e))?;
            links.attach_behind(program, calls).map_err(|e| chain(&e))?;
        }
        Attach::Fexit(function) => {
            let program: &mut FExit = program.try_into().map_err(|e| chain(&e))?;
            program.load(function, btf).map_err(|e| chain(&e))?;
            program.attach().map_err(|e| chain(&e))?;
        }
        // Where it belongs only a container will tell.
        Attach::Uprobe(_) => {
            let program: &mut UProbe = program.try_into().map_err(|e| chain(&e))?;
            program.load().map_err(|e| chain(&e))?;
        }
    }
    Ok(())
}

/// Detaches a program and lets go of it.
fn unload(ebpf: &mut Ebpf, Program { name, attach }: &Program) -> Result<(), ProgramError> {
    let Some(program) = ebpf.program_mut(name) else { return Ok(()) };
    match attach {
        Attach::TpBtf(_) => <&mut BtfTracePoint>::try_from(program)?.unload(),
        Attach::Tracepoint(..) | Attach::Behind(_) => <&mut TracePoint>::try_from(program)?.unload(),
        Attach::Fexit(_) => <&mut FExit>::try_from(program)?.unload(),
        Attach::Uprobe(_) => <&mut UProbe>::try_from(program)?.unload(),
    }
}

/// An error with its causes; a verifier log is cut to its last lines.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    let lines: Vec<&str> = text.lines().collect();
    match lines.len().checked_sub(6) {
        Some(cut) if cut > 0 => lines.get(cut..).unwrap_or_default().join("; "),
        _ => lines.join("; "),
    }
}
