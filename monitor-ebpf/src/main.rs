//! The kernel programs of gomon: entry points that classify and emit. Decisions live in `monitor-common`.
#![no_std]
#![no_main]
// One instruction, in counters.rs. The compiler is pinned, and building `core` asks for the same permission.
#![feature(asm_experimental_arch)]

mod arch;
mod budget;
mod cgroup;
mod counters;
mod globals;
mod probes;
mod read;
mod ring;
mod task;

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    // The verifier proves that no program reaches this.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";
