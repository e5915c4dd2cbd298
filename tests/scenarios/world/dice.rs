//! Chance: everything random in a world comes from its one seed, each room with a stream of its own, so that one room's
//! draws don't move another's.

use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// FNV-1a's offset basis and prime.
const FNV: (u64, u64) = (0xcbf2_9ce4_8422_2325, 0x0100_0000_01b3);

/// A running FNV-1a hash over everything that is told to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hash(pub u64);

impl Default for Hash {
    fn default() -> Self {
        Self(FNV.0)
    }
}

impl Hash {
    /// Takes in more.
    pub fn feed(&mut self, bytes: &[u8]) {
        for octet in bytes {
            self.0 = (self.0 ^ u64::from(*octet)).wrapping_mul(FNV.1);
        }
    }
}

/// The generator of one room of one world.
pub fn generator(seed: u64, room: &str) -> ChaCha20Rng {
    let mut hash = Hash::default();
    hash.feed(room.as_bytes());
    let mut key = [0_u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&hash.0.to_le_bytes());
    ChaCha20Rng::from_seed(key)
}

/// Draws for one room.
#[derive(Clone, Debug)]
pub struct Dice(ChaCha20Rng);

impl Dice {
    /// The dice of a room.
    pub fn new(seed: u64, room: &str) -> Self {
        Self(generator(seed, room))
    }

    /// Uniform in 0..1.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with the given probability.
    pub fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// A whole number below `end`, which is at least 1.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0.next_u64() % end
    }

    /// A duration between two numbers of milliseconds, to the microsecond.
    pub fn between(&mut self, from_ms: u64, to_ms: u64) -> Duration {
        let span_us = to_ms.saturating_sub(from_ms) * 1_000;
        Duration::from_micros(from_ms * 1_000 + self.below(span_us + 1))
    }
}
