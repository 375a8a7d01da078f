//! Many viewers in one thread, and what they measure.
//!
//! One more than are counted comes first and follows hints: it tells that the broadcast runs, and
//! its sight of a part stands in for the part's birth where the server's log is not at hand.

mod arrivals;
mod audience;
mod log;
mod playlist;
mod viewer;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::usage::{self, Usage};
use arrivals::{Micros, Summary, Terms};
use audience::Audience;

/// How long the first viewer may wait for the broadcast.
const LIVE_WITHIN: Duration = Duration::from_secs(30);

/// Parts that the first viewer has before the others come.
const PROBED_PARTS: u32 = 6;

/// How often the server's memory is read.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Address of the server.
    #[arg(long)]
    server: SocketAddr,
    /// The stream's identifier.
    #[arg(long)]
    stream: String,
    /// How many viewers.
    #[arg(long)]
    viewers: u32,
    /// How long to measure once all have come.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Over how many seconds they come.
    #[arg(long, default_value_t = 10)]
    ramp: u64,
    /// Seconds between the last one's coming and the measurement.
    #[arg(long, default_value_t = 3)]
    settle: u64,
    /// Ask for hinted parts, as Apple's players do; hls.js does not.
    #[arg(long)]
    hints: bool,
    /// Processes whose CPU and memory are the server's.
    #[arg(long = "pid")]
    pids: Vec<u32>,
    /// The server's log, for the moments at which parts were published.
    #[arg(long)]
    server_log: Option<PathBuf>,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Playlist(#[from] playlist::Unusable),
    #[error("nothing was live at /live/{0}/ within {1:?}")]
    NotLive(String, Duration),
}

/// Measures, and says what came out as one line of JSON.
pub(crate) fn run(options: &Options) -> Result<Value, Failed> {
    let mut audience = Audience::new(options)?;
    audience.come(0);
    let deadline = Instant::now() + LIVE_WITHIN;
    while audience.probed < PROBED_PARTS {
        if Instant::now() > deadline {
            return Err(Failed::NotLive(options.stream.clone(), LIVE_WITHIN));
        }
        audience.turn(Some(SAMPLE_EVERY))?;
    }
    let before = used(&options.pids)?;
    audience.ramp(Duration::from_secs(options.ramp))?;
    audience.run_for(Duration::from_secs(options.settle), |_| Ok(()))?;
    let begun = Measured::now(&audience)?;
    let joined = audience.joined();
    let mut resident_kib = begun.server.resident_kib;
    audience.run_for(Duration::from_secs(options.seconds), |options| {
        resident_kib = resident_kib.max(used(&options.pids)?.resident_kib);
        Ok(())
    })?;
    let ended = Measured::now(&audience)?;
    // Parts born at the end may come as late as those born at the beginning.
    let hold_back = Duration::from_secs_f64(audience.hold_back_s.max(0.0));
    audience.run_for(hold_back, |_| Ok(()))?;

    let terms = Terms {
        from: begun.at,
        to: ended.at,
        viewers: options.viewers,
        hold_back: hold_back.as_micros() as Micros,
    };
    let births = audience.births()?;
    let summary = audience.arrivals.summary(terms, &births);
    Ok(report(
        &audience,
        &summary,
        [&begun, &ended],
        json!({ "joined": joined, "before_kib": before.resident_kib, "with_kib": resident_kib }),
    ))
}

/// Totals at a moment.
struct Measured {
    at: Micros,
    server: Usage,
    own: Usage,
    answers: u64,
    bytes: u64,
}

impl Measured {
    fn now(audience: &Audience<'_>) -> io::Result<Self> {
        Ok(Self {
            at: audience.micros(),
            server: used(&audience.options.pids)?,
            own: usage::of("self")?,
            answers: audience.answers,
            bytes: audience.bytes,
        })
    }
}

fn used(pids: &[u32]) -> io::Result<Usage> {
    let mut sum = Usage::default();
    for pid in pids {
        let one = usage::of(&pid.to_string())?;
        sum.cpu_s += one.cpu_s;
        sum.resident_kib += one.resident_kib;
    }
    Ok(sum)
}

fn report(
    audience: &Audience<'_>,
    summary: &Summary,
    [begun, ended]: [&Measured; 2],
    mut report: Value,
) -> Value {
    let options = audience.options;
    let seconds = (ended.at - begun.at) as f64 / 1e6;
    let per_s = |count: u64| count as f64 / seconds;
    let before = report["before_kib"].as_u64().unwrap_or(0);
    let with = report["with_kib"].as_u64().unwrap_or(0);
    let answers = ended.answers - begun.answers;
    let server_cpu_s = ended.server.cpu_s - begun.server.cpu_s;
    let born_by_log = summary.parts > 0 && summary.without_log == 0;
    report["viewers"] = json!(options.viewers);
    report["hints"] = json!(options.hints);
    report["seconds"] = json!(seconds);
    report["connections"] = json!(audience.open_connections());
    report["parts"] = json!(summary.parts);
    report["deliveries"] = json!(summary.delays.len());
    report["birth"] = json!(if born_by_log { "log" } else { "first sight" });
    for (name, share) in [
        ("p50_ms", 0.5),
        ("p90_ms", 0.9),
        ("p99_ms", 0.99),
        ("max_ms", 1.0),
    ] {
        report[name] = json!(summary.percentile_ms(share));
    }
    report["late"] = json!(summary.late);
    report["missed"] = json!(summary.missed);
    report["starved"] = json!(summary.starved);
    report["failures"] = json!(audience.failures);
    report["requests_per_s"] = json!(per_s(answers));
    report["bytes_per_s"] = json!(per_s(ended.bytes - begun.bytes));
    report["server_cores"] = json!(server_cpu_s / seconds);
    report["server_us_per_request"] = json!(server_cpu_s * 1e6 / answers.max(1) as f64);
    report["generator_cores"] = json!((ended.own.cpu_s - begun.own.cpu_s) / seconds);
    report["kib_per_viewer"] =
        json!((with as f64 - before as f64) / f64::from(options.viewers.max(1)));
    report
}
