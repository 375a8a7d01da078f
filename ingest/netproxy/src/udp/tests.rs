use super::*;

/// Sends numbered packets through the proxy; those that the server behind it gets.
fn numbered(proxy: &Proxy, server: &UdpSocket, count: u32) -> Vec<u32> {
    let client = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let wait = Duration::from_millis(300);
    server.set_read_timeout(Some(wait)).expect("a time");
    std::thread::scope(|scope| {
        // At once: a socket holds a few hundred.
        scope.spawn(|| {
            for number in 0..count {
                let sent = client.send_to(&number.to_be_bytes(), proxy.address());
                sent.expect("sent");
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        let mut bytes = [0; 4];
        let mut came = Vec::new();
        while server.recv_from(&mut bytes).is_ok() {
            came.push(u32::from_be_bytes(bytes));
        }
        came
    })
}

fn server() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").expect("a port")
}

#[test]
fn packets_are_lost_doubled_and_overtaken_as_counted() {
    let server = server();
    let target = server.local_addr().expect("bound");
    let network = Network {
        loss: 0.1,
        delay: Duration::from_millis(20),
        reorder: 0.05,
        duplicates: 0.05,
        ..Network::default()
    };
    let proxy = Proxy::start(target, 9, network, &[]).expect("a port");
    let came = numbered(&proxy, &server, 2000);
    let counts = proxy.counts();
    assert_eq!(counts.passed, came.len() as u64);
    assert_eq!(counts.passed, 2000 - counts.lost + counts.doubled);
    for count in [counts.lost / 2, counts.doubled, counts.overtaken] {
        assert!((50..200).contains(&count), "{counts:?}");
    }
    // By the same seed the same packets are lost.
    let mut there = came.clone();
    there.sort_unstable();
    there.dedup();
    let proxy = Proxy::start(target, 9, network, &[]).expect("a port");
    let mut again = numbered(&proxy, &server, 2000);
    again.sort_unstable();
    again.dedup();
    assert_eq!(there, again);
}

#[test]
fn nothing_passes_in_a_blackout_and_everything_after_it() {
    let server = server();
    let target = server.local_addr().expect("bound");
    let proxy = Proxy::start(target, 1, Network::default(), &[]).expect("a port");
    assert_eq!(numbered(&proxy, &server, 20).len(), 20);
    proxy.black_out(Duration::from_secs(3600));
    assert_eq!(numbered(&proxy, &server, 20).len(), 0);
    proxy.black_out(Duration::ZERO);
    assert_eq!(numbered(&proxy, &server, 20).len(), 20);
    assert_eq!(proxy.counts().lost, 20);
}

#[test]
fn a_network_that_is_changed_is_that_of_the_next_packet() {
    let server = server();
    let target = server.local_addr().expect("bound");
    let proxy = Proxy::start(target, 1, Network::default(), &[]).expect("a port");
    proxy.set(Network {
        loss: 1.0,
        ..proxy.network()
    });
    assert_eq!(numbered(&proxy, &server, 20).len(), 0);
    proxy.set(Network::default());
    assert_eq!(numbered(&proxy, &server, 20).len(), 20);
}
