use std::io::{Read, Write};

use super::*;

/// Far longer than anything here takes.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// A connection through a proxy: the proxy, this end, and the server's.
fn connected(line: Line) -> (Proxy, TcpStream, TcpStream) {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let target = server.local_addr().expect("bound");
    let proxy = Proxy::start(target, 3, line, &[]).expect("a port");
    let near = TcpStream::connect(proxy.address()).expect("it listens");
    let (far, _) = server.accept().expect("the proxy connects");
    for end in [&near, &far] {
        end.set_read_timeout(Some(WAIT_MAX)).expect("a time");
    }
    (proxy, near, far)
}

#[test]
fn all_bytes_arrive_in_order_and_the_end_after_them() {
    let (proxy, mut near, mut far) = connected(Line {
        delay: Duration::from_millis(5),
        jitter: Duration::from_millis(5),
        rate: None,
    });
    let sent: Vec<u8> = (0..2_000_000u32)
        .map(|number| (number % 251) as u8)
        .collect();
    let sending = std::thread::spawn({
        let sent = sent.clone();
        move || {
            near.write_all(&sent).expect("all is taken");
            near.shutdown(std::net::Shutdown::Write).expect("connected");
            let mut answer = Vec::new();
            near.read_to_end(&mut answer).expect("an end");
            answer
        }
    });
    let mut came = Vec::new();
    far.read_to_end(&mut came).expect("an end");
    assert!(came == sent, "{} bytes of {}", came.len(), sent.len());
    far.write_all(b"taken").expect("connected");
    drop(far);
    assert_eq!(sending.join().expect("no panic"), b"taken");
    // What has passed is counted a moment later.
    let began = Instant::now();
    while proxy.counts().passed_bytes != sent.len() as u64 + 5 {
        assert!(began.elapsed() < WAIT_MAX, "{:?}", proxy.counts());
        std::thread::sleep(POLL);
    }
    assert_eq!(proxy.counts().resets, 0);
}

#[test]
fn a_stalled_line_keeps_its_connection_and_delivers_afterwards() {
    let (proxy, mut near, mut far) = connected(Line::default());
    near.write_all(b"1").expect("taken");
    let mut byte = [0];
    far.read_exact(&mut byte).expect("it came");
    proxy.stall(WAIT_MAX * 100);
    near.write_all(b"2").expect("taken");
    let short = Duration::from_millis(100);
    far.set_read_timeout(Some(short)).expect("a time");
    let error = far.read(&mut byte).expect_err("nothing passes");
    assert!(would_block(&error), "{error}");
    proxy.stall(Duration::ZERO);
    far.set_read_timeout(Some(WAIT_MAX)).expect("a time");
    far.read_exact(&mut byte).expect("it came");
    assert_eq!(&byte, b"2");
}

#[test]
fn both_ends_of_a_reset_connection_see_the_reset_and_new_ones_are_taken() {
    let (proxy, mut near, mut far) = connected(Line::default());
    near.write_all(b"1").expect("taken");
    far.read_exact(&mut [0]).expect("it came");
    proxy.reset();
    for end in [&mut near, &mut far] {
        let error = end.read(&mut [0]).expect_err("a reset");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    assert_eq!(proxy.counts().resets, 1);
    TcpStream::connect(proxy.address()).expect("it listens");
}
