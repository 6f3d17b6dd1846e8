//! Loads each kernel program on its own and says which are on and which are not, and why.

use aya::{Btf, Ebpf, EbpfLoader, programs::BtfTracePoint};
use thiserror::Error;
use tokio::io::unix::AsyncFd;

use super::{
    cgroupfs::Hierarchy,
    hooks::{HOOKS, Hook},
    object::OBJECT,
    offsets::{Layout, OffsetsError},
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
    Attached,
    /// Off, with the kernel's reason.
    Blind(String),
}

/// A hook and what became of it.
#[derive(Debug)]
pub struct HookState {
    pub hook: &'static Hook,
    pub outcome: Outcome,
}

impl HookState {
    pub fn is_attached(&self) -> bool {
        matches!(self.outcome, Outcome::Attached)
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
        .override_global("VICTIM_IS_TASK", &victim_is_task, true)
        .override_global(aya_log::LEVEL, &log_level, false)
        .load(OBJECT)
        .map_err(|e| LoadError::Refused(chain(&e)))?;
    Ok((ebpf, btf))
}

/// Sends the programs' own messages to the log.
pub fn forward_log(ebpf: &mut Ebpf) {
    let logger = aya_log::EbpfLogger::init(ebpf).map_err(|error| chain(&error));
    // SAFETY: the logger owns its ring's descriptor and keeps it open until it is dropped with the registration.
    let watched =
        logger.and_then(|logger| unsafe { AsyncFd::register(logger) }.map_err(|error| error.to_string()));
    match watched {
        Ok(mut logger) => drop(tokio::spawn(async move {
            while let Ok(mut guard) = logger.readable_mut().await {
                guard.get_inner_mut().flush();
                guard.clear_ready();
            }
        })),
        Err(why) => tracing::warn!(why, "messages of the kernel programs are lost"),
    }
}

/// Attaches every hook; one that the kernel refuses does not keep the others from seeing.
pub fn attach_all(ebpf: &mut Ebpf, btf: &Btf) -> Vec<HookState> {
    HOOKS
        .iter()
        .map(|hook| {
            let outcome = match attach(ebpf, btf, hook) {
                Ok(()) => Outcome::Attached,
                Err(why) => Outcome::Blind(why),
            };
            HookState { hook, outcome }
        })
        .collect()
}

fn attach(ebpf: &mut Ebpf, btf: &Btf, hook: &Hook) -> Result<(), String> {
    let program = ebpf.program_mut(hook.program).ok_or("not in the object")?;
    let program: &mut BtfTracePoint = program.try_into().map_err(|e| chain(&e))?;
    program.load(hook.tracepoint, btf).map_err(|e| chain(&e))?;
    program.attach().map_err(|e| chain(&e))?;
    Ok(())
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
