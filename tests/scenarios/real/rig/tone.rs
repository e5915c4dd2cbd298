//! Tones: made, coded, decoded and found again, with arithmetic of its own (ITU-T G.711; the Goertzel algorithm).

use std::f64::consts::TAU;
use std::path::Path;

/// Samples a second of everything in these tests.
pub const RATE: u32 = 8_000;
/// Samples of one look: a tenth of a second, whole periods of every tone that is a multiple of 10 Hz.
const LOOK: usize = 800;
/// Share of a look's energy that has to be the tone's.
const SHARE_MIN: f64 = 0.8;
/// Root mean square below which a look counts as silence.
const LOUD_MIN: f64 = 300.0;
/// Amplitude of the tones made here, well below where companding clips.
const AMPLITUDE: f64 = 8_000.0;

/// How a sample is written in one octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// µ-law, payload type 0.
    Mu,
    /// A-law, payload type 8.
    A,
}

impl Law {
    /// RFC 3551 §6.
    pub fn payload_type(self) -> u8 {
        match self {
            Law::Mu => 0,
            Law::A => 8,
        }
    }

    /// RFC 3551 §6.
    pub fn name(self) -> &'static str {
        match self {
            Law::Mu => "PCMU",
            Law::A => "PCMA",
        }
    }

    /// The law of a payload type.
    pub fn of(payload_type: u8) -> Option<Law> {
        [Law::Mu, Law::A].into_iter().find(|law| law.payload_type() == payload_type)
    }

    /// Sample to octet: the nearest of the 256 values.
    pub fn encode(self, sample: i16) -> u8 {
        (0..=255)
            .min_by_key(|octet| (i32::from(self.decode(*octet)) - i32::from(sample)).abs())
            .unwrap_or_default()
    }

    /// Octet to sample, at the scale of 16 bits.
    pub fn decode(self, octet: u8) -> i16 {
        match self {
            Law::Mu => {
                let bits = !octet;
                let chord = (bits >> 4) & 7;
                let size = (((i16::from(bits & 15) << 3) + 132) << chord) - 132;
                if bits & 0x80 == 0 { size } else { -size }
            }
            Law::A => {
                let bits = octet ^ 0x55;
                let step = (i16::from(bits & 15) << 4) + 8;
                let size = match (bits >> 4) & 7 {
                    0 => step,
                    chord => (step + 256) << (chord - 1),
                };
                if bits & 0x80 == 0 { -size } else { size }
            }
        }
    }
}

/// Sample number `index` of an endless tone.
pub fn sample(hz: f64, index: u32) -> i16 {
    (AMPLITUDE * (TAU * hz * f64::from(index) / f64::from(RATE)).sin()).round() as i16
}

/// Writes `seconds` of a tone as WAV, 16 bits, mono.
pub fn write_wav(path: &Path, hz: f64, seconds: u32) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).expect("the test's directory can be written");
    for index in 0..seconds * RATE {
        writer.write_sample(sample(hz, index)).expect("a sample can be written");
    }
    writer.finalize().expect("a file can be closed");
}

/// How many seconds of `samples` are the tone of `hz` and hardly anything else.
pub fn seconds_of(samples: &[i16], hz: f64) -> f64 {
    let looks = samples.chunks_exact(LOOK).filter(|look| holds(look, hz)).count();
    f64::from(u32::try_from(looks * LOOK).unwrap_or(u32::MAX)) / f64::from(RATE)
}

/// Whether one look is loud and mostly the tone.
fn holds(look: &[i16], hz: f64) -> bool {
    let length = f64::from(u32::try_from(look.len()).unwrap_or(1));
    let energy: f64 = look.iter().map(|value| f64::from(*value).powi(2)).sum();
    if (energy / length).sqrt() < LOUD_MIN {
        return false;
    }
    let turn = 2.0 * (TAU * hz / f64::from(RATE)).cos();
    let (last, before) = look
        .iter()
        .fold((0.0, 0.0), |(last, before), value| (f64::from(*value) + turn * last - before, last));
    let power = last * last + before * before - turn * last * before;
    2.0 * power / length / energy > SHARE_MIN
}

#[test]
fn both_laws_give_back_what_they_wrote() {
    for law in [Law::Mu, Law::A] {
        for octet in 0..=255 {
            let value = law.decode(octet);
            assert_eq!(law.decode(law.encode(value)), value, "{law:?} {octet:#x}");
        }
    }
    // ITU-T G.711 tables 1a and 2a: the loudest and the softest positive values at 16 bits.
    assert_eq!([Law::Mu.decode(0x80), Law::Mu.decode(0xff)], [32_124, 0]);
    assert_eq!([Law::A.decode(0xaa), Law::A.decode(0xd5)], [32_256, 8]);
}

#[test]
fn a_tone_is_found_at_its_frequency_and_nowhere_else() {
    let tone: Vec<i16> = (0..8_000).map(|index| Law::A.decode(Law::A.encode(sample(440.0, index)))).collect();
    assert!((seconds_of(&tone, 440.0) - 1.0).abs() < 1e-9);
    for other in [300.0, 700.0, 1000.0] {
        assert!(seconds_of(&tone, other) < 1e-9, "{other}");
    }
    assert!(seconds_of(&[0; 8_000], 440.0) < 1e-9);
}
