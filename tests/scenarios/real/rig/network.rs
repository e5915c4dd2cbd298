//! Two hosts with a bad line between them: network namespaces of the kernel, joined by a link that loses, delays and reorders
//! their IP packets.
//!
//! What the hosts run is the kernel's own IP, UDP and TCP; only the wire is ours. Each end is a TUN device of socat, whose packets
//! come to a Unix socket here: such sockets don't end at the border of a namespace.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::process::{Process, eventually};

/// Where Carillon is.
pub const OURS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1));
/// Where everybody else is.
pub const THEIRS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 2));

/// A namespace may take its time on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often an idle wire looks whether the test is over.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Larger than any packet of a device with the usual 1,500 octets.
const PACKET_MAX: usize = 2_048;

/// What the line does to packets, in each direction.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// Share of packets that are lost, 0 to 1.
    pub loss: f64,
    /// How long the fastest packet takes.
    pub delay: Duration,
    /// How much longer another one may take: those behind it overtake it.
    pub jitter: Duration,
    /// What is drawn from; the same packets have the same fate.
    pub seed: u64,
}

/// A host of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// Where Carillon runs.
    Ours,
    /// Where carriers and phones run.
    Theirs,
}

/// What happened on the line, both directions together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Packets that arrived.
    pub passed: u32,
    /// Packets that did not.
    pub lost: u32,
    /// Packets that arrived after one which was sent later.
    pub overtaken: u32,
}

/// The two hosts and the line. Ends with the test.
pub struct Network {
    ours: Process,
    theirs: Process,
    counts: Arc<Counts>,
    over: Arc<AtomicBool>,
    wires: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Counts {
    passed: AtomicU32,
    lost: AtomicU32,
    overtaken: AtomicU32,
}

impl Network {
    /// Brings both hosts up.
    pub fn new(directory: &Path, line: Line) -> Network {
        let (ours, here) = host(directory, "ours", OURS);
        let (theirs, there) = host(directory, "theirs", THEIRS);
        let (counts, over) = (Arc::new(Counts::default()), Arc::new(AtomicBool::new(false)));
        // socat takes packets from the socket only that it sends its own to.
        let ends = [(&here, &there, "theirs", 1), (&there, &here, "ours", 2)];
        let wires = ends.map(|(from, by, to, stream)| {
            let mut draws = ChaCha20Rng::seed_from_u64(line.seed);
            draws.set_stream(stream);
            let [from, by] = [from, by].map(|end| end.try_clone().expect("a socket can be doubled"));
            let to = directory.join(format!("{to}.host"));
            let wire = Wire { from, by, to, draws, line, counts: counts.clone(), over: over.clone() };
            thread::spawn(move || wire.carry())
        });
        Network { ours, theirs, counts, over, wires: wires.into() }
    }

    /// A command that runs on one of the hosts.
    pub fn command(&self, host: Host, program: &Path) -> Command {
        let inside = match host {
            Host::Ours => self.ours.pid(),
            Host::Theirs => self.theirs.pid(),
        };
        let mut command = Command::new("nsenter");
        command.args(["--target", &inside.to_string(), "--user", "--net", "--preserve-credentials", "--"]);
        command.arg(program);
        command
    }

    /// What happened so far.
    pub fn seen(&self) -> Seen {
        let read = |count: &AtomicU32| count.load(Ordering::Relaxed);
        let Counts { passed, lost, overtaken } = &*self.counts;
        Seen { passed: read(passed), lost: read(lost), overtaken: read(overtaken) }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for wire in self.wires.drain(..) {
            // It has told on itself already if it panicked.
            let _ = wire.join();
        }
    }
}

/// A namespace with one device, and the socket at which its packets come out.
fn host(directory: &Path, name: &str, at: IpAddr) -> (Process, UnixDatagram) {
    let (link, end) = (directory.join(format!("{name}.link")), directory.join(format!("{name}.host")));
    let socket = UnixDatagram::bind(&link).expect("the test's directory can be written");
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net", "socat"]);
    command.arg(format!("TUN:{at}/24,up,iff-no-pi"));
    command.arg(format!("UNIX-SENDTO:{},bind={}", link.display(), end.display()));
    let mut process = Process::start(&format!("host-{name}"), &mut command, directory);
    let up = eventually(PATIENCE, || (end.exists() || !process.runs()).then_some(()));
    assert!(up.is_some() && process.runs(), "no host in a namespace of its own:\n{}", process.output());
    (process, socket)
}

/// One direction.
struct Wire {
    from: UnixDatagram,
    by: UnixDatagram,
    to: PathBuf,
    draws: ChaCha20Rng,
    line: Line,
    counts: Arc<Counts>,
    over: Arc<AtomicBool>,
}

impl Wire {
    fn carry(mut self) {
        let mut packet = [0; PACKET_MAX];
        // Due, number, octets: the earliest first.
        let mut under_way: BinaryHeap<Reverse<(Instant, u32, Vec<u8>)>> = BinaryHeap::new();
        let (mut number, mut latest) = (0_u32, 0_u32);
        while !self.over.load(Ordering::Relaxed) {
            let due =
                under_way.peek().map(|Reverse((due, ..))| due.saturating_duration_since(Instant::now()));
            let wait = due.unwrap_or(LOOK_EVERY).clamp(Duration::from_micros(100), LOOK_EVERY);
            self.from.set_read_timeout(Some(wait)).expect("a socket takes a timeout");
            if let Ok(length) = self.from.recv(&mut packet) {
                number += 1;
                if self.draw() < self.line.loss {
                    self.counts.lost.fetch_add(1, Ordering::Relaxed);
                } else {
                    let due = Instant::now() + self.line.delay + self.line.jitter.mul_f64(self.draw());
                    under_way.push(Reverse((due, number, packet[..length].to_vec())));
                }
            }
            let now = Instant::now();
            while under_way.peek().is_some_and(|Reverse((due, ..))| *due <= now) {
                let Some(Reverse((_, number, packet))) = under_way.pop() else { break };
                // A full device drops, as any does.
                let counted = match self.by.send_to(&packet, &self.to) {
                    Ok(_) => &self.counts.passed,
                    Err(_) => &self.counts.lost,
                };
                counted.fetch_add(1, Ordering::Relaxed);
                if number < latest {
                    self.counts.overtaken.fetch_add(1, Ordering::Relaxed);
                }
                latest = latest.max(number);
            }
        }
    }

    /// From 0 to 1.
    fn draw(&mut self) -> f64 {
        f64::from(self.draws.next_u32()) / f64::from(u32::MAX)
    }
}
