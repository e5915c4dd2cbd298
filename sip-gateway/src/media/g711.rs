//! ITU-T G.711: µ-law and A-law to and from 16-bit linear, and each to the other by table.

use super::Codec;

/// Samples in a second, for both laws.
pub const SAMPLES_PER_SECOND: u32 = 8_000;

/// µ-law octet of digital silence.
pub const PCMU_SILENCE: u8 = 0xFF;

/// A-law octet of the smallest positive value; A-law has no zero.
pub const PCMA_SILENCE: u8 = 0xD5;

/// Added to a magnitude before µ-law segments are found (G.711 table 2a: 33 at 14 bits, here at 16).
const PCMU_BIAS: i32 = 33 << 2;

/// Largest magnitude that µ-law can carry before the bias is added.
const PCMU_CLIP: i32 = 32_635;

static PCMU_LINEAR: [i16; 256] = linear_table(Codec::Pcmu);
static PCMA_LINEAR: [i16; 256] = linear_table(Codec::Pcma);
static PCMU_TO_PCMA: [u8; 256] = conversion_table(Codec::Pcmu);
static PCMA_TO_PCMU: [u8; 256] = conversion_table(Codec::Pcma);

/// One octet to 16-bit linear.
pub fn decode(codec: Codec, octet: u8) -> i16 {
    match codec {
        Codec::Pcmu => PCMU_LINEAR[usize::from(octet)],
        Codec::Pcma => PCMA_LINEAR[usize::from(octet)],
    }
}

/// One 16-bit linear sample to an octet.
pub const fn encode(codec: Codec, sample: i16) -> u8 {
    match codec {
        Codec::Pcmu => encode_pcmu(sample),
        Codec::Pcma => encode_pcma(sample),
    }
}

/// Converts octets of one law to the other in place. Nothing happens when both are the same.
pub fn convert(from: Codec, to: Codec, octets: &mut [u8]) {
    let table = match (from, to) {
        (Codec::Pcmu, Codec::Pcma) => &PCMU_TO_PCMA,
        (Codec::Pcma, Codec::Pcmu) => &PCMA_TO_PCMU,
        (Codec::Pcmu, Codec::Pcmu) | (Codec::Pcma, Codec::Pcma) => return,
    };
    for octet in octets {
        *octet = table[usize::from(*octet)];
    }
}

/// The octet that stands for silence.
pub fn silence(codec: Codec) -> u8 {
    match codec {
        Codec::Pcmu => PCMU_SILENCE,
        Codec::Pcma => PCMA_SILENCE,
    }
}

const fn encode_pcmu(sample: i16) -> u8 {
    let negative = sample < 0;
    let mut magnitude = if negative { -(sample as i32) } else { sample as i32 };
    if magnitude > PCMU_CLIP {
        magnitude = PCMU_CLIP;
    }
    magnitude += PCMU_BIAS;
    // The bias makes bit 7 the lowest possible leading one, so the segment is the leading one's place above it.
    let segment = (31 - (magnitude as u32).leading_zeros()).saturating_sub(7);
    let step = ((magnitude >> (segment + 3)) & 0x0F) as u8;
    let sign = if negative { 0x80 } else { 0 };
    // G.711 table 2: all bits are sent inverted.
    !(sign | ((segment as u8) << 4) | step)
}

const fn decode_pcmu(octet: u8) -> i16 {
    let bits = !octet;
    let segment = (bits >> 4) & 0x07;
    let step = (bits & 0x0F) as i32;
    let magnitude = (((step << 3) + PCMU_BIAS) << segment) - PCMU_BIAS;
    (if bits & 0x80 != 0 { -magnitude } else { magnitude }) as i16
}

const fn encode_pcma(sample: i16) -> u8 {
    let positive = sample >= 0;
    // One's complement keeps -1 and 0 in mirrored intervals, as G.711 table 1 has them.
    let magnitude = if positive { sample as i32 } else { !(sample as i32) } >> 4;
    let bits = if magnitude < 16 {
        magnitude as u8
    } else {
        let segment = (31 - (magnitude as u32).leading_zeros()) - 3;
        ((segment as u8) << 4) | ((magnitude >> (segment - 1)) & 0x0F) as u8
    };
    // G.711 table 1: even bits are sent inverted.
    (bits | if positive { 0x80 } else { 0 }) ^ 0x55
}

const fn decode_pcma(octet: u8) -> i16 {
    let bits = octet ^ 0x55;
    let segment = (bits >> 4) & 0x07;
    let step = (bits & 0x0F) as i32;
    // The half step places the value in the middle of its interval.
    let magnitude = if segment == 0 { (step << 4) + 8 } else { ((step << 4) + 8 + 0x100) << (segment - 1) };
    (if bits & 0x80 != 0 { magnitude } else { -magnitude }) as i16
}

const fn linear_table(codec: Codec) -> [i16; 256] {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        table[octet] = match codec {
            Codec::Pcmu => decode_pcmu(octet as u8),
            Codec::Pcma => decode_pcma(octet as u8),
        };
        octet += 1;
    }
    table
}

const fn conversion_table(from: Codec) -> [u8; 256] {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        table[octet] = match from {
            Codec::Pcmu => encode_pcma(decode_pcmu(octet as u8)),
            Codec::Pcma => encode_pcmu(decode_pcma(octet as u8)),
        };
        octet += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_of_the_recommendation() {
        // G.711 tables 1 and 2 at their ends and at zero, in 16-bit scale.
        assert_eq!(encode(Codec::Pcmu, 0), 0xFF);
        assert_eq!(encode(Codec::Pcmu, i16::MAX), 0x80);
        assert_eq!(encode(Codec::Pcmu, i16::MIN), 0x00);
        assert_eq!(decode(Codec::Pcmu, 0x80), 32_124);
        assert_eq!(decode(Codec::Pcmu, 0x00), -32_124);
        assert_eq!(decode(Codec::Pcmu, 0xFF), 0);
        assert_eq!(encode(Codec::Pcma, 0), 0xD5);
        assert_eq!(encode(Codec::Pcma, i16::MAX), 0xAA);
        assert_eq!(encode(Codec::Pcma, i16::MIN), 0x2A);
        assert_eq!(decode(Codec::Pcma, 0xAA), 32_256);
        assert_eq!(decode(Codec::Pcma, 0x2A), -32_256);
        assert_eq!(decode(Codec::Pcma, 0xD5), 8);
    }

    #[test]
    fn every_octet_survives_linear_and_back() {
        for codec in [Codec::Pcmu, Codec::Pcma] {
            for octet in 0..=255u8 {
                let linear = decode(codec, octet);
                let again = encode(codec, linear);
                // µ-law has two zeros; the negative one comes back as the positive one.
                assert!(again == octet || decode(codec, again) == linear, "{codec:?} {octet:#04x}");
            }
        }
    }

    #[test]
    fn the_error_stays_within_half_a_step() {
        for codec in [Codec::Pcmu, Codec::Pcma] {
            for sample in (-32_000..32_000i32).step_by(7) {
                let error = (i32::from(decode(codec, encode(codec, sample as i16))) - sample).abs();
                assert!(error <= 16.max(sample.abs() / 32 + 8), "{codec:?} {sample}: {error}");
            }
        }
    }

    #[test]
    fn both_laws_rise_with_the_sample() {
        for codec in [Codec::Pcmu, Codec::Pcma] {
            let mut last = i16::MIN;
            for sample in i16::MIN..=i16::MAX {
                let value = decode(codec, encode(codec, sample));
                assert!(value >= last, "{codec:?} {sample}");
                last = value;
            }
        }
    }

    #[test]
    fn conversion_changes_the_law_and_keeps_the_sound() {
        for octet in 0..=255u8 {
            for (from, to) in [(Codec::Pcmu, Codec::Pcma), (Codec::Pcma, Codec::Pcmu)] {
                let mut converted = [octet];
                convert(from, to, &mut converted);
                let before = i32::from(decode(from, octet));
                let after = i32::from(decode(to, converted[0]));
                assert!((before - after).abs() <= 16.max(before.abs() / 32 + 8), "{octet:#04x}");
            }
        }
        let mut same = [1, 2, 3];
        convert(Codec::Pcmu, Codec::Pcmu, &mut same);
        assert_eq!(same, [1, 2, 3]);
    }

    #[test]
    fn silence_is_quiet() {
        assert_eq!(decode(Codec::Pcmu, silence(Codec::Pcmu)), 0);
        assert_eq!(decode(Codec::Pcma, silence(Codec::Pcma)), 8);
    }
}
