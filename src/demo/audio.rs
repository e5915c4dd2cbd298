//! G.711 and the sounds of the demo: every party has its own pitch, so that who hears whom can be told by frequency.

use super::party::Sound;

/// Samples a second (RFC 3551 §4.5.14).
pub const RATE: u32 = 8_000;
/// Samples in one packet of 20 ms.
pub const FRAME: usize = 160;
/// How many pitches there are of persons, machines and agents; an index beyond wraps round.
pub const PITCHES: u8 = 16;
/// Samples of one judgement of an [`Ear`]: 100 ms, so that pitches 20 Hz apart are told apart.
const WINDOW: usize = 800;
/// Mean power below which a window counts as silence (about -50 dBm0).
const SILENCE_POWER: f64 = 2_500.0;
/// Share of a window's power that its strongest pitch must have.
const DOMINANCE: f64 = 0.25;
/// A machine greets for this long, beeps, then listens.
const GREETING_SAMPLES: u64 = 4 * RATE as u64;
const BEEP_SAMPLES: u64 = RATE as u64 / 2;

const RINGBACK_HZ: f64 = 425.0;
const MESSAGE_HZ: f64 = 900.0;
const BEEP_HZ: f64 = 2_400.0;

/// What an ear can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Heard {
    /// Nothing.
    Silence,
    /// One of the parties.
    Voice(Sound),
    /// A machine's beep.
    Beep,
    /// The chime at the start of the safe-harbour message.
    Message,
    /// Audible, but none of the above.
    Other,
}

/// The pitch that marks a sound, in hertz.
pub fn pitch_hz(sound: Sound) -> f64 {
    match sound {
        Sound::Ringback => RINGBACK_HZ,
        Sound::Person(index) => 500.0 + 20.0 * f64::from(index % PITCHES),
        Sound::Agent(index) => 1_000.0 + 50.0 * f64::from(index % PITCHES),
        Sound::Machine(index) => 1_800.0 + 20.0 * f64::from(index % PITCHES),
    }
}

/// The sample of `sound` at `position` samples after its start, linear 16 bit.
pub fn sample(sound: Sound, position: u64) -> i16 {
    let seconds = position as f64 / f64::from(RATE);
    let tone = |hz: f64| (std::f64::consts::TAU * hz * seconds).sin();
    let level = match sound {
        // One second on, four off, as in most of Europe and China.
        Sound::Ringback if position % (5 * u64::from(RATE)) < u64::from(RATE) => 5_000.0 * tone(RINGBACK_HZ),
        Sound::Ringback => 0.0,
        Sound::Machine(_) if position >= GREETING_SAMPLES + BEEP_SAMPLES => 0.0,
        Sound::Machine(_) if position >= GREETING_SAMPLES => 8_000.0 * tone(BEEP_HZ),
        Sound::Person(_) | Sound::Machine(_) | Sound::Agent(_) => {
            // A pitch with two partials, swelling three times a second like syllables.
            let hz = pitch_hz(sound);
            let swell = 0.6 + 0.4 * tone(3.0);
            swell * (7_000.0 * tone(hz) + 1_800.0 * tone(hz * 0.5) + 1_200.0 * tone(hz * 1.5))
        }
    };
    level as i16
}

/// A running judgement of received audio.
#[derive(Clone, Debug, Default)]
pub struct Ear {
    window: Vec<i16>,
}

impl Ear {
    /// Takes one sample; at the end of every tenth of a second says what was heard in it.
    pub fn listen(&mut self, sample: i16) -> Option<Heard> {
        self.window.push(sample);
        if self.window.len() < WINDOW {
            return None;
        }
        let heard = judge(&self.window);
        self.window.clear();
        Some(heard)
    }
}

fn judge(window: &[i16]) -> Heard {
    let samples = window.len() as f64;
    let power = window.iter().map(|sample| f64::from(*sample) * f64::from(*sample)).sum::<f64>() / samples;
    if power < SILENCE_POWER {
        return Heard::Silence;
    }
    let all =
        (0..PITCHES).flat_map(|index| [Sound::Person(index), Sound::Machine(index), Sound::Agent(index)]);
    let voices = all.chain([Sound::Ringback]).map(|sound| (Heard::Voice(sound), pitch_hz(sound)));
    let known = voices.chain([(Heard::Message, MESSAGE_HZ), (Heard::Beep, BEEP_HZ)]);
    let strongest =
        known.map(|(heard, hz)| (heard, tone_power(window, hz))).max_by(|a, b| a.1.total_cmp(&b.1));
    match strongest {
        Some((heard, tone)) if tone > DOMINANCE * power => heard,
        Some(_) | None => Heard::Other,
    }
}

/// Mean power of one frequency (Goertzel's recurrence), on the scale of the mean square.
fn tone_power(window: &[i16], hz: f64) -> f64 {
    let turn = std::f64::consts::TAU * hz / f64::from(RATE);
    let factor = 2.0 * turn.cos();
    let (mut last, mut before) = (0.0, 0.0);
    for sample in window {
        let next = f64::from(*sample) + factor * last - before;
        before = last;
        last = next;
    }
    let samples = window.len() as f64;
    2.0 * (last * last + before * before - factor * last * before) / (samples * samples)
}

/// Encodes with payload type 0 (µ-law) or 8 (A-law).
pub fn encode(payload: u8, sample: i16) -> u8 {
    if payload == super::party::sdp::PCMA { encode_a(sample) } else { encode_mu(sample) }
}

/// Decodes payload type 0 (µ-law) or 8 (A-law).
pub fn decode(payload: u8, octet: u8) -> i16 {
    if payload == super::party::sdp::PCMA { decode_a(octet) } else { decode_mu(octet) }
}

// ITU-T G.711: eight segments of sixteen steps a sign; µ-law inverts all bits, A-law every other one.

fn encode_mu(sample: i16) -> u8 {
    const BIAS: i32 = 132;
    const TOP: i32 = 32_635;
    let sign = if sample < 0 { 0x80 } else { 0 };
    let level = i32::from(sample).abs().min(TOP) + BIAS;
    let segment = (level.ilog2() - 7).min(7);
    let step = (level >> (segment + 3)) & 0x0f;
    !(sign | ((segment as u8) << 4) | step as u8)
}

fn decode_mu(octet: u8) -> i16 {
    let bits = !octet;
    let segment = u32::from((bits >> 4) & 0x07);
    let step = i32::from(bits & 0x0f);
    let level = (((step << 3) + 132) << segment) - 132;
    (if bits & 0x80 != 0 { -level } else { level }) as i16
}

fn encode_a(sample: i16) -> u8 {
    let sign = if sample < 0 { 0 } else { 0x80 };
    // One's complement of a negative sample keeps both signs symmetric.
    let level = if sample < 0 { !i32::from(sample) } else { i32::from(sample) } >> 4;
    let (segment, step) = match level {
        0..=31 => (u32::from(level >= 16), level & 0x0f),
        _ => {
            let segment = (level.ilog2() - 3).min(7);
            (segment, (level >> (segment - 1)) & 0x0f)
        }
    };
    (sign | ((segment as u8) << 4) | step as u8) ^ 0x55
}

fn decode_a(octet: u8) -> i16 {
    let bits = octet ^ 0x55;
    let segment = u32::from((bits >> 4) & 0x07);
    let step = i32::from(bits & 0x0f);
    let level = match segment {
        0 => (step << 4) + 8,
        _ => ((step << 4) + 264) << (segment - 1),
    };
    (if bits & 0x80 != 0 { level } else { -level }) as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::party::sdp::{PCMA, PCMU};

    #[test]
    fn g711_known_values() {
        assert_eq!((encode(PCMU, 0), encode(PCMA, 0)), (0xff, 0xd5));
        assert_eq!((decode(PCMU, 0xff), decode(PCMU, 0x00), decode(PCMU, 0x80)), (0, -32_124, 32_124));
        assert_eq!((decode(PCMA, 0xd5), decode(PCMA, 0xaa), decode(PCMA, 0x2a)), (8, 32_256, -32_256));
    }

    #[test]
    fn every_octet_survives_a_round_trip() {
        for payload in [PCMU, PCMA] {
            for octet in 0..=255 {
                let again = encode(payload, decode(payload, octet));
                // µ-law has two zeros.
                assert!(
                    again == octet || (payload == PCMU && octet == 0x7f && again == 0xff),
                    "{payload} {octet:#x}"
                );
            }
        }
    }

    #[test]
    fn quantisation_error_is_small_and_extremes_are_safe() {
        for payload in [PCMU, PCMA] {
            for sample in (i16::MIN..=i16::MAX).step_by(7).chain([i16::MIN, i16::MAX]) {
                let back = i32::from(decode(payload, encode(payload, sample)));
                let error = (back - i32::from(sample)).abs();
                assert!(error <= 16 + i32::from(sample).abs() / 16, "{payload} {sample} {back}");
            }
        }
    }

    #[test]
    fn every_sound_is_recognised_through_both_laws() {
        let sounds = (0..PITCHES)
            .flat_map(|index| [Sound::Person(index), Sound::Machine(index), Sound::Agent(index)])
            .chain([Sound::Ringback]);
        for sound in sounds {
            for payload in [PCMU, PCMA] {
                let mut ear = Ear::default();
                let heard: Vec<Heard> = (3..RATE as u64 / 2)
                    .filter_map(|position| {
                        ear.listen(decode(payload, encode(payload, sample(sound, position))))
                    })
                    .collect();
                assert!(heard.len() >= 4);
                assert!(heard.iter().all(|heard| *heard == Heard::Voice(sound)), "{sound:?}: {heard:?}");
            }
        }
    }

    #[test]
    fn silence_beep_and_noise_are_told_apart() {
        let judged = |at: fn(usize) -> i16| {
            let mut ear = Ear::default();
            (0..WINDOW).filter_map(|position| ear.listen(at(position))).next().expect("one window")
        };
        assert_eq!(judged(|_| 0), Heard::Silence);
        assert_eq!(
            judged(|position| sample(Sound::Machine(0), GREETING_SAMPLES + position as u64)),
            Heard::Beep
        );
        let noise = |position: usize| {
            ((position * 7_919 + (position * position) % 4_093) * 31 % 20_011) as i16 - 10_000
        };
        assert_eq!(judged(noise), Heard::Other);
        assert_eq!(sample(Sound::Machine(3), GREETING_SAMPLES + BEEP_SAMPLES), 0);
    }
}
