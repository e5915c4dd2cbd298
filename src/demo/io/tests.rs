//! Carrier and phone over real sockets, joined by a scripted switch in the middle that relays RTP.

use std::net::UdpSocket as Socket;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::*;
use crate::demo::party::carrier::{self, Carrier};
use crate::demo::party::phone::{self, Phone};
use crate::demo::party::plan::Plan;
use crate::demo::party::sdp::{Audio, PCMU, write};
use crate::demo::party::text::Text;
use crate::demo::party::token::Tokens;
use crate::demo::proof::proof;

const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn tokens(seed: u64) -> Tokens {
    Tokens::new(ChaCha20Rng::seed_from_u64(seed))
}

fn carrier_seat() -> Seat<Carrier> {
    let sip = bind_sip(LOCAL).expect("socket");
    let media = bind_media(LOCAL, 2).expect("sockets");
    let plan = "shares = { person = 1, machine = 0, busy = 0, no_answer = 0, congestion = 0 }\nnever_hangs_up = 1.0\n\
                early_media = 1.0\n";
    let options = carrier::Options {
        address: sip.local_addr().expect("address"),
        media: media.iter().map(|socket| socket.address).collect(),
        plan: Plan::parse(plan).expect("plan"),
        seed: 5,
        speed: 50.0,
    };
    Seat { party: Carrier::new(options, tokens(1)), sip, media }
}

fn phone_seat(registrar: SocketAddr) -> Seat<Phone> {
    let sip = bind_sip(LOCAL).expect("socket");
    let media = bind_media(LOCAL, 1).expect("sockets");
    let options = phone::Options {
        user: "agent7".to_owned(),
        password: "x".to_owned(),
        registrar,
        address: sip.local_addr().expect("address"),
        media: media[0].address,
        payload: PCMU,
        expires: Duration::from_secs(60),
        answer_after: Duration::from_millis(10),
        hang_up_after: None,
        declines: false,
        sound: Sound::Agent(7),
    };
    Seat { party: Phone::new(options, tokens(2)), sip, media }
}

/// Calls `to` with an SDP that points at `rtp`, acknowledges the 200 and gives the address where the peer wants RTP.
fn call(switch: &Socket, to: SocketAddr, rtp: &Socket, name: &str) -> SocketAddr {
    let local = switch.local_addr().expect("address");
    let body = write(rtp.local_addr().expect("address"), PCMU, None, 1);
    let head = |method: &str, to_header: &str, body: &str| {
        format!(
            "{method} sip:x@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{name}{method};rport\r\nFrom: \
             <sip:s@{local}>;tag=s\r\nTo: {to_header}\r\nCall-ID: {name}\r\nCSeq: 1 {method}\r\nContact: \
             <sip:s@{local}>\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    switch.send_to(head("INVITE", "<sip:x@y>", &body).as_bytes(), to).expect("sent");
    let mut buffer = [0_u8; 4_096];
    loop {
        let (length, _) = switch.recv_from(&mut buffer).expect("an answer in time");
        let text = Text::read(&buffer[..length]).expect("SIP");
        if text.call_id() == name && text.status() == Some(200) {
            switch.send_to(head("ACK", text.header("To"), "").as_bytes(), to).expect("sent");
            return Audio::read(&text.body).expect("audio").address;
        }
    }
}

#[test]
fn callee_and_agent_hear_each_other_through_a_relay() {
    let switch = Socket::bind((LOCAL, 0)).expect("socket");
    switch.set_read_timeout(Some(Duration::from_secs(10))).expect("timeout");
    let (left, right) =
        (Socket::bind((LOCAL, 0)).expect("socket"), Socket::bind((LOCAL, 0)).expect("socket"));
    let clock = Instant::now();
    let (carrier, phone) = (carrier_seat(), phone_seat(switch.local_addr().expect("address")));
    let (carrier_sip, phone_sip) = (carrier.party_address(), phone.party_address());
    let callees = Shell::spawn("callees", vec![carrier], clock, |_, _, _, _| {}).expect("thread");
    let phones = Shell::spawn("phones", vec![phone], clock, |_, _, _, _| {}).expect("thread");
    let agent_rtp = call(&switch, phone_sip, &right, "agent");
    let callee_rtp = call(&switch, carrier_sip, &left, "callee");
    for socket in [&left, &right] {
        socket.set_read_timeout(Some(Duration::from_millis(1))).expect("timeout");
    }
    let mut buffer = [0_u8; 2_048];
    let (mut to_agent, mut to_callee) = (0, 0);
    // Ninety packets each way are almost two seconds; a peer that stops sending ends the test by its assertions.
    while to_agent.min(to_callee) < 90 && clock.elapsed() < Duration::from_secs(30) {
        if let Ok((length, _)) = left.recv_from(&mut buffer) {
            right.send_to(&buffer[..length], agent_rtp).expect("sent");
            to_agent += 1;
        }
        if let Ok((length, _)) = right.recv_from(&mut buffer) {
            left.send_to(&buffer[..length], callee_rtp).expect("sent");
            to_callee += 1;
        }
    }
    let (callees, phones) = (callees.stop(), phones.stop());
    assert_eq!((callees.len(), phones.len()), (1, 1));
    let found = proof(&callees, &phones);
    assert_eq!(
        (found.answered, found.agent_heard, found.both_ways, found.crossed),
        (1, 1, 1, 0),
        "{callees:?} {phones:?}"
    );
    assert!(phones[0].tally.received >= 80, "{:?}", phones[0].tally);
    assert_eq!(found.lost, 0);
}

#[test]
fn media_ports_are_even_and_distinct() {
    let sockets = bind_media(LOCAL, 20).expect("sockets");
    let ports: std::collections::BTreeSet<u16> = sockets.iter().map(|socket| socket.address.port()).collect();
    assert_eq!(ports.len(), 20);
    assert!(ports.iter().all(|port| port % 2 == 0));
}

impl<P> Seat<P> {
    fn party_address(&self) -> SocketAddr {
        self.sip.local_addr().expect("address")
    }
}
