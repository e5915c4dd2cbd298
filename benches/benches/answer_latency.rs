//! From the carrier's 200 to the first agent packet at the callee, over persistent agent legs.
//!
//! The engine runs in this process between the demo's carrier and phones. Every agent packet carries a number, so that
//! the callee knows when the phone sent the one that came first. Our share of the delay is what lies between that
//! packet's arrival and the later of two moments: the 200 being sent, and the packet being sent. It holds two hops over
//! the loopback interface and three threads' wake-ups. So does the way of the same packets through a bare relay
//! (`recvfrom`, `sendto`), which is measured beside it in the same run.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use carillon::demo::party::carrier::{self, Carrier};
use carillon::demo::party::phone::{self, Phone};
use carillon::demo::party::plan::Plan;
use carillon::demo::party::token::Tokens;
use carillon::demo::party::{Event, Media, Output, Party, Sound};
use carillon::run::{self, RunOptions};
use carillon_config::CampaignFile;
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

const CALLS: usize = 300;
const AGENTS: usize = 10;
const LINES: usize = 32;
/// Token of the callees' socket for the bare relay.
const BARE: usize = LINES + 1;
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const PACKET_TIME: Duration = Duration::from_millis(20);
const HEADER: usize = 12;
const FRAME: usize = 160;
/// Start of an agent packet's payload; what follows is its number. Silence never looks like it.
const MARK: [u8; 4] = [0x11, 0x22, 0x33, 0x44];
/// Packets whose sending time is remembered.
const STAMPS: usize = 1 << 16;
const CALLEES: &str = "shares = { person = 1, machine = 0, busy = 0, no_answer = 0, congestion = 0 }\npost_dial = { uniform = { \
                       from_ms = 20, to_ms = 60 } }\nring_person = { uniform = { from_ms = 100, to_ms = 400 } }\ntalk = { uniform \
                       = { from_ms = 400, to_ms = 700 } }\n";

fn main() {
    let clock = Instant::now();
    let stamps: Arc<Vec<AtomicU64>> = Arc::new((0..STAMPS).map(|_| AtomicU64::new(0)).collect());
    let stop = Arc::new(AtomicBool::new(false));
    let work = std::env::temp_dir().join(format!("carillon-answer-latency-{}", std::process::id()));
    std::fs::create_dir_all(&work).expect("temporary directory");

    let (relay_in, relay) = bare_relay(stop.clone());
    let carrier = Callees::new(clock, stamps.clone());
    relay.send(carrier.bare_address).expect("the relay waits");
    let trunk = carrier.sip.local_addr().expect("address");
    let listen =
        UdpSocket::bind(SocketAddr::new(LOCAL, 0)).and_then(|socket| socket.local_addr()).expect("address");
    let file = campaign(&work, listen, trunk);
    let phones = Phones::new(listen, relay_in, clock, stamps);
    let callees = spawn("callees", stop.clone(), move |stop| carrier.play(&stop));
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let (stopped, phones_thread) = (stop.clone(), Arc::new(std::sync::Mutex::new(None)));
    let slot = phones_thread.clone();
    let on_start = Box::new(move |_: &_, _: &_| {
        *slot.lock().expect("one thread") = Some(spawn("phones", stopped, move |stop| phones.play(&stop)));
    });
    let options = RunOptions { directory: work.join("report"), speed: 1, seed: 1, on_start: Some(on_start) };
    let summary = runtime.block_on(run::run(file, options)).expect("the campaign runs to its end");
    stop.store(true, Ordering::Relaxed);
    let (ours, bare) = callees.join().expect("callees");
    if let Some(thread) = phones_thread.lock().expect("one thread").take() {
        thread.join().expect("phones");
    }
    let _ = std::fs::remove_dir_all(&work);

    let answer = summary.answer_to_agent_ms;
    println!("machine                          {}", machine());
    println!("calls bridged, measured          {}, {} of {CALLS}", summary.bridged, ours.len());
    print_shares("our share", ours);
    print_shares("bare relay", bare);
    println!("budget                           our share p99 at most 1 ms");
    println!(
        "answer to agent, as reported     p50 {:?} ms, p99 {:?} ms  (a packet every 20 ms)",
        answer.p50, answer.p99
    );
}

fn print_shares(name: &str, mut shares: Vec<u64>) {
    shares.sort_unstable();
    for (word, share) in [("p50", 0.50), ("p99", 0.99), ("max", 1.0)] {
        let place = ((shares.len() as f64 * share).ceil() as usize).saturating_sub(1);
        let milliseconds = shares.get(place).map_or(f64::NAN, |nanoseconds| *nanoseconds as f64 / 1e6);
        println!("{:<33}{milliseconds:.3} ms", format!("{name} {word}"));
    }
}

/// A thread that sends on what it receives, to the address it is told first.
fn bare_relay(stop: Arc<AtomicBool>) -> (SocketAddr, std::sync::mpsc::SyncSender<SocketAddr>) {
    let socket = std::net::UdpSocket::bind(SocketAddr::new(LOCAL, 0)).expect("socket");
    socket.set_read_timeout(Some(Duration::from_millis(100))).expect("timeout");
    let address = socket.local_addr().expect("address");
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    spawn("bare-relay", stop, move |stop| {
        let to: SocketAddr = receiver.recv().expect("an address");
        let mut buffer = [0_u8; 2_048];
        while !stop.load(Ordering::Relaxed) {
            if let Ok((length, _)) = socket.recv_from(&mut buffer) {
                let _ = socket.send_to(&buffer[..length], to);
            }
        }
    });
    (address, sender)
}

fn spawn<T: Send + 'static>(
    name: &str,
    stop: Arc<AtomicBool>,
    play: impl FnOnce(Arc<AtomicBool>) -> T + Send + 'static,
) -> JoinHandle<T> {
    std::thread::Builder::new().name(name.to_owned()).spawn(move || play(stop)).expect("thread")
}

fn tokens(seed: u64) -> Tokens {
    Tokens::new(ChaCha20Rng::seed_from_u64(seed))
}

fn socket(poll: &Poll, token: usize) -> (UdpSocket, SocketAddr) {
    let mut socket = UdpSocket::bind(SocketAddr::new(LOCAL, 0)).expect("socket");
    poll.registry().register(&mut socket, Token(token), Interest::READABLE).expect("epoll");
    let address = socket.local_addr().expect("address");
    (socket, address)
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The carrier; token 0 is its SIP socket, the others are RTP.
struct Callees {
    poll: Poll,
    clock: Instant,
    stamps: Arc<Vec<AtomicU64>>,
    carrier: Carrier,
    sip: UdpSocket,
    media: Vec<(UdpSocket, SocketAddr)>,
    /// Where the bare relay sends to.
    bare: UdpSocket,
    bare_address: SocketAddr,
    bare_shares: Vec<u64>,
    /// By RTP socket: when its call's 200 was sent; gone once measured.
    waiting: BTreeMap<usize, u64>,
    shares: Vec<u64>,
}

impl Callees {
    fn new(clock: Instant, stamps: Arc<Vec<AtomicU64>>) -> Self {
        let poll = Poll::new().expect("epoll");
        let (sip, address) = socket(&poll, 0);
        let media: Vec<_> = (1..=LINES).map(|token| socket(&poll, token)).collect();
        let (bare, bare_address) = socket(&poll, BARE);
        let options = carrier::Options {
            address,
            media: media.iter().map(|(_, address)| *address).collect(),
            plan: Plan::parse(CALLEES).expect("plan"),
            seed: 1,
            speed: 1.0,
        };
        let carrier = Carrier::new(options, tokens(1));
        let (bare_shares, waiting, shares) = (Vec::new(), BTreeMap::new(), Vec::new());
        Self { poll, clock, stamps, carrier, sip, media, bare, bare_address, bare_shares, waiting, shares }
    }

    fn play(mut self, stop: &AtomicBool) -> (Vec<u64>, Vec<u64>) {
        let mut events = Events::with_capacity(128);
        let mut buffer = [0_u8; 4_096];
        while !stop.load(Ordering::Relaxed) {
            let now = self.clock.elapsed();
            let due = self.carrier.poll_timeout().map_or(PACKET_TIME, |at| at.saturating_sub(now));
            self.poll.poll(&mut events, Some(due.min(PACKET_TIME))).expect("epoll");
            for event in &events {
                match event.token().0 {
                    0 => {
                        while let Ok((length, from)) = self.sip.recv_from(&mut buffer) {
                            self.carrier.datagram(&buffer[..length], from, self.clock.elapsed());
                            self.drain();
                        }
                    }
                    BARE => {
                        while let Ok((length, _)) = self.bare.recv_from(&mut buffer) {
                            let now = nanoseconds(self.clock.elapsed());
                            let sent = self.sent_at(&buffer[..length]);
                            self.bare_shares.extend(sent.map(|sent| now.saturating_sub(sent)));
                        }
                    }
                    token => {
                        while let Ok((length, _)) = self.media[token - 1].0.recv_from(&mut buffer) {
                            self.heard(token - 1, &buffer[..length]);
                        }
                    }
                }
            }
            self.carrier.handle_timeout(self.clock.elapsed());
            self.drain();
        }
        (self.shares, self.bare_shares)
    }

    /// When a phone sent this agent packet; `None` for any other packet.
    fn sent_at(&self, packet: &[u8]) -> Option<u64> {
        let number = packet.get(HEADER..HEADER + 8)?.strip_prefix(&MARK)?;
        let number = u32::from_be_bytes(number.try_into().ok()?) as usize;
        Some(self.stamps[number % STAMPS].load(Ordering::Acquire))
    }

    fn heard(&mut self, line: usize, packet: &[u8]) {
        let now = nanoseconds(self.clock.elapsed());
        if let Some(sent) = self.sent_at(packet)
            && let Some(answered) = self.waiting.remove(&line)
        {
            self.shares.push(now.saturating_sub(sent.max(answered)));
        }
    }

    fn drain(&mut self) {
        let mut sent = 0;
        while let Some(output) = self.carrier.poll_output() {
            match output {
                Output::Transmit { to, bytes } => {
                    sent = nanoseconds(self.clock.elapsed());
                    let _ = self.sip.send_to(&bytes, to);
                }
                // The 200 is the last thing that was sent before its audio starts.
                Output::Media(Media::Start { local, .. }) => {
                    if let Some(line) = self.media.iter().position(|(_, address)| *address == local) {
                        self.waiting.insert(line, sent);
                    }
                }
                Output::Media(_) | Output::Event(Event::Answered { .. }) | Output::Event(_) => {}
            }
        }
    }
}

/// The phones; tokens 2n are SIP, 2n+1 RTP.
struct Phones {
    poll: Poll,
    clock: Instant,
    stamps: Arc<Vec<AtomicU64>>,
    phones: Vec<(Phone, UdpSocket, UdpSocket)>,
    /// The bare relay.
    relay: SocketAddr,
    talking_to: BTreeMap<usize, SocketAddr>,
}

impl Phones {
    fn new(registrar: SocketAddr, relay: SocketAddr, clock: Instant, stamps: Arc<Vec<AtomicU64>>) -> Self {
        let poll = Poll::new().expect("epoll");
        let phones = (0..AGENTS).map(|index| {
            let (sip, address) = socket(&poll, 2 * index);
            let (rtp, media) = socket(&poll, 2 * index + 1);
            let options = phone::Options {
                user: format!("agent{index}"),
                password: "bench".to_owned(),
                registrar,
                address,
                media,
                payload: 0,
                expires: Duration::from_secs(300),
                answer_after: Duration::from_millis(10),
                hang_up_after: None,
                declines: false,
                sound: Sound::Agent(0),
            };
            let mut phone = Phone::new(options, tokens(2 + index as u64));
            phone.sign_on(Duration::ZERO);
            (phone, sip, rtp)
        });
        let phones = phones.collect();
        Self { poll, clock, stamps, phones, relay, talking_to: BTreeMap::new() }
    }

    fn play(mut self, stop: &AtomicBool) {
        let mut events = Events::with_capacity(128);
        let mut buffer = [0_u8; 4_096];
        let (mut number, mut sequences) = (0_u32, [0_u16; AGENTS]);
        // Phones are not in step: each has its own place within the 20 ms.
        let mut due: Vec<Duration> =
            (0..AGENTS).map(|index| PACKET_TIME * index as u32 / AGENTS as u32).collect();
        while !stop.load(Ordering::Relaxed) {
            let now = self.clock.elapsed();
            let next = due.iter().min().map_or(PACKET_TIME, |at| at.saturating_sub(now));
            self.poll.poll(&mut events, Some(next)).expect("epoll");
            for event in &events {
                let (index, rtp) = (event.token().0 / 2, event.token().0 % 2 == 1);
                let (phone, sip, media) = &mut self.phones[index];
                if rtp {
                    while media.recv_from(&mut buffer).is_ok() {}
                } else {
                    while let Ok((length, from)) = sip.recv_from(&mut buffer) {
                        phone.datagram(&buffer[..length], from, self.clock.elapsed());
                    }
                }
            }
            for index in 0..AGENTS {
                self.drain(index);
                let now = self.clock.elapsed();
                if now < due[index] {
                    continue;
                }
                due[index] = (due[index] + PACKET_TIME).max(now);
                if let Some(to) = self.talking_to.get(&index) {
                    // Turn and turn about, so that neither always goes first.
                    let ways = if number.is_multiple_of(4) { [self.relay, *to] } else { [*to, self.relay] };
                    sequences[index] = sequences[index].wrapping_add(1);
                    for way in ways {
                        number = number.wrapping_add(1);
                        let packet = packet(number, sequences[index], index as u32);
                        let stamp = &self.stamps[number as usize % STAMPS];
                        stamp.store(nanoseconds(self.clock.elapsed()), Ordering::Release);
                        let _ = self.phones[index].2.send_to(&packet, way);
                    }
                }
            }
        }
    }

    fn drain(&mut self, index: usize) {
        let (phone, sip, _) = &mut self.phones[index];
        let now = self.clock.elapsed();
        if phone.poll_timeout().is_some_and(|at| at <= now) {
            phone.handle_timeout(now);
        }
        while let Some(output) = phone.poll_output() {
            match output {
                Output::Transmit { to, bytes } => {
                    let _ = sip.send_to(&bytes, to);
                }
                Output::Media(Media::Start { remote, .. }) => {
                    self.talking_to.insert(index, remote);
                }
                Output::Media(Media::Stop { .. }) => {
                    self.talking_to.remove(&index);
                }
                Output::Media(Media::Sound { .. }) | Output::Event(_) => {}
            }
        }
    }
}

fn packet(number: u32, sequence: u16, ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&(u32::from(sequence) * FRAME as u32).to_be_bytes());
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(&MARK);
    packet.extend_from_slice(&number.to_be_bytes());
    packet.resize(HEADER + FRAME, 0x7e);
    packet
}

fn campaign(work: &Path, listen: SocketAddr, trunk: SocketAddr) -> CampaignFile {
    let mut list = String::from("id,number\n");
    for call in 0..CALLS {
        list.push_str(&format!("{call},+1212{:07}\n", 2_000_000 + call));
    }
    std::fs::write(work.join("contacts.csv"), list).expect("contacts.csv");
    let mut file = format!(
        "[campaign]\nname = \"answer latency\"\nmode = \"progressive\"\njurisdiction = \"none\"\nring_timeout = \
         \"20s\"\n[sip]\nlisten = \"{listen}\"\nmedia_address = \"{LOCAL}\"\nrtp_ports = \"20000-21999\"\n[[trunk]]\nname = \
         \"carrier\"\nuri = \"sip:{trunk}\"\nmax_calls = {LINES}\ncalls_per_second = 50.0\ncaller_ids = \
         [\"+12125550100\"]\ncodecs = [\"PCMU\"]\n[agents]\nleg = \"persistent\"\nwait_for = \"20s\"\nwrap_up = \
         \"100ms\"\ndisposition = \"success\"\n[list]\nfile = \"contacts.csv\"\nregion = \"US\"\ntimezone = \"UTC\"\n"
    );
    for index in 0..AGENTS {
        file.push_str(&format!("[[agents.agent]]\nuser = \"agent{index}\"\npassword = \"bench\"\n"));
    }
    std::fs::write(work.join("campaign.toml"), file).expect("campaign.toml");
    CampaignFile::load(&work.join("campaign.toml")).expect("a good campaign file")
}

/// The machine's name and processor, for the note beside the figures.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let count = processors.lines().filter(|line| line.starts_with("processor")).count();
    let model = model.map_or("unknown CPU", |(_, model)| model);
    format!("{}, {count} x {model}", read("/proc/sys/kernel/hostname").trim())
}
