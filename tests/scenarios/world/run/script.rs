//! The operator and misfortune: what is asked of the node, and what befalls it.

use std::time::Duration;

use carillon::clock::RealNow;
use carillon::node::{Node, NodeInput};
use carillon_core::agent::AgentCommand;
use carillon_core::campaign::CampaignCommand;
use carillon_core::id::RequestId;
use carillon_core::output::{Refused, Reply};

use super::{Asked, Happening, Process, World};
use crate::world::cast::{self, NODE, address, user};
use crate::world::dice::generator;
use crate::world::junk::junk;
use crate::world::media::Media;
use crate::world::plan::Step;
use crate::world::tamper::Fault;
use crate::world::wire::What;

/// How long a stranger's datagram is on its way.
const JUNK_TAKES: Duration = Duration::from_millis(5);

impl World {
    pub(super) fn carry_out_script(&mut self, step: Step) {
        if self.process.is_none() && matches!(step, Step::Pause | Step::Start | Step::Suppress(_)) {
            // The operator finds nobody there and tries again.
            return self.later(self.now + Duration::from_secs(1), Happening::Script(step));
        }
        self.trace.note(self.now, &format!("{step:?}"));
        match step {
            Step::Kill { back_after } => self.kill(back_after),
            Step::Pause => {
                self.campaigns.clone().into_iter().for_each(|campaign| {
                    self.ask(Asked::Other("pause"), CampaignCommand::Pause(campaign));
                });
                self.see(What::Placing { allowed: false });
            }
            Step::Start => {
                self.see(What::Placing { allowed: true });
                self.campaigns.clone().into_iter().for_each(|campaign| {
                    self.ask(Asked::Other("start"), CampaignCommand::Start(campaign));
                });
            }
            Step::Suppress(indices) => {
                let number =
                    |index: &usize| self.plan.contacts.get(*index).map(|contact| contact.number.clone());
                let numbers: Vec<String> = indices.iter().filter_map(number).collect();
                self.see(What::Suppressed { numbers: &numbers });
                if self.tamper.is(Fault::SuppressionForgotten) {
                    return;
                }
                self.disk.durable.suppress(numbers.clone());
                self.ask(Asked::Other("suppress"), CampaignCommand::Suppress(numbers));
            }
            Step::PhoneOff(agent) => {
                self.phones[agent] = None;
                let life = self.life;
                self.later(
                    self.now + carillon_sip::media::engine::LOST_AFTER,
                    Happening::Lost { life, agent },
                );
            }
            Step::PhoneOn(agent) => {
                if self.phones[agent].is_none() {
                    self.phone_on(agent);
                }
            }
            Step::PhoneHangsUp(agent) => {
                if let Some(phone) = &mut self.phones[agent] {
                    phone.hang_up(self.now);
                    self.drain_phone(agent);
                }
            }
            Step::Calls(contact) => {
                let listed = self.plan.contacts.get(contact).map(|contact| contact.number.clone());
                let number = listed.unwrap_or_else(|| format!("+1666{contact:07}"));
                self.callers.call(&number, self.now);
                self.drain_callers();
            }
            Step::Second(agent, wish) => {
                self.seconds.call(agent, wish, self.now);
                self.drain_seconds();
            }
            Step::Junk(kind) => {
                let (from, bytes) = junk(kind, self.latest_invite.as_ref());
                let bytes = self.tamper.junk(bytes, self.latest_invite.as_ref());
                // On a way of its own, so that nobody else's datagrams fare otherwise.
                self.later(self.now + JUNK_TAKES, Happening::Arrive { from, to: address(NODE), bytes });
            }
        }
    }

    /// `kill -9`: the process, what it held in memory and what was not committed are gone.
    pub(super) fn kill(&mut self, back_after: Duration) {
        if self.process.take().is_none() {
            return;
        }
        let committed = self.disk.crash();
        self.durable(&committed);
        self.asked.clear();
        self.see(What::Killed);
        self.later(self.now + back_after, Happening::Back);
    }

    /// A new process takes over the disk.
    pub(super) fn boot(&mut self) {
        self.life += 1;
        let seed = self.plan.seed;
        let now = RealNow { monotonic: Duration::ZERO, utc: self.utc() };
        let mut node = Node::new(
            cast::node_options(&self.plan),
            generator(seed, &format!("process {}", self.life)),
            now,
        );
        for campaign in &self.campaigns {
            node.set_prompt(*campaign, cast::prompt());
            node.set_message(*campaign, cast::prompt());
        }
        let media = Media::new(self.tamper.first_packet());
        self.process = Some(Process { node, media, since: self.now });
        self.tamper.new_life();
        self.see(What::Started);
        let recovered = self.disk.durable.recover(now.utc);
        self.tell(NodeInput::Recovered(recovered));
    }

    pub(super) fn sign_everybody_on(&mut self) {
        for agent in 0..self.plan.agents {
            self.next_request += 1;
            let request = RequestId(self.next_request);
            self.asked.insert(request, Asked::Other("sign on"));
            self.tell(NodeInput::Agent { request, command: AgentCommand::SignOn { agent: user(agent) } });
        }
    }

    pub(super) fn ask(&mut self, asked: Asked, command: CampaignCommand) {
        self.next_request += 1;
        let request = RequestId(self.next_request);
        self.asked.insert(request, asked);
        self.tell(NodeInput::Campaign { request, command });
    }

    pub(super) fn replied(&mut self, request: RequestId, result: Result<Reply, Refused>) {
        let seed = self.plan.seed;
        match (self.asked.remove(&request), result) {
            (Some(Asked::Create), Ok(Reply::Campaign(campaign))) => {
                let listed = self.plan.list_of(self.campaigns.len());
                self.campaigns.push(campaign);
                let count = listed.len() as u64;
                let listed = self.tamper.list(listed);
                let imported = self.disk.durable.import(campaign, listed).expect("the campaign is there");
                assert_eq!(imported.added, count);
                if let Some(process) = &mut self.process {
                    process.node.set_prompt(campaign, cast::prompt());
                    process.node.set_message(campaign, cast::prompt());
                }
                self.ask(Asked::Other("start"), CampaignCommand::Start(campaign));
            }
            (Some(Asked::Create), other) => panic!("seed {seed}: the campaign was not created: {other:?}"),
            (Some(Asked::Other(what)), Err(refused)) => {
                self.trace.note(self.now, &format!("{what} refused: {refused}"));
            }
            (Some(Asked::Other(_)), Ok(_)) => {}
            (None, _) => panic!("seed {seed}: an answer to nothing"),
        }
    }
}
