//! Why a call ends, as its peer is told and as it tells us (RFC 3326, Q.850).

use super::Notice;
use crate::event::{EndedBy, Failure};
use crate::message::Headers;

/// Another fork's answer was taken, or another phone.
pub(super) const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

/// The process that made the call is no more.
pub(super) const RESTARTED: &str = "Q.850;cause=41;text=\"Temporary failure\"";

const CLEARED: &str = "Q.850;cause=16;text=\"Normal call clearing\"";
const NO_ANSWER: &str = "Q.850;cause=19;text=\"No answer from the user\"";
const NO_RESOURCE: &str = "Q.850;cause=47;text=\"Resource unavailable\"";
const TIMER: &str = "Q.850;cause=102;text=\"Recovery on timer expiry\"";
const NO_SESSION: &str = "SIP;cause=488;text=\"Not Acceptable Here\"";

/// Causes of Q.850 that are a network's fault: out of order, temporary failure, congestion, no channel, no resource, timer.
const FAULTS: [u16; 6] = [38, 41, 42, 44, 47, 102];

/// The Reason header for one of our words.
pub(super) fn of_word(word: &str) -> &'static str {
    match word {
        "ring_limit" => NO_ANSWER,
        "ports" => NO_RESOURCE,
        "session_expired" | "session_lost" | "ack_lost" => TIMER,
        "rtp_lost" => RESTARTED,
        "taken_over" => ELSEWHERE,
        _ => CLEARED,
    }
}

/// The Reason header of the BYE after which `then` is told.
pub(super) fn of_notice(then: &Notice) -> &'static str {
    match then {
        Notice::Ended { reason, .. } => of_word(reason),
        Notice::Failed { failure: Failure::Media, .. } => NO_SESSION,
        Notice::Failed { .. }
        | Notice::Heard
        | Notice::Ringing { .. }
        | Notice::Answered { .. }
        | Notice::Changed(_)
        | Notice::Digit(_)
        | Notice::Text(_)
        | Notice::Referred(_) => CLEARED,
    }
}

/// Who ended the call, by the peer's BYE: the peer, unless it says that the network did.
pub(super) fn of_bye(headers: &Headers) -> Notice {
    let fault = headers.reasons().into_iter().find_map(|reason| {
        let cause = reason.cause?;
        let network = reason.protocol.eq_ignore_ascii_case("Q.850") && FAULTS.contains(&cause);
        let timer = reason.protocol.eq_ignore_ascii_case("SIP") && cause == 408;
        (network || timer).then_some(if network { "network_fault" } else { "session_lost" })
    });
    match fault {
        Some(reason) => Notice::Ended { by: EndedBy::Network, reason },
        None => Notice::Ended { by: EndedBy::Peer, reason: "bye" },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::HeaderName;

    #[test]
    fn a_peer_that_names_a_fault_of_the_network_did_not_hang_up() {
        let by_peer = Notice::Ended { by: EndedBy::Peer, reason: "bye" };
        let fault = |reason| Notice::Ended { by: EndedBy::Network, reason };
        for (value, expected) in [
            ("Q.850;cause=16;text=\"Normal call clearing\"", by_peer.clone()),
            ("q.850 ;cause=38", fault("network_fault")),
            ("SIP ;cause=200 ;text=\"Call completed elsewhere\", Q.850;cause=41", fault("network_fault")),
            ("SIP;cause=408;text=\"Session expired\"", fault("session_lost")),
            ("SIP;cause=41", by_peer.clone()),
            ("Q.850", by_peer.clone()),
            ("nonsense;;", by_peer),
        ] {
            let mut headers = Headers::default();
            headers.append(HeaderName::Reason, value);
            assert_eq!(of_bye(&headers), expected, "{value}");
        }
    }
}
