//! Every timer of RFC 3261 §17 (its table 4) and RFC 6026, and which machine runs it when: the machines are left alone in each
//! of their states, and what fires is compared with the table.

use std::time::Duration;

use super::machine::Machine;
use super::testing::{TIMERS, ms};
use super::timer::{Lengths, Reliability, Timer};
use crate::message::Method;
use crate::options::Timers;

/// What happens to a machine before it is left alone.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A client gets a response.
    Response(u16),
    /// The user of a server answers.
    Respond(u16),
    /// A server gets an ACK.
    Ack,
}
use Step::{Ack, Respond, Response};

/// One state of one machine.
struct Row {
    name: &'static str,
    client: bool,
    method: Method,
    /// What leads there, each 100 ms after the one before.
    steps: &'static [Step],
    /// Timers that fire after that, with milliseconds since the start: over UDP, over a reliable transport.
    udp: &'static [(Timer, u64)],
    tcp: &'static [(Timer, u64)],
}

/// T1 and twice as much each time, without limit, until timer B: §17.1.1.2.
const A_B: &[(Timer, u64)] = &[
    (Timer::A, 500),
    (Timer::A, 1_500),
    (Timer::A, 3_500),
    (Timer::A, 7_500),
    (Timer::A, 15_500),
    (Timer::A, 31_500),
    (Timer::B, 32_000),
];

/// T1 and twice as much each time, T2 at most, until timer F: §17.1.2.2.
const E_F: &[(Timer, u64)] = &[
    (Timer::E, 500),
    (Timer::E, 1_500),
    (Timer::E, 3_500),
    (Timer::E, 7_500),
    (Timer::E, 11_500),
    (Timer::E, 15_500),
    (Timer::E, 19_500),
    (Timer::E, 23_500),
    (Timer::E, 27_500),
    (Timer::E, 31_500),
    (Timer::F, 32_000),
];

/// T2 each time once a provisional response came: §17.1.2.2.
const E_AT_T2: &[(Timer, u64)] = &[
    (Timer::E, 500),
    (Timer::E, 4_500),
    (Timer::E, 8_500),
    (Timer::E, 12_500),
    (Timer::E, 16_500),
    (Timer::E, 20_500),
    (Timer::E, 24_500),
    (Timer::E, 28_500),
    (Timer::F, 32_000),
];

/// T1 and twice as much each time, T2 at most, until timer H: §17.2.1.
const G_H: &[(Timer, u64)] = &[
    (Timer::G, 600),
    (Timer::G, 1_600),
    (Timer::G, 3_600),
    (Timer::G, 7_600),
    (Timer::G, 11_600),
    (Timer::G, 15_600),
    (Timer::G, 19_600),
    (Timer::G, 23_600),
    (Timer::G, 27_600),
    (Timer::G, 31_600),
    (Timer::H, 32_100),
];

/// A cancelled INVITE is given up 64*T1 later (§9.1); timer C is §16.6 (11) and §16.8.
const C_THEN_GIVEN_UP: &[(Timer, u64)] = &[(Timer::C, 181_100), (Timer::Cancelled, 213_100)];

fn rows() -> Vec<Row> {
    let row = |name, client, method, steps, udp, tcp| Row { name, client, method, steps, udp, tcp };
    vec![
        // §17.1.1.
        row("INVITE client, Calling", true, Method::Invite, &[], A_B, &[(Timer::B, 32_000)]),
        row("Proceeding", true, Method::Invite, &[Response(180)], C_THEN_GIVEN_UP, C_THEN_GIVEN_UP),
        row("Completed", true, Method::Invite, &[Response(486)], &[(Timer::D, 32_100)], &[(Timer::D, 100)]),
        row("Accepted", true, Method::Invite, &[Response(200)], &[(Timer::M, 32_100)], &[(Timer::M, 32_100)]),
        // §17.1.2.
        row("other client, Trying", true, Method::Bye, &[], E_F, &[(Timer::F, 32_000)]),
        row("Proceeding", true, Method::Bye, &[Response(100)], E_AT_T2, &[(Timer::F, 32_000)]),
        row("Completed", true, Method::Bye, &[Response(200)], &[(Timer::K, 5_100)], &[(Timer::K, 100)]),
        // §17.2.1.
        row(
            "INVITE server, nothing sent",
            false,
            Method::Invite,
            &[],
            &[(Timer::Trying, 200), (Timer::C, 181_000)],
            &[(Timer::Trying, 200), (Timer::C, 181_000)],
        ),
        row(
            "Proceeding",
            false,
            Method::Invite,
            &[Respond(180)],
            &[(Timer::C, 181_100)],
            &[(Timer::C, 181_100)],
        ),
        row("Completed", false, Method::Invite, &[Respond(486)], G_H, &[(Timer::H, 32_100)]),
        row(
            "Confirmed",
            false,
            Method::Invite,
            &[Respond(486), Ack],
            &[(Timer::I, 5_200)],
            &[(Timer::I, 200)],
        ),
        row("Accepted", false, Method::Invite, &[Respond(200)], &[(Timer::L, 32_100)], &[(Timer::L, 32_100)]),
        // §17.2.2; a request that nobody answers: RFC 4320 §4.
        row(
            "other server, Trying",
            false,
            Method::Options,
            &[],
            &[(Timer::Unanswered, 32_000)],
            &[(Timer::Unanswered, 32_000)],
        ),
        row(
            "Proceeding",
            false,
            Method::Options,
            &[Respond(100)],
            &[(Timer::Unanswered, 32_000)],
            &[(Timer::Unanswered, 32_000)],
        ),
        row("Completed", false, Method::Options, &[Respond(200)], &[(Timer::J, 32_100)], &[(Timer::J, 100)]),
    ]
}

/// Lets every timer fire until the machine is over.
fn fired(row: &Row, reliability: Reliability) -> Vec<(Timer, u64)> {
    let lengths = Lengths::new(Timers::default(), reliability);
    let start = if row.client { Machine::client } else { Machine::server };
    let mut machine = start(&row.method, lengths, Duration::ZERO);
    for (at, step) in (1..).zip(row.steps) {
        let now = ms(100 * at);
        match step {
            Response(status) => machine.response(*status, now),
            Respond(status) => machine.respond(*status, now),
            Ack => machine.ack(now),
        };
    }
    let mut fired = Vec::new();
    while let Some((at, timer)) = machine.deadline() {
        fired.push((timer, u64::try_from(at.as_millis()).expect("within the hour")));
        machine.timeout(at);
        assert!(fired.len() < 20, "{} {}: for ever", row.method, row.name);
    }
    assert!(machine.is_terminated(), "{} {}: no timer and not over", row.method, row.name);
    fired
}

#[test]
fn what_fires_in_each_state_is_what_the_table_says() {
    for row in rows() {
        assert_eq!(fired(&row, Reliability::Unreliable), row.udp, "{} {} over UDP", row.method, row.name);
        assert_eq!(fired(&row, Reliability::Reliable), row.tcp, "{} {} over TCP", row.method, row.name);
    }
}

#[test]
fn every_timer_stands_in_the_table() {
    for timer in TIMERS {
        assert!(rows().iter().any(|row| row.udp.iter().any(|(fired, _)| *fired == timer)), "{timer:?}");
    }
}
