//! CPU of relaying 100 bidirectional G.711 calls, as a ratio to a bare recvfrom/sendto loop in the same run.
//!
//! 200 phones, each on a socket of its own, send 50 packets a second, spread over the 20 ms as real phones are.
//! Between them stands first the bare loop (level-triggered epoll, one receive and one send a packet, nothing
//! read or changed), then our RTP thread with 100 splices, on the same number of sockets; and again, in turns.
//! Measured is what the kernel says each relaying thread spent on a processor (`schedstat`), system calls
//! included. `RELAY_SECONDS` (default 10) is the length of each turn, `RELAY_TURNS` (default 3) their number.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use carillon_sip::id::{CallId, StreamId};
use carillon_sip::io::media::{MediaHandle, MediaOptions, spawn};
use carillon_sip::media::{Codec, MediaCommand, Origin, Remote};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

/// Calls; each has two phones.
const CALLS: usize = 100;
const PHONES: usize = 2 * CALLS;
/// Packets in 20 ms leave in this many groups.
const GROUPS: usize = 20;
/// RTP header and 20 ms of G.711.
const PACKET: usize = 172;
/// What our relay may cost (design, budgets).
const BUDGET: f64 = 1.4;
const LOOPBACK: &str = "127.0.0.1:0";

/// A relaying thread's figures for one turn.
#[derive(Clone, Copy)]
struct Turn {
    sent: u64,
    received: u64,
    cpu: Duration,
}

impl Turn {
    fn per_packet_ns(&self) -> f64 {
        self.cpu.as_nanos() as f64 / self.received.max(1) as f64
    }
}

fn main() {
    let seconds = setting("RELAY_SECONDS", 10);
    let turns = setting("RELAY_TURNS", 3) as usize;
    let machine = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    println!(
        "machine               {}, {} cores",
        machine.trim(),
        thread::available_parallelism().map_or(0, usize::from)
    );
    println!(
        "load                  {CALLS} calls, {PHONES} sockets, {} packets/s, {seconds} s a turn",
        PHONES * 50
    );
    let length = Duration::from_secs(seconds);
    let mut bare = Vec::new();
    let mut same_law = Vec::new();
    let mut change_of_law = Vec::new();
    for _ in 0..turns {
        bare.push(shown("bare loop", bare_turn(length)));
        same_law.push(shown("relay, same law", relay_turn(length, Codec::Pcmu)));
        change_of_law.push(shown("relay, change of law", relay_turn(length, Codec::Pcma)));
    }
    let base = median(&bare);
    println!("ratio, same law       {:.3}  (budget {BUDGET})", median(&same_law) / base);
    println!("ratio, change of law  {:.3}", median(&change_of_law) / base);
}

fn shown(name: &str, turn: Turn) -> Turn {
    let Turn { sent, received, cpu } = turn;
    println!(
        "{name:<21} {:>6.0} ns/packet, {:.3} s CPU, {received} of {sent} packets through",
        turn.per_packet_ns(),
        cpu.as_secs_f64()
    );
    turn
}

fn bare_turn(length: Duration) -> Turn {
    let phones = phones();
    let ports: Vec<UdpSocket> = (0..PHONES).map(|_| socket()).collect();
    let relay: Vec<SocketAddr> = ports.iter().map(address).collect();
    let targets: Vec<SocketAddr> = (0..PHONES).map(|index| address(&phones[index ^ 1])).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let (thread_id, thread_id_there) = sync_channel(1);
    let relaying = thread::spawn(move || {
        thread_id.send(own_thread_id()).expect("the turn waits for it");
        bare_loop(&ports, &targets, &stopped);
    });
    let thread_id = thread_id_there.recv().expect("the thread has started");
    let turn = measured(&phones, &relay, length, &thread_id);
    stop.store(true, Ordering::Relaxed);
    relaying.join().expect("the bare loop ended");
    turn
}

/// The least a relay can do. What comes to a port leaves by its neighbour's, as in a real relay.
fn bare_loop(ports: &[UdpSocket], targets: &[SocketAddr], stop: &AtomicBool) {
    let poll = epoll::create(CreateFlags::CLOEXEC).expect("epoll");
    for (index, port) in ports.iter().enumerate() {
        epoll::add(&poll, port, EventData::new_u64(index as u64), EventFlags::IN).expect("epoll");
    }
    let mut ready = Vec::with_capacity(1_024);
    let mut buffer = [0; 2_048];
    let patience = rustix::event::Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
    while !stop.load(Ordering::Relaxed) {
        ready.clear();
        if epoll::wait(&poll, spare_capacity(&mut ready), Some(&patience)).is_err() {
            continue;
        }
        for event in &ready {
            let index = event.data.u64() as usize;
            if let Ok((length, _)) = ports[index].recv_from(&mut buffer) {
                let _ = ports[index ^ 1].send_to(&buffer[..length], targets[index]);
            }
        }
    }
}

fn relay_turn(length: Duration, agent_codec: Codec) -> Turn {
    let phones = phones();
    let options = MediaOptions {
        clock_start: Instant::now(),
        own: Vec::new(),
        rng: ChaCha20Rng::seed_from_u64(1),
        streams_max: usize::MAX,
    };
    let handle = spawn(options, Arc::new(|_| {})).expect("the RTP thread starts");
    let relay: Vec<SocketAddr> = free_pairs(PHONES);
    for (index, local) in relay.iter().enumerate() {
        let stream = StreamId(index as u64);
        let origin = Origin { ssrc: index as u32, sequence: 0, timestamp: 0 };
        tell(&handle, MediaCommand::Open { stream, local: *local, origin });
        let codec = if index % 2 == 0 { Codec::Pcmu } else { agent_codec };
        let address = address(&phones[index]);
        let remote = Remote { address, codec, telephone_event: Some(101), send: true, receive: true };
        tell(&handle, MediaCommand::SetRemote { stream, remote });
        tell(&handle, MediaCommand::Silence { stream, on: true });
    }
    for call in 0..CALLS as u64 {
        tell(
            &handle,
            MediaCommand::Splice {
                call: CallId(call),
                customer: StreamId(2 * call),
                agent: StreamId(2 * call + 1),
                answered_at: Duration::ZERO,
                record: None,
            },
        );
    }
    let turn = measured(&phones, &relay, length, &thread_named("carillon-rtp"));
    handle.stop();
    turn
}

fn tell(handle: &MediaHandle, command: MediaCommand) {
    handle.send(command).expect("the RTP thread takes commands");
    handle.wake();
}

/// Talks for a second unmeasured, so that all is open, locked and warm; then measures.
fn measured(phones: &[UdpSocket], relay: &[SocketAddr], length: Duration, thread_id: &str) -> Turn {
    let mut talk = Talk::new(phones, relay);
    talk.run(Duration::from_secs(1));
    let (sent, received) = (talk.sent, talk.received);
    let before = cpu_time(thread_id);
    talk.run(length);
    let cpu = cpu_time(thread_id).saturating_sub(before);
    Turn { sent: talk.sent - sent, received: talk.received - received, cpu }
}

/// All phones, talking and listening on one thread.
struct Talk<'a> {
    phones: &'a [UdpSocket],
    relay: &'a [SocketAddr],
    packets: Vec<[u8; PACKET]>,
    sequence: u16,
    sent: u64,
    received: u64,
}

impl<'a> Talk<'a> {
    fn new(phones: &'a [UdpSocket], relay: &'a [SocketAddr]) -> Self {
        let packets = (0..PHONES).map(|index| {
            let mut packet = [0x55; PACKET];
            packet[..12].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, index as u8]);
            packet
        });
        Self { phones, relay, packets: packets.collect(), sequence: 0, sent: 0, received: 0 }
    }

    fn run(&mut self, length: Duration) {
        let start = Instant::now();
        let step = Duration::from_millis(20) / GROUPS as u32;
        let steps = (length.as_millis() / step.as_millis()) as u32;
        for number in 0..steps {
            thread::sleep((step * number).saturating_sub(start.elapsed()));
            let group = number as usize % GROUPS;
            if group == 0 {
                self.sequence = self.sequence.wrapping_add(1);
            }
            for index in (group..PHONES).step_by(GROUPS) {
                self.say(index);
            }
            // What the group of half a round ago was answered is surely here by now.
            for index in ((group + GROUPS / 2) % GROUPS..PHONES).step_by(GROUPS) {
                self.hear(index);
            }
        }
        thread::sleep(Duration::from_millis(50));
        (0..PHONES).for_each(|index| self.hear(index));
    }

    fn say(&mut self, index: usize) {
        let packet = &mut self.packets[index];
        packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&(u32::from(self.sequence) * 160).to_be_bytes());
        self.sent += u64::from(self.phones[index].send_to(packet, self.relay[index]).is_ok());
    }

    fn hear(&mut self, index: usize) {
        let mut buffer = [0; 2_048];
        while let Ok((length, _)) = self.phones[index].recv_from(&mut buffer) {
            self.received += u64::from(length == PACKET);
        }
    }
}

fn phones() -> Vec<UdpSocket> {
    (0..PHONES).map(|_| socket()).collect()
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind(LOOPBACK).expect("a free port");
    socket.set_nonblocking(true).expect("a socket that doesn't block");
    socket
}

fn address(socket: &UdpSocket) -> SocketAddr {
    socket.local_addr().expect("a bound socket")
}

/// Addresses whose port and the next one were free a moment ago, all different.
fn free_pairs(count: usize) -> Vec<SocketAddr> {
    let mut held = Vec::new();
    let mut pairs = Vec::new();
    while pairs.len() < count {
        let rtp = UdpSocket::bind(LOOPBACK).expect("a free port");
        let local = address(&rtp);
        let next = SocketAddr::new(local.ip(), local.port().wrapping_add(1));
        if local.port().is_multiple_of(2)
            && let Ok(rtcp) = UdpSocket::bind(next)
        {
            pairs.push(local);
            held.push(rtcp);
        }
        held.push(rtp);
    }
    pairs
}

/// Time the thread has spent on a processor.
fn cpu_time(thread_id: &str) -> Duration {
    let path = format!("/proc/self/task/{thread_id}/schedstat");
    let text = fs::read_to_string(&path).expect("a kernel with schedstat");
    let nanoseconds = text.split_whitespace().next().and_then(|word| word.parse().ok());
    Duration::from_nanos(nanoseconds.expect("schedstat begins with the time on a processor"))
}

fn own_thread_id() -> String {
    let link = fs::read_link("/proc/thread-self").expect("Linux");
    link.file_name().map(|name| name.to_string_lossy().into_owned()).expect("a thread has a number")
}

fn thread_named(name: &str) -> String {
    let tasks = fs::read_dir(Path::new("/proc/self/task")).expect("Linux");
    tasks
        .filter_map(|task| task.ok())
        .find(|task| fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim() == name))
        .map(|task| task.file_name().to_string_lossy().into_owned())
        .expect("the thread runs")
}

fn median(turns: &[Turn]) -> f64 {
    let mut figures: Vec<f64> = turns.iter().map(Turn::per_packet_ns).collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
