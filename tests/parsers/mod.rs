//! What must hold of every parser of the network's octets, whatever they are: the bodies of the fuzz targets.
//!
//! Each function takes any octets, and panics where a parser broke a promise: that it does not panic itself, that what it
//! took can be written and read back as the same, that nobody gets in without a password. `fuzz/` gives them what a
//! coverage-guided fuzzer finds; the tests here give them the inputs that were worth keeping (`tests/corpus/fuzz`).

mod authentication;
mod gateway;
mod media;
mod message;
mod session;
mod values;
pub mod variants;

#[cfg(test)]
mod corpus_tests;
#[cfg(test)]
mod variant_tests;

pub use authentication::digest;
pub use gateway::gateway;
pub use media::{rtcp, rtp, stun};
pub use message::{framer, message};
pub use session::sdp;
pub use values::{identity, uri, via};

/// A fuzz target: its name, which its file in `fuzz/fuzz_targets` and its folder in `tests/corpus/fuzz` bear, and its body.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 11] = [
    ("digest", digest),
    ("framer", framer),
    ("gateway", gateway),
    ("identity", identity),
    ("message", message),
    ("rtcp", rtcp),
    ("rtp", rtp),
    ("sdp", sdp),
    ("stun", stun),
    ("uri", uri),
    ("via", via),
];
