//! IPv4 and IPv6 side by side, and addresses that stand for the whole machine.

use std::net::SocketAddr;

use super::super::testing::*;
use crate::resolve::Place;

const CARRIER_V6: &str = "[2001:db8::10]:5060";

#[test]
fn what_goes_to_an_ipv6_trunk_leaves_from_our_ipv6_address() {
    let mut options = options();
    options.listen.push(address("[2001:db8::1]:5060").into());
    options.trunks[0].uri = format!("sip:{CARRIER_V6}");
    options.trunks[0].place = Place::udp(address(CARRIER_V6));
    let mut bench = Bench::new(options);
    bench.local = address("[2001:db8::1]:5060").into();
    let invite = bench.place(1);
    assert!(invite.header("Via").starts_with("SIP/2.0/UDP [2001:db8::1]:5060;"), "{}", invite.0);
    assert_eq!(invite.header("Contact"), "<sip:+15550100@[2001:db8::1]:5060>");
    assert!(invite.header("From").contains("@[2001:db8::1]:5060>"), "{}", invite.0);
}

#[test]
fn listening_on_every_address_we_still_name_one_that_others_reach() {
    let mut options = options();
    options.listen = vec![address("0.0.0.0:5060").into()];
    let media = options.media_address;
    let mut bench = Bench::new(options);
    bench.local = SocketAddr::new(media, 5060).into();
    let invite = bench.place(1);
    assert!(invite.header("Via").starts_with(&format!("SIP/2.0/UDP {media}:5060;")), "{}", invite.0);
    assert_eq!(invite.header("Contact"), format!("<sip:+15550100@{media}:5060>"));
}
