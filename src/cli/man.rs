//! `civitrawl man [COMMAND]`: the manual page of the program, or of one of its commands.

use super::exit::Exit;
use super::output::{print, usage};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The command whose page it is; the whole program's when none is named
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
        let wished = arguments.command.as_deref().unwrap_or_default();
        return usage(&format!("there is no command `{wished}`; the commands are {}", names.join(", ")));
    };
    let mut text = Vec::new();
    // A vector takes whatever is written.
    let _ = clap_mangen::Man::new(page).render(&mut text);
    print(&String::from_utf8_lossy(&text));
    Exit::Complete
}
