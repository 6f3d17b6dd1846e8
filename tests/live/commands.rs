//! The commands from outside, over real containers: what they print, and the exit codes that scripts rely on.

mod diagnose;
mod refusal;
mod stream;
