//! The proxies as a program, for tests and benchmarks that are not written in Rust.
//!
//! It says `{"address":"127.0.0.1:PORT"}` when it listens, answers each line of standard input
//! ([`netproxy::command`]) by one line of JSON, and ends when standard input does.

use std::io::{self, BufRead, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use netproxy::command::{self, Command, Unknown};
use netproxy::{Outage, tcp, udp};
use serde_json::{Value, json};

#[derive(Debug, Parser)]
#[command(about = "A proxy on a bad network; standard input changes it while it runs")]
struct Cli {
    #[command(subcommand)]
    protocol: Protocol,
}

#[derive(Debug, Subcommand)]
enum Protocol {
    /// Packets: loss=0.05 delay=40ms jitter=20ms reorder=0.01 duplicates=0.01
    Udp(Options),
    /// Connections: delay=40ms jitter=20ms rate=2000000 (bits a second; 0: no limit)
    Tcp(Options),
}

#[derive(Debug, clap::Args)]
struct Options {
    /// Where to stand.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// What to stand before.
    #[arg(long)]
    to: SocketAddr,
    /// Decides every packet's fate.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Nothing passes then: 10s+3s is three seconds long, ten seconds after the first packet.
    #[arg(long = "out", value_parser = command::outage)]
    outages: Vec<Outage>,
    /// NAME=VALUE, several.
    settings: Vec<String>,
}

/// Either.
enum Proxy {
    Udp(udp::Proxy),
    Tcp(tcp::Proxy),
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // There is nobody left to tell if standard error is gone.
            let _ = writeln!(io::stderr(), "netproxy: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> io::Result<()> {
    let (proxy, options) = match &cli.protocol {
        Protocol::Udp(it) => {
            let proxy = udp::Proxy::start_on(
                it.listen,
                it.to,
                it.seed,
                udp::Network::default(),
                &it.outages,
            );
            (Proxy::Udp(proxy?), it)
        }
        Protocol::Tcp(it) => {
            let proxy =
                tcp::Proxy::start_on(it.listen, it.to, it.seed, tcp::Line::default(), &it.outages);
            (Proxy::Tcp(proxy?), it)
        }
    };
    let settings = format!("set {}", options.settings.join(" "));
    proxy.obey(&settings).map_err(io::Error::other)?;
    let mut out = io::stdout();
    writeln!(out, "{}", json!({ "address": proxy.address().to_string() }))?;
    for line in io::stdin().lock().lines() {
        let answer = proxy.obey(&line?);
        let answer = answer.unwrap_or_else(|error| json!({ "error": error.to_string() }));
        writeln!(out, "{answer}")?;
    }
    Ok(())
}

impl Proxy {
    fn address(&self) -> SocketAddr {
        match self {
            Self::Udp(proxy) => proxy.address(),
            Self::Tcp(proxy) => proxy.address(),
        }
    }

    /// Does as a line says, and answers.
    fn obey(&self, line: &str) -> Result<Value, Unknown> {
        match (self, Command::parse(line)?) {
            (Self::Udp(proxy), Command::Set(settings)) => {
                let mut network = proxy.network();
                for (name, value) in settings {
                    command::set_network(&mut network, name, value)?;
                }
                proxy.set(network);
            }
            (Self::Tcp(proxy), Command::Set(settings)) => {
                let mut line = proxy.line();
                for (name, value) in settings {
                    command::set_line(&mut line, name, value)?;
                }
                proxy.set(line);
            }
            (Self::Udp(proxy), Command::Out(lasts)) => proxy.black_out(lasts),
            (Self::Tcp(proxy), Command::Out(lasts)) => proxy.stall(lasts),
            (Self::Tcp(proxy), Command::Reset) => proxy.reset(),
            (Self::Udp(_), Command::Reset) => return Err(Unknown::Command(line.to_owned())),
            (Self::Udp(proxy), Command::Counts) => {
                let it = proxy.counts();
                return Ok(json!({
                    "passed": it.passed,
                    "lost": it.lost,
                    "overtaken": it.overtaken,
                    "doubled": it.doubled,
                }));
            }
            (Self::Tcp(proxy), Command::Counts) => {
                let it = proxy.counts();
                return Ok(json!({
                    "connections": it.connections,
                    "passed_bytes": it.passed_bytes,
                    "resets": it.resets,
                }));
            }
        }
        Ok(json!({}))
    }
}
