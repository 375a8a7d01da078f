//! SRT over bad networks: a proxy loses, delays, reorders and doubles packets by a seed. What is
//! counted are the messages that come out, by the numbers in them.

mod recording;

use std::io::Write;
use std::ops::RangeInclusive;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ingest::gate::Unpublish;
use ingest::srt::{self, Config, Listener};
use netproxy::udp::{Network, Proxy};
use recording::{RecordingGate, messages, wait_until};

/// A message of 1316 bytes each: 2.6 Mbit/s.
const MESSAGE_EVERY: Duration = Duration::from_millis(4);

/// Ten seconds.
const MESSAGES: u32 = 2500;

/// Messages that may be fed before the connection stands: what comes before that is thrown away.
const LEAD_MAX: u32 = 6000;

/// One network and the latency that is to suit it.
#[derive(Clone, Copy, Debug)]
struct Case {
    loss: f64,
    delay: Duration,
    latency: Duration,
}

impl Case {
    fn new(loss: f64, delay_ms: u64, latency_ms: u64) -> Self {
        Self {
            loss,
            delay: Duration::from_millis(delay_ms),
            latency: Duration::from_millis(latency_ms),
        }
    }

    /// Beside loss and delay: jitter of a fifth of the delay, and one packet of a hundred each that
    /// is overtaken or comes twice.
    fn network(&self) -> Network {
        Network {
            loss: self.loss,
            delay: self.delay,
            jitter: self.delay / 5,
            reorder: 0.01,
            duplicates: 0.01,
        }
    }
}

/// A listener, a caller, and the network between them.
struct Rig {
    gate: RecordingGate,
    listener: Listener,
    proxy: Proxy,
    caller: Child,
    feed: ChildStdin,
    messages: std::vec::IntoIter<Vec<u8>>,
}

impl Rig {
    /// Connected; messages have begun to arrive.
    fn connect(case: &Case) -> Self {
        let gate = RecordingGate::default().with("key-a", None);
        let config = Config {
            latency: case.latency,
            ..Config::default()
        };
        let address = "127.0.0.1:0".parse().expect("an address");
        let listener = srt::listen(address, config, Arc::new(gate.clone())).expect("a port");
        let target = listener.local_addr();
        let proxy = Proxy::start(target, 20, case.network(), &[]).expect("a port");
        // libsrt is the caller: it sends on what it reads.
        let mut caller = Command::new("srt-live-transmit")
            .args(["-chunk:1316", "file://con"])
            .arg(format!(
                "srt://{}?streamid=publish:key-a&conntimeo=10000",
                proxy.address()
            ))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("srt-tools is installed");
        let feed = caller.stdin.take().expect("piped");
        let messages = messages(LEAD_MAX + 2 * MESSAGES).into_iter();
        let mut rig = Self {
            gate,
            listener,
            proxy,
            caller,
            feed,
            messages,
        };
        let gate = rig.gate.clone();
        wait_until("the connection", || {
            rig.send(1);
            gate.bytes_of(0) > 0
        });
        rig
    }

    /// Sends so many messages at their pace; the number of the last.
    fn send(&mut self, count: u32) -> u32 {
        let mut last = 0;
        for message in self.messages.by_ref().take(count as usize) {
            last = number_of(&message[..188]) / 7;
            self.feed.write_all(&message).expect("the caller reads");
            thread::sleep(MESSAGE_EVERY);
        }
        last
    }

    /// Says goodbye once everything that is under way must have come; the numbers that came.
    fn finish(mut self, case: &Case) -> Outcome {
        thread::sleep(case.latency + 2 * case.delay + Duration::from_millis(500));
        let counts = self.proxy.counts();
        let pid = self.caller.id().to_string();
        let killed = Command::new("kill").args(["-INT", &pid]).status();
        assert!(killed.expect("kill is everywhere").success());
        // Reading from a pipe, it notices by its end.
        drop(self.feed);
        let _ = self.caller.wait();
        wait_until("the publication's end", || self.gate.ending_of(0).is_some());
        // Whether the goodbye came through is up to the network; that it ended is what counts.
        assert!(matches!(
            self.gate.ending_of(0),
            Some(Some(Unpublish::Finished | Unpublish::Lost))
        ));
        let publications = self.gate.publications();
        assert_eq!(publications.len(), 1, "one session");
        self.listener.shutdown();
        Outcome {
            came: numbers(&publications[0].bytes),
            counts,
        }
    }
}

/// What came out of a session.
struct Outcome {
    /// The numbers of the messages, in order.
    came: Vec<u32>,
    counts: netproxy::udp::Counts,
}

impl Outcome {
    fn all(&self) -> RangeInclusive<u32> {
        let first = self.came.first().expect("some came");
        *first..=*self.came.last().expect("some came")
    }

    fn missing(&self) -> Vec<u32> {
        let mut came = self.came.iter().peekable();
        let missing = self.all().filter(|number| came.next_if_eq(&number).is_none());
        missing.collect()
    }
}

fn number_of(packet: &[u8]) -> u32 {
    u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]])
}

/// The numbers of the messages in a transport stream; panics where one is torn, doubled or
/// displaced.
fn numbers(stream: &[u8]) -> Vec<u32> {
    let messages: Vec<u32> = stream
        .chunks(7 * 188)
        .map(|message| {
            assert_eq!((message.len(), message[0]), (7 * 188, 0x47), "torn");
            let first = number_of(message);
            let packets = message.chunks(188).map(number_of);
            assert!(packets.eq(first..first + 7), "mixed up");
            first / 7
        })
        .collect();
    assert!(messages.is_sorted_by(|a, b| a < b), "out of order");
    messages
}

/// Runs all cases side by side; of each how many messages were sent, and which are missing.
fn run(cases: &[Case]) -> Vec<(Case, u32, Vec<u32>)> {
    thread::scope(|scope| {
        let running = cases.iter().map(|case| {
            scope.spawn(move || {
                let mut rig = Rig::connect(case);
                let last = rig.send(MESSAGES);
                let outcome = rig.finish(case);
                let missing = outcome.missing();
                let counts = outcome.counts;
                println!(
                    "{:4.1} % loss, round trip {:3} ms, latency {:4} ms: {} of {MESSAGES} \
                     messages lost; {counts:?}",
                    case.loss * 100.0,
                    2 * case.delay.as_millis(),
                    case.latency.as_millis(),
                    missing.len(),
                );
                let share = counts.lost as f64 / (counts.lost + counts.passed) as f64;
                let wanted = case.loss * 0.7..case.loss * 1.3;
                assert!(wanted.contains(&share), "the proxy lost {share}: {case:?}");
                let others = [counts.overtaken, counts.doubled];
                assert!(others.iter().all(|count| *count > 10), "{counts:?}");
                // The last ones may be lost for good: nothing came behind them that showed it.
                let all = outcome.all();
                assert!(last - all.end() < 50, "{last} was sent, {all:?} came");
                (*case, MESSAGES, missing)
            })
        });
        let running: Vec<_> = running.collect();
        running
            .into_iter()
            .map(|one| one.join().expect("no panic"))
            .collect()
    })
}

#[test]
fn no_message_is_missing_at_one_percent_loss_and_four_round_trips() {
    let cases = [
        Case::new(0.01, 20, 160),
        Case::new(0.01, 100, 800),
        Case::new(0.01, 300, 2400),
    ];
    for (case, _, missing) in run(&cases) {
        assert!(missing.is_empty(), "{case:?}: {missing:?}");
    }
}
