//! The command line: one file per command, clap types and text only. Results go to stdout, everything else to stderr.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

mod completions;
mod connect;
mod copies;
mod crawl;
mod crawl_file;
mod doctor;
mod download;
mod estimate;
mod exit;
mod explain;
mod format;
mod get;
mod init;
mod input;
mod json_log;
mod keys;
mod local;
mod logging;
mod man;
mod min_free;
mod output;
mod parameters;
mod plan;
mod progress;
mod pull;
mod push;
mod reading;
mod replay;
mod report;
mod sandbox;
mod schema;
mod screen;
mod shown;
mod signals;
mod snapshot;
mod status;
mod stderr;
mod verify;

use exit::Exit;

/// Crawls the Civitai catalog into tidy Parquet tables. Kill it at any moment: no row is lost, none is duplicated.
#[derive(Debug, Parser)]
#[command(name = "civitrawl", version, about, propagate_version = true, max_term_width = 100)]
#[command(after_long_help = Exit::help(), after_help = "`civitrawl explain CODE` explains any code that this program prints.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write crawl files and queries that are inside the program, or list them
    Init(init::Arguments),
    /// Run a crawl file, or continue where its last run stopped
    Crawl(crawl::Arguments),
    /// Print the walks of a crawl file, with their requests and time; sends no request
    Plan(plan::Arguments),
    // The help of these is longer than a line, so it is with their arguments.
    Get(get::Arguments),
    Download(download::Arguments),
    Doctor(doctor::Arguments),
    Status(status::Arguments),
    /// Check every record, part and row of a dataset and print each fault; changes nothing
    Verify(verify::Arguments),
    /// Take a snapshot: the newest row of each thing, sorted tables in `latest/`
    Snapshot(snapshot::Arguments),
    /// Copy a dataset to a place that it can be pulled from, even while a crawl writes to it; sends only what is new
    Push(push::Arguments),
    /// Copy a dataset from such a place into an empty directory, or into an earlier copy of it
    Pull(pull::Arguments),
    /// Rebuild every row from the answers kept in a dataset; sends no request
    Replay(replay::Arguments),
    /// Write the figures of the newest snapshot and of its crawl as one HTML page
    Report(report::Arguments),
    /// Print the tables and their columns, or the parameters of endpoints
    Schema(schema::Arguments),
    /// Explain a code that this program prints, a table or a column
    Explain(explain::Arguments),
    /// Serve the sandbox, an imitation of Civitai with a catalog of its own, on a loopback port
    Sandbox(sandbox::Arguments),
    /// Print the manual page of the program, or of one command
    Man(man::Arguments),
    /// Print a completion script for a shell
    Completions(completions::Arguments),
}

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    json_log::begin(&std::env::args_os().collect::<Vec<_>>());
    let exit = signals::attended(|| match Arguments::try_parse() {
        Ok(arguments) => run(&arguments),
        Err(error) if error.use_stderr() => output::misused(&quotable(error)),
        // Help and version are results.
        Err(error) => {
            output::taken(error.print());
            Exit::Complete
        }
    });
    let exit = output::settled(exit);
    logging::close(exit);
    exit.into()
}

fn run(arguments: &Arguments) -> Exit {
    match &arguments.command {
        Command::Init(arguments) => init::run(arguments),
        Command::Crawl(arguments) => crawl::run(arguments),
        Command::Plan(arguments) => plan::run(arguments),
        Command::Get(arguments) => get::run(arguments),
        Command::Download(arguments) => download::run(arguments),
        Command::Doctor(arguments) => doctor::run(arguments),
        Command::Status(arguments) => status::run(arguments),
        Command::Verify(arguments) => verify::run(arguments),
        Command::Snapshot(arguments) => snapshot::run(arguments),
        Command::Push(arguments) => push::run(arguments),
        Command::Pull(arguments) => pull::run(arguments),
        Command::Replay(arguments) => replay::run(arguments),
        Command::Report(arguments) => report::run(arguments),
        Command::Schema(arguments) => schema::run(arguments),
        Command::Explain(arguments) => explain::run(arguments),
        Command::Sandbox(arguments) => sandbox::run(arguments),
        Command::Man(arguments) => man::run(arguments, &self::Arguments::command()),
        Command::Completions(arguments) => completions::run(arguments, &mut self::Arguments::command()),
    }
}

/// Returns the error of the same arguments made fit to be shown, since an error quotes them.
fn quotable(error: clap::Error) -> clap::Error {
    let arguments = std::env::args_os().map(|argument| shown::shown(&argument.to_string_lossy()).into_owned());
    Arguments::try_parse_from(arguments).err().unwrap_or(error)
}
