//! Each pattern with a real container that fails so, beside healthy look-alikes.

mod exec;
mod files;
mod image;
mod loader;
mod posture;
mod resources;
mod run;
mod seccomp;
mod signals;
mod sockets;
mod tls;
