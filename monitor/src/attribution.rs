//! Which container a cgroup belongs to, from its path. Pure.

use crate::model::container::ContainerId;

const PREFIXES: [&str; 4] = ["docker-", "cri-containerd-", "crio-", "libpod-"];

/// The container of a cgroup path: its innermost component with an id of 64 hexadecimal digits. The monitors beside
/// a container (`crio-conmon-…`) are none.
#[must_use]
pub fn container_of(path: &str) -> Option<ContainerId> {
    path.rsplit('/').find_map(|component| {
        let name = component.strip_suffix(".scope").unwrap_or(component);
        let id = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
        let is_id = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_id.then(|| ContainerId(id.to_ascii_lowercase()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_runtime_writes_the_id_in_its_own_way() {
        let id = "ab".repeat(32);
        for path in [
            format!("/docker/{id}"),
            format!("/system.slice/docker-{id}.scope"),
            format!("/kubepods.slice/kubepods-pod1.slice/cri-containerd-{id}.scope"),
            format!("/kubepods/besteffort/pod1/{id}"),
            format!("/machine.slice/libpod-{id}.scope/container"),
            format!("/kubepods.slice/crio-{id}.scope/init.scope"),
        ] {
            assert_eq!(container_of(&path), Some(ContainerId(id.clone())), "{path}");
        }
        for path in [format!("/crio-conmon-{id}.scope"), "/system.slice/docker.service".into(), "/".into()] {
            assert_eq!(container_of(&path), None, "{path}");
        }
    }
}
