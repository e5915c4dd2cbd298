//! Workers between real sockets on the loopback.

use std::collections::{BTreeMap, BTreeSet};
use std::net::UdpSocket;

use super::*;

const PATIENCE: Duration = Duration::from_secs(5);

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn options(call: usize, step: usize) -> String {
    format!(
        "OPTIONS sip:a@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK{call}-{step}\r\nMax-Forwards: 70\r\n\
         From: <sip:b@127.0.0.1>;tag=1\r\nTo: <sip:a@127.0.0.1>\r\nCall-ID: call-{call}\r\nCSeq: {step} OPTIONS\r\n\r\n"
    )
}

struct Stage {
    poll: Poll,
    bell: Arc<Doorbell>,
    workers: Workers,
    at: Vec<SocketAddr>,
}

impl Stage {
    fn new(listeners: usize, count: usize) -> Self {
        let poll = Poll::new().unwrap();
        let bell = Arc::new(Doorbell::new(Waker::new(poll.registry(), WAKER).unwrap()));
        let workers = Workers::start(&vec![loopback(); listeners], count, &bell).unwrap();
        let at = workers.locals().iter().map(|local| local.address).collect();
        Self { poll, bell, workers, at }
    }

    /// As the engine does: sleeps until the bell rings, then takes, until there are so many.
    fn take(&mut self, wanted: usize) -> Vec<NodeInput> {
        let mut inputs = Vec::new();
        let mut events = Events::with_capacity(4);
        let began = Instant::now();
        while inputs.len() < wanted && began.elapsed() < PATIENCE {
            self.bell.answer();
            if !self.workers.take(&mut inputs) {
                self.poll.poll(&mut events, Some(Duration::from_millis(50))).unwrap();
            }
        }
        inputs
    }
}

fn peer() -> UdpSocket {
    let socket = UdpSocket::bind(loopback()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

#[test]
fn several_workers_carry_what_comes_and_no_peer_is_overtaken_by_itself() {
    let mut stage = Stage::new(2, 3);
    let peers: Vec<UdpSocket> = (0..32).map(|_| peer()).collect();
    for step in 1..=4 {
        for (call, peer) in peers.iter().enumerate() {
            peer.send_to(options(call, step).as_bytes(), stage.at[call % 2]).unwrap();
        }
    }
    let mut seen: BTreeMap<SocketAddr, Vec<u32>> = BTreeMap::new();
    for input in stage.take(128) {
        let NodeInput::Decoded { datagram, bytes, from, local } = input else { panic!("{input:?}") };
        let Decoded::Message(message) = *datagram else { panic!("{datagram:?}") };
        assert!(bytes.starts_with(b"OPTIONS"), "as it came");
        assert!(stage.at.contains(&local.address));
        seen.entry(from).or_default().push(message.headers().cseq().unwrap().number);
    }
    let expected: BTreeMap<_, _> =
        peers.iter().map(|peer| (peer.local_addr().unwrap(), vec![1, 2, 3, 4])).collect();
    assert_eq!(seen, expected);
    let busy = stage.workers.counts().iter().filter(|counts| counts.received > 0).count();
    assert!(busy > 1, "{:?}", stage.workers.counts());
}

#[test]
fn what_leaves_keeps_its_order_within_a_call_and_leaves_from_the_address_it_names() {
    let mut stage = Stage::new(2, 2);
    let peer = peer();
    let to = peer.local_addr().unwrap();
    for step in 1..=20 {
        for call in 0..8 {
            let local = Local::from(stage.at[call % 2]);
            stage.workers.send(options(call, step).into(), to, local).unwrap();
        }
    }
    stage.workers.flush();
    let mut seen: BTreeMap<String, (SocketAddr, Vec<u32>)> = BTreeMap::new();
    let mut buffer = [0; 2_048];
    for _ in 0..160 {
        let (length, from) = peer.recv_from(&mut buffer).unwrap();
        let Decoded::Message(message) =
            Decoded::of(Bytes::copy_from_slice(&buffer[..length]), Transport::Udp)
        else {
            panic!("a message")
        };
        let call = message.headers().call_id().unwrap().to_owned();
        let (its, steps) = seen.entry(call).or_insert((from, Vec::new()));
        assert_eq!(*its, from);
        steps.push(message.headers().cseq().unwrap().number);
    }
    for call in 0..8 {
        let (from, steps) = &seen[&format!("call-{call}")];
        assert_eq!((*from, steps.clone()), (stage.at[call % 2], (1..=20).collect()));
    }
    // A message may be heard before the worker that sent it has counted it.
    let sent = || stage.workers.counts().iter().map(|counts| counts.sent).collect::<Vec<u64>>();
    let began = Instant::now();
    while sent().iter().sum::<u64>() < 160 && began.elapsed() < PATIENCE {
        std::thread::yield_now();
    }
    assert!(sent().iter().all(|sent| *sent > 0), "both sent: {:?}", sent());
    assert_eq!(sent().iter().sum::<u64>(), 160);
}

#[test]
fn noise_never_reaches_the_engine_and_broken_requests_do() {
    let mut stage = Stage::new(1, 2);
    let peer = peer();
    for noise in ["\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "SIP/2.0 200 OK\r\n\r\n"] {
        peer.send_to(noise.as_bytes(), stage.at[0]).unwrap();
    }
    let broken = options(1, 1).replace("CSeq: 1", "CSeq: x");
    peer.send_to(broken.as_bytes(), stage.at[0]).unwrap();
    let inputs = stage.take(1);
    let [NodeInput::Decoded { datagram, .. }] = inputs.as_slice() else { panic!("{inputs:?}") };
    assert!(matches!(**datagram, Decoded::Broken(_)), "{datagram:?}");
    let counts = stage.workers.counts();
    let sum = |of: fn(&WorkerCounts) -> u64| counts.iter().map(of).sum::<u64>();
    assert_eq!((sum(|it| it.received), sum(|it| it.noise), sum(|it| it.overflowed)), (4, 3, 0));
}

#[test]
fn an_engine_that_does_not_look_loses_what_comes_beyond_the_queue_and_it_is_counted() {
    let mut stage = Stage::new(1, 1);
    let peer = peer();
    let extra = 200;
    for step in 1..=ARRIVALS_MAX + extra {
        peer.send_to(options(1, step).as_bytes(), stage.at[0]).unwrap();
        if step % 64 == 0 {
            // So that the system's own buffer loses nothing.
            let began = Instant::now();
            while stage.workers.counts()[0].received < step as u64 && began.elapsed() < PATIENCE {
                std::thread::yield_now();
            }
        }
    }
    let began = Instant::now();
    while stage.workers.counts()[0].overflowed < extra as u64 && began.elapsed() < PATIENCE {
        std::thread::yield_now();
    }
    let counts = stage.workers.counts()[0];
    assert_eq!((counts.received, counts.overflowed), ((ARRIVALS_MAX + extra) as u64, extra as u64));
    assert_eq!(stage.take(ARRIVALS_MAX).len(), ARRIVALS_MAX);
}

#[test]
fn what_was_given_is_sent_before_workers_end() {
    let mut stage = Stage::new(1, 2);
    let peer = peer();
    let to = peer.local_addr().unwrap();
    let local = Local::from(stage.at[0]);
    for call in 0..100 {
        stage.workers.send(options(call, 1).into(), to, local).unwrap();
    }
    let at = stage.at[0];
    drop(stage.workers);
    let mut buffer = [0; 2_048];
    let heard: BTreeSet<Vec<u8>> =
        (0..100).map(|_| peer.recv(&mut buffer).map(|length| buffer[..length].to_vec()).unwrap()).collect();
    assert_eq!(heard.len(), 100);
    UdpSocket::bind(at).expect("the address is free again");
}

#[test]
fn calls_are_spread_over_the_workers() {
    let spread: BTreeSet<usize> =
        (0..100).map(|call| shard(format!("{call:032x}@192.0.2.1").as_bytes(), 4)).collect();
    assert_eq!(spread.len(), 4);
    assert_eq!(shard(b"one", 1), 0);
    assert_eq!(shard(b"", 0), 0);
}
