//! Whether callees and agents really heard each other, told by the pitches that reached each side.

use std::time::Duration;

use super::audio::{Heard, PITCHES};
use super::io::LineReport;
use super::party::Sound;

/// Time by which the last judgement of a phone may trail the end of a call.
const TRAIL: Duration = Duration::from_millis(500);

/// What the audio of a whole demo shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// Answered lines of the carrier.
    pub answered: u64,
    /// Answered lines on which an agent's voice was heard.
    pub agent_heard: u64,
    /// Those of them whose own voice was heard by that very agent during the call.
    pub both_ways: u64,
    /// Answered lines on which the safe-harbour message was heard.
    pub message_heard: u64,
    /// Lines on which more than one agent, or an agent after the message, was heard. Must be 0.
    pub crossed: u64,
    /// RTP packets that callees and agents received.
    pub packets: u64,
    /// RTP sequence numbers that neither received.
    pub lost: u64,
}

/// Compares what callees heard with what phones heard at the same time. `phones` are in the order of their agents' pitches.
pub fn proof(callees: &[LineReport], phones: &[LineReport]) -> Proof {
    let mut proof = Proof::default();
    for line in callees.iter().chain(phones) {
        proof.packets += line.tally.received;
        proof.lost += line.tally.lost;
    }
    for line in callees {
        let Some(answered_at) = line.answered_at else { continue };
        proof.answered += 1;
        let mut agents: Vec<u8> = line.tally.spans.iter().filter_map(|span| agent(span.heard)).collect();
        agents.dedup();
        let message = line.tally.heard.contains_key(&Heard::Message);
        proof.message_heard += u64::from(message);
        proof.crossed += u64::from(agents.len() > 1 || (message && !agents.is_empty()));
        let Some(first) = agents.first() else { continue };
        proof.agent_heard += 1;
        let until = line.ended.map_or(Duration::MAX, |(at, _)| at + TRAIL);
        let heard_by_agent =
            phones.iter().filter(|phone| phone.sound == Some(Sound::Agent(*first))).any(|phone| {
                let spans = phone.tally.spans.iter();
                spans
                    .filter(|span| span.to >= answered_at && span.from <= until)
                    .any(|span| same_pitch(line.sound, span.heard))
            });
        proof.both_ways += u64::from(heard_by_agent);
    }
    proof
}

fn agent(heard: Heard) -> Option<u8> {
    match heard {
        Heard::Voice(Sound::Agent(index)) => Some(index),
        Heard::Voice(Sound::Person(_) | Sound::Machine(_) | Sound::Ringback) => None,
        Heard::Silence | Heard::Beep | Heard::Message | Heard::Other => None,
    }
}

fn same_pitch(said: Option<Sound>, heard: Heard) -> bool {
    let folded = said.map(|sound| match sound {
        Sound::Person(index) => Sound::Person(index % PITCHES),
        Sound::Machine(index) => Sound::Machine(index % PITCHES),
        Sound::Agent(index) => Sound::Agent(index % PITCHES),
        Sound::Ringback => Sound::Ringback,
    });
    folded.is_some_and(|sound| heard == Heard::Voice(sound))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::party::Ending;
    use crate::demo::voice::{Span, Tally};

    fn line(sound: Sound, from: u64, to: u64, spans: &[(Heard, u64, u64)]) -> LineReport {
        let seconds = Duration::from_secs;
        let spans: Vec<Span> = spans
            .iter()
            .map(|(heard, from, to)| Span { heard: *heard, from: seconds(*from), to: seconds(*to) })
            .collect();
        let heard = spans.iter().map(|span| (span.heard, 1)).collect();
        LineReport {
            seat: 0,
            called: String::new(),
            sound: Some(sound),
            answered_at: Some(seconds(from)),
            ended: Some((seconds(to), Ending::OurBye)),
            tally: Tally { received: 10, lost: 1, heard, spans, ..Tally::default() },
        }
    }

    #[test]
    fn a_call_counts_when_both_heard_each_other_at_the_same_time() {
        let (person, agent) = (Sound::Person(17), Sound::Agent(3));
        let phone = |from, to| vec![line(agent, 0, 100, &[(Heard::Voice(Sound::Person(1)), from, to)])];
        let callee = vec![line(person, 10, 20, &[(Heard::Voice(agent), 10, 20)])];
        assert_eq!(proof(&callee, &phone(11, 19)).both_ways, 1);
        assert_eq!(proof(&callee, &phone(30, 40)).both_ways, 0, "another call");
        let found =
            proof(&callee, &[line(Sound::Agent(4), 0, 100, &[(Heard::Voice(Sound::Person(1)), 11, 19)])]);
        assert_eq!((found.agent_heard, found.both_ways), (1, 0), "another agent");
    }

    #[test]
    fn messages_and_crossed_lines_are_counted() {
        let callees = vec![
            line(Sound::Person(0), 0, 9, &[(Heard::Message, 1, 2), (Heard::Other, 2, 4)]),
            line(
                Sound::Person(1),
                0,
                9,
                &[(Heard::Voice(Sound::Agent(1)), 1, 2), (Heard::Voice(Sound::Agent(2)), 3, 4)],
            ),
        ];
        let found = proof(&callees, &[]);
        assert_eq!((found.answered, found.message_heard, found.crossed, found.agent_heard), (2, 1, 1, 1));
        assert_eq!((found.packets, found.lost), (20, 2));
    }
}
