//! Session descriptions.

use carillon_sip::media::{Codec, Remote};
use carillon_sip::sdp::{OwnMedia, Session, accept, read_answer};

const OURS: [Codec; 2] = [Codec::Pcmu, Codec::Pcma];
const PORT: u16 = 20_000;

/// A description as an offer and as an answer: our answer is one (RFC 3264), and no address that is not the peer's to name is
/// ever sent to.
pub fn sdp(octets: &[u8]) {
    let own = OwnMedia { address: [192, 0, 2, 1].into(), ports: (PORT, PORT + 99) };
    let offered = Session::parse(octets);
    if let Ok((answer, remote)) = accept(octets, &OURS, own, PORT, 7, 8) {
        let answer = Session::parse(&answer).expect("our answer is a description");
        let offered = offered.expect("what was accepted is a description");
        assert_eq!(answer.media.len(), offered.media.len(), "as many streams as were offered (RFC 3264 §6)");
        let taken = answer.media.iter().filter(|stream| stream.port != 0);
        assert_eq!(taken.map(|stream| stream.port).collect::<Vec<_>>(), [PORT], "one of them is taken");
        check(&remote);
    }
    if let Ok(remote) = read_answer(octets, &OURS, own) {
        check(&remote);
    }
}

fn check(remote: &Remote) {
    let ip = remote.address.ip();
    assert!(ip.is_ipv4() || ip.is_unspecified(), "{ip}: the family of our own address");
    assert!(!ip.is_loopback() && !ip.is_multicast(), "{ip} is nobody's to name");
    assert!(!ip.to_string().starts_with("169.254."), "{ip} is link-local");
    let ours = ip.to_string() == "192.0.2.1" && (PORT..=PORT + 99).contains(&remote.address.port());
    assert!(!ours, "our own ports");
    assert!(!ip.is_unspecified() || !remote.send, "nothing is sent to {ip}");
}
