//! The `gomon` binary: parses the command line and hands over to one command.
fn main() {}
