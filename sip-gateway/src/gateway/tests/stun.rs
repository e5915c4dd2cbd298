//! STUN on the listening address: an answer for those we know, silence for all others.

use super::super::testing::*;
use super::registrar::Phone;

const REQUEST: &[u8] = b"\x00\x01\x00\x00\x21\x12\xa4\x42transaction!";

fn answers(bench: &mut Bench, from: &str) -> usize {
    let (from, local, now) = (address(from), bench.local, bench.now);
    bench.gateway.datagram(bytes::Bytes::from_static(REQUEST), from, local, now);
    let mut count = 0;
    while let Some(output) = bench.gateway.poll_output() {
        if let crate::gateway::Output::Transmit { to, bytes, .. } = output {
            assert_eq!((to, &bytes[..2]), (from, &[1, 1][..]));
            count += 1;
        }
    }
    count
}

#[test]
fn a_phone_is_answered_once_it_has_registered_and_a_stranger_never() {
    let mut bench = Bench::new(options());
    assert_eq!(answers(&mut bench, PHONE), 0);
    let mut phone = Phone::new("anna", "open sesame");
    let contact = "Contact: <sip:anna@10.0.0.5:5062>";
    assert_eq!(phone.register(&mut bench, PHONE, &[contact]).start(), "SIP/2.0 200 OK");
    bench.events();
    assert_eq!(answers(&mut bench, PHONE), 1);
    assert_eq!(answers(&mut bench, CARRIER), 1);
    assert_eq!(answers(&mut bench, "198.51.100.9:5060"), 0);
}
