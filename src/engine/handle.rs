//! The way to talk to a running engine, and what it shows of itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use carillon_core::agent::AgentCommand;
use carillon_core::campaign::CampaignCommand;
use carillon_core::campaign::decisions::Decided;
use carillon_core::id::{AttemptId, CampaignId, Ticket};
use carillon_core::inbound::KnownCaller;
use carillon_core::ladder::Ladder;
use carillon_core::live::LiveView;
use carillon_core::output::{Refused, Reply};
use carillon_core::store::read::Fetched;
use carillon_core::store::write::Refusal;
use carillon_core::time::Utc;
use carillon_sip::auth;
use carillon_sip::event::TrunkState;
use carillon_sip::gateway::counters::Counters;
use carillon_sip::io::hep::HepCounts;
use carillon_sip::media::MediaEvent;
use carillon_sip::media::prompt::Prompt;
use carillon_sip::passport::{SignFault, SignRequest};
use carillon_sip::registrar::devices::Devices;
use carillon_sip::resolve::{Answer, Question};
use tokio::sync::{oneshot, watch};

use crate::doorbell::Doorbell;
use crate::node::TrunkFigures;
use crate::sockets::workers::WorkerCounts;

/// How long to wait for the last BYEs and unregistrations to be answered, and for those of others to be repeated.
const GOODBYE_MAX: Duration = Duration::from_secs(5);

/// What other threads tell the engine.
pub(super) enum Message {
    Media(MediaEvent),
    Resolved { question: Question, answer: Answer },
    Signed { request: SignRequest, answer: Result<String, SignFault> },
    Stored { ticket: Ticket, result: Result<(), Refusal> },
    Fetched { campaign: CampaignId, fetched: Fetched },
    Campaign { command: CampaignCommand, reply: oneshot::Sender<Result<Reply, Refused>> },
    Agent { command: AgentCommand, reply: oneshot::Sender<Result<Reply, Refused>> },
    CallerFound { call: AttemptId, known: Option<KnownCaller> },
    Prompt { campaign: CampaignId, prompt: Arc<Prompt> },
    Greeting { campaign: CampaignId, prompt: Arc<Prompt> },
    Phone { user: String, session: u64, life: Duration, reply: oneshot::Sender<Option<auth::Token>> },
    Devices { user: String, reply: oneshot::Sender<Option<Devices>> },
    PreferDevice { user: String, device: Option<String>, reply: oneshot::Sender<()> },
    EndDevice { user: String, device: String, reply: oneshot::Sender<()> },
    EndSession { user: String, session: u64, reply: oneshot::Sender<()> },
    Ladder { call: String, reply: oneshot::Sender<Option<Ladder>> },
    Decisions { campaign: CampaignId, limit: usize, reply: oneshot::Sender<Option<Vec<Decided>>> },
    Drain,
    Quit,
}

/// What the engine shows of itself: the newest state, never a backlog.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// State of each trunk that changed since start.
    pub trunks: BTreeMap<String, TrunkState>,
    /// What each trunk has carried, in the order of the file.
    pub trunk_figures: Vec<TrunkFigures>,
    /// Campaigns that have ended.
    pub finished: Vec<CampaignId>,
    /// Calls reserved or up.
    pub calls: usize,
    /// On the way down with no word of a peer's outstanding: nothing is cut short by ending the engine.
    pub at_rest: bool,
    /// What the gateway counted.
    pub counters: Counters,
    /// What each worker has done; nothing where there are none.
    pub workers: Vec<WorkerCounts>,
    /// What became of messages for the capture server; `None` without one.
    pub hep: Option<HepCounts>,
    /// Campaign time.
    pub campaign_utc: Utc,
    /// Share of the last window that the engine worked, 0 to 1.
    pub busy_share: f64,
    /// New calls a second that are taken on; `None` while nothing is paced.
    pub admitted_per_second: Option<f64>,
}

/// The way to talk to a running engine. Cheap to clone.
#[derive(Clone)]
pub struct EngineHandle {
    pub(super) messages: SyncSender<Message>,
    pub(super) bell: Arc<Doorbell>,
    pub(super) live: watch::Receiver<Arc<LiveView>>,
    pub(super) status: watch::Receiver<Arc<Status>>,
}

/// The engine is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the engine has stopped")]
pub struct Stopped;

impl EngineHandle {
    /// Asks something about campaigns.
    pub async fn campaign(&self, command: CampaignCommand) -> Result<Reply, Refused> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Campaign { command, reply }).map_err(stopped)?;
        answer.await.map_err(|_| stopped(Stopped))?
    }

    /// Asks something for an agent.
    pub async fn agent(&self, command: AgentCommand) -> Result<Reply, Refused> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Agent { command, reply }).map_err(stopped)?;
        answer.await.map_err(|_| stopped(Stopped))?
    }

    /// The newest decisions of a campaign's pacer, newest first; `None` where there is no such campaign.
    pub async fn decisions(
        &self,
        campaign: CampaignId,
        limit: usize,
    ) -> Result<Option<Vec<Decided>>, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Decisions { campaign, limit, reply })?;
        answer.await.map_err(|_| Stopped)
    }

    /// The messages of a call that is up or ended not long ago, by its number or by the Call-ID of one of its dialogs.
    pub async fn ladder(&self, call: String) -> Result<Option<Ladder>, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Ladder { call, reply })?;
        answer.await.map_err(|_| Stopped)
    }

    /// Something for the phone of `user` to register with; `None` where there is no such user.
    pub async fn phone_token(
        &self,
        user: String,
        session: u64,
        life: Duration,
    ) -> Result<Option<auth::Token>, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Phone { user, session, life, reply })?;
        answer.await.map_err(|_| Stopped)
    }

    /// The devices of a user; `None` where there is no such user.
    pub async fn devices(&self, user: String) -> Result<Option<Devices>, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Devices { user, reply })?;
        answer.await.map_err(|_| Stopped)
    }

    /// Has a device of a user called first, by its `+sip.instance`; `None`: whichever the file names.
    pub async fn prefer_device(&self, user: String, device: Option<String>) -> Result<(), Stopped> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::PreferDevice { user, device, reply })?;
        answer.await.map_err(|_| Stopped)
    }

    /// Ends what a device of a user has registered.
    pub async fn end_device(&self, user: String, device: String) -> Result<(), Stopped> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::EndDevice { user, device, reply })?;
        answer.await.map_err(|_| Stopped)
    }

    /// Ends what phones of `user` registered with tokens of a sign-in.
    pub async fn end_session(&self, user: String, session: u64) -> Result<(), Stopped> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::EndSession { user, session, reply })?;
        answer.await.map_err(|_| Stopped)
    }

    /// Gives a campaign its safe-harbour message.
    pub fn set_prompt(&self, campaign: CampaignId, prompt: Arc<Prompt>) -> Result<(), Stopped> {
        self.send(Message::Prompt { campaign, prompt })
    }

    /// Gives a campaign the message for callers whom nobody could take.
    pub fn set_message(&self, campaign: CampaignId, prompt: Arc<Prompt>) -> Result<(), Stopped> {
        self.send(Message::Greeting { campaign, prompt })
    }

    /// Leaves the trunks (unregisters) and waits, for five seconds at most, until every peer has said its last word. Calls that
    /// are up go on.
    pub async fn drain(&self) {
        let mut status = self.status();
        let rest = async {
            self.send(Message::Drain)?;
            status.wait_for(|status| status.at_rest).await.map_err(|_| Stopped).map(|_| ())
        };
        if !matches!(tokio::time::timeout(GOODBYE_MAX, rest).await, Ok(Ok(()))) {
            tracing::warn!("some peers did not answer our last requests; their side will time out");
        }
    }

    /// Ends the engine's thread.
    pub fn quit(&self) {
        // An engine that is gone has quit already.
        let _ = self.send(Message::Quit);
    }

    /// What a wallboard shows, newest state.
    pub fn live(&self) -> watch::Receiver<Arc<LiveView>> {
        self.live.clone()
    }

    /// What the engine shows of itself.
    pub fn status(&self) -> watch::Receiver<Arc<Status>> {
        self.status.clone()
    }

    fn send(&self, message: Message) -> Result<(), Stopped> {
        self.messages.send(message).map_err(|_| Stopped)?;
        self.bell.ring();
        Ok(())
    }
}

fn stopped(_: Stopped) -> Refused {
    Refused::State("the engine has stopped".into())
}
