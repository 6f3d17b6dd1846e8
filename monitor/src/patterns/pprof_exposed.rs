//! Profiles of a Go program, its memory and its command line among them, are served on every address.

use core::net::SocketAddr;

use monitor_common::probe::Probe;

use super::{
    Need, Pattern,
    wording::{files, kernel},
};
use crate::{
    case::{Case, ListenSeen, Process},
    model::{
        diagnosis::{Confidence, Finding, Severity},
        text::inert,
    },
};

const PACKAGE: &str = "net/http/pprof";
/// The port of the package's own documentation, and its neighbours where several programs share a namespace.
const USUAL: core::ops::RangeInclusive<u16> = 6060..=6065;

pub(super) const PATTERN: Pattern = Pattern {
    id: "pprof-exposed",
    severity: Severity::Warning,
    title: "Debug endpoints of net/http/pprof can be reached from outside of the container",
    symptom: "Nothing fails. `/debug/pprof/heap`, `/debug/pprof/cmdline` and `/debug/pprof/profile` answer whoever reaches \
        the port: they show memory and arguments, and a profile costs CPU time.",
    evidence: "A Go process begins to listen on all addresses (`0.0.0.0` or `::`), and its binary contains \
        net/http/pprof. Port 6060 or one of the next five: warning, high. Another port: info, medium, for the package hooks \
        into the default mux, which that port may serve.",
    look_alikes: "- A server on 6060 whose binary does not contain the package: no verdict.\n\
        - The port is bound to 127.0.0.1: no verdict, and none for the other ports of such a program either.\n\
        - The package is linked by a dependency and its handlers hang in no server that listens: cannot be told, hence \
        no more than medium off the usual port.",
    remedy: "Serve it on 127.0.0.1 in a server of its own. `kubectl port-forward` and `nsenter` reach it there, a published \
        port does not.",
    limits: "Which port serves the endpoints is not provable from outside. Whether anybody can reach the port depends on \
        the network: `--network none`, network policies and firewalls are not looked at. A listener that began before gomon \
        did is not seen.",
    brought_about_by: &[],
    needs: &[Need::Probe(Probe::Listening)],
    matches,
};

fn matches(case: &Case) -> Vec<Finding> {
    case.processes()
        .filter(|process| process.go_started.is_some())
        .flat_map(|process| process.listening.iter().filter_map(move |seen| find(case, process, seen)))
        .collect()
}

fn find(case: &Case, process: &Process, seen: &ListenSeen) -> Option<Finding> {
    let program = process.program.as_ref()?;
    let ListenSeen { at, address } = *seen;
    if !address.ip().is_unspecified() || case.is_linked(&program.interpreter, PACKAGE) != Some(true) {
        return None;
    }
    let is_usual = USUAL.contains(&address.port());
    // It keeps something to itself: most likely this.
    if !is_usual && process.listening.iter().any(|other| other.address.ip().is_loopback()) {
        return None;
    }
    let (path, port) = (inert(&program.path), address.port());
    let summary = if is_usual {
        format!("{path} serves its profiles (net/http/pprof) on port {port} of all addresses")
    } else {
        format!("{path} contains net/http/pprof and listens on port {port} of all addresses")
    };
    Some(Finding {
        severity: if is_usual { Severity::Warning } else { Severity::Info },
        confidence: if is_usual { Confidence::High } else { Confidence::Medium },
        subject: format!("port {port}"),
        summary,
        evidence: vec![
            kernel(at, format!("{path} began to listen on {}", place(address))),
            files(format!("{} contains the package {PACKAGE}", inert(&program.interpreter))),
        ],
        remedy: remedy(case, port),
        at,
    })
}

fn place(address: SocketAddr) -> String {
    let families = if address.is_ipv6() { "IPv6, and IPv4 unless it is IPv6 only" } else { "IPv4" };
    format!("{address} ({families})")
}

fn remedy(case: &Case, port: u16) -> String {
    let look = if case.identity.pod.is_empty() {
        "# and from the host\nnsenter -t \"$(docker inspect -f '{{.State.Pid}}' …)\" -n".to_owned()
            + &format!(" curl -s http://127.0.0.1:{port}/debug/pprof/")
    } else {
        let (namespace, pod) = (inert(&case.identity.namespace), inert(&case.identity.pod));
        format!("# and from outside\nkubectl -n {namespace} port-forward {pod} {port}")
    };
    format!(
        "// for nobody but the container itself\n\
        go func() {{ log.Println(http.ListenAndServe(\"127.0.0.1:{port}\", nil)) }}()\n{look}"
    )
}
