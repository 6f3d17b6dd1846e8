//! Each pattern with a real container that fails so, beside healthy look-alikes.

mod exec;
mod run;
