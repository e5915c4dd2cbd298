//! Recording: both directions laid on one time line, agent left, customer right, 8 kHz.
//!
//! Packets are placed by their arrival; within a flow their timestamps keep them in order and free of jitter.
//! What is missing is silence. Finished stretches leave as interleaved samples, half a second behind.

use std::path::PathBuf;
use std::time::Duration;

use super::Codec;
use super::g711::{self, SAMPLES_PER_SECOND};
use crate::id::CallId;

/// Samples of one direction kept at once (about two seconds); what lies further ahead is dropped.
pub const WINDOW: usize = 16_384;

/// Most samples of one direction in a stretch.
pub const STRETCH: usize = 4_000;

/// How far behind the present a stretch ends, so that late packets still find their place (500 ms).
const HOLD_BACK: u64 = 4_000;

/// A flow may run this far from its arrival times before it is placed anew (200 ms).
const DRIFT_MAX: u64 = 1_600;

/// What the recorder thread is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordCommand {
    /// Begin a file.
    Open {
        /// The call.
        call: CallId,
        /// The file's name once complete.
        path: PathBuf,
    },
    /// Append audio.
    Samples {
        /// The call.
        call: CallId,
        /// Interleaved: left, right, left, right.
        samples: Vec<i16>,
    },
    /// Complete the file.
    Close {
        /// The call.
        call: CallId,
    },
}

/// Which channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Left.
    Agent,
    /// Right.
    Customer,
}

/// The open end of one recording.
#[derive(Clone, Debug)]
pub struct Recording {
    call: CallId,
    started: Duration,
    /// Samples that have left, per direction.
    done: u64,
    agent: Track,
    customer: Track,
}

/// One direction: a circle of samples that are still open.
#[derive(Clone, Debug)]
struct Track {
    samples: Box<[i16]>,
    anchor: Option<Anchor>,
}

/// Where a flow's timestamps lie on the time line.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    timestamp: u32,
    position: u64,
}

impl Recording {
    /// Starts the time line.
    pub fn new(call: CallId, now: Duration) -> Self {
        Self { call, started: now, done: 0, agent: Track::new(), customer: Track::new() }
    }

    /// The call.
    pub fn call(&self) -> CallId {
        self.call
    }

    /// Places one packet. `restart`: its timestamps have nothing to do with those before.
    pub fn put(
        &mut self,
        side: Side,
        codec: Codec,
        timestamp: u32,
        payload: &[u8],
        restart: bool,
        now: Duration,
    ) {
        let arrival = self.position(now);
        let track = match side {
            Side::Agent => &mut self.agent,
            Side::Customer => &mut self.customer,
        };
        let position = track.place(timestamp, restart, arrival);
        for (position, octet) in (position..).zip(payload) {
            if position >= self.done && position - self.done < WINDOW as u64 {
                track.samples[position as usize % WINDOW] = g711::decode(codec, *octet);
            }
        }
    }

    /// Interleaved samples of the next finished stretch, if there is one. Ask until there is none.
    pub fn stretch(&mut self, now: Duration) -> Option<Vec<i16>> {
        let ready = self.position(now).saturating_sub(HOLD_BACK).saturating_sub(self.done);
        (ready >= STRETCH as u64).then(|| self.take(STRETCH))
    }

    /// What is left when the recording ends: all up to now, stretch by stretch.
    pub fn last_stretch(&mut self, now: Duration) -> Option<Vec<i16>> {
        let ready = self.position(now).saturating_sub(self.done).min(STRETCH as u64) as usize;
        (ready > 0).then(|| self.take(ready))
    }

    fn take(&mut self, count: usize) -> Vec<i16> {
        let mut samples = Vec::with_capacity(2 * count);
        for _ in 0..count {
            let index = self.done as usize % WINDOW;
            // Taken samples become silence, for the next round of the circle.
            samples.push(std::mem::take(&mut self.agent.samples[index]));
            samples.push(std::mem::take(&mut self.customer.samples[index]));
            self.done += 1;
        }
        samples
    }

    fn position(&self, now: Duration) -> u64 {
        now.saturating_sub(self.started).as_micros() as u64 * u64::from(SAMPLES_PER_SECOND) / 1_000_000
    }
}

impl Track {
    fn new() -> Self {
        Self { samples: vec![0; WINDOW].into_boxed_slice(), anchor: None }
    }

    fn place(&mut self, timestamp: u32, restart: bool, arrival: u64) -> u64 {
        if let (Some(anchor), false) = (self.anchor, restart) {
            let offset = i64::from(timestamp.wrapping_sub(anchor.timestamp).cast_signed());
            if let Some(position) = anchor.position.checked_add_signed(offset)
                && position.abs_diff(arrival) <= DRIFT_MAX
            {
                self.anchor = Some(Anchor { timestamp, position });
                return position;
            }
        }
        self.anchor = Some(Anchor { timestamp, position: arrival });
        arrival
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: CallId = CallId(1);

    fn at(ms: u64) -> Duration {
        Duration::from_secs(50) + Duration::from_millis(ms)
    }

    fn drain(recording: &mut Recording, now: Duration) -> (Vec<i16>, Vec<i16>) {
        let (mut left, mut right) = (Vec::new(), Vec::new());
        while let Some(samples) = recording.last_stretch(now) {
            left.extend(samples.iter().step_by(2));
            right.extend(samples.iter().skip(1).step_by(2));
        }
        (left, right)
    }

    fn loud(codec: Codec) -> [u8; 160] {
        [g711::encode(codec, 8_000); 160]
    }

    fn is_loud(samples: &[i16]) -> bool {
        samples.iter().all(|sample| (7_000..9_000).contains(sample))
    }

    fn is_silent(samples: &[i16]) -> bool {
        samples.iter().all(|sample| *sample == 0)
    }

    #[test]
    fn the_agent_is_left_the_customer_right_at_their_arrival() {
        let mut recording = Recording::new(CALL, at(0));
        recording.put(Side::Agent, Codec::Pcmu, 900, &loud(Codec::Pcmu), true, at(20));
        recording.put(Side::Customer, Codec::Pcma, 5, &loud(Codec::Pcma), true, at(60));
        let (left, right) = drain(&mut recording, at(100));
        assert_eq!((left.len(), right.len()), (800, 800));
        assert!(is_silent(&left[..160]) && is_loud(&left[160..320]) && is_silent(&left[320..]));
        assert!(is_silent(&right[..480]) && is_loud(&right[480..640]) && is_silent(&right[640..]));
    }

    #[test]
    fn jitter_and_reordering_leave_no_holes() {
        let mut recording = Recording::new(CALL, at(0));
        for (index, arrival) in [(0, 0), (2, 25), (1, 47), (3, 60), (4, 99)] {
            let payload = loud(Codec::Pcmu);
            recording.put(Side::Agent, Codec::Pcmu, 7_000 + index * 160, &payload, index == 0, at(arrival));
        }
        let (left, _) = drain(&mut recording, at(120));
        assert!(is_loud(&left[..800]) && is_silent(&left[800..]));
    }

    #[test]
    fn a_lost_packet_is_a_hole_of_silence() {
        let mut recording = Recording::new(CALL, at(0));
        for index in [0, 1, 3] {
            let payload = loud(Codec::Pcmu);
            let arrival = at(20 * u64::from(index));
            recording.put(Side::Customer, Codec::Pcmu, index * 160, &payload, index == 0, arrival);
        }
        let (_, right) = drain(&mut recording, at(80));
        assert!(is_loud(&right[..320]) && is_silent(&right[320..480]) && is_loud(&right[480..640]));
    }

    #[test]
    fn a_wild_timestamp_is_placed_by_arrival() {
        let mut recording = Recording::new(CALL, at(0));
        recording.put(Side::Agent, Codec::Pcmu, 0, &loud(Codec::Pcmu), true, at(0));
        recording.put(Side::Agent, Codec::Pcmu, 0x8000_0000, &loud(Codec::Pcmu), false, at(40));
        let (left, _) = drain(&mut recording, at(60));
        assert!(is_loud(&left[..160]) && is_silent(&left[160..320]) && is_loud(&left[320..480]));
    }

    #[test]
    fn stretches_come_half_a_second_behind_and_memory_stays() {
        let mut recording = Recording::new(CALL, at(0));
        assert_eq!(recording.stretch(at(999)), None);
        assert_eq!(recording.stretch(at(1_000)).map(|samples| samples.len()), Some(2 * STRETCH));
        assert_eq!(recording.stretch(at(1_000)), None);
        // Far beyond the window: dropped, not wrapped onto what is still open.
        recording.put(Side::Agent, Codec::Pcmu, 0, &loud(Codec::Pcmu), true, at(10_000));
        let (left, _) = drain(&mut recording, at(2_000));
        assert!(is_silent(&left));
        assert_eq!(left.len(), 12_000);
    }
}
