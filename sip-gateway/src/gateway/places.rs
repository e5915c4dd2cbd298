//! Where trunks are: their names are looked up, and each call goes to one of their servers.

use std::net::IpAddr;
use std::time::Duration;

use super::timers::Timer;
use super::{Gateway, Output};
use crate::event::{Event, Failure};
use crate::resolve::machine;
use crate::resolve::plan::Server;
use crate::resolve::{Answer, Question, Target};
use crate::transport::Transport;

impl Gateway {
    /// Begins to look up the names of trunks.
    pub(super) fn start_places(&mut self, now: Duration) {
        self.note_sources();
        self.resolver.start(now);
        self.settle_places(now);
    }

    /// Takes a nameserver's answer to [`Output::Resolve`].
    pub fn resolved(&mut self, question: Question, answer: Answer, now: Duration) {
        self.room_changed();
        self.resolver.answered(question, answer, now);
        self.settle_places(now);
        self.settle(now);
    }

    /// Names are due to be asked for again.
    pub(super) fn ask_again(&mut self, now: Duration) {
        self.resolver.handle_timeout(now);
        self.settle_places(now);
    }

    /// The next server of a trunk, but for those that were `tried`.
    pub(super) fn next_target(&mut self, index: usize, tried: &[Target], now: Duration) -> Option<Target> {
        let names = &mut self.wire.names;
        self.trunks.get(index)?.targets.choose(tried, |end| names.below(end), now)
    }

    /// The next server of a trunk that did not fail lately, but for those that were `tried`.
    pub(super) fn next_awake(&mut self, index: usize, tried: &[Target], now: Duration) -> Option<Target> {
        let names = &mut self.wire.names;
        self.trunks.get(index)?.targets.choose_awake(tried, |end| names.below(end), now)
    }

    /// RFC 3263 §4.3: a server that can't be reached or says nothing is passed over for a while. Returns whether the trunk has
    /// no other that may be better.
    pub(super) fn rest_if_unreachable(
        &mut self,
        index: usize,
        target: Target,
        failure: Failure,
        now: Duration,
    ) -> bool {
        let Some(trunk) = self.trunks.get_mut(index) else { return true };
        if matches!(failure, Failure::Timeout | Failure::Transport) {
            trunk.targets.fail(target, now);
        }
        trunk.targets.awake_at(now).is_some()
    }

    /// Whether a peer at this address may be a trunk that is known by its address.
    pub(super) fn is_trunk_host(&self, host: IpAddr) -> bool {
        self.sources.contains(&host)
    }

    fn settle_places(&mut self, now: Duration) {
        while let Some(output) = self.resolver.poll_output() {
            match output {
                machine::Output::Ask(question) => self.outputs.push_back(Output::Resolve(question)),
                machine::Output::Found { name, servers } => self.found(name, servers, now),
                machine::Output::Lost { name, why } => self.lost(name, &why),
            }
        }
        self.timers.set(Timer::Names, self.resolver.poll_timeout());
    }

    fn found(&mut self, index: usize, mut servers: Vec<Server>, now: Duration) {
        self.leave_foreign(index, &mut servers);
        if servers.is_empty() {
            return self.lost(index, "another trunk with other tls_ keys is there");
        }
        let Some(trunk) = self.trunks.get_mut(index) else { return };
        let state = trunk.resolved(servers);
        let moved = Event::Moved { name: trunk.options.name.clone(), targets: trunk.targets.all().collect() };
        self.note_sources();
        self.event(moved);
        self.tell_trunk(index, state);
        self.register_where_wanted(index, now);
    }

    fn lost(&mut self, index: usize, why: &str) {
        let Some(trunk) = self.trunks.get_mut(index) else { return };
        tracing::warn!(
            trunk = %trunk.options.name,
            uri = %trunk.options.uri,
            %why,
            "the trunk's name leads nowhere; it is looked up again and again"
        );
        let state = trunk.resolved(Vec::new());
        self.note_sources();
        self.tell_trunk(index, state);
    }

    /// Over TLS two trunks at one address would share a connection. Where they don't want the same certificate the second one
    /// is not gone to there.
    fn leave_foreign(&self, index: usize, servers: &mut Vec<Server>) {
        let Some(own) = self.trunks.get(index) else { return };
        let others: Vec<_> = self
            .trunks
            .iter()
            .enumerate()
            .filter(|(other, trunk)| *other != index && trunk.options.tls != own.options.tls)
            .collect();
        for server in servers.iter_mut().filter(|server| server.transport == Transport::Tls) {
            let transport = server.transport;
            server.addresses.retain(|address| {
                let target = Target { transport, address: *address };
                let taken = others.iter().find(|(_, trunk)| trunk.targets.contains(target));
                if let Some((_, other)) = taken {
                    tracing::warn!(
                        trunk = %own.options.name,
                        other = %other.options.name,
                        %address,
                        "both trunks lead here over TLS with different tls_ keys; the first one has it"
                    );
                }
                taken.is_none()
            });
        }
        servers.retain(|server| !server.addresses.is_empty());
    }

    /// The addresses of trunks that are known by them.
    fn note_sources(&mut self) {
        let known = self.trunks.iter().filter(|trunk| !trunk.options.tls.verify_client);
        self.sources =
            known.flat_map(|trunk| trunk.targets.all().map(|target| target.address.ip())).collect();
    }
}
