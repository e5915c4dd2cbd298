//! The desk: drives a dialer, answers its questions to store and trunk at once, and checks what must always hold.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::{Dialer, Options};
use crate::agent::{AgentCommand, AgentState};
use crate::attempt::outcome::{Attribution, Outcome};
use crate::campaign::spec::{CampaignSpec, testing};
use crate::campaign::{CampaignCommand, CampaignState};
pub use crate::dialer::testing::{dialog, due, route};
use crate::id::{AttemptId, CampaignId, ContactId, RequestId, TaskId, Ticket};
use crate::inbound::{InboundRow, KnownCaller, Offered};
use crate::input::{EndedBy, Failure, Input};
use crate::live::{AgentView, CampaignView};
use crate::output::{Output, Refused, Reply};
use crate::store::read::{Due, Fetched, OWNED_MAX, Recovered};
use crate::store::write::{CallRoute, Ended, Refusal, Write};
use crate::task::TaskState;
use crate::time::{Now, Utc};
use crate::trunk::Room;

/// 2026-11-20 15:00 UTC, a Friday.
pub const START: Utc = Utc(1_795_186_800_000);

/// The trunk that there is unless a test tells of others.
pub const TRUNK: &str = "carrier";

/// A task as the store has it.
#[derive(Clone, Debug)]
pub struct Row {
    pub campaign: CampaignId,
    pub due: Due,
    pub state: TaskState,
    pub next_at: Option<Utc>,
    pub disposition: Option<String>,
}

/// An output that a test looks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Release(AttemptId),
    Place(AttemptId),
    HangUp(AttemptId),
    Connect(AttemptId, String),
    Disconnect(AttemptId),
    Message(AttemptId),
    Ring(AttemptId),
    Refuse(u16),
    SignOn(String),
    SignOff(String),
    Adopt(String),
    Reply(RequestId, Result<Reply, Refused>),
    Finished(CampaignId),
}

pub struct Desk {
    pub dialer: Dialer,
    pub clock: Duration,
    pub seen: Vec<Seen>,
    pub tasks: BTreeMap<TaskId, Row>,
    pub ended: BTreeMap<AttemptId, Ended>,
    pub writes: Vec<Write>,
    pub rows: BTreeMap<CampaignId, CampaignState>,
    pub claimed: BTreeMap<AttemptId, TaskId>,
    pub words: BTreeMap<AttemptId, String>,
    /// Calls from outside, as they were written last.
    pub inbound: BTreeMap<AttemptId, InboundRow>,
    pub placed: BTreeSet<AttemptId>,
    /// Attempts that may be placed on another trunk.
    pub diverted: BTreeSet<AttemptId>,
    /// The store is away.
    pub store_down: bool,
    /// Batches are answered only by [`Desk::store_answers`].
    pub store_slow: bool,
    pub late: Vec<(Ticket, Vec<Write>)>,
    /// No line is free.
    pub busy: bool,
    /// Lines are held only when a test says so.
    pub trunk_slow: bool,
    /// The trunk that the gateway takes whatever it is asked for.
    pub trunk_taken: Option<String>,
    /// The trunk that each call was given.
    pub trunks: BTreeMap<AttemptId, String>,
    pub suppressed: BTreeSet<String>,
    next_request: u64,
}

impl Desk {
    pub fn new() -> Self {
        Self::with(Recovered::default())
    }

    pub fn with(recovered: Recovered) -> Self {
        Self::with_tasks(recovered, BTreeMap::new())
    }

    pub fn limited(options: Options) -> Self {
        Self::build(options, Recovered::default(), BTreeMap::new())
    }

    pub fn with_tasks(recovered: Recovered, tasks: BTreeMap<TaskId, Row>) -> Self {
        Self::build(Options::default(), recovered, tasks)
    }

    fn build(options: Options, recovered: Recovered, tasks: BTreeMap<TaskId, Row>) -> Self {
        let clock = Duration::from_secs(100);
        let now = Now { monotonic: clock, utc: START };
        let mut desk = Self {
            dialer: Dialer::new(options, now),
            clock,
            seen: Vec::new(),
            tasks,
            ended: BTreeMap::new(),
            writes: Vec::new(),
            rows: BTreeMap::new(),
            claimed: BTreeMap::new(),
            words: BTreeMap::new(),
            inbound: BTreeMap::new(),
            placed: BTreeSet::new(),
            diverted: BTreeSet::new(),
            store_down: false,
            store_slow: false,
            late: Vec::new(),
            busy: false,
            trunk_slow: false,
            trunk_taken: None,
            trunks: BTreeMap::new(),
            suppressed: BTreeSet::new(),
            next_request: 0,
        };
        for attempt in &recovered.open_attempts {
            desk.claimed.insert(attempt.attempt, attempt.task);
        }
        for call in &recovered.undisposed {
            desk.claimed.insert(call.attempt, call.task);
            desk.ended.insert(call.attempt, bridged_ending(call.attempt));
        }
        desk.tell(Input::Recovered(recovered));
        desk.tell(Input::Room(Room::on(TRUNK, 1_000, 1_000)));
        desk
    }

    /// A running campaign with so many agents and tasks.
    pub fn running(spec: CampaignSpec, agents: u64, tasks: u64) -> (Self, CampaignId) {
        let mut desk = Self::new();
        let campaign = desk.create(spec);
        (1..=tasks).for_each(|task| desk.add_task(campaign, task));
        (1..=agents).for_each(|agent| desk.sign_on(&format!("agent{agent}")));
        desk.command(CampaignCommand::Start(campaign)).unwrap();
        (desk, campaign)
    }

    pub fn now(&self) -> Now {
        Now { monotonic: self.clock, utc: START.after(self.clock - Duration::from_secs(100)) }
    }

    pub fn tell(&mut self, input: Input) {
        let now = self.now();
        if let Input::Diverted { attempt, .. } = &input {
            self.diverted.insert(*attempt);
        }
        self.dialer.handle_input(input, now);
        self.drain();
    }

    /// Lets time pass, waking the dialer whenever it wants to be woken.
    pub fn pass(&mut self, milliseconds: u64) {
        let end = self.clock + Duration::from_millis(milliseconds);
        for _ in 0..100_000 {
            match self.dialer.poll_timeout().filter(|due| *due <= end) {
                Some(due) => {
                    self.clock = self.clock.max(due);
                    self.tell(Input::Timeout);
                }
                None => {
                    self.clock = end;
                    return;
                }
            }
        }
        panic!("the dialer does not come to rest");
    }

    pub fn create(&mut self, spec: CampaignSpec) -> CampaignId {
        match self.command(CampaignCommand::Create(Box::new(spec))) {
            Ok(Reply::Campaign(campaign)) => campaign,
            other => panic!("{other:?}"),
        }
    }

    pub fn command(&mut self, command: CampaignCommand) -> Result<Reply, Refused> {
        let request = self.request();
        self.tell(Input::Campaign { request, command });
        self.answer(request).expect("answered")
    }

    pub fn ask(&mut self, command: AgentCommand) -> Result<Reply, Refused> {
        let request = self.request();
        self.tell(Input::Agent { request, command });
        self.answer(request).expect("answered")
    }

    pub fn request(&mut self) -> RequestId {
        self.next_request += 1;
        RequestId(self.next_request)
    }

    pub fn answer(&self, request: RequestId) -> Option<Result<Reply, Refused>> {
        self.seen.iter().find_map(|seen| match seen {
            Seen::Reply(of, result) if *of == request => Some(result.clone()),
            _ => None,
        })
    }

    pub fn sign_on(&mut self, agent: &str) {
        self.ask(AgentCommand::SignOn { agent: agent.into() }).unwrap();
        self.tell(Input::AgentReachable { agent: agent.into(), leg: None });
    }

    pub fn add_task(&mut self, campaign: CampaignId, task: u64) {
        let due = due(task);
        let row = Row { campaign, due, state: TaskState::Open, next_at: Some(START), disposition: None };
        self.tasks.insert(TaskId(task), row);
    }

    /// A task that one agent alone may take.
    pub fn add_owned(&mut self, campaign: CampaignId, task: u64, owner: &str) {
        self.add_task(campaign, task);
        self.tasks.get_mut(&TaskId(task)).expect("just added").due.owner = Some(owner.into());
    }

    /// The attempt that was placed last.
    pub fn last(&self) -> AttemptId {
        *self.placed.last().expect("something was placed")
    }

    /// Places the next call and lets it be answered.
    pub fn answered(&mut self) -> AttemptId {
        self.pass(100);
        let attempt = self.last();
        self.tell(Input::Placed { attempt });
        self.answer_call(attempt);
        attempt
    }

    pub fn answer_call(&mut self, attempt: AttemptId) {
        self.tell(Input::Answered { attempt, dialog: dialog() });
    }

    /// Places the next call, answers it and joins it with the agent it was offered.
    pub fn bridged(&mut self) -> AttemptId {
        let attempt = self.answered();
        assert!(self.seen.iter().any(|seen| matches!(seen, Seen::Connect(of, _) if *of == attempt)));
        self.tell(Input::Connected { attempt });
        attempt
    }

    pub fn fails(&mut self, attempt: AttemptId, failure: Failure) {
        self.tell(Input::Failed { attempt, failure });
    }

    pub fn ends(&mut self, attempt: AttemptId, by: EndedBy) {
        self.tell(Input::Ended { attempt, by, reason: "bye".into() });
    }

    pub fn saw(&self, seen: &Seen) -> bool {
        self.seen.contains(seen)
    }

    pub fn agent(&self, user: &str) -> AgentView {
        let view = self.dialer.live(self.now());
        view.agents.into_iter().find(|agent| agent.user == user).expect("known agent")
    }

    pub fn state(&self, user: &str) -> AgentState {
        self.agent(user).state
    }

    pub fn campaign(&self, id: CampaignId) -> CampaignView {
        let view = self.dialer.live(self.now());
        view.campaigns.into_iter().find(|campaign| campaign.id == id).expect("known campaign")
    }

    /// Outcome and reason of an attempt.
    pub fn ending(&self, attempt: AttemptId) -> (Outcome, &str) {
        let ended = self.ended.get(&attempt).expect("ended");
        (ended.outcome, &ended.reason)
    }

    pub fn task(&self, task: u64) -> &Row {
        &self.tasks[&TaskId(task)]
    }

    /// When a task is tried again, from now.
    pub fn retry_in(&self, task: u64) -> Option<Duration> {
        self.task(task).next_at.map(|at| at.since(self.now().utc))
    }

    /// The store answers what it was slow to answer.
    pub fn store_answers(&mut self) {
        for (ticket, writes) in std::mem::take(&mut self.late) {
            self.write(ticket, writes);
        }
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.dialer.poll_output() {
            self.carry_out(output);
        }
    }

    fn carry_out(&mut self, output: Output) {
        let now = self.now();
        let seen = match output {
            Output::Reserve { attempt, .. } if self.busy => {
                return self.dialer.handle_input(Input::Busy { attempt }, now);
            }
            Output::Reserve { .. } if self.trunk_slow => return,
            Output::Reserve { attempt, number, first, .. } => {
                let asked = first.unwrap_or_else(|| TRUNK.into());
                let trunk = self.trunk_taken.clone().unwrap_or(asked);
                self.trunks.insert(attempt, trunk.clone());
                let route = CallRoute { trunk, ..route(&number) };
                return self.dialer.handle_input(Input::Reserved { attempt, route }, now);
            }
            Output::Record { ticket, writes } if self.store_slow => {
                return self.late.push((ticket, writes.to_vec()));
            }
            Output::Record { ticket, writes } => return self.write(ticket, writes.to_vec()),
            Output::Fetch { campaign, limit, owners, now: at } => {
                return self.fetch(campaign, limit, &owners, at);
            }
            Output::Place { permit, .. } => {
                let attempt = permit.attempt();
                let task = self.claimed.get(&attempt).expect("intent is durable before the call is placed");
                let due = &self.tasks[task].due;
                assert_eq!(due.number, permit.number());
                assert!(permit.expires_at() > now.utc);
                assert!(!self.suppressed.contains(permit.number()));
                assert!(!self.store_down, "nothing is placed while the store is known to be away");
                let again = self.diverted.remove(&attempt);
                assert!(
                    self.placed.insert(attempt) || again,
                    "placed once, and once more after another trunk"
                );
                Seen::Place(attempt)
            }
            Output::Release { attempt } => Seen::Release(attempt),
            Output::HangUp { attempt } => Seen::HangUp(attempt),
            Output::Connect { attempt, agent, .. } => {
                let task = self.claimed.get(&attempt).map(|task| &self.tasks[task]);
                assert!(
                    task.is_none_or(|task| task.due.owner.as_ref().is_none_or(|owner| *owner == agent)),
                    "for its owner alone"
                );
                Seen::Connect(attempt, agent)
            }
            Output::Disconnect { attempt } => Seen::Disconnect(attempt),
            Output::PlaySafeHarbour { attempt, .. } | Output::PlayMessage { attempt, .. } => {
                Seen::Message(attempt)
            }
            Output::Ring { call, .. } => Seen::Ring(call),
            Output::Refuse { status, .. } => Seen::Refuse(status),
            Output::FindCaller { call, campaigns, number } => {
                let known = campaigns.iter().find_map(|campaign| self.caller(*campaign, &number));
                return self.dialer.handle_input(Input::CallerFound { call, known }, now);
            }
            Output::SignOn { agent } => Seen::SignOn(agent),
            Output::SignOff { agent } => Seen::SignOff(agent),
            Output::Adopt(row) => Seen::Adopt(row.route.call_id),
            Output::Reply { request, result } => Seen::Reply(request, result),
            Output::Finished { campaign } => {
                assert_eq!(
                    self.rows.get(&campaign),
                    Some(&CampaignState::Ended),
                    "durable before it is told"
                );
                Seen::Finished(campaign)
            }
        };
        self.seen.push(seen);
    }

    fn write(&mut self, ticket: Ticket, writes: Vec<Write>) {
        let result = if self.store_down {
            Err(Refusal::Unavailable("disk".into()))
        } else {
            let refusal = writes.iter().find_map(|write| self.refuses(write));
            refusal.map_or(Ok(()), Err)
        };
        if result.is_ok() {
            writes.into_iter().for_each(|write| self.apply(write));
        }
        let now = self.now();
        self.dialer.handle_input(Input::Stored { ticket, result }, now);
    }

    fn refuses(&self, write: &Write) -> Option<Refusal> {
        match write {
            Write::Intent(intent) => {
                let row = self.tasks.get(&intent.task)?;
                let open = |contact: ContactId, number: &str| {
                    self.claimed.iter().any(|(attempt, task)| {
                        let due = &self.tasks[task].due;
                        !self.ended.contains_key(attempt) && (due.contact == contact || due.number == number)
                    })
                };
                if self.suppressed.contains(&intent.number) {
                    Some(Refusal::Suppressed)
                } else if row.state != TaskState::Open {
                    Some(Refusal::Task)
                } else if open(intent.contact, &intent.number) {
                    Some(Refusal::Open)
                } else {
                    None
                }
            }
            Write::Ended(ended) => {
                let known =
                    self.claimed.contains_key(&ended.attempt) && !self.ended.contains_key(&ended.attempt);
                (!known).then_some(Refusal::Ended)
            }
            _ => None,
        }
    }

    fn apply(&mut self, write: Write) {
        self.writes.push(write.clone());
        match write {
            Write::Intent(intent) => {
                self.claimed.insert(intent.attempt, intent.task);
                let row = self.tasks.get_mut(&intent.task).expect("known task");
                row.next_at = None;
                row.due.attempts += 1;
                row.due.first_attempt_at = row.due.first_attempt_at.or(Some(intent.at));
            }
            Write::Ended(ended) => {
                let earlier = self.ended.insert(ended.attempt, ended);
                assert_eq!(earlier, None, "one ending");
            }
            Write::Disposition { attempt, disposition, .. } => {
                assert!(self.ended.contains_key(&attempt), "a word follows the ending");
                assert_eq!(self.words.insert(attempt, disposition), None, "one word");
            }
            Write::Task { task, state, next_at, disposition } => {
                if let Some(row) = self.tasks.get_mut(&task) {
                    assert_eq!(row.state, TaskState::Open, "closed is closed");
                    (row.state, row.next_at) = (state, next_at);
                    row.disposition = disposition.or(row.disposition.take());
                }
            }
            Write::Inbound(row) => {
                let earlier = self.inbound.insert(row.call, InboundRow::clone(&row));
                let ended = earlier.and_then(|earlier| earlier.outcome);
                assert!(ended.is_none() || ended == row.outcome, "one ending");
            }
            Write::Campaign { campaign, state, .. } => {
                self.rows.insert(campaign, state);
            }
            _ => {}
        }
    }

    /// Who has a number, as the store tells it.
    pub fn caller(&self, campaign: CampaignId, number: &str) -> Option<KnownCaller> {
        let row = self.tasks.values().find(|row| row.campaign == campaign && row.due.number == number)?;
        Some(KnownCaller {
            campaign,
            contact: row.due.contact,
            task: row.due.task,
            open: row.state == TaskState::Open,
            timezone: row.due.timezone.clone(),
            attempts: row.due.attempts,
            first_attempt_at: row.due.first_attempt_at,
            owner: row.due.owner.clone(),
        })
    }

    /// A trunk calls a number; the call, where it was taken.
    pub fn called(&mut self, number: &str, caller: Option<&str>) -> Option<AttemptId> {
        let before = self.seen.len();
        self.tell(Input::Offered(Offered {
            offer: 1,
            trunk: TRUNK.into(),
            number: number.into(),
            caller: caller.map(str::to_owned),
            diversion: String::new(),
            history_info: String::new(),
            identity: "none".into(),
        }));
        self.seen.iter().skip(before).find_map(|seen| match seen {
            Seen::Ring(call) => Some(*call),
            _ => None,
        })
    }

    fn fetch(&mut self, campaign: CampaignId, limit: u32, owners: &[String], at: Utc) {
        let of = |row: &&Row| row.campaign == campaign;
        let open: Vec<&Row> =
            self.tasks.values().filter(of).filter(|row| row.state == TaskState::Open).collect();
        let is_due = |row: &&&Row| row.next_at.is_some_and(|next_at| next_at <= at);
        let all = |owner: Option<&String>, most: u32| {
            let own = open.iter().filter(|row| row.due.owner.as_ref() == owner);
            own.filter(is_due).take(most as usize).map(|row| row.due.clone()).collect::<Vec<_>>()
        };
        let mut due = all(None, limit);
        owners.iter().for_each(|owner| due.extend(all(Some(owner), OWNED_MAX)));
        let listed = open.iter().filter_map(|row| row.due.owner.clone());
        let count = |owner: String| (owner.clone(), all(Some(&owner), u32::MAX).len() as u64);
        let owned = listed.map(count).collect();
        let next_due = open.iter().filter_map(|row| row.next_at).filter(|next_at| *next_at > at).min();
        let total = self.tasks.values().filter(of).count() as u64;
        let open = open.len() as u64;
        let now = self.now();
        let fetched = Fetched { due, owned, next_due, open, total };
        self.dialer.handle_input(Input::Fetched { campaign, fetched }, now);
    }
}

pub fn spec() -> CampaignSpec {
    testing::spec()
}

fn bridged_ending(attempt: AttemptId) -> Ended {
    Ended {
        attempt,
        at: START,
        outcome: Outcome::Answered,
        sip_status: None,
        attribution: Attribution::Callee,
        reason: "bye".into(),
        talk: Duration::from_secs(1),
    }
}
