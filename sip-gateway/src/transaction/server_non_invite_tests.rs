//! RFC 3261 §17.2.2, walked sentence by sentence; then every pair of state and event.

use std::time::Duration;

use super::*;
use crate::options::Timers;
use crate::transaction::Reliability;
use crate::transaction::testing::{TIMERS, outcome};

fn lengths(reliability: Reliability) -> Lengths {
    Lengths::new(Timers::default(), reliability)
}

fn udp() -> ServerNonInvite {
    ServerNonInvite::new(lengths(Reliability::Unreliable), Duration::ZERO)
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn fire(machine: &mut ServerNonInvite) -> (Timer, Duration, &'static [Action]) {
    let (at, timer) = machine.deadline().expect("a timer runs");
    (timer, at, machine.handle(Event::Timer(timer), at))
}

const PROVISIONAL: Event = Event::Respond(StatusClass::Provisional);
const SUCCESS: Event = Event::Respond(StatusClass::Success);
const FAILURE: Event = Event::Respond(StatusClass::Failure);

// §17.2.2: the machine starts in Trying; further retransmissions are discarded there.
#[test]
fn retransmissions_are_discarded_while_trying() {
    let mut machine = udp();
    assert!(matches!(machine.state(), State::Trying { .. }));
    assert_eq!(machine.handle(Event::Retransmission, secs(1)), []);
}

// §17.2.2: a provisional response in Trying is sent and leads to Proceeding; so is every further one.
// §17.2.2: a retransmitted request in Proceeding gets the latest provisional response again.
#[test]
fn proceeding() {
    let mut machine = udp();
    assert_eq!(machine.handle(PROVISIONAL, secs(1)), [Action::Send]);
    assert!(matches!(machine.state(), State::Proceeding { .. }));
    assert_eq!(machine.handle(PROVISIONAL, secs(2)), [Action::Send]);
    assert_eq!(machine.handle(Event::Retransmission, secs(3)), [Action::Repeat]);
}

// §17.2.2: a final response in Trying or Proceeding is sent and leads to Completed.
// §17.2.2: in Completed a retransmitted request gets the final response again.
// §17.2.2: any other final response from the user is discarded in Completed.
#[test]
fn completed() {
    for before in [None, Some(PROVISIONAL)] {
        for answer in [SUCCESS, FAILURE] {
            let mut machine = udp();
            if let Some(event) = before {
                machine.handle(event, secs(1));
            }
            assert_eq!(machine.handle(answer, secs(2)), [Action::Send]);
            assert_eq!(machine.handle(Event::Retransmission, secs(3)), [Action::Repeat]);
            assert_eq!(machine.handle(SUCCESS, secs(3)), []);
            assert_eq!(machine.handle(FAILURE, secs(3)), []);
        }
    }
}

// §17.2.2: timer J is 64*T1 over unreliable transports and zero over others; when it fires: terminated.
#[test]
fn timer_j() {
    let mut unreliable = udp();
    unreliable.handle(SUCCESS, secs(1));
    assert_eq!(fire(&mut unreliable), (Timer::J, secs(33), [].as_slice()));
    assert_eq!(unreliable.state(), State::Terminated);

    let mut reliable = ServerNonInvite::new(lengths(Reliability::Reliable), Duration::ZERO);
    reliable.handle(SUCCESS, secs(1));
    assert_eq!(fire(&mut reliable), (Timer::J, secs(1), [].as_slice()));
    assert_eq!(reliable.state(), State::Terminated);
}

// RFC 6026 §7.1 (for §17.2.4): when a response can't be sent the user is told and the state is kept.
#[test]
fn a_transport_error_keeps_the_state() {
    let mut machine = udp();
    machine.handle(SUCCESS, secs(1));
    let state = machine.state();
    assert_eq!(machine.handle(Event::TransportError, secs(2)), [Action::InformTransportError]);
    assert_eq!(machine.state(), state);
}

// RFC 4320 §4: a request nobody answered within 64*T1 is over; its client has given up.
#[test]
fn an_unanswered_request_ends() {
    for before in [None, Some(PROVISIONAL)] {
        let mut machine = udp();
        if let Some(event) = before {
            machine.handle(event, secs(1));
        }
        assert_eq!(fire(&mut machine), (Timer::Unanswered, secs(32), [Action::InformTimeout].as_slice()));
        assert_eq!(machine.state(), State::Terminated);
    }
}

/// Every pair of state and event: the state's name afterwards and what is done.
#[test]
fn every_state_and_event() {
    let all = [
        State::Trying { unanswered: secs(32) },
        State::Proceeding { unanswered: secs(32) },
        State::Completed { j: secs(32) },
        State::Terminated,
    ];
    // One row an event; one column a state, in the order of `all`. `-` is: stays and does nothing. A timer without a row
    // belongs to another machine.
    let table: [(Event, [&str; 4]); 7] = [
        (Event::Retransmission, ["-", "Proceeding Repeat", "Completed Repeat", "-"]),
        (PROVISIONAL, ["Proceeding Send", "Proceeding Send", "-", "-"]),
        (SUCCESS, ["Completed Send", "Completed Send", "-", "-"]),
        (FAILURE, ["Completed Send", "Completed Send", "-", "-"]),
        (
            Event::TransportError,
            ["-", "Proceeding InformTransportError", "Completed InformTransportError", "-"],
        ),
        (Event::Timer(Timer::Unanswered), ["Terminated InformTimeout", "Terminated InformTimeout", "-", "-"]),
        (Event::Timer(Timer::J), ["-", "-", "Terminated", "-"]),
    ];
    let foreign =
        TIMERS.map(Event::Timer).into_iter().filter(|event| table.iter().all(|(own, _)| own != event));
    for (event, row) in table.into_iter().chain(foreign.map(|event| (event, ["-"; 4]))) {
        for (state, expected) in all.into_iter().zip(row) {
            let mut machine = ServerNonInvite { state, lengths: lengths(Reliability::Unreliable) };
            let actions = machine.handle(event, secs(5));
            let seen = outcome(state, machine.state(), actions);
            assert_eq!(seen, expected, "{state:?} on {event:?}");
        }
    }
}
