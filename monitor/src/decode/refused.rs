//! Records about refused system calls and sockets as events. Pure; addresses of odd families are told as none.

use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use monitor_common::{
    record,
    refused::{About, WATCHED, Watched},
};

use super::{text, texts::Texts};
use crate::model::{
    errno::Errno,
    event::{EventKind, Refusal, RefusedAbout},
};

/// The architecture that gomon was built for, and so the kernel's.
const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "aarch64" } else { "x86_64" };
/// Address families, bits/socket.h.
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

pub(super) fn syscall(texts: &mut Texts, record: &record::SyscallRefused) -> EventKind {
    let number = u32::try_from(record.syscall).ok();
    let watched = number.and_then(watched);
    let name: Arc<str> = match (watched, number) {
        (Some(watched), _) => texts.shared(watched.name.as_bytes()),
        (None, Some(number)) => format!("syscall {number}").into(),
        (None, None) => "unknown".into(),
    };
    let about = match watched.map(|watched| watched.about) {
        Some(About::Path(_)) => {
            Some(text(&record.about)).filter(|path| !path.is_empty()).map(RefusedAbout::Path)
        }
        Some(About::Address) => address(&record.about).map(RefusedAbout::Address),
        Some(About::Nothing) | None => None,
    };
    let result = if record.errno > 0 { Refusal::Errno(Errno(record.errno)) } else { Refusal::ThreadKilled };
    EventKind::SyscallRefused { syscall: name, result, arguments: record.arguments, about }
}

/// The watched call with this number on the machine that gomon was built for.
fn watched(number: u32) -> Option<&'static Watched> {
    WATCHED.iter().find(|watched| watched.number(ARCHITECTURE) == Some(number))
}

pub(super) fn listening(record: &record::Listening) -> EventKind {
    let [a, b, c, d, ..] = record.address;
    let address = if record.family == AF_INET6 {
        SocketAddr::from((Ipv6Addr::from(record.address), record.port))
    } else {
        SocketAddr::from((Ipv4Addr::new(a, b, c, d), record.port))
    };
    EventKind::Listening { address }
}

/// `struct sockaddr_in` or `sockaddr_in6`, ip(7) and ipv6(7).
fn address(bytes: &[u8]) -> Option<SocketAddr> {
    let at = |start: usize| bytes.get(start).copied();
    let family = u16::from_ne_bytes([at(0)?, at(1)?]);
    let port = u16::from_be_bytes([at(2)?, at(3)?]);
    match family {
        AF_INET => Some(SocketAddr::from((Ipv4Addr::new(at(4)?, at(5)?, at(6)?, at(7)?), port))),
        AF_INET6 => {
            let ip: [u8; 16] = bytes.get(8..24)?.try_into().ok()?;
            Some(SocketAddr::from((Ipv6Addr::from(ip), port)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use zerocopy::FromZeros as _;

    use super::*;

    fn refused(name: &str, errno: i32, about: &[u8]) -> EventKind {
        let watched = WATCHED.iter().find(|watched| watched.name == name).unwrap();
        let mut record = record::SyscallRefused::new_zeroed();
        record.syscall = i32::try_from(watched.number(ARCHITECTURE).unwrap()).unwrap();
        record.errno = errno;
        record.about[..about.len()].copy_from_slice(about);
        syscall(&mut Texts::default(), &record)
    }

    #[test]
    fn a_refused_call_has_its_name_and_what_it_was_about() {
        let EventKind::SyscallRefused { syscall, result, about, .. } = refused("mount", 1, b"/mnt\0x") else {
            panic!()
        };
        assert_eq!((&*syscall, result), ("mount", Refusal::Errno(Errno::EPERM)));
        assert_eq!(about, Some(RefusedAbout::Path("/mnt".into())));
    }

    #[test]
    fn addresses_of_both_families_are_read_and_others_are_none() {
        let of = |bytes: &[u8]| {
            let EventKind::SyscallRefused { about, .. } = refused("bind", 98, bytes) else { panic!() };
            about.map(|about| match about {
                RefusedAbout::Address(address) => address.to_string(),
                RefusedAbout::Path(path) => path,
            })
        };
        assert_eq!(of(&[2, 0, 0x1f, 0x90, 127, 0, 0, 1]).as_deref(), Some("127.0.0.1:8080"));
        let mut v6 = vec![10, 0, 0, 80, 0, 0, 0, 0];
        v6.extend([0; 16]);
        assert_eq!(of(&v6).as_deref(), Some("[::]:80"));
        assert_eq!(of(&[1, 0, b'/', b'x']), None);
    }

    #[test]
    fn a_killed_thread_and_an_unknown_call_are_told_as_such() {
        let mut record = record::SyscallRefused::new_zeroed();
        record.syscall = -1;
        let EventKind::SyscallRefused { syscall: name, result, about, .. } =
            syscall(&mut Texts::default(), &record)
        else {
            panic!()
        };
        assert_eq!((&*name, result, about), ("unknown", Refusal::ThreadKilled, None));
    }
}
