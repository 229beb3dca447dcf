//! `civitrawl completions SHELL`: prints a completion script.

use clap_complete::Shell;

use super::exit::Exit;
use super::output::print_own;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The shell
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments, command: &mut clap::Command) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, command, "civitrawl", &mut script);
    print_own(&String::from_utf8_lossy(&script));
    Exit::Complete
}
