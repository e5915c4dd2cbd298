//! Frames of silence for legs that wait, and when the next one is due.
//!
//! A waiting leg hears silence every 20 ms so that NAT bindings, phones and carriers see a living stream. While
//! audio is relayed there is none of it, until the other side has been quiet for so long that it must be muted. Two
//! spliced sides that have both never sent anything get a frame now and then, which keeps the path open.

use std::time::Duration;

use super::Codec;
use super::g711;

/// Samples, and octets, of one frame.
pub const FRAME_SAMPLES: usize = 160;

/// Time of one frame.
pub const FRAME: Duration = Duration::from_millis(20);

/// How long relayed audio may pause before silence fills in. Longer than any jitter buffer, so that packets held
/// up in the network are not pushed back in time by silence sent in their place.
pub const RELAY_PAUSE_MAX: Duration = Duration::from_millis(500);

/// Time between frames towards a spliced peer while neither side has sent anything yet: often enough that a lost one
/// does not leave a peer waiting that sends only once it has heard us (RFC 6263 asks for one in 15 s).
pub const KEEP_ALIVE: Duration = Duration::from_secs(1);

/// Sooner after a relayed packet no frame of our own leaves: it would come ahead of its time.
const RELAY_TAIL_MIN: Duration = Duration::from_millis(10);

static PCMU_FRAME: [u8; FRAME_SAMPLES] = [g711::PCMU_SILENCE; FRAME_SAMPLES];
static PCMA_FRAME: [u8; FRAME_SAMPLES] = [g711::PCMA_SILENCE; FRAME_SAMPLES];

/// What was sent last, as far as pacing cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// Nothing, or a frame of our own on the tick.
    OwnFrame,
    /// A relayed packet, and more may follow.
    Relaying {
        /// When.
        sent_at: Duration,
    },
    /// A relayed packet, and no more will follow.
    Relayed {
        /// When.
        sent_at: Duration,
    },
}

/// One frame of silence.
pub fn frame(codec: Codec) -> &'static [u8; FRAME_SAMPLES] {
    match codec {
        Codec::Pcmu => &PCMU_FRAME,
        Codec::Pcma => &PCMA_FRAME,
    }
}

/// Whether a frame of silence is due at the tick `at`.
pub fn is_due(last: Last, at: Duration) -> bool {
    match last {
        Last::OwnFrame => true,
        Last::Relaying { sent_at } => at.saturating_sub(sent_at) >= RELAY_PAUSE_MAX,
        Last::Relayed { sent_at } => at.saturating_sub(sent_at) >= RELAY_TAIL_MIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_silent_in_their_law() {
        assert!(frame(Codec::Pcmu).iter().all(|octet| g711::decode(Codec::Pcmu, *octet) == 0));
        assert!(frame(Codec::Pcma).iter().all(|octet| g711::decode(Codec::Pcma, *octet).abs() <= 8));
    }

    #[test]
    fn silence_waits_for_relayed_audio_to_pause_or_end() {
        let sent_at = Duration::from_secs(3);
        let later = |ms| sent_at + Duration::from_millis(ms);
        assert!(is_due(Last::OwnFrame, sent_at));
        assert!(!is_due(Last::Relaying { sent_at }, later(499)));
        assert!(is_due(Last::Relaying { sent_at }, later(500)));
        assert!(!is_due(Last::Relayed { sent_at }, later(9)));
        assert!(is_due(Last::Relayed { sent_at }, later(10)));
    }
}
