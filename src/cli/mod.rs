//! The command line: one file per command, clap types and text only. Results go to stdout, everything else to stderr.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

mod completions;
mod connect;
mod crawl;
mod crawl_file;
mod download;
mod exit;
mod explain;
mod format;
mod get;
mod input;
mod local;
mod logging;
mod man;
mod output;
mod plan;
mod progress;
mod replay;
mod report;
mod sandbox;
mod schema;
mod signals;
mod snapshot;
mod status;
mod verify;

use exit::Exit;

/// Turns the Civitai catalog into tidy Parquet tables. Run it from cron; kill it at any instant: no row is lost, none doubled.
#[derive(Debug, Parser)]
#[command(name = "civitrawl", version, about, propagate_version = true, max_term_width = 100)]
#[command(after_long_help = Exit::help(), after_help = "`civitrawl explain CODE` says what an exit code means.")]
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
    // Of these two there is more to say than fits a line: it stands with their arguments.
    Get(get::Arguments),
    Download(download::Arguments),
    /// Print where a dataset stands; may be asked while a crawl runs
    Status(status::Arguments),
    /// Check every record, part and row of a dataset and name each fault; changes nothing
    Verify(verify::Arguments),
    /// Take a snapshot: the newest observation of everything, one sorted file per table, in `latest/`
    Snapshot(snapshot::Arguments),
    /// Make every row again from the answers a dataset keeps; asks the server nothing
    Replay(replay::Arguments),
    /// Write the newest snapshot's figures and the crawl's health as one HTML page
    Report(report::Arguments),
    /// Print the tables and their columns
    Schema(schema::Arguments),
    /// Say what an exit code, the end of a walk, a reject's reason, a table or a column means
    Explain(explain::Arguments),
    /// Serve the embedded sandbox, a Civitai of its own, on a loopback port
    Sandbox(sandbox::Arguments),
    /// Print the manual page, or that of one command
    Man(man::Arguments),
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
            let printed = error.print();
            if !error.use_stderr() {
                output::taken(printed);
            }
            return output::settled(exit).into();
        }
    };
    let exit = match &arguments.command {
        Command::Crawl(arguments) => crawl::run(arguments),
        Command::Plan(arguments) => plan::run(arguments),
        Command::Get(arguments) => get::run(arguments),
        Command::Download(arguments) => download::run(arguments),
        Command::Status(arguments) => status::run(arguments),
        Command::Verify(arguments) => verify::run(arguments),
        Command::Snapshot(arguments) => snapshot::run(arguments),
        Command::Replay(arguments) => replay::run(arguments),
        Command::Report(arguments) => report::run(arguments),
        Command::Schema(arguments) => schema::run(arguments),
        Command::Explain(arguments) => explain::run(arguments),
        Command::Sandbox(arguments) => sandbox::run(arguments),
        Command::Man(arguments) => man::run(arguments, &self::Arguments::command()),
        Command::Completions(arguments) => completions::run(arguments, &mut self::Arguments::command()),
    };
    output::settled(exit).into()
}
