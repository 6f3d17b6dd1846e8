//! A Go program finds no /etc/resolv.conf and asks a name server on the container's own loopback instead.

use monitor_common::{path::PathClass, probe::Probe};

use super::{
    Need, Pattern,
    wording::{config, kernel, program},
};
use crate::{
    case::{Case, Process},
    model::diagnosis::{Confidence, Finding, Severity},
};

const FILE: &str = "/etc/resolv.conf";

pub(super) const PATTERN: Pattern = Pattern {
    id: "resolver-config-missing",
    severity: Severity::Info,
    title: "There is no /etc/resolv.conf, so names are asked of the container's own loopback",
    symptom: "`dial tcp: lookup db on [::1]:53: read udp ...: connection refused`, or the same with `127.0.0.1:53`.",
    evidence: "A Go process fails to open `/etc/resolv.conf`. Go's resolver then asks 127.0.0.1:53 and [::1]:53, as \
        net/dnsconfig_unix.go says.",
    look_alikes: "- `/etc/nsswitch.conf` is missing in every scratch and musl image: harmless, ignored.\n\
        - `/etc/hosts` is missing: only names that it would have listed are lost; ignored.\n\
        - A program that never resolves a name does not open the file: no finding.\n\
        - The runtime's own stages: ignored.",
    remedy: "Docker, podman and the kubelet mount one. With `ctr`, `runc` and other bare runtimes mount the host's, or write one.",
    limits: "A name server in the container itself makes this healthy. Whether a look-up failed is not seen.",
    brought_about_by: &[],
    needs: &[Need::Probe(Probe::Open)],
    matches,
};

fn matches(case: &Case) -> Vec<Finding> {
    case.processes().filter_map(|process| find(case, process)).collect()
}

fn find(case: &Case, process: &Process) -> Option<Finding> {
    let failed = |open: &&crate::case::OpenSeen| {
        open.class == PathClass::Resolver && open.path == FILE && open.result.is_err()
    };
    let open = process.opens.iter().find(failed).filter(|_| case.is_go(process))?;
    let errno = open.result.err()?;
    let name = program(process);
    let mut evidence = vec![kernel(open.at, format!("open(\"{FILE}\") by {name} failed with {errno}"))];
    let is_mounted =
        |config: &crate::model::fact::Config| config.mounts.iter().any(|m| m.destination == FILE);
    evidence.extend(
        case.config
            .get()
            .filter(|config| !is_mounted(config))
            .map(|_| config(format!("nothing is mounted at {FILE}"))),
    );
    Some(Finding {
        severity: Severity::Info,
        confidence: Confidence::Certain,
        subject: FILE.to_owned(),
        summary: format!(
            "{name} cannot open {FILE} ({errno}): Go then asks 127.0.0.1:53 and [::1]:53 for every name"
        ),
        evidence,
        remedy: "# Docker, podman and the kubelet mount one; with containerd's ctr\n\
            ctr run --mount type=bind,src=/etc/resolv.conf,dst=/etc/resolv.conf,options=rbind:ro …\n\
            # or in the image\n\
            COPY resolv.conf /etc/resolv.conf"
            .to_owned(),
        at: open.at,
    })
}
