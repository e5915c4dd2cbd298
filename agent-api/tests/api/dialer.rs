//! A dialer in memory: authoritative for its campaigns, agents and attempts, without calls.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::body::Bytes;
use carillon_api::port::{
    Attempt, AttemptQuery, Campaign, CampaignAction, Contact, Device, Devices, Health, ImportReport, Part,
    PhoneToken, Port, PortError, Registration, RejectedRow, Reply,
};
use carillon_core::agent::{AgentCommand, AgentState, PreviewChoice};
use carillon_core::attempt::outcome::{Attribution, Outcome};
use carillon_core::campaign::CampaignState;
use carillon_core::campaign::decisions::{Bound, Decided, Forecast, Reason};
use carillon_core::campaign::spec::CampaignSpec;
use carillon_core::id::{AttemptId, CampaignId, ContactId, TaskId};
use carillon_core::inbound::{InboundOutcome, InboundRow};
use carillon_core::ladder::{Ladder, Party, Role, Rung, Way};
use carillon_core::live::{AgentView, LiveView, PreviewView};
use carillon_core::time::Utc;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::watch;

/// Number of every attempt in here.
pub const NUMBER: &str = "+15550000001";

/// Call-ID of the one call with a ladder.
pub const CALL_ID: &str = "4f/1c@192.0.2.9";

/// The one ladder in here, of call 1.
pub fn ladder() -> Ladder {
    let party = Party {
        role: Role::Trunk,
        name: "carrier".into(),
        address: "192.0.2.1:5060".into(),
        transport: "udp".into(),
        call_id: CALL_ID.into(),
    };
    let message = Rung {
        at_ms: 12,
        way: Way::Received,
        party: 0,
        method: "INVITE".into(),
        status: Some(180),
        cseq: 70,
        again: false,
        note: String::new(),
    };
    Ladder {
        call: Some(AttemptId(1)),
        began_at: Utc(0),
        ended: true,
        parties: vec![party],
        messages: vec![message],
        left_out: 0,
        left_out_after: 48,
    }
}

pub struct Dialer {
    state: Mutex<State>,
    live: watch::Sender<Arc<LiveView>>,
}

#[derive(Default)]
struct State {
    campaigns: BTreeMap<u64, Campaign>,
    contacts: BTreeMap<u64, BTreeSet<String>>,
    agents: BTreeMap<String, AgentState>,
    seen: BTreeSet<String>,
    attempts: BTreeMap<u64, Attempt>,
    inbound: BTreeMap<u64, InboundRow>,
    dispositions: BTreeMap<(String, u64), String>,
    previews: BTreeMap<String, PreviewView>,
    choices: Vec<(String, PreviewChoice)>,
    health: Option<Health>,
    phone_sessions_ended: Vec<(String, u64)>,
    devices: Devices,
    down: bool,
    stuck: bool,
}

impl Dialer {
    /// With agents `agent1` and `agent2`, signed off.
    pub fn new() -> Arc<Self> {
        let dialer = Self { state: Mutex::default(), live: watch::Sender::default() };
        for user in ["agent1", "agent2"] {
            dialer.state().agents.insert(user.into(), AgentState::Offline);
        }
        dialer.show();
        Arc::new(dialer)
    }

    /// A phone registers, with a way over UDP.
    pub fn register(&self, key: &str, instance: Option<&str>, address: &str) {
        let registration = Registration {
            reg_id: None,
            transport: "udp".into(),
            address: address.parse().unwrap(),
            expires_in: Duration::from_secs(90),
            reachable: true,
            with_token: false,
        };
        let instance = instance.map(str::to_owned);
        let registrations = vec![registration];
        let device = Device { key: key.into(), instance, preferred: false, registrations };
        self.state().devices.devices.push(device);
    }

    /// A line is up that another phone may take over.
    pub fn line_up(&self, replaces: &str) {
        self.state().devices.lines.push(replaces.to_owned());
    }

    /// Whose sign-ins were said to have ended, in order.
    pub fn phone_sessions_ended(&self) -> Vec<(String, u64)> {
        self.state().phone_sessions_ended.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The store goes away.
    pub fn go_down(&self) {
        let mut state = self.state();
        state.down = true;
        state.health =
            Some(Health { store: Part::Down("disk is full".into()), sip: Part::Up, dialer: Part::Up });
    }

    /// Nothing is answered any more.
    pub fn get_stuck(&self) {
        self.state().stuck = true;
    }

    pub fn campaigns_made(&self) -> usize {
        self.state().campaigns.len()
    }

    pub fn agent(&self, user: &str) -> AgentState {
        self.state().agents[user]
    }

    pub fn disposition(&self, user: &str, attempt: u64) -> Option<String> {
        self.state().dispositions.get(&(user.into(), attempt)).cloned()
    }

    /// Shows the agent the contact of a task, until a minute past midnight of 1970.
    pub fn preview(&self, user: &str, task: u64) {
        let shown = PreviewView {
            campaign: CampaignId(1),
            task: TaskId(task),
            contact: ContactId(task),
            until: Utc(60_000),
        };
        self.state().previews.insert(user.into(), shown);
        self.state().seen.insert(user.into());
        self.show();
    }

    /// What agents chose, in order.
    pub fn choices(&self) -> Vec<(String, PreviewChoice)> {
        self.state().choices.clone()
    }

    /// An ended attempt bridged to `agent`.
    pub fn add_attempt(&self, id: u64, campaign: u64, agent: &str) {
        let attempt = Attempt {
            id: AttemptId(id),
            campaign: CampaignId(campaign),
            task: TaskId(id),
            contact: ContactId(id),
            number: NUMBER.into(),
            trunk: "carrier".into(),
            caller_id: "+15550000000".into(),
            placed_at: Some(Utc(1_000)),
            ringing_at: None,
            answered_at: Some(Utc(3_000)),
            bridged_at: Some(Utc(3_000)),
            ended_at: Some(Utc(9_000)),
            outcome: Some(Outcome::Answered),
            sip_status: Some(200),
            attribution: Some(Attribution::Callee),
            reason: "bye".into(),
            agent: Some(agent.into()),
            answer_to_agent_ms: Some(11),
            talk_ms: 6_000,
            disposition: None,
            recording: None,
        };
        self.state().attempts.insert(id, attempt);
    }

    /// A call from outside that `agent` took, or nobody.
    pub fn add_inbound(&self, id: u64, campaign: u64, agent: Option<&str>) {
        let row = InboundRow {
            call: AttemptId(id),
            campaign: CampaignId(campaign),
            trunk: "carrier".into(),
            number: "+15550000000".into(),
            caller: Some(NUMBER.into()),
            diversion: format!("<sip:{NUMBER}@192.0.2.1>"),
            history_info: String::new(),
            identity: "passed_a".into(),
            contact: Some(ContactId(id)),
            task: None,
            arrived_at: Utc(1_000),
            answered_at: agent.map(|_| Utc(3_000)),
            bridged_at: agent.map(|_| Utc(3_000)),
            ended_at: Some(Utc(9_000)),
            outcome: Some(if agent.is_some() { InboundOutcome::Talked } else { InboundOutcome::NoAgent }),
            reason: "bye".into(),
            agent: agent.map(str::to_owned),
            talk_ms: 6_000,
            disposition: None,
            note: String::new(),
            recording: None,
            leg: None,
        };
        self.state().inbound.insert(id, row);
    }

    /// Pushes the agents' states into the live view.
    pub fn show(&self) {
        let previews = self.state().previews.clone();
        let view = |(user, state): (&String, &AgentState)| AgentView {
            user: user.clone(),
            state: *state,
            reason: String::new(),
            since: Utc(0),
            calls: 0,
            attempt: None,
            inbound: None,
            preview: previews.get(user).cloned().map(Box::new),
        };
        // Like the real one, it shows nobody who has not signed on yet.
        let state = self.state();
        let agents = state.agents.iter().filter(|(user, _)| state.seen.contains(*user)).map(view).collect();
        drop(state);
        self.live.send_replace(Arc::new(LiveView { agents, ..LiveView::default() }));
    }

    fn answer<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut State) -> Result<T, PortError>,
    ) -> Reply<'static, T> {
        let mut state = self.state();
        if state.stuck {
            return std::future::pending().boxed();
        }
        if state.down {
            return std::future::ready(Err(PortError::Unavailable("the store is not available".into())))
                .boxed();
        }
        std::future::ready(work(&mut state)).boxed()
    }
}

fn unknown() -> PortError {
    PortError::Unknown("this is not known".into())
}

impl Port for Dialer {
    fn create_campaign(&self, spec: CampaignSpec) -> Reply<'_, CampaignId> {
        self.answer(|state| {
            let id = CampaignId(state.campaigns.len() as u64 + 1);
            state.campaigns.insert(id.0, Campaign { id, state: CampaignState::Draft, spec });
            Ok(id)
        })
    }

    fn phone_token(&self, user: String, session: u64, life: Duration) -> Reply<'_, PhoneToken> {
        self.answer(move |_| {
            Ok(PhoneToken {
                username: format!("{session:016x}:{user}"),
                password: "a password".into(),
                realm: "carillon".into(),
                expires_at: Utc(i64::try_from(life.as_millis()).unwrap()),
                expires_in: life,
            })
        })
    }

    fn devices(&self, user: String) -> Reply<'_, Devices> {
        self.answer(move |state| {
            state.agents.get(&user).ok_or_else(unknown)?;
            Ok(state.devices.clone())
        })
    }

    fn prefer_device(&self, _: String, instance: Option<String>) -> Reply<'_, ()> {
        self.answer(move |state| {
            state.devices.chosen = instance.is_some();
            for device in &mut state.devices.devices {
                device.preferred = instance.is_some() && device.instance == instance;
            }
            state.devices.preferred = instance;
            Ok(())
        })
    }

    fn end_device(&self, _: String, key: String) -> Reply<'_, ()> {
        self.answer(move |state| {
            state.devices.devices.retain(|device| device.key != key);
            Ok(())
        })
    }

    fn end_phone_session(&self, user: String, session: u64) -> Reply<'_, ()> {
        self.answer(move |state| {
            state.phone_sessions_ended.push((user, session));
            Ok(())
        })
    }

    fn campaigns(&self) -> Reply<'_, Vec<Campaign>> {
        self.answer(|state| Ok(state.campaigns.values().cloned().collect()))
    }

    fn campaign(&self, id: CampaignId) -> Reply<'_, Campaign> {
        self.answer(|state| state.campaigns.get(&id.0).cloned().ok_or_else(unknown))
    }

    fn command_campaign(&self, id: CampaignId, action: CampaignAction) -> Reply<'_, ()> {
        self.answer(|state| {
            let campaign = state.campaigns.get_mut(&id.0).ok_or_else(unknown)?;
            if action == CampaignAction::Start && state.contacts.get(&id.0).is_none_or(BTreeSet::is_empty) {
                return Err(PortError::State("the campaign has no contacts yet".into()));
            }
            campaign.state = match (campaign.state, action) {
                (CampaignState::Draft | CampaignState::Paused, CampaignAction::Start) => {
                    CampaignState::Running
                }
                (CampaignState::Running, CampaignAction::Pause) => CampaignState::Paused,
                (CampaignState::Running | CampaignState::Paused, CampaignAction::Stop) => {
                    CampaignState::Stopping
                }
                (state, _) => return Err(PortError::State(format!("the campaign is {state:?}"))),
            };
            Ok(())
        })
    }

    fn decisions(&self, id: CampaignId, limit: u32) -> Reply<'_, Vec<Decided>> {
        self.answer(|state| {
            state.campaigns.get(&id.0).ok_or_else(unknown)?;
            let reason = Reason {
                bound: Bound::Risk,
                agents_free: 1,
                lines_out: 2,
                lines_wanted: 3,
                forecast: Some(Forecast::default()),
            };
            let all = [
                Decided {
                    number: 7,
                    at: Utc(1_000),
                    place: 1,
                    reason,
                    agent_hours_left: Some(12.5),
                    owners: None,
                },
                Decided { number: 4, at: Utc(0), place: 3, reason, agent_hours_left: None, owners: None },
            ];
            Ok(all.into_iter().take(limit as usize).collect())
        })
    }

    fn import_contacts(&self, id: CampaignId, csv: Bytes) -> Reply<'_, ImportReport> {
        self.answer(|state| {
            if !state.campaigns.contains_key(&id.0) {
                return Err(unknown());
            }
            let contacts = state.contacts.entry(id.0).or_default();
            let text = String::from_utf8_lossy(&csv).into_owned();
            if text.lines().next() != Some("id,number") {
                return Err(PortError::Invalid("the header must be id,number".into()));
            }
            let mut report = ImportReport::default();
            for (line, row) in (2..).zip(text.lines().skip(1)) {
                match row.split_once(",+") {
                    Some((contact, _)) if contacts.insert(contact.into()) => report.imported += 1,
                    Some(_) => report.duplicates += 1,
                    None => {
                        let column = Some("number".to_owned());
                        report.rejected += 1;
                        report.rejected_rows.push(RejectedRow {
                            line,
                            column,
                            reason: "not a number".into(),
                        });
                    }
                }
            }
            Ok(report)
        })
    }

    fn command_agent(&self, command: AgentCommand) -> Reply<'_, ()> {
        let reply = self.answer(|state| {
            let (agent, next) = match command {
                AgentCommand::SignOn { agent } | AgentCommand::Ready { agent } => (agent, AgentState::Ready),
                AgentCommand::SignOff { agent } => (agent, AgentState::Offline),
                AgentCommand::Break { agent, .. } => (agent, AgentState::Break),
                AgentCommand::HangUp { .. } | AgentCommand::Signal { .. } => {
                    return Err(PortError::State("there is no call".into()));
                }
                AgentCommand::Preview { agent, task, choice } => {
                    if state.previews.get(&agent).is_none_or(|shown| shown.task != task) {
                        return Err(PortError::State("the contact is not shown".into()));
                    }
                    state.previews.remove(&agent);
                    state.choices.push((agent, choice));
                    return Ok(());
                }
                AgentCommand::Dispose { agent, attempt, disposition, .. } => {
                    let attempt = state.attempts.get_mut(&attempt.0).ok_or_else(unknown)?;
                    if attempt.agent.as_deref() != Some(agent.as_str()) {
                        return Err(PortError::State("the agent has no such call".into()));
                    }
                    attempt.disposition = Some(disposition.clone());
                    state.dispositions.insert((agent, attempt.id.0), disposition);
                    return Ok(());
                }
            };
            *state.agents.get_mut(&agent).ok_or_else(unknown)? = next;
            state.seen.insert(agent);
            Ok(())
        });
        self.show();
        reply
    }

    fn contact(&self, id: ContactId) -> Reply<'_, Contact> {
        self.answer(|_| {
            Ok(Contact {
                id,
                external_id: format!("c{id}"),
                name: "Ada".into(),
                number: NUMBER.into(),
                timezone: Some("UTC".into()),
                owner: None,
                fields: [("plan".to_owned(), "gold".to_owned())].into(),
                attempts: 2,
            })
        })
    }

    fn attempts(&self, query: AttemptQuery) -> Reply<'_, Vec<Attempt>> {
        self.answer(|state| {
            let found = state.attempts.values().rev();
            let found = found
                .filter(|attempt| query.before.is_none_or(|before| attempt.id < before))
                .filter(|attempt| query.campaign.is_none_or(|campaign| attempt.campaign == campaign))
                .filter(|attempt| query.agent.is_none() || attempt.agent == query.agent);
            Ok(found.take(query.limit as usize).cloned().collect())
        })
    }

    fn inbound(&self, query: AttemptQuery) -> Reply<'_, Vec<InboundRow>> {
        self.answer(|state| {
            let found = state.inbound.values().rev();
            let found = found
                .filter(|row| query.before.is_none_or(|before| row.call < before))
                .filter(|row| query.campaign.is_none_or(|campaign| row.campaign == campaign))
                .filter(|row| query.agent.is_none() || row.agent == query.agent);
            Ok(found.take(query.limit as usize).cloned().collect())
        })
    }

    fn attempt(&self, id: AttemptId) -> Reply<'_, Attempt> {
        self.answer(|state| state.attempts.get(&id.0).cloned().ok_or_else(unknown))
    }

    fn ladder(&self, call: String) -> Reply<'_, Ladder> {
        self.answer(|_| if call == "1" || call == CALL_ID { Ok(ladder()) } else { Err(unknown()) })
    }

    fn health(&self) -> BoxFuture<'_, Health> {
        let up = Health { store: Part::Up, sip: Part::Up, dialer: Part::Up };
        std::future::ready(self.state().health.clone().unwrap_or(up)).boxed()
    }

    fn live(&self) -> watch::Receiver<Arc<LiveView>> {
        self.live.subscribe()
    }

    fn metrics(&self) -> String {
        "dialer_build_info{version=\"test\"} 1\n".into()
    }
}
