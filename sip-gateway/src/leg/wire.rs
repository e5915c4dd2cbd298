//! What a leg needs of the world: transactions with their owners, identifiers and counters.

use std::net::SocketAddr;
use std::time::Duration;

use crate::gateway::counters::Counters;
use crate::gateway::names::Names;
use crate::keyed::Keyed;
use crate::message::Request;
use crate::options::Timers;
use crate::transaction::{Layer, SendError, TransactionKey};
use crate::transport::Local;

/// Who a client transaction's responses, or a received INVITE's fate, belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A leg.
    Leg(super::LegId),
    /// A dialog of an earlier process, by Call-ID.
    Orphan(String),
    /// REGISTER of the trunk with this index.
    Registration(usize),
    /// OPTIONS towards the trunk with this index.
    Health(usize),
    /// Nobody cares how it ends.
    Nobody,
}

/// Transactions with their owners, and the generator of names.
pub struct Wire {
    /// The transaction layer.
    pub layer: Layer,
    /// Generator of identifiers.
    pub names: Names,
    /// RFC 3261's base values.
    pub timers: Timers,
    /// What is counted.
    pub counters: Counters,
    owners: Keyed<TransactionKey, Owner>,
}

impl Wire {
    /// An idle wire.
    pub fn new(layer: Layer, names: Names, timers: Timers) -> Self {
        Self { layer, names, timers, counters: Counters::default(), owners: Keyed::new() }
    }

    /// Sends a request in a client transaction of `owner`.
    pub fn send(
        &mut self,
        owner: Owner,
        request: Request,
        to: SocketAddr,
        local: Local,
        now: Duration,
    ) -> Result<TransactionKey, SendError> {
        let sent = self.layer.send_request(request, to, local, now);
        match &sent {
            Ok(key) => {
                if owner != Owner::Nobody {
                    self.owners.insert(*key, owner);
                }
            }
            Err(error) => {
                tracing::debug!(%error, "request not sent");
                self.counters.unsent += 1;
            }
        }
        sent
    }

    /// Sends the ACK of a 2xx, which has no transaction (RFC 3261 §13.2.2.4).
    pub fn send_ack(&mut self, ack: &Request, to: SocketAddr, local: Local) {
        if let Err(error) = self.layer.send_ack(ack, to, local) {
            tracing::debug!(%error, "ACK not sent");
            self.counters.unsent += 1;
        }
    }

    /// Gives a server transaction an owner.
    pub fn own(&mut self, key: TransactionKey, owner: Owner) {
        self.owners.insert(key, owner);
    }

    /// Whose request or INVITE this transaction is.
    pub fn owner(&self, key: TransactionKey) -> Owner {
        self.owners.get(&key).cloned().unwrap_or(Owner::Nobody)
    }

    /// The transaction is over.
    pub fn forget(&mut self, key: TransactionKey) {
        self.owners.remove(&key);
    }

    /// Transactions that have an owner.
    pub fn owned(&self) -> usize {
        self.owners.len()
    }
}
