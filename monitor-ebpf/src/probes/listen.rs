//! `inet_sock_set_state`: a TCP socket begins to listen.

use core::ptr::addr_of_mut;

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use monitor_common::{
    offsets::Offset,
    probe::{Probe, Tally},
    record::Listening,
};

use crate::{
    cgroup,
    counters::Book,
    read::Kernel,
    ring::{Lane, emit},
};

/// include/net/tcp_states.h.
const TCP_LISTEN: i32 = 10;
/// A socket of multipath TCP listens through one of plain TCP, which has a state of its own.
const IPPROTO_TCP: u16 = 6;
const AF_INET6: u16 = 10;

/// Runs at every change of every connection, in whatever context; for listen(2) in that of its caller.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub(crate) fn inet_sock_set_state(ctx: BtfTracePointContext) -> i32 {
    // Prototype: (const struct sock *sk, const int oldstate, const int newstate).
    if ctx.arg::<i32>(2) == TCP_LISTEN && ctx.arg::<i32>(1) != TCP_LISTEN {
        listens(Kernel::typed(ctx.arg(0)));
    }
    0
}

#[inline(always)]
fn listens(sock: Kernel) {
    let protocol: Option<u16> = sock.get(Offset::SockProtocol);
    if protocol != Some(IPPROTO_TCP) {
        return;
    }
    let Some(book) = Book::open(Probe::Listening, 0) else { return };
    let cgroup = cgroup::current();
    if !cgroup::watched(cgroup) {
        return book.count(Tally::Filtered);
    }
    emit::<Listening>(Lane::Precious, book, cgroup, |record| {
        let family: u16 = sock.get(Offset::SockFamily)?;
        let port: u16 = sock.get(Offset::SockPort)?;
        let address = if family == AF_INET6 { sock.bytes(Offset::SockAddress6)? } else { address4(sock)? };
        // SAFETY: reserved memory of a `Listening`.
        unsafe {
            addr_of_mut!((*record).family).write(family);
            addr_of_mut!((*record).port).write(port);
            addr_of_mut!((*record).reserved).write(0);
            addr_of_mut!((*record).address).write(address);
        }
        Some(())
    });
}

/// An IPv4 address, followed by zeros.
#[inline(always)]
fn address4(sock: Kernel) -> Option<[u8; 16]> {
    let [a, b, c, d] = sock.get::<u32>(Offset::SockAddress)?.to_ne_bytes();
    Some([a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
}
