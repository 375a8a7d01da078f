//! A broadcast beside an attack, and the server's memory meanwhile.

use std::fs;

use crate::clip::Clip;
use crate::decode::assert_every_frame_once;
use crate::encoder::{self, SRT_TAIL_FRAMES};
use crate::program::wait_for;
use crate::server::Server;
use crate::viewer::Viewer;

/// The table of bounds, of which each line is a test.
const SECURITY: &str = include_str!("../../../SECURITY.md");

/// One small rendition and its sound: the machine is the attacker's too.
pub(super) const TINY_LADDER: &str = "90p 160x90 200k";

/// Attacks last for less than this broadcast.
const FRAMES: u32 = 30 * 12;

/// By how many MiB the server may grow in the attack that is called so in SECURITY.md.
fn bound_mib(attack: &str) -> u64 {
    let rows = SECURITY.lines().filter_map(|line| line.strip_prefix("| "));
    let mut cells = rows.map(|row| row.split(" | ").collect::<Vec<_>>());
    let row = cells.find(|cells| cells[0] == attack);
    let row = row.unwrap_or_else(|| panic!("SECURITY.md has no bound of {attack:?}"));
    let bound = row.last().expect("cells").trim_end_matches(" |");
    let number = bound.strip_suffix(" MiB").map(str::parse);
    number.expect("MiB").expect("a number")
}

/// A field of the server's `/proc/PID/status`, in KiB.
fn status_kib(server: &Server, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.expect("a field of /proc")
}

/// Attacks a server with a running broadcast. That misses no frame, and the process never holds more
/// than the table says above what it held before.
pub(super) fn attack(name: &str, attack: impl FnOnce(&Server)) {
    let variables = [("MILLRACE_LADDER_RUNGS", TINY_LADDER)];
    attack_on(name, Server::with(&variables), attack);
}

/// The same with a server that was started before.
pub(super) fn attack_on(name: &str, server: Server, attack: impl FnOnce(&Server)) {
    let bound_mib = bound_mib(name);
    let clip = Clip::new(FRAMES);
    let file = clip.file();
    let stream = server.stream();
    let viewer = Viewer::follow(server.http, &stream.id);
    let mut publisher = encoder::srt(&file, &stream.srt);
    wait_for("a playable playlist", || server.status(&stream) == "live");

    // The peak begins anew here (proc(5), clear_refs).
    let clear_refs = format!("/proc/{}/clear_refs", server.pid());
    fs::write(clear_refs, "5").expect("one's own process");
    let before_kib = status_kib(&server, "VmRSS:");
    attack(&server);
    let grown_mib = status_kib(&server, "VmHWM:").saturating_sub(before_kib) / 1024;
    eprintln!("{name}: {grown_mib} MiB of {bound_mib}");
    assert!(publisher.runs(), "the attack outlasted the broadcast");
    assert!(grown_mib <= bound_mib, "{name}: {grown_mib} MiB");

    publisher.finish();
    let watched = viewer.until_end();
    assert_every_frame_once(&watched, clip.frames, SRT_TAIL_FRAMES, &server.scratch());
    server.stop();
}
