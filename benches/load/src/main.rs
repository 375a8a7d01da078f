//! Load for the system benchmarks in `benches/`, which start it with the right arguments.
//!
//! `viewers` behaves like many hls.js players in low-latency mode; `get` asks for one URL as fast as
//! it is answered; `bare` is a server that does nothing but write, the bound of what any server can
//! reach here. Linux only.

mod bare;
mod connection;
mod epoll;
mod get;
mod usage;
mod viewers;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer every request with the same file, by one writev.
    Bare(bare::Options),
    /// Ask for one URL over many connections, as fast as it is answered.
    Get(get::Options),
    /// Watch a broadcast as many viewers and measure when its parts arrive.
    Viewers(viewers::Options),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Bare(options) => bare::run(&options).map_err(|error| error.to_string()),
        Command::Get(options) => print(get::run(&options)),
        Command::Viewers(options) => print(viewers::run(&options)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // There is nobody left to tell if standard error is gone.
            let _ = writeln!(std::io::stderr(), "load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print(report: Result<serde_json::Value, impl std::fmt::Display>) -> Result<(), String> {
    let report = report.map_err(|error| error.to_string())?;
    writeln!(std::io::stdout(), "{report}").map_err(|error| error.to_string())
}
