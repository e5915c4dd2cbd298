//! Processes that die at any moment, over a store that does not: nothing is lost, nothing is done twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::super::{Dialer, Options};
use super::desk::{START, dialog, route, spec};
use crate::agent::AgentCommand;
use crate::attempt::outcome::Outcome;
use crate::campaign::spec::CampaignSpec;
use crate::campaign::{CampaignCommand, CampaignState};
use crate::contact::ListedContact;
use crate::id::{AttemptId, CampaignId, ContactId, RequestId};
use crate::input::{EndedBy, Failure, Input};
use crate::output::Output;
use crate::store::memory::Memory;
use crate::task::TaskState;
use crate::time::{Now, Utc};
use crate::trunk::Room;

const CAMPAIGN: CampaignId = CampaignId(1);
const CONTACTS: u64 = 8;
const ATTEMPTS_MAX: u32 = 5;
/// An INVITE of a dead process may ring this long.
const QUIET: Duration = Duration::from_secs(30);

/// What the callee of one call will do, and when.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Busy,
    Silent,
    Answers,
    Leaves,
}

/// A process, its store, and the calls it has out.
struct World {
    dialer: Dialer,
    store: Memory,
    clock: Duration,
    news: BTreeMap<(Duration, u64), Input>,
    fates: Vec<Fate>,
    next: u64,
    up: BTreeMap<AttemptId, ContactId>,
    /// Contacts that a dead process may still be calling.
    quiet_until: BTreeMap<ContactId, Duration>,
    finished: bool,
    placed: BTreeSet<AttemptId>,
}

impl World {
    fn new(fates: Vec<Fate>) -> Self {
        let mut spec = CampaignSpec { timezone: Some("UTC".into()), ..spec() };
        spec.closure.attempts_max = ATTEMPTS_MAX;
        spec.closure.retry.insert(Outcome::Busy, Duration::from_secs(20));
        let clock = Duration::from_secs(100);
        let mut world = Self {
            dialer: Dialer::new(Options::default(), Now { monotonic: clock, utc: START }),
            store: Memory::new(),
            clock,
            news: BTreeMap::new(),
            fates,
            next: 0,
            up: BTreeMap::new(),
            quiet_until: BTreeMap::new(),
            finished: false,
            placed: BTreeSet::new(),
        };
        world.begin();
        let create = CampaignCommand::Create(Box::new(spec));
        world.tell(Input::Campaign { request: RequestId(1), command: create }, usize::MAX);
        let listed = (1..=CONTACTS).map(|contact| ListedContact {
            line: contact + 1,
            external_id: format!("c{contact}"),
            number: format!("+1555{contact:07}"),
            name: String::new(),
            timezone: None,
            owner: None,
            fields: BTreeMap::new(),
        });
        world.store.import(CAMPAIGN, listed.collect()).unwrap();
        world.start();
        world
    }

    fn now(&self) -> Now {
        Now { monotonic: self.clock, utc: START.after(self.clock - Duration::from_secs(100)) }
    }

    fn begin(&mut self) {
        let recovered = self.store.recover(self.now().utc);
        self.tell(Input::Recovered(recovered), usize::MAX);
        self.tell(Input::Room(Room::on("carrier", 100, 100)), usize::MAX);
        for agent in ["agent1", "agent2"] {
            let command = AgentCommand::SignOn { agent: agent.into() };
            self.tell(Input::Agent { request: RequestId(2), command }, usize::MAX);
            self.tell(Input::AgentReachable { agent: agent.into(), leg: Some(dialog()) }, usize::MAX);
        }
    }

    fn start(&mut self) {
        let command = CampaignCommand::Start(CAMPAIGN);
        self.tell(Input::Campaign { request: RequestId(3), command }, usize::MAX);
    }

    /// Tells the dialer something and carries out at most so many of its outputs; false where it died on the way.
    fn tell(&mut self, input: Input, outputs_max: usize) -> bool {
        let now = self.now();
        self.dialer.handle_input(input, now);
        for _ in 0..outputs_max {
            let Some(output) = self.dialer.poll_output() else { return true };
            self.carry_out(output);
        }
        self.dialer.poll_output().is_none()
    }

    fn carry_out(&mut self, output: Output) {
        let now = self.now();
        let answer = match output {
            Output::Record { ticket, writes } => Input::Stored { ticket, result: self.store.apply(&writes) },
            Output::Fetch { campaign, limit, owners, now } => {
                Input::Fetched { campaign, fetched: self.store.fetch(campaign, limit, &owners, now) }
            }
            Output::Reserve { attempt, number, .. } => Input::Reserved { attempt, route: route(&number) },
            Output::Place { permit, .. } => {
                let attempt = permit.attempt();
                assert!(self.placed.insert(attempt), "placed once");
                assert!(self.store.orphan(attempt).is_some(), "durable first");
                assert!(!self.up.values().any(|contact| *contact == permit.contact()), "one call at a time");
                let quiet = self.quiet_until.get(&permit.contact()).copied().unwrap_or_default();
                assert!(quiet <= self.clock, "an old call may still be up");
                self.up.insert(attempt, permit.contact());
                self.happens(attempt);
                return;
            }
            Output::HangUp { attempt } => {
                if self.up.contains_key(&attempt) {
                    self.soon(10, Input::Failed { attempt, failure: Failure::Cancelled });
                    self.soon(11, Input::Ended { attempt, by: EndedBy::Us, reason: "bye".into() });
                }
                return;
            }
            Output::Connect { attempt, .. } => Input::Connected { attempt },
            Output::Finished { .. } => {
                self.finished = true;
                return;
            }
            Output::FindCaller { call, campaigns, number } => {
                Input::CallerFound { call, known: self.store.find_caller(&campaigns, &number) }
            }
            Output::PlaySafeHarbour { .. }
            | Output::PlayMessage { .. }
            | Output::Ring { .. }
            | Output::Refuse { .. }
            | Output::Release { .. }
            | Output::Disconnect { .. }
            | Output::SignOn { .. }
            | Output::SignOff { .. }
            | Output::Adopt(_)
            | Output::Reply { .. } => return,
        };
        self.dialer.handle_input(answer, now);
    }

    fn happens(&mut self, attempt: AttemptId) {
        let index = usize::try_from(attempt.0).unwrap() % self.fates.len();
        self.soon(1, Input::Placed { attempt });
        let callee = |reason: &str| Input::Ended { attempt, by: EndedBy::Callee, reason: reason.into() };
        match self.fates[index] {
            Fate::Busy => self.soon(700, Input::Failed { attempt, failure: Failure::Status(486) }),
            Fate::Silent => self.soon(900, Input::Ringing { attempt, early_media: false }),
            Fate::Answers => {
                self.soon(3_000, Input::Answered { attempt, dialog: dialog() });
                self.soon(9_000, callee("bye"));
            }
            Fate::Leaves => {
                self.soon(3_000, Input::Answered { attempt, dialog: dialog() });
                self.soon(3_000, callee("bye"));
            }
        }
    }

    fn soon(&mut self, milliseconds: u64, news: Input) {
        self.next += 1;
        self.news.insert((self.clock + Duration::from_millis(milliseconds), self.next), news);
    }

    /// The next thing that happens; at most so many outputs are carried out before the process dies, if it does.
    fn step(&mut self, outputs_max: usize) {
        let news = self.news.first_key_value().map(|((at, _), _)| *at);
        let timer = self.dialer.poll_timeout();
        let (Some(at), due) = (news.into_iter().chain(timer).min(), news) else { return };
        self.clock = self.clock.max(at);
        let input = match self.news.first_entry().filter(|_| due == Some(at)) {
            Some(entry) => entry.remove(),
            None => Input::Timeout,
        };
        if let Input::Failed { attempt, .. } | Input::Ended { attempt, .. } = &input {
            self.up.remove(attempt);
        }
        if !self.tell(input, outputs_max) {
            self.dies();
        }
    }

    fn dies(&mut self) {
        for contact in std::mem::take(&mut self.up).into_values() {
            self.quiet_until.insert(contact, self.clock + QUIET);
        }
        self.news.clear();
        self.dialer = Dialer::new(Options::default(), self.now());
        self.begin();
        if self.store.campaign_state(CAMPAIGN) != Some(CampaignState::Ended) || !self.finished {
            self.start();
        }
    }
}

fn any_fate() -> impl Strategy<Value = Fate> {
    prop_oneof![Just(Fate::Busy), Just(Fate::Silent), Just(Fate::Answers), Just(Fate::Leaves)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn whatever_dies_when_every_attempt_ends_once_and_every_task_is_closed(
        fates in proptest::collection::vec(any_fate(), 1..12),
        deaths in proptest::collection::vec((1usize..60, 0usize..6), 0..12),
    ) {
        let mut world = World::new(fates);
        for (steps, outputs) in deaths {
            for _ in 0..steps {
                world.step(usize::MAX);
            }
            world.step(outputs);
        }
        for _ in 0..20_000 {
            if world.finished && world.store.tasks().all(|task| task.state != TaskState::Open) {
                break;
            }
            world.step(usize::MAX);
        }
        prop_assert!(world.finished, "it comes to its end");
        for attempt in world.store.attempts() {
            prop_assert!(attempt.outcome.is_some(), "{} has no ending", attempt.attempt);
            let word = world.store.dispositions().keys().any(|(of, _)| *of == attempt.attempt);
            let bridged = attempt.bridged_at.is_some() && attempt.outcome == Some(Outcome::Answered);
            prop_assert_eq!(word, bridged, "one word for each bridged call");
        }
        for task in world.store.tasks() {
            prop_assert!(task.state != TaskState::Open, "task {} is {:?}", task.task, task);
            prop_assert!(task.attempts <= ATTEMPTS_MAX);
        }
        let ended: u64 = world.store.tasks().map(|task| u64::from(task.attempts)).sum();
        prop_assert_eq!(ended, world.store.attempts().count() as u64, "conservation");
        prop_assert!(world.now().utc > Utc(0));
    }
}
