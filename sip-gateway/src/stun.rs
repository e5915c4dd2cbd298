//! STUN binding requests of phones that keep their way through NAT open over UDP (RFC 5626 §4.4.2, RFC 5389): read, and
//! answered with the address that we see. Nothing else of STUN is here.

use std::net::{IpAddr, SocketAddr};

/// Longest request that is looked at, in octets: a keep-alive has a software name at most.
pub const REQUEST_OCTETS_MAX: usize = 548;

const HEADER: usize = 20;
const COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];
const BINDING_ERROR: [u8; 2] = [0x01, 0x11];
const XOR_MAPPED_ADDRESS: [u8; 2] = [0x00, 0x20];
const ERROR_CODE: [u8; 2] = [0x00, 0x09];
const UNKNOWN_ATTRIBUTES: [u8; 2] = [0x00, 0x0A];
/// RFC 5389 §15: attributes below must be understood. These are, or say nothing that changes the answer.
const UNDERSTOOD: [u16; 1] = [0x0020];
/// Attributes named in an answer at most.
const UNKNOWN_MAX: usize = 8;

/// Whether a datagram is STUN and not SIP: every SIP message begins with a letter (RFC 5389 §6).
pub fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| *first < 4)
}

/// The answer to a binding request that came from `source`; `None` for anything else, to which nobody may answer.
pub fn answer(datagram: &[u8], source: SocketAddr) -> Option<Vec<u8>> {
    let (header, attributes) = datagram.split_at_checked(HEADER)?;
    let (kind, rest) = header.split_at_checked(2)?;
    let (length, rest) = rest.split_at_checked(2)?;
    let (cookie, transaction) = rest.split_at_checked(4)?;
    let length = usize::from(u16::from_be_bytes(length.try_into().ok()?));
    let whole = length == attributes.len() && length % 4 == 0 && datagram.len() <= REQUEST_OCTETS_MAX;
    // RFC 5389 §12: without the cookie it is of RFC 3489, which no phone of ours has to speak.
    if kind != BINDING_REQUEST || cookie != COOKIE || !whole {
        return None;
    }
    let unknown = unknown(attributes)?;
    let (kind, value) = if unknown.is_empty() {
        (BINDING_SUCCESS, attribute(XOR_MAPPED_ADDRESS, &mapped(source, transaction)))
    } else {
        // RFC 5389 §7.3.1.
        let mut value = attribute(ERROR_CODE, &[0, 0, 4, 20]);
        value.extend(attribute(UNKNOWN_ATTRIBUTES, &unknown));
        (BINDING_ERROR, value)
    };
    let mut answer = Vec::with_capacity(HEADER + value.len());
    answer.extend_from_slice(&kind);
    answer.extend_from_slice(&u16::try_from(value.len()).ok()?.to_be_bytes());
    answer.extend_from_slice(&COOKIE);
    answer.extend_from_slice(transaction);
    answer.extend_from_slice(&value);
    Some(answer)
}

/// Kinds of the attributes that would have to be understood; `None` when they can't be cut.
fn unknown(mut attributes: &[u8]) -> Option<Vec<u8>> {
    let mut unknown = Vec::new();
    // Ends: each attribute takes at least its header away.
    while !attributes.is_empty() {
        let (head, rest) = attributes.split_at_checked(4)?;
        let (kind, length) = head.split_at_checked(2)?;
        let length = usize::from(u16::from_be_bytes(length.try_into().ok()?));
        // RFC 5389 §15: padded to four octets.
        attributes = rest.get(length.checked_next_multiple_of(4)?..)?;
        let number = u16::from_be_bytes(kind.try_into().ok()?);
        if number < 0x8000 && !UNDERSTOOD.contains(&number) && unknown.len() < 2 * UNKNOWN_MAX {
            unknown.extend_from_slice(kind);
        }
    }
    Some(unknown)
}

/// RFC 5389 §15.2: family, port and address, the latter two combined with cookie and transaction.
fn mapped(source: SocketAddr, transaction: &[u8]) -> Vec<u8> {
    let (family, address) = match source.ip() {
        IpAddr::V4(ip) => (1, ip.octets().to_vec()),
        IpAddr::V6(ip) => (2, ip.octets().to_vec()),
    };
    let mask = COOKIE.iter().chain(transaction);
    let mut value = vec![0, family];
    value.extend(source.port().to_be_bytes().iter().zip(COOKIE).map(|(octet, mask)| octet ^ mask));
    value.extend(address.iter().zip(mask).map(|(octet, mask)| octet ^ mask));
    value
}

fn attribute(kind: [u8; 2], value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    let mut attribute = [kind, length.to_be_bytes()].concat();
    attribute.extend_from_slice(value);
    attribute.resize(attribute.len().next_multiple_of(4), 0);
    attribute
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(attributes: &[u8]) -> Vec<u8> {
        let length = u16::try_from(attributes.len()).unwrap().to_be_bytes();
        [&BINDING_REQUEST[..], &length, &COOKIE, b"transaction!", attributes].concat()
    }

    #[test]
    fn the_answer_says_where_the_request_came_from() {
        let source = "192.0.2.1:32853".parse().unwrap();
        // The mapped address of RFC 5769 §2.2, whose port and address don't depend on the transaction.
        let answer = answer(&request(&[]), source).unwrap();
        assert_eq!(answer[..4], [1, 1, 0, 12]);
        assert_eq!(answer[8..20], *b"transaction!");
        assert_eq!(answer[20..], [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]);
    }

    #[test]
    fn over_ipv6_too() {
        let answer = answer(&request(&[]), "[2001:db8::1]:5060".parse().unwrap()).unwrap();
        let mask = [&COOKIE[..], b"transaction!"].concat();
        let address: Vec<u8> = answer[28..].iter().zip(&mask).map(|(octet, mask)| octet ^ mask).collect();
        assert_eq!(address, "2001:db8::1".parse::<std::net::Ipv6Addr>().unwrap().octets());
        assert_eq!(answer.len(), 44);
    }

    #[test]
    fn what_must_be_understood_and_is_not_is_told() {
        let source = "192.0.2.1:5060".parse().unwrap();
        // SOFTWARE may be passed over, USERNAME may not.
        assert_eq!(answer(&request(&[0x80, 0x22, 0, 3, b'a', b'b', b'c', 0]), source).unwrap()[..2], [1, 1]);
        let refused = answer(&request(&[0, 6, 0, 1, b'u', 0, 0, 0]), source).unwrap();
        assert_eq!(refused[..2], [1, 0x11]);
        assert_eq!(refused[20..], [0, 9, 0, 4, 0, 0, 4, 20, 0, 10, 0, 2, 0, 6, 0, 0]);
    }

    #[test]
    fn everything_else_gets_silence() {
        let source = "192.0.2.1:5060".parse().unwrap();
        let good = request(&[]);
        let mut answers =
            vec![good[..19].to_vec(), [&good[..], &[0; 4]].concat(), request(&[0, 6, 0, 9, 0, 0, 0, 0])];
        for (at, octet) in [(0, 1), (1, 0x11), (3, 4), (4, 0)] {
            let mut other = good.clone();
            other[at] = octet;
            answers.push(other);
        }
        answers.push(request(&vec![0x80; REQUEST_OCTETS_MAX]));
        for datagram in answers {
            assert_eq!(answer(&datagram, source), None, "{datagram:?}");
        }
        assert!(!is_stun(b"OPTIONS ") && !is_stun(b"\r\n\r\n") && !is_stun(b"") && is_stun(&good));
    }

    proptest! {
        #[test]
        fn no_input_panics_and_no_answer_is_much_longer(datagram in prop::collection::vec(any::<u8>(), 0..600)) {
            let source = "192.0.2.1:5060".parse().unwrap();
            prop_assert!(answer(&datagram, source).is_none_or(|answer| answer.len() <= datagram.len() + 32));
        }

        #[test]
        fn attributes_of_any_kind_never_panic(attributes in prop::collection::vec(any::<u8>(), 0..64)) {
            let whole = &attributes[..attributes.len() / 4 * 4];
            let _ = answer(&request(whole), "[::1]:9".parse().unwrap());
        }
    }
}
