//! The words by which closed enums are kept in tables and written to reports; the same as in files and the API.

use crate::attempt::outcome::{Attribution, Outcome};
use crate::campaign::CampaignState;
use crate::inbound::InboundOutcome;
use crate::task::ClosedReason;

/// A closed enum that is kept as a word.
pub trait Word: Sized + Copy + 'static {
    /// Every value.
    const ALL: &'static [Self];

    /// Its word.
    fn word(self) -> &'static str;

    /// The value of a word; `None` when there is no such word.
    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.word() == word)
    }
}

macro_rules! words {
    ($name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl Word for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }
    };
}

words!(Outcome {
    Answered = "answered",
    Abandoned = "abandoned",
    Machine = "machine",
    Busy = "busy",
    NoAnswer = "no_answer",
    Rejected = "rejected",
    InvalidNumber = "invalid_number",
    Congestion = "congestion",
    Failed = "failed",
    Cancelled = "cancelled",
    Interrupted = "interrupted",
});

words!(Attribution { Callee = "callee", Trunk = "trunk", Network = "network", Us = "us" });

words!(CampaignState {
    Draft = "draft",
    Running = "running",
    Paused = "paused",
    Stopping = "stopping",
    Ended = "ended",
});

words!(InboundOutcome {
    Talked = "talked",
    Message = "message",
    NoAgent = "no_agent",
    Left = "left",
    Failed = "failed",
    Interrupted = "interrupted",
});

words!(ClosedReason {
    Success = "success",
    Disposition = "disposition",
    Outcome = "outcome",
    AttemptsMax = "attempts_max",
    Within = "within",
    Suppressed = "suppressed",
    NoZone = "no_zone",
    Number = "number",
});

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    fn agrees_with_serde<W: Word + Serialize + PartialEq + std::fmt::Debug>() {
        for value in W::ALL {
            assert_eq!(serde_json::to_value(value).unwrap(), value.word());
            assert_eq!(W::from_word(value.word()), Some(*value));
        }
        assert_eq!(W::from_word("no such word"), None);
    }

    #[test]
    fn the_words_are_those_of_files_and_api() {
        agrees_with_serde::<Outcome>();
        agrees_with_serde::<Attribution>();
        agrees_with_serde::<InboundOutcome>();
        agrees_with_serde::<CampaignState>();
        agrees_with_serde::<ClosedReason>();
    }
}
