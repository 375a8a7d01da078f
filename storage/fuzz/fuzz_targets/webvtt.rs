//! Files of subtitles: what is taken is kept to the byte and has what a player needs of it, what
//! anybody would write is taken, and a megabyte takes no longer than a megabyte has to.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use storage::videos::webvtt::{WEBVTT_BYTES_MAX, WebVtt};

/// One input of so many is repeated until it is as long as a file may be: that takes a thousand times
/// as long as the rest.
const REPEATED_EVERY: u32 = 1024;

/// A hundred times of what it takes with a sanitizer; what grows with the square takes minutes.
const TIME_MAX: Duration = Duration::from_secs(2);

const CUE: &[u8] = b"WEBVTT\n\n00:01.000 --> 00:02.000\n";

fuzz_target!(|input: &[u8]| {
    check(input);
    // Most of what is random has no signature.
    check(&[b"WEBVTT", input].concat());
    check(&[b"WEBVTT\n\n", input].concat());
    check(&[b"WEBVTT\n\n00:01.000 --> 00:0", input].concat());
    let is_taken = check(&[CUE, input].concat());
    let is_said = str::from_utf8(input).is_ok_and(|said| {
        let is_one_block = !said.starts_with('\n') && !said.contains("\n\n");
        is_one_block && !said.chars().any(|it| it.is_control() && it != '\n')
    });
    assert!(is_taken || !is_said);
    let sum: u32 = input.iter().copied().map(u32::from).sum();
    if sum % REPEATED_EVERY == 1 {
        let repeated = input.iter().copied().cycle();
        let file: Vec<u8> = CUE
            .iter()
            .copied()
            .chain(repeated)
            .take(WEBVTT_BYTES_MAX)
            .collect();
        let began = Instant::now();
        let _refused = WebVtt::new(&file);
        assert!(began.elapsed() < TIME_MAX, "{:?}", began.elapsed());
    }
});

/// Whether it is taken.
fn check(file: &[u8]) -> bool {
    let Ok(taken) = WebVtt::new(file) else {
        return false;
    };
    assert_eq!(taken.as_str().as_bytes(), file);
    assert!(file.len() <= WEBVTT_BYTES_MAX);
    let text = taken.as_str();
    let is_text = |it: char| !it.is_control() || matches!(it, '\t' | '\n' | '\r');
    assert!(text.chars().all(is_text), "a control character");
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let after = text.strip_prefix("WEBVTT").expect("a signature");
    assert!(after.starts_with([' ', '\t', '\n', '\r']));
    // The lines as the standard's own parser cuts them (§6.1), character by character.
    let mut lines = vec![String::new()];
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\r' => {
                letters.next_if_eq(&'\n');
                lines.push(String::new());
            }
            '\n' => lines.push(String::new()),
            letter => lines.last_mut().expect("one at least").push(letter),
        }
    }
    let mut blocks = lines
        .split(String::is_empty)
        .filter(|block| !block.is_empty());
    let head = blocks.next().expect("the signature");
    assert!(head[1..].iter().all(|line| !line.contains("-->")));
    assert!(blocks.filter(|block| is_cue(block)).count() > 0, "no cue");
    true
}

/// Whether a block is a cue; it is none of the rest otherwise.
fn is_cue(block: &[String]) -> bool {
    let timing = block.iter().take(2).find(|line| line.contains("-->"));
    let Some(timing) = timing else {
        let word = block[0].split([' ', '\t']).next();
        assert!(
            matches!(word, Some("NOTE" | "STYLE" | "REGION")),
            "{block:?}"
        );
        return false;
    };
    let mut words = timing.split_ascii_whitespace();
    let start = millis(words.next().expect("a time"));
    assert_eq!(words.next(), Some("-->"), "{timing:?}");
    let end = millis(words.next().expect("a time"));
    assert!(start < end, "{timing:?}");
    true
}

/// A cue's time, as a player reads it that trusts the file.
fn millis(time: &str) -> u64 {
    let digits: String = time.chars().filter(|it| !matches!(it, ':' | '.')).collect();
    assert!(digits.bytes().all(|it| it.is_ascii_digit()), "{time}");
    let shape: String = time
        .chars()
        .map(|it| if it.is_ascii_digit() { '0' } else { it })
        .collect();
    assert!(shape.ends_with("00:00.000"), "{time}");
    let number = |from_end: usize, len: usize| {
        let until = digits.len() - from_end;
        digits[until.saturating_sub(len)..until]
            .parse::<u64>()
            .unwrap_or(0)
    };
    let (hours, minutes, seconds) = (number(7, 9), number(5, 2), number(3, 2));
    assert!(minutes < 60 && seconds < 60, "{time}");
    ((hours * 60 + minutes) * 60 + seconds) * 1000 + number(0, 3)
}
