//! Nonces that prove themselves, and the memory of which were used how often.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::digest::{same, to_hex};
use super::hmac::hmac;

/// How long a nonce is good for.
pub const NONCE_LIFETIME: Duration = Duration::from_secs(300);

/// A nonce that has served for so long is told its successor, so that a phone in time need not be challenged again.
pub const NEXT_AFTER: Duration = Duration::from_secs(200);

/// Most used nonces remembered. When more are in use, the oldest is forgotten and thereby stale.
pub const NONCES_MAX: usize = 8192;

/// How far behind the highest nonce count a smaller one may still come, once (UDP reorders).
const WINDOW: u32 = 64;

/// Octets of the keyed hash that are sent.
const PROOF_LENGTH: usize = 16;

/// Makes and checks nonces: `<serial><issue time in ms><keyed hash of both and the source>`, all hex.
///
/// Nothing is stored for a nonce until it comes back with the right password, so strangers can't fill the memory.
pub(super) struct Nonces {
    key: [u8; 32],
    serial: u64,
    used: BTreeMap<u64, Used>,
    /// Serials up to this one are stale unless remembered: what was forgotten must not be good again.
    forgotten: u64,
}

/// A nonce of ours, by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Genuine {
    serial: u64,
    issued_ms: u64,
}

struct Used {
    issued_ms: u64,
    highest: u32,
    /// Bit n: count `highest - n` was seen.
    seen: u64,
}

impl Nonces {
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self { key, serial: 0, used: BTreeMap::new(), forgotten: 0 }
    }

    pub(super) fn issue(&mut self, source: IpAddr, now: Duration) -> String {
        self.serial = self.serial.saturating_add(1);
        let genuine = Genuine { serial: self.serial, issued_ms: milliseconds(now) };
        self.write(genuine, source)
    }

    /// Whether we made this nonce for this source.
    pub(super) fn recognise(&self, nonce: &str, source: IpAddr) -> Option<Genuine> {
        let genuine = Genuine {
            serial: u64::from_str_radix(nonce.get(..16)?, 16).ok()?,
            issued_ms: u64::from_str_radix(nonce.get(16..32)?, 16).ok()?,
        };
        same(self.write(genuine, source).as_bytes(), nonce.as_bytes()).then_some(genuine)
    }

    /// Whether it is time to name the next one.
    pub(super) fn is_ending(&self, nonce: Genuine, now: Duration) -> bool {
        nonce.issued_ms < milliseconds(now.saturating_sub(NEXT_AFTER))
    }

    /// Takes note of one use. `false` when the nonce is too old or this count was used before: then it is stale.
    /// To be called only for credentials that are right.
    pub(super) fn take(&mut self, nonce: Genuine, count: u32, now: Duration) -> bool {
        let oldest_ms = milliseconds(now.saturating_sub(NONCE_LIFETIME));
        if nonce.issued_ms < oldest_ms || nonce.issued_ms > milliseconds(now) || count == 0 {
            return false;
        }
        if let Some(used) = self.used.get_mut(&nonce.serial) {
            return used.take(count);
        }
        if nonce.serial <= self.forgotten {
            return false;
        }
        self.make_room(oldest_ms);
        // Making room may have passed over this one.
        if nonce.serial <= self.forgotten {
            return false;
        }
        self.used.insert(nonce.serial, Used { issued_ms: nonce.issued_ms, highest: count, seen: 1 });
        true
    }

    fn make_room(&mut self, oldest_ms: u64) {
        while let Some(first) = self.used.first_entry() {
            let expired = first.get().issued_ms < oldest_ms;
            if !expired && self.used.len() < NONCES_MAX {
                return;
            }
            if let Some((serial, _)) = self.used.pop_first() {
                self.forgotten = self.forgotten.max(serial);
            }
        }
    }

    fn write(&self, nonce: Genuine, source: IpAddr) -> String {
        let Genuine { serial, issued_ms } = nonce;
        let proof = self.proof(serial, issued_ms, source);
        format!("{serial:016x}{issued_ms:016x}{}", to_hex(proof.get(..PROOF_LENGTH).unwrap_or_default()))
    }

    /// HMAC-SHA-256 (RFC 2104) of serial, time and source.
    fn proof(&self, serial: u64, issued_ms: u64, source: IpAddr) -> [u8; 32] {
        // ::ffff:192.0.2.1 and 192.0.2.1 are the same peer.
        let (v4, v6);
        let source: &[u8] = match source.to_canonical() {
            IpAddr::V4(ip) => {
                v4 = ip.octets();
                &v4
            }
            IpAddr::V6(ip) => {
                v6 = ip.octets();
                &v6
            }
        };
        hmac(&self.key, &[&serial.to_be_bytes(), &issued_ms.to_be_bytes(), source])
    }
}

impl Used {
    fn take(&mut self, count: u32) -> bool {
        if count > self.highest {
            let ahead = count - self.highest;
            self.seen = if ahead < WINDOW { self.seen << ahead | 1 } else { 1 };
            self.highest = count;
            return true;
        }
        let behind = self.highest - count;
        if behind >= WINDOW {
            return false;
        }
        let bit = 1 << behind;
        let fresh = self.seen & bit == 0;
        self.seen |= bit;
        fresh
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1000);

    fn source() -> IpAddr {
        "192.0.2.5".parse().unwrap()
    }

    fn issued(nonces: &mut Nonces, now: Duration) -> Genuine {
        let nonce = nonces.issue(source(), now);
        nonces.recognise(&nonce, source()).unwrap()
    }

    #[test]
    fn a_nonce_is_bound_to_key_source_and_content() {
        let mut nonces = Nonces::new([7; 32]);
        let nonce = nonces.issue(source(), START);
        assert_eq!(nonce.len(), 64);
        assert!(nonces.recognise(&nonce, source()).is_some());
        assert!(nonces.recognise(&nonce, "::ffff:192.0.2.5".parse().unwrap()).is_some());
        assert!(nonces.recognise(&nonce, "192.0.2.6".parse().unwrap()).is_none());
        assert!(Nonces::new([8; 32]).recognise(&nonce, source()).is_none());
        for at in [0, 15, 31, 32, 63] {
            let mut forged = nonce.clone().into_bytes();
            forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
            assert!(nonces.recognise(std::str::from_utf8(&forged).unwrap(), source()).is_none(), "{at}");
        }
        for odd in ["", "é", "0123", &format!("{nonce}0"), &nonce.to_uppercase()] {
            assert!(nonces.recognise(odd, source()).is_none(), "{odd}");
        }
        assert_ne!(nonce, nonces.issue(source(), START), "two nonces of one instant differ");
    }

    #[test]
    fn a_nonce_grows_old() {
        let mut nonces = Nonces::new([7; 32]);
        let nonce = issued(&mut nonces, START);
        assert!(nonces.take(nonce, 1, START + NONCE_LIFETIME));
        assert!(!nonces.take(nonce, 2, START + NONCE_LIFETIME + Duration::from_millis(1)));
    }

    #[test]
    fn each_count_is_good_once_within_the_window() {
        let mut nonces = Nonces::new([7; 32]);
        let nonce = issued(&mut nonces, START);
        let mut take = |count| nonces.take(nonce, count, START);
        assert!(!take(0));
        assert!(take(1));
        assert!(!take(1));
        assert!(take(3));
        assert!(take(2));
        assert!(!take(2));
        assert!(take(3 + WINDOW));
        assert!(!take(3), "behind the window");
        assert!(take(4), "at its edge");
        assert!(!take(4));
        assert!(take(u32::MAX));
        assert!(!take(u32::MAX));
        assert!(!take(4));
    }

    #[test]
    fn memory_is_bounded_and_what_was_forgotten_stays_stale() {
        let mut nonces = Nonces::new([7; 32]);
        let first = issued(&mut nonces, START);
        assert!(nonces.take(first, 1, START));
        for _ in 0..NONCES_MAX {
            let nonce = issued(&mut nonces, START);
            assert!(nonces.take(nonce, 1, START));
        }
        assert_eq!(nonces.used.len(), NONCES_MAX);
        assert!(!nonces.take(first, 1, START), "a replay after being forgotten");
        assert!(!nonces.take(first, 2, START));
    }

    #[test]
    fn expired_nonces_leave_the_memory() {
        let mut nonces = Nonces::new([7; 32]);
        for _ in 0..10 {
            let nonce = issued(&mut nonces, START);
            assert!(nonces.take(nonce, 1, START));
        }
        let later = START + NONCE_LIFETIME + Duration::from_secs(1);
        let nonce = issued(&mut nonces, later);
        assert!(nonces.take(nonce, 1, later));
        assert_eq!(nonces.used.len(), 1);
    }
}
