//! Requests under `/live/`: any target, range and accepted coding gets one of the answers that
//! there are, whose body is as long as it says; or it waits and leaves nothing behind.
#![no_main]

mod stage;

use libfuzzer_sys::fuzz_target;
use stage::Stage;

fuzz_target!(|input: &[u8]| {
    thread_local!(static STAGE: Stage = Stage::new());
    let mut lines = input.splitn(3, |&byte| byte == b'\n');
    let target = [b"/live/", lines.next().unwrap_or_default()].concat();
    let headers = [
        ("range", lines.next().unwrap_or_default()),
        ("accept-encoding", lines.next().unwrap_or_default()),
    ];
    STAGE.with(|stage| stage.ask(&target, &headers));
});
