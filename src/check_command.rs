//! `millrace check`: follows a stream and writes what was found.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use check::{Options, Trust, rules};

use crate::cli::CheckArguments;

/// A rule is broken.
const BROKEN: u8 = 1;

/// There was no stream to judge, or the arguments are wrong: what clap exits with too.
const NOTHING_TO_JUDGE: u8 = 2;

/// Follows the stream and writes the report to `out`; what went wrong is written to `err`.
pub(crate) async fn run(
    arguments: &CheckArguments,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let trust = match (&arguments.ca, arguments.insecure) {
        (Some(file), _) => Trust::File(file.clone()),
        (None, true) => Trust::Anything,
        (None, false) => Trust::System,
    };
    let options = Options {
        watch: Duration::from_secs(arguments.seconds),
        trust,
        http1: arguments.http1,
    };
    let session = match check::follow(&arguments.url, &options).await {
        Ok(session) => session,
        Err(failed) => {
            writeln!(err, "millrace: {failed}")?;
            return Ok(ExitCode::from(NOTHING_TO_JUDGE));
        }
    };
    let report = rules::judge(&session, arguments.strict);
    match arguments.json {
        true => writeln!(out, "{:#}", report.to_json())?,
        false => write!(out, "{report}")?,
    }
    out.flush()?;
    Ok(match report.broken() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(BROKEN),
    })
}
