//! The way to a capture server: a queue that never holds the engine up, and a thread that wraps up and sends.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;

use crate::hep::{Captured, packet};
use crate::options::{HepOptions, HepServer};
use crate::transport::Local;

/// Messages that may wait; what comes beyond is dropped and counted.
pub const QUEUE_MAX: usize = 4_096;
/// How long the address of a name is used before the name is looked up again.
const NAME_LIFE: Duration = Duration::from_secs(300);
/// How long nothing is tried after a name led nowhere.
const NAME_REST: Duration = Duration::from_secs(5);

/// What became of messages since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HepCounts {
    /// Handed to the network.
    pub sent: u64,
    /// Not sent: the queue was full, or the network refused.
    pub dropped: u64,
}

#[derive(Debug, Default)]
struct Counters {
    sent: AtomicU64,
    dropped: AtomicU64,
}

/// The way to a running exporter.
#[derive(Debug)]
pub struct HepHandle {
    queue: SyncSender<Captured>,
    counters: Arc<Counters>,
    /// What stands in place of an address that means all of this machine's.
    own: IpAddr,
    thread: JoinHandle<()>,
}

/// Starts the exporter. `own` is the address by which others reach us.
pub fn spawn(options: HepOptions, own: IpAddr) -> io::Result<HepHandle> {
    let way = Way::new(options.server.clone())?;
    let (queue, messages) = sync_channel(QUEUE_MAX);
    let counters = Arc::new(Counters::default());
    let counted = counters.clone();
    let thread = std::thread::Builder::new()
        .name("hep".into())
        .spawn(move || serve(&messages, way, &options, &counted))?;
    Ok(HepHandle { queue, counters, own, thread })
}

impl HepHandle {
    /// Takes a message that came. Never waits.
    pub fn received(&self, message: &Bytes, from: SocketAddr, local: Local) {
        self.take(message, from, local.reached_at(self.own).address, local);
    }

    /// Takes a message that goes. Never waits.
    pub fn sent(&self, message: &Bytes, to: SocketAddr, local: Local) {
        self.take(message, local.reached_at(self.own).address, to, local);
    }

    /// What became of messages since the start.
    pub fn counts(&self) -> HepCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        HepCounts { sent: read(&self.counters.sent), dropped: read(&self.counters.dropped) }
    }

    /// Sends what waits, then ends.
    pub fn stop(self) {
        drop(self.queue);
        if self.thread.join().is_err() {
            tracing::warn!("the capture thread ended in disorder");
        }
    }

    fn take(&self, message: &Bytes, source: SocketAddr, destination: SocketAddr, local: Local) {
        let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let message = message.clone();
        let captured = Captured { message, source, destination, transport: local.transport, at };
        if self.queue.try_send(captured).is_err() {
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The way to the server: a socket that is connected with it. A name is looked up on the thread, by the system, and may take its time.
struct Way {
    server: HepServer,
    socket: Option<UdpSocket>,
    looked_at: Option<Instant>,
}

impl Way {
    /// An address has to be one that we can send to; a name may come to lead somewhere later.
    fn new(server: HepServer) -> io::Result<Self> {
        let socket = match &server {
            HepServer::Address(address) => Some(connected(*address)?),
            HepServer::Named { .. } => None,
        };
        Ok(Self { server, socket, looked_at: None })
    }

    fn send(&mut self, packet: &[u8]) -> io::Result<()> {
        if let HepServer::Named { host, port } = &self.server {
            let rest = if self.socket.is_some() { NAME_LIFE } else { NAME_REST };
            if self.looked_at.is_none_or(|at| at.elapsed() >= rest) {
                self.looked_at = Some(Instant::now());
                let found = (host.as_str(), *port).to_socket_addrs();
                match found.and_then(first_connected) {
                    Ok(socket) => self.socket = Some(socket),
                    Err(error) if self.socket.is_none() => return Err(error),
                    // What was known goes on.
                    Err(_) => {}
                }
            }
        }
        let socket = self.socket.as_ref().ok_or_else(|| io::Error::other("the name leads nowhere"))?;
        socket.send(packet).map(drop)
    }
}

/// A name may have addresses of a family for which there is no network here.
fn first_connected(all: impl Iterator<Item = SocketAddr>) -> io::Result<UdpSocket> {
    let nowhere = Err(io::Error::other("the name has no address"));
    all.fold(nowhere, |found, address| found.or_else(|_| connected(address)))
}

fn connected(address: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr =
        if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    socket.connect(address)?;
    Ok(socket)
}

fn serve(messages: &Receiver<Captured>, mut way: Way, options: &HepOptions, counters: &Counters) {
    let (mut out, mut well) = (Vec::new(), true);
    while let Ok(captured) = messages.recv() {
        if !packet(&captured, options, &mut out) {
            continue;
        }
        match way.send(&out) {
            Ok(()) => {
                counters.sent.fetch_add(1, Ordering::Relaxed);
                well = true;
            }
            Err(error) => {
                counters.dropped.fetch_add(1, Ordering::Relaxed);
                // Once, until something gets through again.
                if std::mem::replace(&mut well, false) {
                    tracing::warn!(server = %options.server, %error, "captured messages can't be sent");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Transport;

    const MESSAGE: &[u8] = b"OPTIONS sip:a SIP/2.0\r\nCall-ID: x\r\n\r\n";

    #[test]
    fn messages_arrive_with_our_address_and_the_rest_is_counted() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let at = HepServer::Address(server.local_addr().unwrap());
        let options = HepOptions { server: at, id: 7, password: None };
        let exporter = spawn(options, "192.0.2.1".parse().unwrap()).unwrap();
        let local = Local { transport: Transport::Udp, address: "0.0.0.0:5060".parse().unwrap() };
        let peer = "192.0.2.10:5080".parse().unwrap();
        exporter.sent(&Bytes::from_static(MESSAGE), peer, local);
        exporter.received(&Bytes::from_static(b"\r\n\r\n"), peer, local);
        exporter.received(&Bytes::from_static(MESSAGE), peer, local);
        let mut packets = Vec::new();
        for _ in 0..2 {
            let mut buffer = [0; 1_500];
            let (length, _) = server.recv_from(&mut buffer).unwrap();
            packets.push(buffer[..length].to_vec());
        }
        let holds = |packet: &[u8], chunk: &[u8]| packet.windows(chunk.len()).any(|octets| octets == chunk);
        // Source and destination.
        assert!(
            holds(&packets[0], &[0, 3, 0, 10, 192, 0, 2, 1])
                && holds(&packets[0], &[0, 4, 0, 10, 192, 0, 2, 10])
        );
        assert!(
            holds(&packets[1], &[0, 3, 0, 10, 192, 0, 2, 10])
                && holds(&packets[1], &[0, 4, 0, 10, 192, 0, 2, 1])
        );
        while exporter.counts().sent < 2 {
            std::thread::yield_now();
        }
        assert_eq!(exporter.counts(), HepCounts { sent: 2, dropped: 0 });
        exporter.stop();
    }

    #[test]
    fn a_name_is_looked_up_and_one_that_leads_nowhere_costs_its_messages_alone() {
        // The hosts file has this name at either address.
        let at = ("localhost", 0).to_socket_addrs().unwrap().next().unwrap();
        let server = UdpSocket::bind(at).unwrap();
        server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let named =
            |host: &str| HepServer::Named { host: host.into(), port: server.local_addr().unwrap().port() };
        Way::new(named("localhost")).unwrap().send(b"packet").unwrap();
        let mut buffer = [0; 16];
        assert_eq!(server.recv(&mut buffer).unwrap(), 6);
        let mut nowhere = Way::new(named("nowhere.invalid")).unwrap();
        assert!(nowhere.send(b"packet").is_err());
        let looked_at = nowhere.looked_at;
        assert!(nowhere.send(b"packet").is_err());
        assert_eq!(nowhere.looked_at, looked_at, "it rests");
    }

    #[test]
    fn of_a_names_addresses_the_first_that_can_be_reached_is_taken() {
        // Nobody may send to all without asking for it.
        let all = ["255.255.255.255:9060", "127.0.0.1:9060", "127.0.0.2:9060"].map(|it| it.parse().unwrap());
        let socket = first_connected(all.into_iter()).unwrap();
        assert_eq!(socket.peer_addr().unwrap(), all[1]);
        assert!(
            first_connected(all[..1].iter().copied()).is_err() && first_connected([].into_iter()).is_err()
        );
    }

    #[test]
    fn a_full_queue_drops_and_counts() {
        let (queue, messages) = sync_channel(2);
        let counters = Arc::new(Counters::default());
        let thread = std::thread::spawn(|| {});
        let own = "192.0.2.1".parse().unwrap();
        let exporter = HepHandle { queue, counters, own, thread };
        let local = Local { transport: Transport::Udp, address: "192.0.2.1:5060".parse().unwrap() };
        for _ in 0..5 {
            exporter.sent(&Bytes::from_static(MESSAGE), "192.0.2.2:5060".parse().unwrap(), local);
        }
        assert_eq!(exporter.counts(), HepCounts { sent: 0, dropped: 3 });
        assert_eq!(messages.try_iter().count(), 2);
        exporter.stop();
    }
}
