//! A prompt: audio ready to be sent, in both codecs, in 20 ms frames.

use std::sync::Arc;

use thiserror::Error;

use super::Codec;
use super::g711;
use super::resample;
use super::silence::FRAME_SAMPLES;

/// Lowest sample rate a prompt may be made from.
pub const RATE_MIN: u32 = 8_000;

/// Highest sample rate a prompt may be made from.
pub const RATE_MAX: u32 = 48_000;

/// Longest prompt, in seconds.
pub const SECONDS_MAX: u32 = 600;

/// Audio of one prompt, 8 kHz, already encoded for both codecs. Lengths are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// µ-law octets.
    pub pcmu: Vec<u8>,
    /// A-law octets.
    pub pcma: Vec<u8>,
}

/// Why samples can't be a prompt.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PromptError {
    /// Rate outside [`RATE_MIN`] to [`RATE_MAX`].
    #[error("sample rate {0} Hz is not within {RATE_MIN} to {RATE_MAX} Hz")]
    Rate(u32),
    /// No sample at all.
    #[error("there is no audio in it")]
    Empty,
    /// Longer than [`SECONDS_MAX`].
    #[error("longer than {SECONDS_MAX} seconds")]
    Long,
}

impl Prompt {
    /// Makes a prompt of 16-bit mono samples at `rate` hertz; other rates than 8 kHz are resampled.
    pub fn from_pcm16(samples: &[i16], rate: u32) -> Result<Self, PromptError> {
        if !(RATE_MIN..=RATE_MAX).contains(&rate) {
            return Err(PromptError::Rate(rate));
        }
        if samples.is_empty() {
            return Err(PromptError::Empty);
        }
        if samples.len() as u64 > u64::from(rate) * u64::from(SECONDS_MAX) {
            return Err(PromptError::Long);
        }
        let samples = resample::to_8_khz(samples, rate);
        let encode = |codec| samples.iter().map(|sample| g711::encode(codec, *sample)).collect();
        Ok(Self { pcmu: encode(Codec::Pcmu), pcma: encode(Codec::Pcma) })
    }

    /// Samples, at 8 kHz.
    pub fn samples(&self) -> usize {
        self.pcmu.len()
    }

    fn octets(&self, codec: Codec) -> &[u8] {
        match codec {
            Codec::Pcmu => &self.pcmu,
            Codec::Pcma => &self.pcma,
        }
    }
}

/// One playing of a prompt, frame by frame.
#[derive(Clone, Debug)]
pub struct Player {
    prompt: Arc<Prompt>,
    position: usize,
}

impl Player {
    /// Starts at the beginning.
    pub fn new(prompt: Arc<Prompt>) -> Self {
        Self { prompt, position: 0 }
    }

    /// Whether nothing was played yet.
    pub fn at_start(&self) -> bool {
        self.position == 0
    }

    /// Whether everything was played.
    pub fn finished(&self) -> bool {
        self.position >= self.prompt.samples()
    }

    /// Writes the next frame, filled up with silence at the end, and goes on.
    pub fn next_frame(&mut self, codec: Codec, frame: &mut [u8; FRAME_SAMPLES]) {
        frame.fill(g711::silence(codec));
        let rest = self.prompt.octets(codec).get(self.position..).unwrap_or_default();
        for (to, from) in frame.iter_mut().zip(rest) {
            *to = *from;
        }
        self.skip_frame();
    }

    /// Lets a frame's time pass unheard.
    pub fn skip_frame(&mut self) {
        self.position = self.position.saturating_add(FRAME_SAMPLES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_play_in_order_and_the_last_is_filled_up() {
        let prompt = Prompt::from_pcm16(&[8_000; 200], 8_000).unwrap();
        assert_eq!((prompt.pcmu.len(), prompt.pcma.len()), (200, 200));
        let mut player = Player::new(Arc::new(prompt));
        let mut frame = [0; FRAME_SAMPLES];
        assert!(player.at_start() && !player.finished());
        player.next_frame(Codec::Pcma, &mut frame);
        assert!(frame.iter().all(|octet| *octet == g711::encode(Codec::Pcma, 8_000)));
        assert!(!player.at_start() && !player.finished());
        player.next_frame(Codec::Pcma, &mut frame);
        assert!(frame[..40].iter().all(|octet| *octet == g711::encode(Codec::Pcma, 8_000)));
        assert!(frame[40..].iter().all(|octet| *octet == g711::PCMA_SILENCE));
        assert!(player.finished());
    }

    #[test]
    fn what_is_no_prompt_is_refused() {
        assert_eq!(Prompt::from_pcm16(&[1], 7_999), Err(PromptError::Rate(7_999)));
        assert_eq!(Prompt::from_pcm16(&[1], 48_001), Err(PromptError::Rate(48_001)));
        assert_eq!(Prompt::from_pcm16(&[], 8_000), Err(PromptError::Empty));
        let long = vec![0; 8_000 * SECONDS_MAX as usize + 1];
        assert_eq!(Prompt::from_pcm16(&long, 8_000), Err(PromptError::Long));
    }

    #[test]
    fn other_rates_keep_the_length_in_time() {
        for rate in [8_000, 11_025, 16_000, 22_050, 44_100, 48_000] {
            let prompt = Prompt::from_pcm16(&vec![0; rate as usize], rate).unwrap();
            assert_eq!(prompt.samples(), 8_000, "{rate}");
        }
    }
}
