//! RFC 3261 §17.2.1 and RFC 6026 §7.1, walked sentence by sentence; then every pair of state and event.

use std::time::Duration;

use super::*;
use crate::options::Timers;
use crate::transaction::Reliability;
use crate::transaction::testing::{TIMERS, outcome};

fn lengths(reliability: Reliability) -> Lengths {
    Lengths::new(Timers::default(), reliability)
}

fn udp() -> ServerInvite {
    ServerInvite::new(lengths(Reliability::Unreliable), Duration::ZERO)
}

fn tcp() -> ServerInvite {
    ServerInvite::new(lengths(Reliability::Reliable), Duration::ZERO)
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn fire(machine: &mut ServerInvite) -> (Timer, Duration, &'static [Action]) {
    let (at, timer) = machine.deadline().expect("a timer runs");
    (timer, at, machine.handle(Event::Timer(timer), at))
}

const PROVISIONAL: Event = Event::Respond(StatusClass::Provisional);
const SUCCESS: Event = Event::Respond(StatusClass::Success);
const FAILURE: Event = Event::Respond(StatusClass::Failure);

// §17.2.1: a 100 is made unless the user answers within 200 ms.
#[test]
fn a_100_after_200_ms_of_silence() {
    let mut machine = udp();
    assert_eq!(fire(&mut machine), (Timer::Trying, ms(200), [Action::SendTrying].as_slice()));
    assert!(matches!(machine.state(), State::Proceeding { .. }));
}

// §17.2.1: no 100 is needed when the user answered in time.
#[test]
fn no_100_after_a_prompt_answer() {
    for answer in [PROVISIONAL, SUCCESS, FAILURE] {
        let mut machine = udp();
        assert_eq!(machine.handle(answer, ms(100)), [Action::Send]);
        assert_ne!(machine.deadline().map(|(_, timer)| timer), Some(Timer::Trying));
    }
}

// §17.2.1: the user may pass any number of provisional responses in Proceeding; each is sent.
#[test]
fn provisional_responses_are_sent() {
    let mut machine = udp();
    for at in 1..4 {
        assert_eq!(machine.handle(PROVISIONAL, secs(at)), [Action::Send]);
        assert!(matches!(machine.state(), State::Proceeding { .. }));
    }
}

// §17.2.1: a retransmitted INVITE in Proceeding is answered with the latest provisional response.
#[test]
fn a_retransmitted_invite_gets_the_latest_provisional() {
    let mut machine = udp();
    assert_eq!(machine.handle(Event::Retransmission, ms(100)), [], "nothing to repeat yet");
    machine.handle(PROVISIONAL, ms(150));
    assert_eq!(machine.handle(Event::Retransmission, ms(500)), [Action::Repeat]);
}

// RFC 6026 §7.1: a 2xx in Proceeding is sent and leads to Accepted; timer L is 64*T1 over all transports.
// RFC 6026 §7.1: retransmitted INVITEs in Accepted are absorbed; the user repeats the 2xx, which is sent.
// RFC 6026 §7.1: an ACK in Accepted is passed up and changes nothing.
// RFC 6026 §7.1: timer L terminates.
#[test]
fn accepted() {
    for mut machine in [udp(), tcp()] {
        machine.handle(PROVISIONAL, secs(1));
        assert_eq!(machine.handle(SUCCESS, secs(2)), [Action::Send]);
        assert_eq!(machine.state(), State::Accepted { l: secs(34) });
        assert_eq!(machine.handle(Event::Retransmission, secs(3)), []);
        assert_eq!(machine.handle(SUCCESS, secs(3)), [Action::Send]);
        assert_eq!(machine.handle(Event::Ack, secs(3)), [Action::PassUp]);
        assert_eq!(machine.handle(FAILURE, secs(3)), []);
        assert_eq!(machine.handle(PROVISIONAL, secs(3)), []);
        assert_eq!(fire(&mut machine), (Timer::L, secs(34), [].as_slice()));
        assert_eq!(machine.state(), State::Terminated);
    }
}

// §17.2.1: a 300-699 in Proceeding is sent and leads to Completed; over unreliable transports timer G is
// set to T1, over reliable ones it isn't set.
// §17.2.1: timer H is set to 64*T1 over all transports.
// §17.2.1: when timer G fires the response is sent again and the timer is set to MIN(2*T1, T2), doubling up to T2.
// §17.2.1: when timer H fires in Completed the ACK never came: terminated, and the user is told.
#[test]
fn a_lost_ack() {
    let mut machine = udp();
    assert_eq!(machine.handle(FAILURE, Duration::ZERO), [Action::Send]);
    for at in [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500] {
        assert_eq!(fire(&mut machine), (Timer::G, ms(at), [Action::Repeat].as_slice()));
    }
    assert_eq!(fire(&mut machine), (Timer::H, secs(32), [Action::InformTimeout].as_slice()));
    assert_eq!(machine.state(), State::Terminated);

    let mut reliable = tcp();
    reliable.handle(FAILURE, Duration::ZERO);
    assert_eq!(fire(&mut reliable), (Timer::H, secs(32), [Action::InformTimeout].as_slice()));
}

// §17.2.1: a retransmitted INVITE in Completed is answered with the final response.
#[test]
fn a_retransmitted_invite_gets_the_final_response_again() {
    let mut machine = udp();
    machine.handle(FAILURE, Duration::ZERO);
    let deadline = machine.deadline();
    assert_eq!(machine.handle(Event::Retransmission, ms(100)), [Action::Repeat]);
    assert_eq!(machine.deadline(), deadline, "timer G runs on its own");
}

// §17.2.1: an ACK in Completed leads to Confirmed; timer G is ignored from then on.
// §17.2.1: timer I is T4 over unreliable transports and zero over others; when it fires: terminated.
// §17.2.1: Confirmed absorbs further ACKs.
#[test]
fn confirmed() {
    let mut machine = udp();
    machine.handle(FAILURE, Duration::ZERO);
    assert_eq!(machine.handle(Event::Ack, secs(1)), []);
    assert_eq!(machine.state(), State::Confirmed { i: secs(6) });
    assert_eq!(machine.handle(Event::Timer(Timer::G), secs(2)), []);
    assert_eq!(machine.handle(Event::Ack, secs(2)), []);
    assert_eq!(machine.handle(Event::Retransmission, secs(2)), []);
    assert_eq!(fire(&mut machine), (Timer::I, secs(6), [].as_slice()));
    assert_eq!(machine.state(), State::Terminated);

    let mut reliable = tcp();
    reliable.handle(FAILURE, Duration::ZERO);
    reliable.handle(Event::Ack, secs(1));
    assert_eq!(fire(&mut reliable), (Timer::I, secs(1), [].as_slice()));
}

// RFC 6026 §7.1 (for §17.2.4): when a response can't be sent the user is told and the state is kept.
#[test]
fn a_transport_error_keeps_the_state() {
    for answer in [PROVISIONAL, SUCCESS, FAILURE] {
        let mut machine = udp();
        machine.handle(answer, Duration::ZERO);
        let state = machine.state();
        assert_eq!(machine.handle(Event::TransportError, ms(1)), [Action::InformTransportError]);
        assert_eq!(machine.state(), state);
    }
}

// Our own bound: an INVITE that the user never answers doesn't stay.
#[test]
fn an_unanswered_invite_ends() {
    let mut machine = udp();
    fire(&mut machine);
    assert_eq!(fire(&mut machine), (Timer::C, secs(181), [Action::InformTimeout].as_slice()));
    assert_eq!(machine.state(), State::Terminated);
}

/// Every pair of state and event: the state's name afterwards and what is done.
#[test]
fn every_state_and_event() {
    let g = Some(Backoff { due: secs(1), interval: secs(1) });
    let all = [
        State::Received { trying: ms(200), c: secs(181) },
        State::Proceeding { c: secs(181) },
        State::Completed { g, h: secs(32) },
        State::Confirmed { i: secs(5) },
        State::Accepted { l: secs(32) },
        State::Terminated,
    ];
    let inform = "Completed InformTransportError";
    // One row an event; one column a state, in the order of `all`. `-` is: stays and does nothing. A timer without a row
    // belongs to another machine.
    let table: [(Event, [&str; 6]); 12] = [
        (Event::Retransmission, ["-", "Proceeding Repeat", "Completed Repeat", "-", "-", "-"]),
        (Event::Ack, ["-", "-", "Confirmed", "-", "Accepted PassUp", "-"]),
        (PROVISIONAL, ["Proceeding Send", "Proceeding Send", "-", "-", "-", "-"]),
        (SUCCESS, ["Accepted Send", "Accepted Send", "-", "-", "Accepted Send", "-"]),
        (FAILURE, ["Completed Send", "Completed Send", "-", "-", "-", "-"]),
        (
            Event::TransportError,
            ["-", "Proceeding InformTransportError", inform, "-", "Accepted InformTransportError", "-"],
        ),
        (Event::Timer(Timer::Trying), ["Proceeding SendTrying", "-", "-", "-", "-", "-"]),
        (
            Event::Timer(Timer::C),
            ["Terminated InformTimeout", "Terminated InformTimeout", "-", "-", "-", "-"],
        ),
        (Event::Timer(Timer::G), ["-", "-", "Completed Repeat", "-", "-", "-"]),
        (Event::Timer(Timer::H), ["-", "-", "Terminated InformTimeout", "-", "-", "-"]),
        (Event::Timer(Timer::I), ["-", "-", "-", "Terminated", "-", "-"]),
        (Event::Timer(Timer::L), ["-", "-", "-", "-", "Terminated", "-"]),
    ];
    let foreign =
        TIMERS.map(Event::Timer).into_iter().filter(|event| table.iter().all(|(own, _)| own != event));
    for (event, row) in table.into_iter().chain(foreign.map(|event| (event, ["-"; 6]))) {
        for (state, expected) in all.into_iter().zip(row) {
            let mut machine = ServerInvite { state, lengths: lengths(Reliability::Unreliable) };
            let actions = machine.handle(event, secs(5));
            let seen = outcome(state, machine.state(), actions);
            assert_eq!(seen, expected, "{state:?} on {event:?}");
        }
    }
}
