//! The command line: one file per command, clap types and text only. Results go to stdout, everything else to stderr.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

mod completions;
mod crawl;
mod exit;
mod file;
mod grid;
mod heed;
mod listen;
mod plan;
mod progress;
mod replay;
mod sandbox;
mod schema;
mod snapshot;
mod service;
mod status;
mod verify;

use exit::Exit;

/// Turns the Civitai catalog into tidy Parquet tables. Run it from cron; kill it at any instant: no row is lost, none doubled.
///
/// Exit codes: 0 complete; 2 usage or crawl file; 3 stopped early, run again to go on; 4 complete but with rows missing,
/// all named in the report; 65 damaged dataset; 74 disk; 75 another crawl holds the dataset; 77 API key refused.
#[derive(Debug, Parser)]
#[command(name = "civitrawl", version, about, long_about, propagate_version = true, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Crawl what a crawl file says, or go on where the last run stopped
    Crawl(crawl::Arguments),
    /// Print the walks of a crawl file, the requests and the time they take; asks the server nothing
    Plan(plan::Arguments),
    /// Print where a dataset stands; may be asked while a crawl runs
    Status(status::Arguments),
    /// Check every record, part and row of a dataset and name each fault; changes nothing
    Verify(verify::Arguments),
    /// Take a snapshot: the newest observation of everything, one sorted file per table, in `latest/`
    Snapshot(snapshot::Arguments),
    /// Make every row again from the answers a dataset keeps; asks the server nothing
    Replay(replay::Arguments),
    /// Print the tables and their columns
    Schema(schema::Arguments),
    /// Serve the embedded sandbox, a Civitai of its own, on a loopback port
    Sandbox(sandbox::Arguments),
    /// Print a completion script for a shell
    Completions(completions::Arguments),
}

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are results; anything else is a mistake.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Complete };
            // Nothing is left to do when even this cannot be printed.
            let _ = error.print();
            return exit.into();
        }
    };
    let exit = match &arguments.command {
        Command::Crawl(arguments) => crawl::run(arguments),
        Command::Plan(arguments) => plan::run(arguments),
        Command::Status(arguments) => status::run(arguments),
        Command::Verify(arguments) => verify::run(arguments),
        Command::Snapshot(arguments) => snapshot::run(arguments),
        Command::Replay(arguments) => replay::run(arguments),
        Command::Schema(arguments) => schema::run(arguments),
        Command::Sandbox(arguments) => sandbox::run(arguments),
        Command::Completions(arguments) => completions::run(arguments, &mut self::Arguments::command()),
    };
    exit.into()
}

/// Prints a result. A reader that went away (`| head`) is no error.
fn print(text: &str) {
    use std::io::Write as _;
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Tells of something that went wrong.
fn complain(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "civitrawl: {text}");
}
