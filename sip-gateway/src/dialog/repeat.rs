//! A 2xx to an INVITE, repeated until its ACK comes (RFC 3261 §13.3.1.4).

use std::time::Duration;

use crate::message::{Request, Response};
use crate::options::Timers;
use crate::transaction::timer::Backoff;
use crate::transaction::{Lengths, Reliability, Timer};

/// Repeats one 2xx. Drop it when [`AnswerRepeater::is_acknowledged_by`] says so.
#[derive(Clone, Debug)]
pub struct AnswerRepeater {
    response: Response,
    lengths: Lengths,
    next: Backoff,
    give_up: Duration,
}

/// What is due.
#[derive(Clone, Debug, PartialEq)]
pub enum Repetition {
    /// Nothing yet.
    Wait,
    /// Give this 2xx to the transaction layer again.
    Again(Response),
    /// No ACK after 64*T1: the dialog stands, but it should be ended with a BYE.
    GiveUp,
}

impl AnswerRepeater {
    /// For a 2xx that was first sent now.
    pub fn new(response: Response, timers: Timers, now: Duration) -> Self {
        // Repeated over every transport (§13.3.1.4), for hops further on may be unreliable.
        let lengths = Lengths::new(timers, Reliability::Unreliable);
        let first = Backoff { due: lengths.deadline(Timer::G, now), interval: timers.t1 };
        let next = lengths.backoff(Timer::G, now).unwrap_or(first);
        Self { response, lengths, next, give_up: lengths.deadline(Timer::L, now) }
    }

    /// Whether this ACK is the one it waits for: the caller has matched the dialog, the CSeq number tells the INVITE.
    pub fn is_acknowledged_by(&self, ack: &Request) -> bool {
        match (ack.headers.cseq(), self.response.headers.cseq()) {
            (Ok(ack), Ok(response)) => ack.number == response.number,
            (Ok(_) | Err(_), Ok(_) | Err(_)) => false,
        }
    }

    /// When [`AnswerRepeater::handle_timeout`] must be called at the latest.
    pub fn poll_timeout(&self) -> Duration {
        self.next.due.min(self.give_up)
    }

    /// What is due at `now`.
    pub fn handle_timeout(&mut self, now: Duration) -> Repetition {
        if now >= self.give_up {
            return Repetition::GiveUp;
        }
        if now < self.next.due {
            return Repetition::Wait;
        }
        // §13.3.1.4: T1 first, then doubled until it reaches T2.
        self.next = self.lengths.doubled_to_t2(self.next, now);
        Repetition::Again(self.response.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{HeaderName, Headers, Method, Uri};
    use bytes::Bytes;

    fn answer() -> Response {
        let mut headers = Headers::default();
        headers.append(HeaderName::CSeq, "7 INVITE");
        Response { status: 200, reason: Bytes::new(), headers, body: Bytes::new() }
    }

    fn ack(cseq: &'static str) -> Request {
        let mut ack = Request::new(Method::Ack, Uri::parse("sip:192.0.2.1").expect("a good URI"));
        ack.headers.append(HeaderName::CSeq, cseq);
        ack
    }

    // §13.3.1.4: the 2xx is passed to the transport at an interval that starts at T1 and doubles up to T2.
    // §13.3.1.4: after 64*T1 without an ACK the session should be ended.
    #[test]
    fn doubles_to_t2_and_gives_up_after_64_t1() {
        let mut repeater = AnswerRepeater::new(answer(), Timers::default(), Duration::ZERO);
        let mut sent = Vec::new();
        loop {
            let at = repeater.poll_timeout();
            match repeater.handle_timeout(at) {
                Repetition::Again(response) => {
                    assert_eq!(response, answer());
                    sent.push(at.as_millis());
                }
                Repetition::GiveUp => break assert_eq!(at, Duration::from_secs(32)),
                Repetition::Wait => panic!("something was due"),
            }
        }
        assert_eq!(sent, [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    }

    #[test]
    fn nothing_is_repeated_early() {
        let mut repeater = AnswerRepeater::new(answer(), Timers::default(), Duration::ZERO);
        assert_eq!(repeater.handle_timeout(Duration::from_millis(499)), Repetition::Wait);
    }

    // §13.3.1.4: the ACK has the CSeq number of its INVITE.
    #[test]
    fn only_the_ack_of_this_invite_counts() {
        let repeater = AnswerRepeater::new(answer(), Timers::default(), Duration::ZERO);
        assert!(repeater.is_acknowledged_by(&ack("7 ACK")));
        assert!(!repeater.is_acknowledged_by(&ack("6 ACK")));
    }
}
