//! A prompt: audio ready to be sent, in both codecs, in 20 ms frames.

/// Audio of one prompt, 8 kHz, already encoded for both codecs. Lengths are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// µ-law octets.
    pub pcmu: Vec<u8>,
    /// A-law octets.
    pub pcma: Vec<u8>,
}
