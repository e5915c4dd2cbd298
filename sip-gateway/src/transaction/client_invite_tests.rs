//! RFC 3261 §17.1.1 and RFC 6026 §7.2, walked sentence by sentence; then every pair of state and event.

use std::time::Duration;

use super::*;
use crate::options::Timers;
use crate::transaction::Reliability;
use crate::transaction::testing::{TIMERS, outcome};

const T1: Duration = Duration::from_millis(500);

fn lengths(reliability: Reliability) -> Lengths {
    Lengths::new(Timers::default(), reliability)
}

fn udp() -> ClientInvite {
    ClientInvite::new(lengths(Reliability::Unreliable), Duration::ZERO)
}

fn tcp() -> ClientInvite {
    ClientInvite::new(lengths(Reliability::Reliable), Duration::ZERO)
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Lets the next timer fire and returns which one, when, and what it made the transaction do.
fn fire(machine: &mut ClientInvite) -> (Timer, Duration, &'static [Action]) {
    let (at, timer) = machine.deadline().expect("a timer runs");
    (timer, at, machine.handle(Event::Timer(timer), at))
}

const PROVISIONAL: Event = Event::Response(StatusClass::Provisional);
const SUCCESS: Event = Event::Response(StatusClass::Success);
const FAILURE: Event = Event::Response(StatusClass::Failure);

// §17.1.1.2: a new transaction starts in Calling.
#[test]
fn starts_calling() {
    assert!(matches!(udp().state(), State::Calling { .. }));
}

// §17.1.1.2: over an unreliable transport timer A starts with the value T1.
#[test]
fn timer_a_starts_at_t1() {
    assert_eq!(udp().deadline(), Some((T1, Timer::A)));
}

// §17.1.1.2: over a reliable transport timer A isn't started.
#[test]
fn no_timer_a_over_a_reliable_transport() {
    assert_eq!(tcp().deadline(), Some((secs(32), Timer::B)));
}

// §17.1.1.2: over any transport timer B starts with 64*T1.
// §17.1.1.2: when timer A fires the INVITE is sent again and the timer is set to 2*T1;
// when it fires again, to 4*T1, and so on: always doubled, never capped at T2.
// §17.1.1.2: when timer B fires in Calling, the user is told of a timeout, and no ACK is made.
#[test]
fn retransmits_doubling_and_gives_up_after_64_t1() {
    let mut machine = udp();
    for at_ms in [500, 1_500, 3_500, 7_500, 15_500, 31_500] {
        assert_eq!(fire(&mut machine), (Timer::A, Duration::from_millis(at_ms), [Action::Repeat].as_slice()));
        assert!(matches!(machine.state(), State::Calling { .. }));
    }
    assert_eq!(fire(&mut machine), (Timer::B, secs(32), [Action::InformTimeout].as_slice()));
    assert_eq!(machine.state(), State::Terminated);
    assert_eq!(machine.deadline(), None);
}

// §17.1.1.2: the INVITE is sent again in Calling only; a provisional response ends the retransmissions.
// §17.1.1.2: a provisional response in Calling is passed up and leads to Proceeding.
#[test]
fn a_provisional_response_stops_retransmissions() {
    for response in [Event::Trying, PROVISIONAL] {
        let mut machine = udp();
        assert_eq!(machine.handle(response, secs(1)), [Action::PassUp]);
        assert!(matches!(machine.state(), State::Proceeding { .. }));
        assert_eq!(machine.deadline().map(|(_, timer)| timer), Some(Timer::C), "neither A nor B runs");
    }
}

// §17.1.1.2: any further provisional response in Proceeding is passed up.
#[test]
fn further_provisional_responses_are_passed_up() {
    let mut machine = udp();
    machine.handle(Event::Trying, secs(1));
    for _ in 0..3 {
        assert_eq!(machine.handle(PROVISIONAL, secs(2)), [Action::PassUp]);
        assert_eq!(machine.handle(Event::Trying, secs(3)), [Action::PassUp]);
    }
    assert!(matches!(machine.state(), State::Proceeding { .. }));
}

// §17.1.1.2: a 300-699 in Calling or Proceeding is passed up, leads to Completed, and an ACK is made.
#[test]
fn a_failure_is_acknowledged_and_passed_up() {
    let mut calling = udp();
    assert_eq!(calling.handle(FAILURE, secs(1)), [Action::SendAck, Action::PassUp]);
    assert!(matches!(calling.state(), State::Completed { .. }));

    let mut proceeding = udp();
    proceeding.handle(PROVISIONAL, secs(1));
    assert_eq!(proceeding.handle(FAILURE, secs(2)), [Action::SendAck, Action::PassUp]);
    assert!(matches!(proceeding.state(), State::Completed { .. }));
}

// §17.1.1.2: timer D starts on entering Completed, at least 32 s over unreliable transports.
// §17.1.1.2: when timer D fires in Completed the transaction is terminated.
#[test]
fn timer_d_is_32_seconds_over_udp() {
    let mut machine = udp();
    machine.handle(FAILURE, secs(1));
    assert_eq!(fire(&mut machine), (Timer::D, secs(33), [].as_slice()));
    assert_eq!(machine.state(), State::Terminated);
}

// §17.1.1.2: timer D is zero over reliable transports.
#[test]
fn timer_d_is_zero_over_tcp() {
    let mut machine = tcp();
    machine.handle(FAILURE, secs(1));
    assert_eq!(fire(&mut machine), (Timer::D, secs(1), [].as_slice()));
}

// §17.1.1.2: a retransmitted final response in Completed makes the ACK go out again and is not passed up.
#[test]
fn a_repeated_failure_is_acknowledged_again_but_not_passed_up() {
    let mut machine = udp();
    machine.handle(FAILURE, secs(1));
    let deadline = machine.deadline();
    for at in 2..5 {
        assert_eq!(machine.handle(FAILURE, secs(at)), [Action::SendAck]);
        assert_eq!(machine.deadline(), deadline, "timer D isn't prolonged");
    }
}

// RFC 6026 §7.2: a 2xx in Calling or Proceeding is passed up and leads to Accepted with timer M of 64*T1.
#[test]
fn a_2xx_leads_to_accepted() {
    let mut calling = udp();
    assert_eq!(calling.handle(SUCCESS, secs(1)), [Action::PassUp]);
    assert_eq!(calling.state(), State::Accepted { m: secs(33) });

    let mut proceeding = udp();
    proceeding.handle(PROVISIONAL, secs(1));
    assert_eq!(proceeding.handle(SUCCESS, secs(2)), [Action::PassUp]);
    assert_eq!(proceeding.state(), State::Accepted { m: secs(34) });
}

// RFC 6026 §7.2: every further 2xx (another fork's, or a repeated one) is passed up; the transaction makes no ACK.
// RFC 6026 §7.2: other responses in Accepted are dropped.
// RFC 6026 §7.2: timer M terminates.
#[test]
fn each_forked_2xx_is_passed_up_until_timer_m() {
    let mut machine = udp();
    machine.handle(SUCCESS, secs(1));
    for at in 2..6 {
        assert_eq!(machine.handle(SUCCESS, secs(at)), [Action::PassUp]);
        assert_eq!(machine.handle(PROVISIONAL, secs(at)), []);
        assert_eq!(machine.handle(FAILURE, secs(at)), []);
    }
    assert_eq!(fire(&mut machine), (Timer::M, secs(33), [].as_slice()));
    assert_eq!(machine.state(), State::Terminated);
}

// §17.1.4: a transport error while calling is told to the user and terminates.
// §17.1.1.2: so does one when the ACK is sent in Completed.
#[test]
fn a_transport_error_terminates_what_is_being_sent() {
    let mut calling = udp();
    assert_eq!(calling.handle(Event::TransportError, secs(1)), [Action::InformTransportError]);
    assert_eq!(calling.state(), State::Terminated);

    let mut completed = udp();
    completed.handle(FAILURE, secs(1));
    assert_eq!(completed.handle(Event::TransportError, secs(1)), [Action::InformTransportError]);
    assert_eq!(completed.state(), State::Terminated);
}

// §9.1: a cancelled INVITE without a final response after 64*T1 is considered over.
#[test]
fn a_cancelled_invite_ends_64_t1_after_the_cancel() {
    let mut machine = udp();
    machine.handle(PROVISIONAL, secs(1));
    assert_eq!(machine.handle(Event::Cancel, secs(10)), []);
    assert_eq!(machine.handle(PROVISIONAL, secs(11)), [Action::PassUp]);
    assert_eq!(fire(&mut machine), (Timer::Cancelled, secs(42), [Action::InformTimeout].as_slice()));
    assert_eq!(machine.state(), State::Terminated);
}

// §9.1: the CANCEL has no effect on an INVITE that was answered: the 2xx wins the race.
#[test]
fn a_cancelled_invite_may_still_be_answered_or_fail() {
    for (response, actions) in
        [(SUCCESS, [Action::PassUp].as_slice()), (FAILURE, [Action::SendAck, Action::PassUp].as_slice())]
    {
        let mut machine = udp();
        machine.handle(PROVISIONAL, secs(1));
        machine.handle(Event::Cancel, secs(2));
        assert_eq!(machine.handle(response, secs(3)), actions);
    }
}

// §16.6 (11), §16.8: an INVITE that proceeds for three minutes without news is cancelled; news prolong it, a 100 doesn't.
#[test]
fn timer_c_cancels_a_forgotten_invite() {
    let mut machine = udp();
    machine.handle(Event::Trying, secs(1));
    machine.handle(PROVISIONAL, secs(100));
    machine.handle(Event::Trying, secs(200));
    assert_eq!(fire(&mut machine), (Timer::C, secs(281), [Action::SendCancel].as_slice()));
    assert_eq!(fire(&mut machine).0, Timer::Cancelled);
    assert_eq!(machine.state(), State::Terminated);
}

/// Every pair of state and event: the state's name afterwards and what is done.
#[test]
fn every_state_and_event() {
    let calling = State::Calling { a: Some(Backoff { due: secs(1), interval: secs(1) }), b: secs(32) };
    let proceeding = State::Proceeding { c: secs(181) };
    let cancelling = State::Cancelling { cancelled: secs(32) };
    let completed = State::Completed { d: secs(32) };
    let accepted = State::Accepted { m: secs(32) };
    let all = [calling, proceeding, cancelling, completed, accepted, State::Terminated];
    // One row an event; one column a state, in the order of `all`. `-` is: stays and does nothing. A timer without a row
    // belongs to another machine.
    let table: [(Event, [&str; 6]); 12] = [
        (Event::Trying, ["Proceeding PassUp", "Proceeding PassUp", "Cancelling PassUp", "-", "-", "-"]),
        (PROVISIONAL, ["Proceeding PassUp", "Proceeding PassUp", "Cancelling PassUp", "-", "-", "-"]),
        (
            SUCCESS,
            [
                "Accepted PassUp",
                "Accepted PassUp",
                "Accepted PassUp",
                "Completed PassStray",
                "Accepted PassUp",
                "-",
            ],
        ),
        (
            FAILURE,
            [
                "Completed SendAck PassUp",
                "Completed SendAck PassUp",
                "Completed SendAck PassUp",
                "Completed SendAck",
                "-",
                "-",
            ],
        ),
        (Event::Cancel, ["-", "Cancelling", "-", "-", "-", "-"]),
        (
            Event::TransportError,
            ["Terminated InformTransportError", "-", "-", "Terminated InformTransportError", "-", "-"],
        ),
        (Event::Timer(Timer::A), ["Calling Repeat", "-", "-", "-", "-", "-"]),
        (Event::Timer(Timer::B), ["Terminated InformTimeout", "-", "-", "-", "-", "-"]),
        (Event::Timer(Timer::C), ["-", "Cancelling SendCancel", "-", "-", "-", "-"]),
        (Event::Timer(Timer::D), ["-", "-", "-", "Terminated", "-", "-"]),
        (Event::Timer(Timer::M), ["-", "-", "-", "-", "Terminated", "-"]),
        (Event::Timer(Timer::Cancelled), ["-", "-", "Terminated InformTimeout", "-", "-", "-"]),
    ];
    let foreign =
        TIMERS.map(Event::Timer).into_iter().filter(|event| table.iter().all(|(own, _)| own != event));
    for (event, row) in table.into_iter().chain(foreign.map(|event| (event, ["-"; 6]))) {
        for (state, expected) in all.into_iter().zip(row) {
            let mut machine = ClientInvite { state, lengths: lengths(Reliability::Unreliable) };
            let actions = machine.handle(event, secs(5));
            let seen = outcome(state, machine.state(), actions);
            assert_eq!(seen, expected, "{state:?} on {event:?}");
        }
    }
}
