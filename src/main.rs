//! The program: arguments in, exit code out.

use std::process::ExitCode;

/// Rows are made by one thread and freed by another for hours. The system's allocator keeps ever more of that back; this one
/// stays flat, and does not make a static binary slow.
#[cfg(unix)]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    civitrawl::cli::main()
}
