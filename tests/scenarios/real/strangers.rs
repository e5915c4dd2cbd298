//! What others send to our ports: a call hears nothing of it.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use super::rig::campaign::Campaign;
use super::rig::customer::{Customer, assert_one_stream, sound};
use super::rig::sipp::Sipp;
use super::rig::tone::{Law, seconds_of};
use super::rig::{AGENT_HZ, CUSTOMER_HZ, LONG, MESSAGE_HZ, Stage};

/// A loopback address that is nobody's.
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 99, 0, 9);

fn stranger() -> UdpSocket {
    UdpSocket::bind((STRANGER, 0)).expect("a free port")
}

/// The first value of a header in the carrier's messages.
fn header(carrier: &Sipp, name: &str) -> String {
    let messages = carrier.messages();
    let value = messages.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    value.unwrap_or_else(|| panic!("no {name} in\n{messages}")).trim().to_owned()
}

#[test]
fn a_bye_from_somebody_else_does_not_end_the_call() {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_answer.xml").pause_ms(2_500).start();
    let mut phone = stage.sipp_phone("agent_answer.xml").start();
    let mut run = stage.run(&Campaign::with_sipp_agent());
    phone.wait_for_message("ACK sip:", LONG);

    // Everything in it is right but where it comes from.
    let (caller, callee) = (header(&carrier, "From"), header(&carrier, "To"));
    let bye = format!(
        "BYE sip:carillon@{listen} SIP/2.0\r\n\
         Via: SIP/2.0/UDP {STRANGER}:5060;branch=z9hG4bKstranger;rport\r\n\
         From: {callee};tag=carrier1\r\n\
         To: {caller}\r\n\
         Call-ID: {call_id}\r\n\
         CSeq: 7 BYE\r\n\
         Max-Forwards: 70\r\n\
         Content-Length: 0\r\n\r\n",
        listen = stage.ports.listen(),
        call_id = header(&carrier, "Call-ID"),
    );
    let socket = stranger();
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    socket.send_to(bye.as_bytes(), stage.ports.listen()).unwrap();
    let mut buffer = [0; 2_048];
    if let Ok((length, _)) = socket.recv_from(&mut buffer) {
        let answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
        assert!(!answer.starts_with("SIP/2.0 2"), "a stranger's BYE was accepted:\n{answer}");
    }

    let report = run.finish();
    carrier.finish(LONG);
    phone.finish(LONG);
    assert!(report.only_attempt().number("talk_ms") >= 2_300, "{:?}", report.attempts);
}

#[test]
fn junk_on_our_ports_and_a_voice_from_elsewhere_leave_the_talk_as_it_is() {
    let stage = Stage::new();
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let intruder = Customer::speaking(Law::Mu, MESSAGE_HZ);
    let mut carrier = stage.carrier("carrier_answer_media.xml").customer(&customer).pause_ms(3_000).start();
    let phone = stage.phone(0, &[Law::Mu]);
    let mut run = stage.run(&Campaign::default());
    let media = carrier.offered_media(LONG);
    carrier.wait_for_message("ACK sip:", LONG);
    // The customer has spoken by then, and the stream is theirs.
    thread::sleep(Duration::from_millis(300));
    intruder.speak_to(media);
    shout(stage.ports.listen(), media, Duration::from_millis(1_500));

    let report = run.finish();
    carrier.finish(LONG);
    assert!(!run.output().contains("panicked"), "{}", run.output());
    assert_eq!((report.count("placed"), report.count("bridged")), (1, 1));
    assert!((2_700..=3_600).contains(&report.only_attempt().number("talk_ms")), "{:?}", report.attempts);
    let packets = customer.packets();
    assert_one_stream(&packets);
    assert!(seconds_of(&sound(&packets), AGENT_HZ) > 2.0);
    let heard = phone.stop();
    assert!(seconds_of(&heard, CUSTOMER_HZ) > 2.0, "the agent heard {} s", seconds_of(&heard, CUSTOMER_HZ));
    assert!(seconds_of(&heard, MESSAGE_HZ) < 0.1, "the agent heard the intruder");
    assert!(intruder.packets().is_empty(), "the talk was sent to the intruder");
}

/// Sends garbage to both ports: octets of no meaning, halves of requests, requests to nobody.
fn shout(sip: SocketAddr, media: SocketAddr, how_long: Duration) {
    let socket = stranger();
    let mut octets: Vec<u8> =
        b"INVITE sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.99.0.9;branch=z9hG4bK".to_vec();
    let end = Instant::now() + how_long;
    let mut count: u32 = 0;
    while Instant::now() < end {
        count += 1;
        octets.extend(count.to_be_bytes());
        octets.rotate_left(count as usize % 7);
        octets.truncate(40 + count as usize % 900);
        // A full buffer of the kernel's is as good as a datagram lost.
        let _ = socket.send_to(&octets, if count.is_multiple_of(2) { sip } else { media });
        let _ = socket.send_to(b"OPTIONS sip:nobody@127.0.0.1 SIP/2.0\r\n\r\n", sip);
        thread::sleep(Duration::from_millis(1));
    }
}
