//! All transactions of a node: bounded, found by key, by message and by deadline.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;

use super::key::{MatchKey, MergeKey, TransactionKey};
use super::machine::Machine;
use super::server::begins_something;
use crate::fingerprint::{Fingerprints, Index};
use crate::keyed::Keyed;
use crate::message::{HeaderName, Request, Uri};
use crate::transport::Local;

/// Who hears of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// The layer's user.
    User,
    /// Nobody: the layer answers or sends by itself (CANCEL, merged requests).
    Layer,
}

/// One transaction.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) machine: Machine,
    /// The request that made it: sent by a client, received by a server (with its source in the topmost Via).
    pub(super) request: Request,
    /// What a repetition sends: a client's request or ACK, a server's last response. Empty while there is none.
    pub(super) last: Bytes,
    /// Where its messages go.
    pub(super) to: SocketAddr,
    /// Our address that it goes over.
    pub(super) local: Local,
    /// Our address on UDP that it falls back to while nothing has come over TCP, which only its size asked for (§18.1.1).
    pub(super) fallback: Option<Local>,
    pub(super) audience: Audience,
    matched_by: MatchKey,
    merged_by: Option<Box<MergeKey>>,
    scheduled: Option<Duration>,
    /// Only what repetitions need is still there.
    lean: bool,
}

impl Entry {
    pub(super) fn new(
        machine: Machine,
        request: Request,
        matched_by: MatchKey,
        to: SocketAddr,
        local: Local,
    ) -> Self {
        // §8.2.2.2 is a server's duty.
        let merged_by = if machine.is_client() { None } else { MergeKey::of(&request).map(Box::new) };
        Self {
            machine,
            request,
            last: Bytes::new(),
            to,
            local,
            fallback: None,
            audience: Audience::User,
            matched_by,
            merged_by,
            scheduled: None,
            lean: false,
        }
    }

    /// Gives up what no repetition of the final response needs. A transaction waits for them for half a minute (§17.1.2.2,
    /// §17.2.2, RFC 6026 §7.2), far longer than a request and the datagram it came in are of use.
    fn slim(&mut self) {
        self.lean = true;
        let request = &mut self.request;
        request.body = Bytes::new();
        if self.machine.is_client() {
            self.last = Bytes::new();
            request.headers.keep(&ANSWERED_BY);
        } else {
            request.headers.keep(&[]);
            request.uri = NOWHERE.clone();
        }
    }
}

/// What a response is known by to be to our request (§17.1.3, §18.1.2).
const ANSWERED_BY: [HeaderName; 4] =
    [HeaderName::Via, HeaderName::From, HeaderName::CallId, HeaderName::CSeq];

/// Stands where a URI would keep a datagram in memory.
static NOWHERE: LazyLock<Uri> =
    LazyLock::new(|| Uri::parse("sip:nobody.invalid").expect("a constant that is a URI"));

/// All transactions. Clients and servers have room of their own, so that a flood of requests can't keep us from
/// ending our calls.
#[derive(Debug)]
pub(super) struct Table {
    /// Boxed: entries are large and maps move what they hold.
    entries: Keyed<TransactionKey, Box<Entry>>,
    fingerprints: Fingerprints,
    matched: Index<TransactionKey>,
    merged: Index<TransactionKey>,
    schedule: BTreeSet<(Duration, TransactionKey)>,
    clients: usize,
    clients_max: usize,
    servers_max: usize,
    next: u64,
}

/// There is no room for another transaction of this kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Table {
    pub(super) fn new(fingerprints: Fingerprints, clients_max: usize, servers_max: usize) -> Self {
        Self {
            entries: Keyed::new(),
            fingerprints,
            matched: Index::new(),
            merged: Index::new(),
            schedule: BTreeSet::new(),
            clients: 0,
            clients_max,
            servers_max,
            next: 0,
        }
    }

    pub(super) fn clients(&self) -> usize {
        self.clients
    }

    pub(super) fn servers(&self) -> usize {
        self.entries.len() - self.clients
    }

    /// Requests that begin something have half of the servers' room: whoever was let in must find some for what ends it.
    fn has_room(&self, entry: &Entry) -> bool {
        if entry.machine.is_client() {
            self.clients() < self.clients_max
        } else if begins_something(&entry.request) {
            self.servers() < self.servers_max / 2
        } else {
            self.servers() < self.servers_max
        }
    }

    /// Takes a transaction up. The caller has made sure that no other is matched by the same key.
    pub(super) fn insert(&mut self, mut entry: Entry) -> Result<TransactionKey, Full> {
        let client = entry.machine.is_client();
        // A CANCEL always finds room: there is one for each INVITE at most, and without it a phone rings on.
        let cancels = client && entry.audience == Audience::Layer;
        if !cancels && !self.has_room(&entry) {
            return Err(Full);
        }
        debug_assert!(self.find(&entry.matched_by).is_none(), "one transaction a match key");
        let key = TransactionKey(self.next);
        self.next += 1;
        self.clients += usize::from(client);
        self.matched.insert(self.fingerprints.of(&entry.matched_by), key);
        // One that is answered as a copy does not make others copies.
        entry.merged_by = entry.merged_by.filter(|merged_by| self.twin(merged_by).is_none());
        if let Some(merged_by) = entry.merged_by.as_deref() {
            self.merged.insert(self.fingerprints.of(merged_by), key);
        }
        self.entries.insert(key, Box::new(entry));
        self.reschedule(key);
        Ok(key)
    }

    pub(super) fn get_mut(&mut self, key: TransactionKey) -> Option<&mut Entry> {
        self.entries.get_mut(&key).map(Box::as_mut)
    }

    pub(super) fn get(&self, key: TransactionKey) -> Option<&Entry> {
        self.entries.get(&key).map(Box::as_ref)
    }

    pub(super) fn find(&self, matched_by: &MatchKey) -> Option<TransactionKey> {
        self.alike(matched_by).find(|(_, entry)| entry.matched_by == *matched_by).map(|(key, _)| key)
    }

    /// The transaction that a CANCEL means: the same in all but the method (§9.2).
    pub(super) fn find_cancelled(&self, cancel: &MatchKey) -> Option<TransactionKey> {
        let meant = self.alike(cancel).filter(|(_, entry)| entry.matched_by.differs_in_method_alone(cancel));
        // INVITE is the least of all methods.
        meant.min_by_key(|(_, entry)| entry.matched_by.method()).map(|(key, _)| key)
    }

    /// Those that may be matched by the same but for the method.
    fn alike(&self, matched_by: &MatchKey) -> impl Iterator<Item = (TransactionKey, &Entry)> {
        let keys = self.matched.alike(self.fingerprints.of(matched_by));
        keys.filter_map(|key| Some((key, self.get(key)?)))
    }

    /// The ongoing transaction of another copy of this request (§8.2.2.2).
    pub(super) fn find_twin(&self, request: &Request) -> Option<TransactionKey> {
        self.twin(&MergeKey::of(request)?)
    }

    fn twin(&self, merged_by: &MergeKey) -> Option<TransactionKey> {
        let mut keys = self.merged.alike(self.fingerprints.of(merged_by));
        keys.find(|key| self.get(*key).is_some_and(|entry| entry.merged_by.as_deref() == Some(merged_by)))
    }

    /// Transactions whose messages go to `to` over the transport of `local`, in order.
    pub(super) fn towards(&self, to: SocketAddr, local: Local) -> Vec<TransactionKey> {
        let same = |entry: &Entry| entry.to == to && entry.local.transport == local.transport;
        let towards = self.entries.iter().filter(|(_, entry)| same(entry));
        let mut towards: Vec<TransactionKey> = towards.map(|(key, _)| *key).collect();
        towards.sort_unstable();
        towards
    }

    /// When the next timer fires.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.schedule.first().map(|(at, _)| *at)
    }

    /// A transaction with a timer that is due.
    pub(super) fn due(&self, now: Duration) -> Option<TransactionKey> {
        self.schedule.first().filter(|(at, _)| *at <= now).map(|(_, key)| *key)
    }

    /// Brings schedule and machine together after an event; forgets the transaction when it is over.
    /// Says whether it is over, and who hears of it.
    pub(super) fn settle(&mut self, key: TransactionKey) -> Option<Audience> {
        if !self.entries.get(&key).is_some_and(|entry| entry.machine.is_terminated()) {
            if let Some(entry) =
                self.entries.get_mut(&key).filter(|it| !it.lean && it.machine.is_waiting_out())
            {
                entry.slim();
            }
            self.reschedule(key);
            return None;
        }
        let entry = self.entries.remove(&key)?;
        self.clients -= usize::from(entry.machine.is_client());
        self.matched.remove(self.fingerprints.of(&entry.matched_by), key);
        if let Some(merged_by) = entry.merged_by.as_deref() {
            self.merged.remove(self.fingerprints.of(merged_by), key);
        }
        if let Some(at) = entry.scheduled {
            self.schedule.remove(&(at, key));
        }
        Some(entry.audience)
    }

    /// Whether every index speaks of the same transactions.
    #[cfg(test)]
    pub(super) fn is_consistent(&self) -> bool {
        let clients = self.entries.values().filter(|entry| entry.machine.is_client()).count();
        let scheduled = self.entries.values().filter(|entry| entry.scheduled.is_some()).count();
        clients == self.clients
            && self.matched.iter().count() == self.entries.len()
            && self.matched.iter().all(|key| self.entries.get(&key).is_some())
            && self.merged.iter().all(|key| self.entries.get(&key).is_some())
            && self.schedule.len() == scheduled
            && scheduled == self.entries.len()
    }

    fn reschedule(&mut self, key: TransactionKey) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let deadline = entry.machine.deadline().map(|(at, _)| at);
        if deadline == entry.scheduled {
            return;
        }
        if let Some(at) = entry.scheduled {
            self.schedule.remove(&(at, key));
        }
        if let Some(at) = deadline {
            self.schedule.insert((at, key));
        }
        entry.scheduled = deadline;
    }
}
