//! Tones for tests: made, and measured again by Goertzel's method.

use std::f64::consts::PI;

/// A sine of `hertz` at `rate` samples a second.
pub fn sine(hertz: f64, rate: u32, amplitude: f64, count: usize) -> Vec<i16> {
    let step = 2.0 * PI * hertz / f64::from(rate);
    (0..count).map(|index| (amplitude * (step * index as f64).sin()).round() as i16).collect()
}

/// Amplitude of the sine of `hertz` in `samples`.
pub fn amplitude(samples: &[i16], hertz: f64, rate: u32) -> f64 {
    let coefficient = 2.0 * (2.0 * PI * hertz / f64::from(rate)).cos();
    let (mut last, mut before) = (0.0, 0.0);
    for sample in samples {
        let next = f64::from(*sample) + coefficient * last - before;
        before = last;
        last = next;
    }
    let power = last * last + before * before - coefficient * last * before;
    2.0 * power.max(0.0).sqrt() / samples.len().max(1) as f64
}
