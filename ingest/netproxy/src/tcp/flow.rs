//! One direction of a connection.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::StdRng;

use super::{Line, would_block};

/// Bytes under way at once: what a home router queues. With more, the sender has to wait.
const UNDER_WAY_BYTES_MAX: usize = 256 << 10;
/// What is read at once: one segment of a usual path, so that a slow line is even.
const PIECE_BYTES_MAX: usize = 1448;

/// What waits for its time, and where the stream stands.
#[derive(Debug, Default)]
pub(super) struct Flow {
    pieces: VecDeque<Piece>,
    under_way_bytes: usize,
    /// When the line has sent all that it was given.
    free_at: Option<Instant>,
    end: End,
}

#[derive(Debug)]
struct Piece {
    due: Instant,
    bytes: Vec<u8>,
    sent: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum End {
    #[default]
    Open,
    /// The sender has sent all; what is under way goes first.
    Came,
    Passed,
}

/// What one turn did, in bytes.
pub(super) struct Moved {
    pub(super) took: usize,
    pub(super) passed: usize,
}

impl Flow {
    /// Takes what `from` has sent and gives `to` what is due. An error ends the connection.
    pub(super) fn carry(
        &mut self,
        from: &mut TcpStream,
        to: &mut TcpStream,
        line: &Line,
        random: &mut StdRng,
        now: Instant,
    ) -> io::Result<Moved> {
        let took = self.take(from, line, random, now)?;
        let passed = self.pass(to, now)?;
        Ok(Moved { took, passed })
    }

    /// Whether all that was sent has arrived, its end included.
    pub(super) fn is_over(&self) -> bool {
        self.end == End::Passed
    }

    fn take(
        &mut self,
        from: &mut TcpStream,
        line: &Line,
        random: &mut StdRng,
        now: Instant,
    ) -> io::Result<usize> {
        let mut buffer = [0; PIECE_BYTES_MAX];
        let mut took = 0;
        while self.end == End::Open && self.under_way_bytes < UNDER_WAY_BYTES_MAX {
            match from.read(&mut buffer) {
                Ok(0) => self.end = End::Came,
                Ok(len) => {
                    took += len;
                    let swing = 2.0 * random.random_range(0.0..1.0) - 1.0;
                    self.accept(&buffer[..len], line, swing, now);
                }
                Err(error) if would_block(&error) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(took)
    }

    /// Puts a piece on the way; `swing` is where in the jitter it falls, -1 to 1.
    fn accept(&mut self, bytes: &[u8], line: &Line, swing: f64, now: Instant) {
        let sending = line.rate.map_or(0.0, |bits_a_second| {
            8.0 * bytes.len() as f64 / bits_a_second.max(1) as f64
        });
        let free_at = self.free_at.map_or(now, |at| at.max(now)) + Duration::from_secs_f64(sending);
        self.free_at = Some(free_at);
        let delay = line.delay.as_secs_f64() + swing * line.jitter.as_secs_f64();
        let due = free_at + Duration::from_secs_f64(delay.max(0.0));
        self.under_way_bytes += bytes.len();
        self.pieces.push_back(Piece {
            due: self.pieces.back().map_or(due, |last| due.max(last.due)),
            bytes: bytes.to_vec(),
            sent: 0,
        });
    }

    fn pass(&mut self, to: &mut TcpStream, now: Instant) -> io::Result<usize> {
        let mut passed = 0;
        while let Some(piece) = self.pieces.front_mut().filter(|piece| piece.due <= now) {
            match to.write(&piece.bytes[piece.sent..]) {
                Ok(len) => {
                    passed += len;
                    piece.sent += len;
                    if piece.sent == piece.bytes.len() {
                        self.under_way_bytes -= piece.bytes.len();
                        self.pieces.pop_front();
                    }
                }
                Err(error) if would_block(&error) => break,
                Err(error) => return Err(error),
            }
        }
        if self.end == End::Came && self.pieces.is_empty() {
            self.end = End::Passed;
            // Fails where the receiver has gone, who then needs no end.
            let _ = to.shutdown(Shutdown::Write);
        }
        Ok(passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn a_slow_line_sends_one_piece_after_the_other_and_keeps_their_order() {
        let now = Instant::now();
        let line = Line {
            delay: MS(100),
            jitter: MS(50),
            rate: Some(80_000),
        };
        let mut flow = Flow::default();
        // 100 bytes take 10 ms.
        for swing in [1.0, -1.0, 0.0] {
            flow.accept(&[0; 100], &line, swing, now);
        }
        let due: Vec<_> = flow.pieces.iter().map(|piece| piece.due - now).collect();
        assert_eq!(due, [MS(10 + 150), MS(10 + 150), MS(10 + 150)]);
        let later = now + MS(1000);
        flow.accept(&[0; 100], &line, 0.0, later);
        let last = flow.pieces.back().expect("it was put there").due;
        assert_eq!(last, later + MS(10 + 100), "an idle line saves nothing up");
    }
}
