//! Any events in any order: no panic, nothing beyond the maximum, and everything ends by itself.

use std::time::Duration;

use proptest::prelude::*;

use super::client_invite::{self, ClientInvite};
use super::client_non_invite::{self, ClientNonInvite};
use super::server_invite::{self, ServerInvite};
use super::server_non_invite::{self, ServerNonInvite};
use super::testing::*;
use super::timer::{Lengths, Reliability, Timer};
use super::{Layer, LayerOptions, Output, StatusClass, TagMaker, TransactionKey};
use crate::message::reason_phrase;
use crate::options::Timers;

/// Most timers that may fire before a transaction is over: at least T1 lies between two repetitions, 64*T1 ends them.
const FIRINGS_MAX: usize = 100;

fn class() -> impl Strategy<Value = StatusClass> {
    prop_oneof![Just(StatusClass::Provisional), Just(StatusClass::Success), Just(StatusClass::Failure)]
}

fn timer() -> impl Strategy<Value = Timer> {
    prop::sample::select(TIMERS.as_slice())
}

fn lengths() -> impl Strategy<Value = Lengths> {
    (0_u64..2_000, 0_u64..8_000, 0_u64..10_000, any::<bool>()).prop_map(|(t1, more, t4, reliable)| {
        let timers = Timers { t1: ms(t1), t2: ms(t1 + more), t4: ms(t4) };
        Lengths::new(timers, if reliable { Reliability::Reliable } else { Reliability::Unreliable })
    })
}

fn events<E: std::fmt::Debug>(event: impl Strategy<Value = E>) -> impl Strategy<Value = Vec<(E, Duration)>> {
    prop::collection::vec((event, (0_u64..40_000).prop_map(ms)), 0..40)
}

/// One property for each machine: after any events, its own timers bring it to its end, each later than the one before
/// or at the same instant, and nothing moves it from there.
macro_rules! ends_by_itself {
    ($name:ident, $machine:ident, $module:ident, $event:expr) => {
        proptest! {
            #[test]
            fn $name(lengths in lengths(), events in events($event), last in $event) {
                let mut now = Duration::ZERO;
                let mut machine = $machine::new(lengths, now);
                for (event, wait) in events {
                    now += wait;
                    machine.handle(event, now);
                    let over = machine.state() == $module::State::Terminated;
                    prop_assert_eq!(machine.deadline().is_none(), over, "only the end has no deadline");
                }
                let mut firings = 0;
                while let Some((at, timer)) = machine.deadline() {
                    firings += 1;
                    prop_assert!(firings <= FIRINGS_MAX, "never ends");
                    now = now.max(at);
                    machine.handle($module::Event::Timer(timer), now);
                }
                prop_assert_eq!(machine.state(), $module::State::Terminated);
                prop_assert!(machine.handle(last, now).is_empty());
                prop_assert_eq!(machine.state(), $module::State::Terminated);
            }
        }
    };
}

ends_by_itself!(
    an_invite_client_ends,
    ClientInvite,
    client_invite,
    prop_oneof![
        Just(client_invite::Event::Trying),
        class().prop_map(client_invite::Event::Response),
        Just(client_invite::Event::Cancel),
        timer().prop_map(client_invite::Event::Timer),
        Just(client_invite::Event::TransportError),
    ]
);

ends_by_itself!(
    a_non_invite_client_ends,
    ClientNonInvite,
    client_non_invite,
    prop_oneof![
        class().prop_map(client_non_invite::Event::Response),
        timer().prop_map(client_non_invite::Event::Timer),
        Just(client_non_invite::Event::TransportError),
    ]
);

ends_by_itself!(
    an_invite_server_ends,
    ServerInvite,
    server_invite,
    prop_oneof![
        Just(server_invite::Event::Retransmission),
        Just(server_invite::Event::Ack),
        class().prop_map(server_invite::Event::Respond),
        timer().prop_map(server_invite::Event::Timer),
        Just(server_invite::Event::TransportError),
    ]
);

ends_by_itself!(
    a_non_invite_server_ends,
    ServerNonInvite,
    server_non_invite,
    prop_oneof![
        Just(server_non_invite::Event::Retransmission),
        class().prop_map(server_non_invite::Event::Respond),
        timer().prop_map(server_non_invite::Event::Timer),
        Just(server_non_invite::Event::TransportError),
    ]
);

/// Something that happens to a layer. Names are drawn from few, so that they meet.
#[derive(Clone, Debug)]
enum Step {
    Send { method: &'static str, branch: u8 },
    Cancel { pick: usize },
    Respond { pick: usize, status: u16 },
    Request { method: &'static str, branch: u8, call: u8, older: bool },
    Response { method: &'static str, branch: u8, status: u16, tag: u8 },
    TransportError,
    Wait { ms: u64 },
}

const METHODS: [&str; 6] = ["INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "REGISTER"];

fn step() -> impl Strategy<Value = Step> {
    let method = || prop::sample::select(METHODS.as_slice());
    let status =
        || prop::sample::select([100_u16, 180, 183, 200, 202, 302, 401, 486, 487, 503, 603].as_slice());
    prop_oneof![
        3 => (method(), 0_u8..8).prop_map(|(method, branch)| Step::Send { method, branch }),
        1 => (0_usize..64).prop_map(|pick| Step::Cancel { pick }),
        3 => (0_usize..64, status()).prop_map(|(pick, status)| Step::Respond { pick, status }),
        4 => (method(), 0_u8..8, 0_u8..4, any::<bool>())
            .prop_map(|(method, branch, call, older)| Step::Request { method, branch, call, older }),
        4 => (method(), 0_u8..8, status(), 0_u8..3)
            .prop_map(|(method, branch, status, tag)| Step::Response { method, branch, status, tag }),
        1 => Just(Step::TransportError),
        3 => (0_u64..40_000).prop_map(|ms| Step::Wait { ms }),
    ]
}

/// A user who remembers every key it was ever told, those of ended transactions too, and uses them at random.
struct World {
    layer: Layer,
    now: Duration,
    clients: Vec<TransactionKey>,
    servers: Vec<(TransactionKey, crate::message::Request)>,
    live: std::collections::BTreeSet<TransactionKey>,
}

impl World {
    fn new(clients_max: usize, servers_max: usize) -> Self {
        let options = LayerOptions { clients_max, servers_max, ..LayerOptions::new(Timers::default()) };
        Self {
            layer: Layer::new(options, TagMaker::new([1; 32])),
            now: Duration::ZERO,
            clients: Vec::new(),
            servers: Vec::new(),
            live: std::collections::BTreeSet::new(),
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Send { method, branch } => {
                let text = request_text(method, &format!("z9hG4bK{branch}"));
                if let Ok(key) = self.layer.send_request(request(&text), at(CARRIER), at(OURS), self.now) {
                    self.clients.push(key);
                    assert!(self.live.insert(key), "a key is used once");
                }
            }
            Step::Cancel { pick } => {
                if let Some(key) = pick_one(&self.clients, pick) {
                    // Refusals are part of the storm.
                    let _ = self.layer.cancel(*key, None, self.now);
                }
            }
            Step::Respond { pick, status } => {
                if let Some((key, request)) = pick_one(&self.servers, pick) {
                    self.layer.respond(*key, request.response(status, reason_phrase(status)), self.now);
                }
            }
            Step::Request { method, branch, call, older } => {
                let branch = if older { format!("{branch}") } else { format!("z9hG4bK{branch}") };
                let text = request_text(method, &branch).replace("call-1", &format!("call-{call}"));
                self.layer.receive(message(&text), at(CARRIER), at(OURS), self.now);
            }
            Step::Response { method, branch, status, tag } => {
                let text = response_text(&format!("z9hG4bK{branch}"), status, &format!("tag{tag}"))
                    .replace("1 INVITE", &format!("1 {method}"));
                self.layer.receive(message(&text), at(CARRIER), at(OURS), self.now);
            }
            Step::TransportError => self.layer.transport_error(at(CARRIER), at(OURS), self.now),
            Step::Wait { ms: wait } => {
                self.now += ms(wait);
                self.layer.handle_timeout(self.now);
            }
        }
        self.drain();
    }

    fn drain(&mut self) {
        for output in drain(&mut self.layer) {
            match output {
                Output::Request { key, request, .. } => {
                    assert!(self.live.insert(key), "a request is passed up once");
                    self.servers.push((key, request));
                }
                Output::Terminated { key } => assert!(self.live.remove(&key), "an end is told once"),
                Output::Cancelled { key }
                | Output::Timeout { key }
                | Output::TransportError { key }
                | Output::Response { key, .. } => assert!(self.live.contains(&key), "nothing after the end"),
                Output::Transmit { .. } | Output::Ack { .. } | Output::StrayResponse { .. } => {}
            }
        }
    }
}

fn pick_one<T>(list: &[T], pick: usize) -> Option<&T> {
    list.get(pick.checked_rem(list.len())?)
}

proptest! {
    #[test]
    fn a_storm_stays_within_bounds_and_passes(
        steps in prop::collection::vec(step(), 0..200),
        clients_max in 0_usize..6,
        servers_max in 0_usize..6,
    ) {
        let mut world = World::new(clients_max, servers_max);
        for step in steps {
            world.take(step);
            // A CANCEL finds room beyond the maximum, one for each INVITE.
            prop_assert!(world.layer.clients() <= 2 * clients_max);
            prop_assert!(world.layer.servers() <= servers_max);
            prop_assert!(world.layer.table.is_consistent());
            prop_assert!(world.layer.poll_timeout().is_none_or(|due| due > world.now));
        }
        let mut rounds = 0;
        while let Some(due) = world.layer.poll_timeout() {
            rounds += 1;
            prop_assert!(rounds <= 2_000, "never comes to rest");
            world.now = world.now.max(due);
            world.layer.handle_timeout(world.now);
            world.drain();
        }
        prop_assert_eq!((world.layer.clients(), world.layer.servers()), (0, 0));
        prop_assert!(world.live.is_empty(), "the user was told of every end");
        prop_assert!(world.layer.table.is_consistent());
    }
}
