//! The command `repred`, for any journal.

use std::process::ExitCode;

fn main() -> ExitCode {
    repred_tool::run_untyped()
}
