//! One call's sound: speaks a square wave in PCMU, counts what it hears.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// Samples of a packet: 20 ms at 8,000 a second.
const SAMPLES: usize = 160;
/// Octets before them (RFC 3550 §5.1).
const HEADER: usize = 12;
/// Loud and quiet in µ-law, five milliseconds each.
const WAVE: [(u8, usize); 2] = [(0x90, 40), (0x10, 40)];

/// A socket for one call, and who speaks there.
pub struct Media {
    at: SocketAddr,
    socket: Arc<UdpSocket>,
    heard: Arc<AtomicU32>,
    tasks: Vec<JoinHandle<()>>,
}

impl Media {
    /// Opens any port beside `signalling`.
    pub async fn open(signalling: SocketAddr) -> std::io::Result<Self> {
        let socket = Arc::new(UdpSocket::bind((signalling.ip(), 0)).await?);
        let heard = Arc::new(AtomicU32::new(0));
        let listening = tokio::spawn(listen(Arc::clone(&socket), Arc::clone(&heard)));
        Ok(Self { at: socket.local_addr()?, socket, heard, tasks: vec![listening] })
    }

    /// The session description of an offer or an answer.
    pub fn describe(&self) -> Vec<u8> {
        let (ip, port) = (self.at.ip(), self.at.port());
        format!(
            "v=0\r\no=peer 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
        )
        .into_bytes()
    }

    /// Speaks to whom a session description names.
    pub fn speak(&mut self, description: &[u8]) {
        match named(description) {
            Some(to) => self.tasks.push(tokio::spawn(speak(Arc::clone(&self.socket), to))),
            None => println!("no address to speak to"),
        }
    }

    /// Packets of sound that came.
    pub fn close(self) -> u32 {
        for task in &self.tasks {
            task.abort();
        }
        self.heard.load(Ordering::Relaxed)
    }
}

async fn listen(socket: Arc<UdpSocket>, heard: Arc<AtomicU32>) {
    let mut packet = [0; 2_048];
    while let Ok(length) = socket.recv(&mut packet).await {
        // Version 2, payload type 0, sound and not silence.
        let voice = packet.get(HEADER..length).is_some_and(|sound| sound.contains(&0x90));
        if length == HEADER + SAMPLES && packet[0] == 0x80 && packet[1] & 0x7f == 0 && voice {
            heard.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn speak(socket: Arc<UdpSocket>, to: SocketAddr) {
    let wave: Vec<u8> = WAVE.iter().flat_map(|(level, long)| std::iter::repeat_n(*level, *long)).collect();
    let mut every = tokio::time::interval(Duration::from_millis(20));
    for number in 0_u16.. {
        every.tick().await;
        let mut packet = vec![0x80, 0];
        packet.extend(number.to_be_bytes());
        packet.extend((u32::from(number) * SAMPLES as u32).to_be_bytes());
        packet.extend(std::process::id().to_be_bytes());
        packet.extend(wave.iter().cycle().take(SAMPLES));
        if socket.send_to(&packet, to).await.is_err() {
            return;
        }
    }
}

/// Address and port of the first stream.
fn named(description: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(description).ok()?;
    let field = |start: &str| text.lines().find_map(|line| line.strip_prefix(start));
    let ip = field("c=IN IP4 ")?.trim().parse().ok()?;
    let port = field("m=audio ")?.split(' ').next()?.parse().ok()?;
    Some(SocketAddr::new(ip, port))
}
