//! Prompt files: WAV, PCM 16 bit, mono, 8 to 48 kHz.

use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavReader};
use thiserror::Error;

use crate::media::prompt::{Prompt, PromptError, RATE_MAX, SECONDS_MAX};

/// Why a file can't be a prompt.
#[derive(Debug, Error)]
pub enum WavError {
    /// It can't be read, or is no WAV file.
    #[error("{path}: {error}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: hound::Error,
    },
    /// It is WAV of another kind.
    #[error("{path}: {channels} channel(s) of {bits} bit {kind}; a prompt is one channel of 16 bit PCM", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Its channels.
        channels: u16,
        /// Its bits in a sample.
        bits: u16,
        /// `integer` or `float`.
        kind: &'static str,
    },
    /// Its audio can't be used.
    #[error("{path}: {error}", path = path.display())]
    Audio {
        /// The file.
        path: PathBuf,
        /// Why.
        error: PromptError,
    },
}

/// Loads a prompt. The file is read whole; its length is bounded by [`SECONDS_MAX`].
pub fn load_prompt(path: &Path) -> Result<Prompt, WavError> {
    let read = |error| WavError::Read { path: path.to_owned(), error };
    let audio = |error| WavError::Audio { path: path.to_owned(), error };
    let reader = WavReader::open(path).map_err(read)?;
    let spec = reader.spec();
    if spec.channels != 1 || spec.bits_per_sample != 16 || spec.sample_format != SampleFormat::Int {
        let kind = match spec.sample_format {
            SampleFormat::Int => "integer",
            SampleFormat::Float => "float",
        };
        let (channels, bits) = (spec.channels, spec.bits_per_sample);
        return Err(WavError::Format { path: path.to_owned(), channels, bits, kind });
    }
    // The header may promise anything: what is too long is refused before it is read.
    if u64::from(reader.len()) > u64::from(RATE_MAX) * u64::from(SECONDS_MAX) {
        return Err(audio(PromptError::Long));
    }
    let samples = reader.into_samples::<i16>().collect::<Result<Vec<_>, _>>().map_err(read)?;
    Prompt::from_pcm16(&samples, spec.sample_rate).map_err(audio)
}

#[cfg(test)]
mod tests {
    use hound::{WavSpec, WavWriter};

    use super::*;

    fn written(channels: u16, sample_rate: u32, bits_per_sample: u16, count: usize) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let spec = WavSpec { channels, sample_rate, bits_per_sample, sample_format: SampleFormat::Int };
        let mut writer = WavWriter::create(directory.path().join("prompt.wav"), spec).unwrap();
        for index in 0..count {
            writer.write_sample((index % 100) as i16).unwrap();
        }
        writer.finalize().unwrap();
        directory
    }

    fn load(directory: &tempfile::TempDir) -> Result<Prompt, WavError> {
        load_prompt(&directory.path().join("prompt.wav"))
    }

    #[test]
    fn telephone_and_studio_rates_load() {
        for rate in [8_000, 16_000, 44_100, 48_000] {
            let prompt = load(&written(1, rate, 16, rate as usize)).unwrap();
            assert_eq!(prompt.samples(), 8_000);
        }
    }

    #[test]
    fn errors_name_the_file_and_the_fault() {
        let text = |result: Result<Prompt, WavError>| result.unwrap_err().to_string();
        let stereo = text(load(&written(2, 8_000, 16, 100)));
        assert!(stereo.contains("prompt.wav") && stereo.contains("2 channel(s)"), "{stereo}");
        let bits = text(load(&written(1, 8_000, 24, 100)));
        assert!(bits.contains("24 bit integer"), "{bits}");
        let rate = text(load(&written(1, 96_000, 16, 100)));
        assert!(rate.contains("96000 Hz"), "{rate}");
        let empty = text(load(&written(1, 8_000, 16, 0)));
        assert!(empty.contains("no audio"), "{empty}");
        let missing = text(load(&tempfile::tempdir().unwrap()));
        assert!(missing.contains("prompt.wav"), "{missing}");
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("prompt.wav"), b"RIFFnot really").unwrap();
        assert!(matches!(load(&directory), Err(WavError::Read { .. })));
    }
}
