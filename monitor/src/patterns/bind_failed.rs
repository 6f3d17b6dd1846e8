//! A server could not have the address that it is to listen on, and ended.

use core::net::SocketAddr;

use monitor_common::probe::Probe;

use super::{
    Need, Pattern,
    start::{ended, first_process},
    wording::{brief, config, kernel, program},
};
use crate::{
    case::{Case, ExitSeen, ListenSeen, Process, RefusedSeen},
    model::{
        diagnosis::{Confidence, Evidence, Finding, Severity},
        errno::Errno,
        time::{BootNs, SECOND},
    },
};

/// From the refused bind to the end of a program that gives up. Some servers try again for two seconds and a half.
const GIVES_UP_NS: u64 = 3 * SECOND;
/// Ports below it want a capability, unless `net.ipv4.ip_unprivileged_port_start` says otherwise; ip(7).
const PRIVILEGED: u16 = 1024;
/// capabilities(7).
const CAP_NET_BIND_SERVICE: u64 = 1 << 10;

pub(super) const PATTERN: Pattern = Pattern {
    id: "bind-failed",
    severity: Severity::Error,
    title: "A server could not bind its address, and ended",
    symptom: "`listen tcp :8080: bind: address already in use`, `listen tcp :80: bind: permission denied`, `listen tcp \
        10.0.0.5:80: bind: cannot assign requested address`.",
    evidence: "bind(2) to an address with a port returns EADDRINUSE, EACCES or EADDRNOTAVAIL, and the process ends in \
        failure within three seconds (certain; high where it listened elsewhere in between, and for a program that is not \
        Go). Reasons: `in use`, `not permitted`, `no such address`. For an address in use gomon names the process of the \
        container that listens there, if it has seen it begin.",
    look_alikes: "- Go probes IPv6 with binds to `[::1]:0` at its start; a bind to port 0 is no server's: ignored.\n\
        - A program that tries the next port, or waits and tries again, and lives on: no verdict.\n\
        - A program that asks whether a port is free and ends well: no verdict.\n\
        - A seccomp profile that refuses bind(2): `seccomp-denied`.",
    remedy: "`in use`: end the other listener or choose another port; on the host's network every container and the host \
        share the ports. `not permitted`: listen on 1024 or above, or set the sysctl \
        `net.ipv4.ip_unprivileged_port_start=0` (Docker 20.10 and later do so off the host's network). `no such address`: \
        bind all addresses; a container does not have the host's.",
    limits: "A listener that began before gomon did, or outside of the container, is not named. Unix sockets are not looked \
        at. A server that ends with code 0, or longer than three seconds after its first try, is not told.",
    brought_about_by: &[],
    needs: &[Need::Probe(Probe::SyscallRefused), Need::Probe(Probe::Exit)],
    matches,
};

/// Why the kernel refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    InUse,
    NotPermitted,
    NoSuchAddress,
}

impl Reason {
    fn of(errno: Errno) -> Option<Self> {
        match errno {
            Errno::EADDRINUSE => Some(Self::InUse),
            Errno::EACCES => Some(Self::NotPermitted),
            Errno::EADDRNOTAVAIL => Some(Self::NoSuchAddress),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::InUse => "in use",
            Self::NotPermitted => "not permitted",
            Self::NoSuchAddress => "no such address",
        }
    }
}

/// A bind that a server wanted.
struct Bind<'a> {
    seen: &'a RefusedSeen,
    address: SocketAddr,
    errno: Errno,
    reason: Reason,
}

fn matches(case: &Case) -> Vec<Finding> {
    case.processes().filter(|process| !process.is_runtime_stage()).filter_map(|one| find(case, one)).collect()
}

fn find(case: &Case, process: &Process) -> Option<Finding> {
    let exit = process.exit.filter(|exit| exit.code != 0 && exit.signal.is_none())?;
    let ends_it = |bind: &Bind<'_>| exit.at.since(bind.seen.at) <= GIVES_UP_NS;
    // The last one is what it gave up at.
    let bind = process.refused.iter().filter_map(|seen| bind(case, seen)).rfind(ends_it)?;
    Some(finding(case, process, exit, &bind))
}

fn bind<'a>(case: &Case, seen: &'a RefusedSeen) -> Option<Bind<'a>> {
    let (errno, address) = (seen.errno()?, seen.address()?);
    let reason = Reason::of(errno).filter(|_| *seen.syscall == *"bind" && address.port() != 0)?;
    let denials = case.config.get().and_then(|config| config.seccomp_denials.as_ref());
    let is_by_profile =
        reason == Reason::NotPermitted && denials.is_some_and(|denials| denials.contains_key("bind"));
    (!is_by_profile).then_some(Bind { seen, address, errno, reason })
}

fn finding(case: &Case, process: &Process, exit: ExitSeen, bind: &Bind<'_>) -> Finding {
    let Bind { seen, address, errno, reason } = bind;
    let program = program(process);
    let went_on = process.listening.iter().any(|listening| listening.at > seen.at);
    let is_sure = process.go_started.is_some() && !went_on;
    let holder = (*reason == Reason::InUse).then(|| holder(case, *address, seen.at)).flatten();
    let held = holder.map_or_else(String::new, |(holder, _)| {
        if holder.pid == process.pid {
            ", which it listens on already".to_owned()
        } else {
            format!(", which {} has", name(case, holder))
        }
    });
    let mut evidence = vec![kernel(seen.at, format!("bind({address}) by {program} failed with {errno}"))];
    evidence.extend(holder.map(|(holder, listening)| {
        kernel(listening.at, format!("{} began to listen on {}", name(case, holder), listening.address))
    }));
    evidence.push(ended(exit, "it"));
    evidence.extend(standing(case, bind, holder.is_some()));
    Finding {
        severity: if case.is_from_outside(process) { Severity::Warning } else { Severity::Error },
        confidence: if is_sure { Confidence::Certain } else { Confidence::High },
        subject: format!("{address}: {}", reason.name()),
        summary: format!(
            "{program} could not bind {}{held}: {}; it ended {} later",
            place(*address),
            says(*reason),
            brief(exit.at.since(seen.at))
        ),
        evidence,
        remedy: remedy(case, bind, holder.is_some()),
        at: seen.at,
    }
}

fn says(reason: Reason) -> &'static str {
    match reason {
        Reason::InUse => "address already in use",
        Reason::NotPermitted => "permission denied",
        Reason::NoSuchAddress => "no interface of the container has that address",
    }
}

/// Go binds `::` for all addresses, of IPv4 as well.
fn place(address: SocketAddr) -> String {
    let port = address.port();
    if address.ip().is_unspecified() {
        format!("port {port} on all addresses ({address})")
    } else {
        format!("{address}")
    }
}

/// Who listened there at that time, as far as gomon saw it begin.
fn holder(case: &Case, wanted: SocketAddr, at: BootNs) -> Option<(&Process, &ListenSeen)> {
    let overlaps = |held: SocketAddr| {
        let (a, b) = (held.ip(), wanted.ip());
        held.port() == wanted.port()
            && (a.is_unspecified() || b.is_unspecified() || a.to_canonical() == b.to_canonical())
    };
    let is_there = |process: &&Process| process.exit.is_none_or(|exit| exit.at > at);
    case.processes().filter(is_there).find_map(|process| {
        let held = process.listening.iter().find(|one| one.at <= at && overlaps(one.address))?;
        Some((process, held))
    })
}

fn name(case: &Case, process: &Process) -> String {
    let number = match process.ns_pid {
        _ if case.is_init(process) => first_process(case).to_owned(),
        0 => "a process of the container".to_owned(),
        pid => format!("pid {pid} in the container"),
    };
    format!("{} ({number})", program(process))
}

/// What the configuration adds.
fn standing(case: &Case, bind: &Bind<'_>, is_held: bool) -> Option<Evidence> {
    let known = case.config.get()?;
    match bind.reason {
        Reason::InUse if !is_held && case.from_birth => Some(config(
            "no process of the container was seen to listen there: one outside shares its network namespace (host \
             network, another container of the pod)",
        )),
        Reason::NotPermitted if bind.address.port() < PRIVILEGED => {
            let has = known.effective_caps.is_some_and(|caps| caps & CAP_NET_BIND_SERVICE != 0);
            let without = if has { "with" } else { "without" };
            Some(config(format!(
                "it starts as UID {} {without} an effective CAP_NET_BIND_SERVICE, and the port is below \
                 net.ipv4.ip_unprivileged_port_start",
                known.uid
            )))
        }
        Reason::InUse | Reason::NotPermitted | Reason::NoSuchAddress => None,
    }
}

fn remedy(case: &Case, bind: &Bind<'_>, is_held: bool) -> String {
    let port = bind.address.port();
    let is_pod = !case.identity.pod.is_empty();
    match bind.reason {
        Reason::InUse if is_held => {
            format!("# two listeners of one container want port {port}: give one of them another port")
        }
        Reason::InUse => format!(
            "# who has it, in the network namespace of the container (run on the host)\n\
            ss -ltnp 'sport = :{port}'   # with hostNetwork or --network host\n\
            # then end the other one, or give this one another port"
        ),
        Reason::NotPermitted if port >= PRIVILEGED => {
            "# not the port: a security module or a BPF program of the host refuses it\ndmesg | tail"
                .to_owned()
        }
        Reason::NotPermitted if is_pod => format!(
            "# best: listen on a port from 1024 on and let the Service map it\n\
            ports:\n- port: {port}\n  targetPort: 8080\n\
            # or allow it to the pod\n\
            securityContext:\n  sysctls:\n  - name: net.ipv4.ip_unprivileged_port_start\n    value: \"{port}\""
        ),
        Reason::NotPermitted => format!(
            "# best: listen on a port from 1024 on and publish it as {port}\n\
            docker run -p {port}:8080 …\n\
            # or allow it (not with --network host)\n\
            docker run --sysctl net.ipv4.ip_unprivileged_port_start={port} …"
        ),
        Reason::NoSuchAddress => format!(
            "// all addresses of the container; the host's are not among them\n\
            http.ListenAndServe(\":{port}\", handler)"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{fact::Config, seccomp::SeccompAction},
        patterns::testing::Story,
    };

    fn server() -> Story {
        Story::of(Config::default(), true)
    }

    #[test]
    fn a_server_that_ends_at_a_refused_bind_is_told_with_the_reason() {
        let told = |address, errno| server().binds(address, errno).exits(1).lines_of(&PATTERN);
        assert_eq!(told("[::]:8080", Errno::EADDRINUSE), ["error certain [::]:8080: in use"]);
        assert_eq!(told("0.0.0.0:80", Errno::EACCES), ["error certain 0.0.0.0:80: not permitted"]);
        assert_eq!(told("10.0.0.5:80", Errno::EADDRNOTAVAIL), ["error certain 10.0.0.5:80: no such address"]);
        // Go asks whether there is IPv6.
        assert!(told("[::1]:0", Errno::EADDRNOTAVAIL).is_empty());
        assert!(told("[::]:80", Errno::EPERM).is_empty());
    }

    #[test]
    fn who_lives_on_or_ends_well_or_much_later_had_another_way() {
        let refused = || server().binds("[::]:8080", Errno::EADDRINUSE);
        assert!(refused().waits(60_000).lines_of(&PATTERN).is_empty());
        assert!(refused().exits(0).lines_of(&PATTERN).is_empty());
        assert!(refused().waits(60_000).exits(1).lines_of(&PATTERN).is_empty());
        let next = refused().listens("[::]:8081").exits(1);
        assert_eq!(next.lines_of(&PATTERN), ["error high [::]:8080: in use"]);
    }

    #[test]
    fn the_holder_of_an_address_is_named_where_it_overlaps() {
        let summary = |held, wanted| {
            let story = server().listens(held).binds(wanted, Errno::EADDRINUSE).exits(1);
            story.told_now(&PATTERN).remove(0).summary
        };
        assert!(summary("[::]:8080", "127.0.0.1:8080").contains("which it listens on already"));
        assert!(summary("[::ffff:10.0.0.5]:8080", "10.0.0.5:8080").contains("which it listens on already"));
        assert!(!summary("[::]:8081", "127.0.0.1:8080").contains("which it"));
        assert!(!summary("127.0.0.2:8080", "127.0.0.1:8080").contains("which it"));
    }

    #[test]
    fn what_a_seccomp_profile_refuses_is_another_pattern() {
        let denials = [("bind".to_owned(), SeccompAction::Errno(13))].into();
        let config = Config { seccomp_denials: Some(denials), ..Config::default() };
        let refused = Story::of(config, true).binds("[::]:8080", Errno::EACCES).exits(1);
        assert!(refused.lines_of(&PATTERN).is_empty());
    }
}
