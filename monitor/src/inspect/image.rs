//! What dockerd keeps of an image's configuration: labels and the health check, whose tools it looks for in the container.
//! Values that look secret are replaced, as those of the environment are.

pub(super) mod shell;

use memchr::memmem;

use super::{
    docker::{ContainerConfig, HealthConfig},
    entrypoint,
    environment::{HIDDEN, shown},
    root::ContainerRoot,
};
use crate::model::{
    container::Runtime,
    fact::{Config, Entrypoint, FileFact, Known},
    image::{Healthcheck, ImageConfig, MAX_LABEL_BYTES, MAX_LABELS},
};

const DEFAULT_SHELL: &str = "/bin/sh";
/// `defaultProbeInterval` of moby's daemon/health.go.
const DEFAULT_INTERVAL_NS: u64 = 30_000_000_000;
const WORD_LIMIT: usize = 32;
/// Debian's BusyBox has 2 MiB.
const BUSYBOX_LIMIT_BYTES: u64 = 4 << 20;

/// A container's configuration and files, or the reason why nobody can look into them.
pub(super) type Seen<'s, 'h> = Result<(&'s ContainerRoot<'h>, &'s Config), &'s str>;

/// The configuration, where the runtime keeps one.
pub(super) fn find(
    runtime: Runtime,
    kept: Option<&ContainerConfig>,
    seen: Seen<'_, '_>,
) -> Known<ImageConfig> {
    let Some(kept) = kept else {
        return Known::unknown(match runtime {
            Runtime::Docker => "dockerd's file about the container cannot be read",
            Runtime::Containerd
            | Runtime::CriO
            | Runtime::Podman
            | Runtime::Runc
            | Runtime::Crun
            | Runtime::Unknown => "only Docker keeps the image's configuration on disk",
        });
    };
    let mut labels: Vec<_> = kept.labels.iter().flatten().collect();
    labels.retain(|(name, _)| name.len() <= MAX_LABEL_BYTES);
    labels.sort_unstable();
    let labels = labels.into_iter().take(MAX_LABELS);
    Known::Is(ImageConfig {
        labels: labels.map(|(name, value)| (name.clone(), cut(shown(name, value)))).collect(),
        healthcheck: kept
            .healthcheck
            .as_ref()
            .and_then(|check| healthcheck(check, kept.shell.as_deref(), seen)),
    })
}

/// As dockerd would run it (`getProbe` of moby's daemon/health.go); `None`: it runs none.
fn healthcheck(check: &HealthConfig, shell: Option<&[String]>, seen: Seen<'_, '_>) -> Option<Healthcheck> {
    let (kind, words) = check.test.as_deref()?.split_first()?;
    let tools = match kind.as_str() {
        "CMD" => words.first().map(|tool| find_tool(tool, seen)).into_iter().collect(),
        "CMD-SHELL" => {
            let shell = shell.and_then(<[_]>::first).map_or(DEFAULT_SHELL, String::as_str);
            let shell = find_tool(shell, seen);
            let command = words.first().and_then(|text| shell::first_command(text));
            let tool = command.map(|command| find_shells_tool(command, &shell, seen));
            [shell].into_iter().chain(tool).collect()
        }
        _ => return None,
    };
    let interval_ns = u64::try_from(check.interval).ok().filter(|&interval| interval > 0);
    let words = words.iter().take(WORD_LIMIT).map(|word| cut(&without_secrets(word)));
    Some(Healthcheck {
        test: [kind.clone()].into_iter().chain(words).collect(),
        interval_ns: interval_ns.unwrap_or(DEFAULT_INTERVAL_NS),
        tools,
    })
}

fn find_tool(command: &str, seen: Seen<'_, '_>) -> Entrypoint {
    match seen {
        Ok((root, config)) => entrypoint::tool(root, config, command),
        Err(reason) => {
            Entrypoint { command: command.to_owned(), searched: Vec::new(), file: Known::unknown(reason) }
        }
    }
}

/// A command of a shell, which may have it built in: Debian's BusyBox starts its applets without a file of their own.
fn find_shells_tool(command: &str, shell: &Entrypoint, seen: Seen<'_, '_>) -> Entrypoint {
    let mut tool = find_tool(command, seen);
    let is_absent = matches!(tool.file, Known::Is(FileFact::Absent { .. }));
    if is_absent && seen.is_ok_and(|(root, _)| is_applet(command, shell, root)) {
        tool.file = Known::unknown("the shell is a BusyBox that has it and may need no file for it");
    }
    tool
}

/// The shell is BusyBox, and the command is in its table of names.
fn is_applet(command: &str, shell: &Entrypoint, root: &ContainerRoot<'_>) -> bool {
    let Some(file) = shell.file.get().and_then(FileFact::present) else { return false };
    if !file.resolved.rsplit('/').next().is_some_and(|name| name.starts_with("busybox")) {
        return false;
    }
    let Ok(Some(program)) = root.read(&file.resolved, BUSYBOX_LIMIT_BYTES) else { return true };
    memmem::find(&program, &[b"\0", command.as_bytes(), b"\0"].concat()).is_some()
}

/// A command line in which passwords are hidden, as far as their places tell them.
pub(super) fn without_secrets(line: &str) -> String {
    let mut is_secret = false;
    let words = line.split(' ').map(|word| {
        let is_value = std::mem::take(&mut is_secret) && !word.is_empty();
        let in_url = shown("", word);
        match word.split_once('=') {
            _ if is_value => HIDDEN.to_owned(),
            Some((name, value)) if in_url != HIDDEN => format!("{name}={}", shown(name, value)),
            Some(_) => HIDDEN.to_owned(),
            None => {
                // `--password xyz`
                is_secret = word.starts_with('-') && shown(word, word) == HIDDEN;
                in_url.to_owned()
            }
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn cut(text: &str) -> String {
    text.get(..text.floor_char_boundary(MAX_LABEL_BYTES)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
