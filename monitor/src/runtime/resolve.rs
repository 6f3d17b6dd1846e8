//! Which one container a person means. Pure over a list of containers; never guesses between two.

use std::{fmt, io};

use super::Listed;
use crate::{
    cli::{
        args::Selection,
        target::{Target, begins},
    },
    model::{
        container::{ContainerId, Runtime, is_number},
        text::inert,
    },
    nearest::nearest,
};

/// Candidates that an error prints.
const SHOWN: usize = 20;
/// Names that an error suggests.
const SUGGESTED: usize = 3;

/// Why a target is not one container.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    #[error("no container fits {wanted}; searched {searched}{}", suggestion(near))]
    NotFound {
        wanted: String,
        /// How many containers of which runtimes.
        searched: String,
        /// Names that look alike.
        near: Vec<String>,
    },
    #[error("cannot tell the container of process {pid}")]
    Process {
        pid: u32,
        #[source]
        source: io::Error,
    },
    #[error("process {pid} runs in no container")]
    NotContained { pid: u32 },
    #[error("{wanted} fits {} containers; name one of them by its id:{}", candidates.len(), table(candidates))]
    Ambiguous { wanted: String, candidates: Vec<Candidate> },
}

/// A container that fits an ambiguous target. All text is inert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub short_id: String,
    pub label: String,
    pub image: String,
    pub status: String,
}

impl From<&Listed> for Candidate {
    fn from(listed: &Listed) -> Self {
        Self {
            short_id: listed.id.short().to_owned(),
            label: listed.label(),
            image: inert(&listed.identity.image).into_owned(),
            status: inert(listed.status()).into_owned(),
        }
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { short_id, label, image, status } = self;
        write!(f, "{short_id}  {label}  {}  {status}", if image.is_empty() { "-" } else { image })
    }
}

/// The one container that fits `target` and `selection`. `container_of` answers for a process.
pub fn resolve(
    target: Option<&Target>,
    selection: &Selection,
    listed: &[Listed],
    container_of: impl Fn(u32) -> io::Result<Option<ContainerId>>,
) -> Result<Listed, ResolveError> {
    let selected = || listed.iter().filter(|one| is_selected(selection, one));
    let fits: Vec<&Listed> = match target {
        None => selected().filter(|one| !one.is_sandbox()).collect(),
        Some(Target::Pid(pid)) => {
            let id = container_of(*pid).map_err(|source| ResolveError::Process { pid: *pid, source })?;
            let id = id.ok_or(ResolveError::NotContained { pid: *pid })?;
            if listed.iter().all(|one| one.id != id) && *selection == Selection::default() {
                // Its cgroup is proof enough that it exists.
                return Ok(Listed { running: true, ..Listed::unnamed(id) });
            }
            selected().filter(|one| one.id == id).collect()
        }
        Some(Target::NameOrId(text)) => by_name_or_id(text, &selected().collect::<Vec<_>>()),
        Some(Target::Id { runtime, id }) => {
            let of_runtime: Vec<_> = selected().filter(|one| one.identity.runtime == *runtime).collect();
            by_id(id, &of_runtime)
        }
        Some(target @ Target::Pod { namespace, pod, container }) => {
            let wanted = Selection {
                namespace: Some(namespace.clone()),
                pod: Some(pod.clone()),
                container: container.clone(),
            };
            // An id that a person chose in a namespace of containerd reads like a pod.
            let fits = |one: &&Listed| is_selected(&wanted, one) || one.id.0 == target.to_string();
            selected().filter(|one| fits(one) && !one.is_sandbox()).collect()
        }
    };
    match sole(&fits) {
        Some(one) => Ok(one.clone()),
        None if fits.is_empty() => Err(not_found(target, selection, listed)),
        None => Err(ResolveError::Ambiguous {
            wanted: wanted(target, selection),
            candidates: fits.into_iter().map(Candidate::from).collect(),
        }),
    }
}

fn is_selected(selection: &Selection, one: &Listed) -> bool {
    let Selection { namespace, pod, container } = selection;
    let fits = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
    fits(namespace, &one.identity.namespace)
        && fits(pod, &one.identity.pod)
        && fits(container, &one.identity.name)
}

/// As docker does it: a full id, else a name, else the beginning of an id. A word that a person chose for an id is a name.
fn by_name_or_id<'l>(text: &str, pool: &[&'l Listed]) -> Vec<&'l Listed> {
    let with = |is: &dyn Fn(&Listed) -> bool| pool.iter().copied().filter(|one| is(one)).collect::<Vec<_>>();
    let is_named = |one: &Listed| {
        let is_word = !is_number(&one.id.0) && one.id.plain() == text;
        !one.is_sandbox() && (one.identity.name == text || is_word)
    };
    [with(&|one| is_number(text) && one.id.0.eq_ignore_ascii_case(text)), with(&is_named)]
        .into_iter()
        .find(|found| !found.is_empty())
        .unwrap_or_else(|| by_id(text, pool))
}

/// The whole id, else all of it that a person chose: two namespaces may have the same word.
fn by_full_id<'l>(text: &str, pool: &[&'l Listed]) -> Vec<&'l Listed> {
    let with = |is: &dyn Fn(&ContainerId) -> bool| pool.iter().copied().filter(|one| is(&one.id)).collect();
    let whole: Vec<_> = with(&|id| id.0.eq_ignore_ascii_case(text));
    if whole.is_empty() { with(&|id| id.plain().eq_ignore_ascii_case(text)) } else { whole }
}

/// A full id, else its beginning.
fn by_id<'l>(text: &str, pool: &[&'l Listed]) -> Vec<&'l Listed> {
    let full = by_full_id(text, pool);
    if !full.is_empty() {
        return full;
    }
    pool.iter().copied().filter(|one| !one.is_sandbox() && begins(&one.id, text)).collect()
}

/// The only one; or of several lives of one container of a pod, the one that runs.
fn sole<'l>(fits: &[&'l Listed]) -> Option<&'l Listed> {
    let [first, rest @ ..] = fits else { return None };
    let names = |one: &Listed| {
        (
            one.identity.namespace.clone(),
            one.identity.pod_uid.clone(),
            one.identity.pod.clone(),
            one.identity.name.clone(),
        )
    };
    if rest.is_empty() {
        return Some(first);
    }
    if first.identity.pod.is_empty() || rest.iter().any(|one| names(one) != names(first)) {
        return None;
    }
    let mut running = fits.iter().filter(|one| one.running);
    match (running.next(), running.next()) {
        (Some(one), None) => Some(one),
        (Some(_) | None, _) => None,
    }
}

fn not_found(target: Option<&Target>, selection: &Selection, listed: &[Listed]) -> ResolveError {
    let candidates: Vec<&Listed> = listed.iter().filter(|one| !one.is_sandbox()).collect();
    let (word, names): (Option<String>, Vec<String>) = match target {
        Some(Target::NameOrId(text)) => (Some(text.clone()), names_of(&candidates, false)),
        Some(pod @ Target::Pod { container, .. }) => (
            Some(pod.to_string()),
            names_of(&candidates, true)
                .into_iter()
                .map(|name| match container {
                    Some(_) => name,
                    None => name.rsplit_once('/').map(|(pod, _)| pod.to_owned()).unwrap_or_default(),
                })
                .collect(),
        ),
        Some(Target::Id { .. } | Target::Pid(_)) => (None, Vec::new()),
        None => match selection {
            Selection { container: Some(name), .. } => (Some(name.clone()), names_of(&candidates, false)),
            Selection { pod: Some(pod), .. } => {
                (Some(pod.clone()), candidates.iter().map(|one| one.identity.pod.clone()).collect())
            }
            Selection { namespace, .. } => {
                (namespace.clone(), candidates.iter().map(|one| one.identity.namespace.clone()).collect())
            }
        },
    };
    ResolveError::NotFound {
        wanted: wanted(target, selection),
        searched: searched(listed),
        near: word.map(|word| nearest_names(&word, names)).unwrap_or_default(),
    }
}

fn names_of(candidates: &[&Listed], in_full: bool) -> Vec<String> {
    let named = candidates.iter().filter(|one| !one.identity.name.is_empty());
    if in_full {
        let in_pods = named.filter(|one| !one.identity.pod.is_empty());
        return in_pods
            .map(|one| format!("{}/{}/{}", one.identity.namespace, one.identity.pod, one.identity.name))
            .collect();
    }
    named.map(|one| one.identity.name.clone()).collect()
}

/// The few names nearest to `word`, the nearest first; inert.
fn nearest_names(word: &str, mut names: Vec<String>) -> Vec<String> {
    let mut near = Vec::new();
    while near.len() < SUGGESTED {
        let Some(found) = nearest(word, names.iter().map(String::as_str)).map(str::to_owned) else { break };
        names.retain(|name| *name != found);
        near.push(inert(&found).into_owned());
    }
    near
}

/// What was asked for; inert.
fn wanted(target: Option<&Target>, selection: &Selection) -> String {
    let Selection { namespace, pod, container } = selection;
    let mut words: Vec<String> = target.map(|target| format!("\"{target}\"")).into_iter().collect();
    for (name, value) in [("namespace", namespace), ("pod", pod), ("container", container)] {
        words.extend(value.as_ref().map(|value| format!("{name} \"{value}\"")));
    }
    if words.is_empty() {
        return "any name".to_owned();
    }
    inert(&words.join(", ")).into_owned()
}

fn searched(listed: &[Listed]) -> String {
    let candidates = || listed.iter().filter(|one| !one.is_sandbox());
    let counts: Vec<String> = Runtime::ALL
        .into_iter()
        .filter_map(|runtime| {
            let count = candidates().filter(|one| one.identity.runtime == runtime).count();
            (count > 0).then(|| format!("{} {count}", runtime.name()))
        })
        .collect();
    if counts.is_empty() {
        return "the files and sockets of all runtimes, which know of no container; `gomon doctor` shows where it looked".to_owned();
    }
    format!("the names and ids of {} containers ({})", candidates().count(), counts.join(", "))
}

fn suggestion(near: &[String]) -> String {
    if near.is_empty() {
        return String::new();
    }
    let quoted: Vec<String> = near.iter().map(|name| format!("\"{name}\"")).collect();
    format!("; did you mean {}?", quoted.join(" or "))
}

fn table(candidates: &[Candidate]) -> String {
    let mut lines: Vec<String> = candidates.iter().take(SHOWN).map(Candidate::to_string).collect();
    let hidden = candidates.len().saturating_sub(SHOWN);
    if hidden > 0 {
        lines.push(format!("and {hidden} more"));
    }
    lines.iter().flat_map(|line| ["\n  ", line]).collect()
}

#[cfg(test)]
mod tests;
