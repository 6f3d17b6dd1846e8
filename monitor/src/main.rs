//! The `gomon` binary: hands over to the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    gomon::command::main()
}
