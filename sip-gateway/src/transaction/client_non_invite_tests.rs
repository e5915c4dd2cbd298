//! RFC 3261 §17.1.2, walked sentence by sentence; then every pair of state and event.

use std::time::Duration;

use super::*;
use crate::options::Timers;
use crate::transaction::Reliability;
use crate::transaction::testing::{TIMERS, outcome};

fn lengths(reliability: Reliability) -> Lengths {
    Lengths::new(Timers::default(), reliability)
}

fn udp() -> ClientNonInvite {
    ClientNonInvite::new(lengths(Reliability::Unreliable), Duration::ZERO)
}

fn tcp() -> ClientNonInvite {
    ClientNonInvite::new(lengths(Reliability::Reliable), Duration::ZERO)
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn fire(machine: &mut ClientNonInvite) -> (Timer, Duration, &'static [Action]) {
    let (at, timer) = machine.deadline().expect("a timer runs");
    (timer, at, machine.handle(Event::Timer(timer), at))
}

const PROVISIONAL: Event = Event::Response(StatusClass::Provisional);
const SUCCESS: Event = Event::Response(StatusClass::Success);
const FAILURE: Event = Event::Response(StatusClass::Failure);

// §17.1.2.2: the machine starts in Trying when the request is sent.
#[test]
fn starts_trying() {
    assert!(matches!(udp().state(), State::Trying { .. }));
}

// §17.1.2.2: timer F is set to 64*T1; over an unreliable transport timer E is set to T1.
#[test]
fn timers_at_the_start() {
    assert_eq!(udp().deadline(), Some((ms(500), Timer::E)));
    assert_eq!(tcp().deadline(), Some((secs(32), Timer::F)));
}

// §17.1.2.2: when timer E fires in Trying it is set to MIN(2*T1, T2), then MIN(4*T1, T2), and so on;
// with the default values that is 500 ms, 1 s, 2 s, 4 s, 4 s, 4 s ...
// §17.1.2.2: each time timer E fires the request is sent again.
// §17.1.2.2: when timer F fires in Trying the user is told of a timeout and the transaction terminates.
#[test]
fn retransmits_doubling_to_t2_and_gives_up_after_64_t1() {
    let mut machine = udp();
    for at in [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500] {
        assert_eq!(fire(&mut machine), (Timer::E, ms(at), [Action::Repeat].as_slice()));
    }
    assert_eq!(fire(&mut machine), (Timer::F, secs(32), [Action::InformTimeout].as_slice()));
    assert_eq!(machine.state(), State::Terminated);
}

// §17.1.2.2: a provisional response in Trying is passed up and leads to Proceeding.
#[test]
fn a_provisional_response_leads_to_proceeding() {
    let mut machine = udp();
    assert_eq!(machine.handle(PROVISIONAL, ms(100)), [Action::PassUp]);
    assert!(matches!(machine.state(), State::Proceeding { .. }));
}

// §17.1.2.2: a final response in Trying is passed up and leads to Completed.
#[test]
fn a_final_response_completes() {
    for response in [SUCCESS, FAILURE] {
        let mut machine = udp();
        assert_eq!(machine.handle(response, ms(100)), [Action::PassUp]);
        assert!(matches!(machine.state(), State::Completed { .. }));
    }
}

// §17.1.2.2: when timer E fires in Proceeding the request is sent again and timer E is set to T2.
#[test]
fn retransmits_every_t2_while_proceeding() {
    let mut machine = udp();
    machine.handle(PROVISIONAL, ms(100));
    for at in [500, 4_500, 8_500] {
        assert_eq!(fire(&mut machine), (Timer::E, ms(at), [Action::Repeat].as_slice()));
    }
}

// §17.1.2.2: when timer F fires in Proceeding the user is told of a timeout and the transaction terminates.
#[test]
fn timer_f_ends_proceeding_too() {
    for mut machine in [udp(), tcp()] {
        machine.handle(PROVISIONAL, ms(100));
        while machine.deadline().is_some_and(|(_, timer)| timer == Timer::E) {
            fire(&mut machine);
        }
        assert_eq!(fire(&mut machine), (Timer::F, secs(32), [Action::InformTimeout].as_slice()));
        assert_eq!(machine.state(), State::Terminated);
    }
}

// §17.1.2.2: a final response in Proceeding is passed up and leads to Completed.
// §17.1.2.2: on entering Completed timer K is set to T4 over unreliable transports, to zero over others.
#[test]
fn timer_k() {
    let mut unreliable = udp();
    unreliable.handle(PROVISIONAL, ms(100));
    assert_eq!(unreliable.handle(SUCCESS, secs(1)), [Action::PassUp]);
    assert_eq!(fire(&mut unreliable), (Timer::K, secs(6), [].as_slice()));
    assert_eq!(unreliable.state(), State::Terminated);

    let mut reliable = tcp();
    reliable.handle(SUCCESS, secs(1));
    assert_eq!(fire(&mut reliable), (Timer::K, secs(1), [].as_slice()));
    assert_eq!(reliable.state(), State::Terminated);
}

// §17.1.2.2: Completed exists to absorb retransmitted responses.
#[test]
fn repeated_final_responses_are_absorbed() {
    let mut machine = udp();
    machine.handle(SUCCESS, secs(1));
    assert_eq!(machine.handle(SUCCESS, secs(2)), []);
    assert_eq!(machine.handle(FAILURE, secs(2)), []);
    assert_eq!(machine.deadline(), Some((secs(6), Timer::K)), "timer K isn't prolonged");
}

// §17.1.4: a transport error is told to the user and terminates.
#[test]
fn a_transport_error_terminates() {
    for before in [None, Some(PROVISIONAL)] {
        let mut machine = udp();
        if let Some(event) = before {
            machine.handle(event, ms(1));
        }
        assert_eq!(machine.handle(Event::TransportError, ms(2)), [Action::InformTransportError]);
        assert_eq!(machine.state(), State::Terminated);
    }
}

/// Every pair of state and event: the state's name afterwards and what is done.
#[test]
fn every_state_and_event() {
    let e = Some(Backoff { due: secs(1), interval: secs(1) });
    let all = [
        State::Trying { e, f: secs(32) },
        State::Proceeding { e, f: secs(32) },
        State::Completed { k: secs(5) },
        State::Terminated,
    ];
    // One row an event; one column a state, in the order of `all`. `-` is: stays and does nothing. A timer without a row
    // belongs to another machine.
    let table: [(Event, [&str; 4]); 7] = [
        (PROVISIONAL, ["Proceeding PassUp", "Proceeding PassUp", "-", "-"]),
        (SUCCESS, ["Completed PassUp", "Completed PassUp", "-", "-"]),
        (FAILURE, ["Completed PassUp", "Completed PassUp", "-", "-"]),
        (
            Event::TransportError,
            ["Terminated InformTransportError", "Terminated InformTransportError", "-", "-"],
        ),
        (Event::Timer(Timer::E), ["Trying Repeat", "Proceeding Repeat", "-", "-"]),
        (Event::Timer(Timer::F), ["Terminated InformTimeout", "Terminated InformTimeout", "-", "-"]),
        (Event::Timer(Timer::K), ["-", "-", "Terminated", "-"]),
    ];
    let foreign =
        TIMERS.map(Event::Timer).into_iter().filter(|event| table.iter().all(|(own, _)| own != event));
    for (event, row) in table.into_iter().chain(foreign.map(|event| (event, ["-"; 4]))) {
        for (state, expected) in all.into_iter().zip(row) {
            let mut machine = ClientNonInvite { state, lengths: lengths(Reliability::Unreliable) };
            let actions = machine.handle(event, secs(5));
            let seen = outcome(state, machine.state(), actions);
            assert_eq!(seen, expected, "{state:?} on {event:?}");
        }
    }
}
