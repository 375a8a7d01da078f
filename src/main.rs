//! `millrace`: the binary that joins the crates.

mod archive;
mod backup_command;
mod check_command;
mod cli;
mod config;
mod demo;
mod hooks;
mod lasting;
mod library;
mod listener;
mod metrics;
mod overload;
mod panics;
mod recordings;
mod server;
mod shutdown;
mod stream_command;
mod supervisor;
mod systemd;
mod telemetry;
mod tls;
mod welcome;
mod worker;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command, SettingFlags};
use config::Config;
use server::Server;

fn main() -> ExitCode {
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(run(Cli::parse())));
    match result {
        Ok(code) => code,
        Err(error) => {
            // One line, whatever the depth of its causes. Standard error may be gone: then nobody
            // reads it.
            let _unread = writeln!(io::stderr(), "millrace: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Check(arguments) => {
            return check_command::run(&arguments, &mut io::stdout(), &mut io::stderr()).await;
        }
        Command::Serve { settings, stream } => {
            let config = load(&settings)?;
            telemetry::start(&config.log);
            let server = Server::start(&config).await?;
            if let Some(title) = stream {
                welcome::offer_stream(&server, &config, &title, &mut io::stdout()).await?;
            }
            server.run().await?;
        }
        Command::Demo { settings } => {
            let config = load(&settings)?;
            telemetry::start(&config.log);
            let server = Server::start(&config).await?;
            let publisher = welcome::start_demo(&server, &config, &mut io::stdout()).await?;
            let result = server.run().await;
            publisher.abort();
            result?;
        }
        Command::Stream { settings, action } => {
            let config = load(&settings)?;
            let database = server::open_database(&config).await?;
            let streams = database.streams();
            let result = stream_command::run(&streams, &config, action, &mut io::stdout()).await;
            database.close().await;
            result?;
        }
        Command::Backup {
            settings,
            file,
            media,
        } => {
            let config = load(&settings)?;
            backup_command::backup(&config, &file, media, &mut io::stdout()).await?;
        }
        Command::Restore {
            settings,
            file,
            force,
        } => {
            let config = load(&settings)?;
            backup_command::restore(&config, &file, force, &mut io::stdout()).await?;
        }
        Command::ExampleConfig => {
            io::stdout().write_all(config::example_file().as_bytes())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn load(settings: &SettingFlags) -> anyhow::Result<Config> {
    let variables = std::env::vars().filter(|(name, _)| name != "MILLRACE_CONFIG");
    Ok(Config::load(
        settings.config.as_deref(),
        variables,
        settings.flags(),
    )?)
}
