//! How a person names a container. Pure; finding it is another's work.

use std::{fmt, str::FromStr};

use crate::model::container::{ContainerId, Identity, Runtime, is_number};

/// A container as it was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A name, an id or the beginning of one.
    NameOrId(String),
    /// An id, or the beginning of one, of a known runtime.
    Id { runtime: Runtime, id: String },
    /// A pod, or one container of it.
    Pod { namespace: String, pod: String, container: Option<String> },
    /// The container of a process, by its id on the host.
    Pid(u32),
}

/// Why a text names no container.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error("a target is a container name or id, RUNTIME://ID, NAMESPACE/POD[/CONTAINER] or pid:N")]
    Empty,
    #[error("\"{0}\" is not a runtime: docker, containerd, cri-o, podman, runc or crun")]
    Runtime(String),
    #[error("\"{0}\" is not a process id")]
    Pid(String),
}

impl Target {
    /// Whether this container is meant. A process names its container only through [`crate::runtime`].
    #[must_use]
    pub fn fits(&self, container: &ContainerId, identity: &Identity) -> bool {
        match self {
            Self::NameOrId(text) => *text == identity.name || begins(container, text),
            Self::Id { runtime, id } => *runtime == identity.runtime && begins(container, id),
            Self::Pod { namespace, pod, container: name } => {
                let is_id = name.is_none() && *container.0 == self.to_string();
                let is_pod = *namespace == identity.namespace
                    && *pod == identity.pod
                    && name.as_ref().is_none_or(|name| *name == identity.name);
                is_id || is_pod
            }
            Self::Pid(_) => false,
        }
    }
}

/// Whether `text` is the id, or the beginning of a random one. A word that a person chose is taken whole, with or without
/// the containerd namespace in front.
pub(crate) fn begins(container: &ContainerId, text: &str) -> bool {
    let is_start = || container.0.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text));
    *container.0 == *text
        || container.plain() == text
        || is_number(text) && is_number(&container.0) && is_start()
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some((runtime, id)) = text.split_once("://") {
            let known = Runtime::ALL.into_iter().find(|known| known.name() == runtime);
            let known = known.filter(|known| *known != Runtime::Unknown);
            let runtime = known.ok_or_else(|| TargetError::Runtime(runtime.to_owned()))?;
            return if id.is_empty() {
                Err(TargetError::Empty)
            } else {
                Ok(Self::Id { runtime, id: id.to_owned() })
            };
        }
        if let Some(pid) = text.strip_prefix("pid:") {
            let number = pid.parse().ok().filter(|number| *number > 0);
            return number.map(Self::Pid).ok_or_else(|| TargetError::Pid(pid.to_owned()));
        }
        // The id of a namesake, with its cgroup.
        if text.contains("@/") {
            return Ok(Self::NameOrId(text.to_owned()));
        }
        let parts: Vec<&str> = text.split('/').collect();
        if parts.iter().any(|part| part.is_empty()) {
            return Err(TargetError::Empty);
        }
        match parts.as_slice() {
            [name] => Ok(Self::NameOrId((*name).to_owned())),
            [namespace, pod] => Ok(Self::pod(namespace, pod, None)),
            [namespace, pod, container] => Ok(Self::pod(namespace, pod, Some(container))),
            _ => Err(TargetError::Empty),
        }
    }
}

impl Target {
    fn pod(namespace: &str, pod: &str, container: Option<&str>) -> Self {
        Self::Pod {
            namespace: namespace.to_owned(),
            pod: pod.to_owned(),
            container: container.map(str::to_owned),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameOrId(text) => f.write_str(text),
            Self::Id { runtime, id } => write!(f, "{}://{id}", runtime.name()),
            Self::Pod { namespace, pod, container: None } => write!(f, "{namespace}/{pod}"),
            Self::Pod { namespace, pod, container: Some(container) } => {
                write!(f, "{namespace}/{pod}/{container}")
            }
            Self::Pid(pid) => write!(f, "pid:{pid}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_reads_back_as_it_was_written() {
        for text in [
            "api",
            "3f2a9c",
            "docker://3f2a",
            "cri-o://ab",
            "runc://web",
            "web@/other/web",
            "shop/api-7d9f",
            "shop/api-7d9f/api",
            "pid:4711",
        ] {
            assert_eq!(text.parse::<Target>().map(|target| target.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn an_id_that_a_person_chose_fits_with_and_without_its_namespace() {
        let id = ContainerId("default/redis".into());
        let identity = Identity { runtime: Runtime::Containerd, ..Identity::default() };
        for text in ["default/redis", "redis", "containerd://redis", "containerd://default/redis"] {
            assert!(text.parse::<Target>().unwrap().fits(&id, &identity), "{text}");
        }
        for text in ["other/redis", "red", "redisx", "docker://redis", "default/redis/x", "default/red"] {
            assert!(!text.parse::<Target>().unwrap().fits(&id, &identity), "{text}");
        }
        let namesake = ContainerId("web@/other/web".into());
        assert!("web@/other/web".parse::<Target>().unwrap().fits(&namesake, &identity));
    }

    #[test]
    fn a_text_that_names_nothing_is_refused() {
        for text in
            ["", "/", "shop/", "a/b/c/d", "rkt://x", "unknown://x", "docker://", "pid:", "pid:0", "pid:x"]
        {
            assert!(text.parse::<Target>().is_err(), "{text:?}");
        }
    }
}
