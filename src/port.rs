//! The API's way to the dialer: requests go to the engine's letter box, reads go to the store.

use std::collections::BTreeSet;
use std::future::Future;
use std::io::Cursor;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use carillon_api::metrics::Exporter;
use carillon_api::port::{
    Attempt, AttemptQuery, Campaign, CampaignAction, Contact, Device, Devices, Health, ImportReport, Part,
    PhoneToken, Port, PortError, REJECTED_ROWS_MAX, Registration, RejectedRow, Reply,
};
use carillon_core::agent::AgentCommand;
use carillon_core::campaign::decisions::Decided;
use carillon_core::campaign::spec::CampaignSpec;
use carillon_core::campaign::{CampaignCommand, CampaignState};
use carillon_core::contact::import::{BadRow, ListError, ListReader};
use carillon_core::id::{AttemptId, CampaignId, ContactId};
use carillon_core::inbound::InboundRow;
use carillon_core::ladder::Ladder;
use carillon_core::live::LiveView;
use carillon_core::output;
use carillon_core::store::read::AttemptRow;
use carillon_core::store::report::OWNER_COLUMN;
use carillon_core::store::sqlite::{CampaignRow, ImportError, Store};
use carillon_sip::registrar::devices;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::watch;

use crate::clock::wall;
use crate::engine::EngineHandle;
use crate::keeper;
use crate::prompts;

/// Longest wait for the dialer's answer; it answers within milliseconds while it is well.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Longest wait for the live view that follows; there are several a second.
const SHOWN_MAX: Duration = Duration::from_secs(1);

/// The API's port over a running engine and its store.
pub struct EnginePort {
    engine: EngineHandle,
    store: Store,
    metrics: Exporter,
    prompts: PathBuf,
    agents: BTreeSet<String>,
    realm: String,
    ladders: Option<PathBuf>,
}

impl EnginePort {
    /// A port over `engine` and the store it writes to. Prompts lie in `prompts`; `agents` may sign on,
    /// and their phones register with `realm`.
    pub fn new(
        engine: EngineHandle,
        store: Store,
        metrics: Exporter,
        prompts: PathBuf,
        agents: BTreeSet<String>,
        realm: String,
    ) -> Self {
        Self { engine, store, metrics, prompts, agents, realm, ladders: None }
    }

    /// The same, which looks for ladders of earlier calls in this directory too.
    #[must_use]
    pub fn with_ladders(self, ladders: Option<PathBuf>) -> Self {
        Self { ladders, ..self }
    }

    /// Agents who take a campaign's calls.
    fn takers(&self, spec: &CampaignSpec) -> BTreeSet<String> {
        let takes = |agent: &&String| spec.agents.is_empty() || spec.agents.contains(*agent);
        self.agents.iter().filter(takes).cloned().collect()
    }

    async fn spec(&self, id: CampaignId) -> Result<Campaign, PortError> {
        let campaigns = self.store.campaigns().await.map_err(unavailable)?;
        let found = campaigns.into_iter().find(|row| row.campaign == id);
        let row = found.ok_or_else(|| PortError::Unknown(format!("campaign {id}")))?;
        Ok(shown(row, &self.engine.live().borrow()))
    }

    /// Refuses to start a campaign that would end at once because its list is missing or done. One with numbers for callers needs no
    /// list: it answers them when it has ended, too.
    async fn something_to_call(&self, id: CampaignId) -> Result<(), PortError> {
        let campaign = self.spec(id).await?;
        let counters = self.store.counters(id).await.map_err(unavailable)?;
        let missing = match campaign.state {
            _ if counters.tasks_total == 0 && !campaign.spec.inbound.numbers.is_empty() => return Ok(()),
            _ if counters.tasks_total == 0 => "has no contacts yet",
            CampaignState::Ended if counters.tasks_open == 0 => "has called all its contacts",
            CampaignState::Draft
            | CampaignState::Running
            | CampaignState::Paused
            | CampaignState::Stopping
            | CampaignState::Ended => return Ok(()),
        };
        let how = format!("import a list (POST /api/v1/campaigns/{id}/contacts), then start it");
        Err(PortError::State(format!("campaign {id} {missing}: {how}")))
    }

    /// Waits for the next live view: it shows what was just done, so whoever did it reads what they wrote.
    async fn seen(&self) {
        let mut live = self.engine.live();
        live.mark_unchanged();
        // Without a view in time the answer is as good as before; a stopped engine shows itself elsewhere.
        let _ = tokio::time::timeout(SHOWN_MAX, live.changed()).await;
    }
}

/// A stored campaign in the state that the dialer has it in: a new state is on disk a little later.
fn shown(row: CampaignRow, live: &LiveView) -> Campaign {
    let view = live.campaigns.iter().find(|view| view.id == row.campaign);
    Campaign { id: row.campaign, state: view.map_or(row.state, |view| view.state), spec: row.spec }
}

impl Port for EnginePort {
    fn create_campaign(&self, spec: CampaignSpec) -> Reply<'_, CampaignId> {
        async move {
            if let Some(stranger) = spec.agents.iter().find(|agent| !self.agents.contains(*agent)) {
                return Err(PortError::Invalid(format!("agents: there is no agent `{stranger}`")));
            }
            let prompt = prompts::of(&spec, &self.prompts).map_err(PortError::Invalid)?;
            let message = prompts::for_callers(&spec, &self.prompts).map_err(PortError::Invalid)?;
            let command = CampaignCommand::Create(Box::new(spec));
            let id = match timely(self.engine.campaign(command)).await? {
                output::Reply::Campaign(id) => id,
                output::Reply::Done => {
                    return Err(PortError::Unavailable("the dialer did not name the campaign".into()));
                }
            };
            if let Some(prompt) = prompt {
                self.engine.set_prompt(id, prompt).map_err(unavailable)?;
            }
            if let Some(message) = message {
                self.engine.set_message(id, message).map_err(unavailable)?;
            }
            Ok(id)
        }
        .boxed()
    }

    fn campaigns(&self) -> Reply<'_, Vec<Campaign>> {
        async move {
            let rows = self.store.campaigns().await.map_err(unavailable)?;
            let live = self.engine.live().borrow().clone();
            Ok(rows.into_iter().map(|row| shown(row, &live)).collect())
        }
        .boxed()
    }

    fn campaign(&self, id: CampaignId) -> Reply<'_, Campaign> {
        self.spec(id).boxed()
    }

    fn command_campaign(&self, id: CampaignId, action: CampaignAction) -> Reply<'_, ()> {
        let command = match action {
            CampaignAction::Start => CampaignCommand::Start(id),
            CampaignAction::Pause => CampaignCommand::Pause(id),
            CampaignAction::Stop => CampaignCommand::Stop(id),
        };
        async move {
            if action == CampaignAction::Start {
                self.something_to_call(id).await?;
            }
            timely(self.engine.campaign(command)).await?;
            self.seen().await;
            Ok(())
        }
        .boxed()
    }

    fn decisions(&self, id: CampaignId, limit: u32) -> Reply<'_, Vec<Decided>> {
        async move {
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let answer = tokio::time::timeout(ANSWER_MAX, self.engine.decisions(id, limit)).await;
            let decisions = answer.map_err(unavailable)?.map_err(unavailable)?;
            decisions.ok_or_else(|| PortError::Unknown(format!("campaign {id}")))
        }
        .boxed()
    }

    fn import_contacts(&self, id: CampaignId, csv: Bytes) -> Reply<'_, ImportReport> {
        async move {
            let campaign = self.spec(id).await?;
            let invalid = |error: ListError| PortError::Invalid(error.to_string());
            let mut reader =
                ListReader::new(Cursor::new(csv), campaign.spec.region.as_deref()).map_err(invalid)?;
            if reader.columns().has(OWNER_COLUMN) {
                reader = reader.with_owners(OWNER_COLUMN, self.takers(&campaign.spec)).map_err(invalid)?;
            }
            let (list, bad) =
                self.store.import_rows(id, reader, REJECTED_ROWS_MAX).await.map_err(|error| match error {
                    ImportError::List(error) => PortError::Invalid(error.to_string()),
                    error => unavailable(error),
                })?;
            timely(self.engine.campaign(CampaignCommand::ListChanged(id))).await?;
            Ok(ImportReport {
                imported: list.imported,
                duplicates: list.known,
                rejected: list.rejected,
                rejected_rows: bad.into_iter().map(rejected_row).collect(),
            })
        }
        .boxed()
    }

    fn phone_token(&self, user: String, session: u64, life: Duration) -> Reply<'_, PhoneToken> {
        async move {
            let answer =
                tokio::time::timeout(ANSWER_MAX, self.engine.phone_token(user.clone(), session, life));
            let token = answer.await.map_err(unavailable)?.map_err(unavailable)?;
            let token = token.ok_or_else(|| PortError::Unknown(format!("agent {user}")))?;
            Ok(PhoneToken {
                username: token.username,
                password: token.password.expose().to_owned(),
                realm: self.realm.clone(),
                expires_at: wall().after(token.expires_in),
                expires_in: token.expires_in,
            })
        }
        .boxed()
    }

    fn devices(&self, user: String) -> Reply<'_, Devices> {
        async move {
            let answer = tokio::time::timeout(ANSWER_MAX, self.engine.devices(user.clone()));
            let found = answer.await.map_err(unavailable)?.map_err(unavailable)?;
            found.map(devices).ok_or_else(|| PortError::Unknown(format!("agent {user}")))
        }
        .boxed()
    }

    fn prefer_device(&self, user: String, instance: Option<String>) -> Reply<'_, ()> {
        async move {
            let answer = tokio::time::timeout(ANSWER_MAX, self.engine.prefer_device(user, instance));
            answer.await.map_err(unavailable)?.map_err(unavailable)
        }
        .boxed()
    }

    fn end_device(&self, user: String, key: String) -> Reply<'_, ()> {
        async move {
            let answer = tokio::time::timeout(ANSWER_MAX, self.engine.end_device(user, key));
            answer.await.map_err(unavailable)?.map_err(unavailable)
        }
        .boxed()
    }

    fn end_phone_session(&self, user: String, session: u64) -> Reply<'_, ()> {
        async move {
            let answer = tokio::time::timeout(ANSWER_MAX, self.engine.end_session(user, session));
            answer.await.map_err(unavailable)?.map_err(unavailable)
        }
        .boxed()
    }

    fn command_agent(&self, command: AgentCommand) -> Reply<'_, ()> {
        if let AgentCommand::SignOn { agent } = &command
            && !self.agents.contains(agent)
        {
            let unknown = PortError::Unknown(format!("agent {agent}"));
            return async move { Err(unknown) }.boxed();
        }
        async move {
            timely(self.engine.agent(command)).await?;
            self.seen().await;
            Ok(())
        }
        .boxed()
    }

    fn contact(&self, id: ContactId) -> Reply<'_, Contact> {
        async move {
            let found = self.store.contact(id).await.map_err(unavailable)?;
            let (listed, attempts) = found.ok_or_else(|| PortError::Unknown(format!("contact {id}")))?;
            Ok(Contact {
                id,
                external_id: listed.external_id,
                name: listed.name,
                number: listed.number,
                timezone: listed.timezone,
                owner: listed.owner,
                fields: listed.fields,
                attempts,
            })
        }
        .boxed()
    }

    fn attempts(&self, query: AttemptQuery) -> Reply<'_, Vec<Attempt>> {
        async move {
            let rows = self
                .store
                .attempts_before(query.campaign, query.agent.as_deref(), query.before, query.limit)
                .await
                .map_err(unavailable)?;
            Ok(rows.into_iter().map(attempt).collect())
        }
        .boxed()
    }

    fn inbound(&self, query: AttemptQuery) -> Reply<'_, Vec<InboundRow>> {
        async move {
            let AttemptQuery { campaign, agent, before, limit } = query;
            let rows = self.store.inbound_before(campaign, agent.as_deref(), before, limit).await;
            rows.map_err(unavailable)
        }
        .boxed()
    }

    fn attempt(&self, id: AttemptId) -> Reply<'_, Attempt> {
        async move {
            let before = AttemptId(id.0.saturating_add(1));
            let rows = self.store.attempts_before(None, None, Some(before), 1).await.map_err(unavailable)?;
            let row = rows.into_iter().find(|(row, _)| row.attempt == id);
            row.map(attempt).ok_or_else(|| PortError::Unknown(format!("attempt {id}")))
        }
        .boxed()
    }

    fn ladder(&self, call: String) -> Reply<'_, Ladder> {
        async move {
            let answer = tokio::time::timeout(ANSWER_MAX, self.engine.ladder(call.clone())).await;
            let mut ladder = answer.map_err(unavailable)?.map_err(unavailable)?;
            if let (None, Some(directory)) = (&ladder, self.ladders.clone()) {
                let found = tokio::task::spawn_blocking(move || keeper::find(&directory, &call)).await;
                ladder = found.map_err(unavailable)?.map_err(unavailable)?;
            }
            ladder.ok_or_else(|| PortError::Unknown("ladder of this call".into()))
        }
        .boxed()
    }

    fn health(&self) -> BoxFuture<'_, Health> {
        async move {
            let store = match tokio::time::timeout(ANSWER_MAX, self.store.campaigns()).await {
                Ok(Ok(_)) => Part::Up,
                Ok(Err(error)) => Part::Down(error.to_string()),
                Err(_) => Part::Down("the database does not answer".into()),
            };
            // The engine shows its state several times a second; one that no longer does has stopped.
            let engine = match self.engine.status().has_changed() {
                Ok(_) => Part::Up,
                Err(_) => Part::Down("the engine has stopped".into()),
            };
            Health { store, sip: engine.clone(), dialer: engine }
        }
        .boxed()
    }

    fn live(&self) -> watch::Receiver<Arc<LiveView>> {
        self.engine.live()
    }

    fn metrics(&self) -> String {
        self.metrics.render()
    }
}

async fn timely<T>(answer: impl Future<Output = Result<T, output::Refused>>) -> Result<T, PortError> {
    match tokio::time::timeout(ANSWER_MAX, answer).await {
        Ok(answer) => answer.map_err(PortError::from),
        Err(_) => Err(PortError::Unavailable("the dialer does not answer".into())),
    }
}

fn unavailable(error: impl std::fmt::Display) -> PortError {
    PortError::Unavailable(error.to_string())
}

fn rejected_row(bad: BadRow) -> RejectedRow {
    RejectedRow { line: bad.line, column: bad.column, reason: bad.reason.to_string() }
}

fn attempt((row, disposition): (AttemptRow, Option<String>)) -> Attempt {
    Attempt {
        id: row.attempt,
        campaign: row.campaign,
        task: row.task,
        contact: row.contact,
        number: row.number,
        trunk: row.trunk,
        caller_id: row.caller_id,
        placed_at: row.placed_at,
        ringing_at: row.ringing_at,
        answered_at: row.answered_at,
        bridged_at: row.bridged_at,
        ended_at: row.ended_at,
        outcome: row.outcome,
        sip_status: row.sip_status,
        attribution: row.attribution,
        reason: row.reason,
        agent: row.agent,
        answer_to_agent_ms: row.answer_to_agent_ms,
        talk_ms: row.talk_ms,
        disposition,
        recording: row.recording.map(|recording| recording.file),
    }
}
/// The gateway's devices as the API has them.
fn devices(found: devices::Devices) -> Devices {
    let registration = |flow: devices::Flow| Registration {
        reg_id: flow.reg_id,
        transport: flow.transport.name().to_owned(),
        address: flow.address,
        expires_in: flow.expires_in,
        reachable: !flow.doubted,
        with_token: flow.with_token,
    };
    let device = |device: devices::Device| Device {
        key: device.key,
        instance: device.instance,
        preferred: device.preferred,
        registrations: device.flows.into_iter().map(registration).collect(),
    };
    let devices::Devices { preferred, chosen, devices, lines } = found;
    Devices { preferred, chosen, devices: devices.into_iter().map(device).collect(), lines }
}
