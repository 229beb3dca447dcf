//! `civitrawl man [COMMAND]`: prints the manual page of the program, or of one command.

use super::exit::Exit;
use super::output::{print_own, usage};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The command; without one, the page of the whole program is printed
    command: Option<String>,
}

pub(super) fn run(arguments: &Arguments, program: &clap::Command) -> Exit {
    let page = match &arguments.command {
        None => Some(program.clone()),
        Some(name) => program.find_subcommand(name).map(|command| {
            command.clone().display_name(format!("civitrawl-{name}")).bin_name(format!("civitrawl {name}"))
        }),
    };
    let Some(page) = page else {
        let names: Vec<&str> = program.get_subcommands().map(clap::Command::get_name).collect();
        let name = arguments.command.as_deref().unwrap_or_default();
        return usage(&format!("there is no command `{name}`; the commands are {}", names.join(", ")));
    };
    let mut text = Vec::new();
    // Writing to a vector cannot fail.
    let _ = clap_mangen::Man::new(page).render(&mut text);
    print_own(&String::from_utf8_lossy(&text));
    Exit::Complete
}
