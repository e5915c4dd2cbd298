//! Any sample rate down to 8 kHz, by a windowed sinc: what lies above the telephone band is filtered, not folded.

use std::f64::consts::PI;

use super::g711::SAMPLES_PER_SECOND;

/// Zero crossings of the sinc on each side. More make the edge of the filter steeper.
const CROSSINGS: f64 = 24.0;

/// Edge of the filter, as a share of half the target rate. Below one, to leave room for the filter's slope.
const PASS_BAND: f64 = 0.92;

/// Resamples mono audio of 8 kHz or more to 8 kHz. The length in time stays, rounded to a sample.
pub fn to_8_khz(samples: &[i16], rate: u32) -> Vec<i16> {
    if rate <= SAMPLES_PER_SECOND {
        return samples.to_vec();
    }
    let step = f64::from(rate) / f64::from(SAMPLES_PER_SECOND);
    let count = (samples.len() as f64 / step).round() as usize;
    (0..count).map(|index| filtered(samples, index as f64 * step, step)).collect()
}

/// The low-passed value at `position`, counted in input samples.
fn filtered(samples: &[i16], position: f64, step: f64) -> i16 {
    let cutoff = PASS_BAND / step;
    let reach = CROSSINGS / cutoff;
    let first = (position - reach).ceil().max(0.0) as usize;
    let last = (position + reach).floor() as usize;
    let mut sum = 0.0;
    for (index, sample) in samples.iter().enumerate().take(last.saturating_add(1)).skip(first) {
        let distance = index as f64 - position;
        sum += f64::from(*sample) * cutoff * sinc(distance * cutoff) * window(distance / reach);
    }
    sum.round().clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i16
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// Blackman's window over -1 to 1: side lobes 58 dB down.
fn window(x: f64) -> f64 {
    0.42 + 0.5 * (PI * x).cos() + 0.08 * (2.0 * PI * x).cos()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::tone;

    #[test]
    fn tones_of_the_telephone_band_pass() {
        for rate in [11_025, 16_000, 22_050, 44_100, 48_000] {
            for hertz in [300.0, 1_000.0, 3_000.0] {
                let out = to_8_khz(&tone::sine(hertz, rate, 10_000.0, rate as usize / 2), rate);
                let power = tone::amplitude(&out[400..out.len() - 400], hertz, SAMPLES_PER_SECOND);
                assert!((power - 10_000.0).abs() < 300.0, "{hertz} Hz at {rate}: {power}");
            }
        }
    }

    #[test]
    fn tones_above_it_do_not_fold_back() {
        for hertz in [4_600.0, 5_000.0, 7_000.0] {
            let out = to_8_khz(&tone::sine(hertz, 16_000, 10_000.0, 8_000), 16_000);
            let loudest = out[400..out.len() - 400].iter().map(|sample| sample.abs()).max().unwrap();
            assert!(loudest < 100, "{hertz} Hz left {loudest}");
        }
    }

    #[test]
    fn eight_kilohertz_stays_as_it_is() {
        assert_eq!(to_8_khz(&[1, -2, 3], 8_000), [1, -2, 3]);
    }
}
