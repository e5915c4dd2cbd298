//! Identifiers that nobody may guess: Call-IDs, tags, branches, RTP origins.

use std::fmt::Write;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;

use crate::id::StreamId;
use crate::media::Origin;
use crate::message::MAGIC_COOKIE;

/// Writes identifiers from a secure generator.
pub struct Names {
    rng: ChaCha20Rng,
    streams: u64,
}

impl Names {
    /// Draws from `rng`.
    pub fn new(rng: ChaCha20Rng) -> Self {
        Self { rng, streams: 0 }
    }

    /// A Call-ID of 128 random bits (RFC 3261 §8.1.1.4). It doesn't name this host.
    pub fn call_id(&mut self) -> String {
        self.hex(2)
    }

    /// A tag of 64 random bits (RFC 3261 §19.3 asks for 32).
    pub fn tag(&mut self) -> String {
        self.hex(1)
    }

    /// A branch of 128 random bits behind the magic cookie.
    pub fn branch(&mut self) -> String {
        format!("{MAGIC_COOKIE}{}", self.hex(2))
    }

    /// A client nonce for digest.
    pub fn cnonce(&mut self) -> String {
        self.hex(1)
    }

    /// A first CSeq number, well below 2^31 (RFC 3261 §8.1.1.5).
    pub fn cseq(&mut self) -> u32 {
        self.rng.next_u32() >> 8 | 1
    }

    /// A session identifier for SDP's origin line, positive in 63 bits.
    pub fn session(&mut self) -> u64 {
        self.rng.next_u64() >> 2 | 1
    }

    /// A whole number below `end`, which is above 0; for waits that two sides must not share.
    pub fn below(&mut self, end: u32) -> u32 {
        let share = u64::from(self.rng.next_u32()) * u64::from(end);
        (share >> 32) as u32
    }

    /// A random length from the half of this one to the whole of it.
    pub fn half_to_whole(&mut self, length: Duration) -> Duration {
        let half = length / 2;
        half.saturating_add(half.mul_f64(f64::from(self.rng.next_u32()) / f64::from(u32::MAX)))
    }

    /// A secret for keyed hashes.
    pub fn secret(&mut self) -> [u8; 32] {
        let mut secret = [0; 32];
        self.rng.fill_bytes(&mut secret);
        secret
    }

    /// A new media stream's name.
    pub fn stream(&mut self) -> StreamId {
        self.streams += 1;
        StreamId(self.streams)
    }

    /// Where a new RTP stream starts (RFC 3550 §5.1: all three random).
    pub fn origin(&mut self) -> Origin {
        Origin {
            ssrc: self.rng.next_u32(),
            sequence: self.rng.next_u32() as u16,
            timestamp: self.rng.next_u32(),
        }
    }

    fn hex(&mut self, words: usize) -> String {
        let mut text = String::with_capacity(words * 16);
        for _ in 0..words {
            // Writing to a String can't fail.
            let _ = write!(text, "{:016x}", self.rng.next_u64());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    #[test]
    fn names_are_long_and_follow_the_seed() {
        let mut a = Names::new(ChaCha20Rng::seed_from_u64(1));
        let mut b = Names::new(ChaCha20Rng::seed_from_u64(1));
        assert_eq!((a.call_id(), a.tag(), a.branch()), (b.call_id(), b.tag(), b.branch()));
        assert_eq!(a.call_id().len(), 32);
        assert_eq!(a.tag().len(), 16);
        assert_eq!(a.branch().len(), 39);
        assert!(a.cseq() < 1 << 24);
        assert_ne!(a.call_id(), a.call_id());
        assert_ne!(a.stream(), a.stream());
        let waits: Vec<u32> = (0..200).map(|_| a.below(3)).collect();
        assert!((0..3).all(|wait| waits.contains(&wait)) && waits.iter().all(|wait| *wait < 3));
    }
}
