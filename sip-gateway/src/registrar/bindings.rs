//! Where softphones are: one contact a user, replaced and not piled up.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::command::Binding;
use crate::transport::Transport;

/// A registered contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Contact URI as registered.
    pub contact: String,
    /// Source address of the REGISTER: where requests to it are sent (RFC 3581, NAT).
    pub address: SocketAddr,
    /// What the REGISTER came over: requests to it go the same way.
    pub transport: Transport,
    /// Call-ID of the REGISTER.
    pub call_id: String,
    /// CSeq number of the REGISTER.
    pub cseq: u32,
    /// When it ends.
    pub expires_at: Duration,
}

/// What one REGISTER wants for one contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Contact URI as written.
    pub contact: String,
    /// Where the REGISTER came from.
    pub address: SocketAddr,
    /// What it came over.
    pub transport: Transport,
    /// Call-ID of the REGISTER.
    pub call_id: String,
    /// CSeq number of the REGISTER.
    pub cseq: u32,
    /// Granted lifetime; zero removes.
    pub expires: Duration,
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A contact was bound or refreshed.
    Bound(Binding),
    /// A contact was removed, replaced or ran out.
    Unbound {
        /// User.
        user: String,
        /// Contact URI.
        contact: String,
    },
}

/// RFC 3261 §10.3 step 7: a REGISTER of the same Call-ID must have a higher CSeq than the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("REGISTER is older than the binding it wants to change")]
pub struct OutOfOrder;

/// All bindings. Bounded by the number of configured users.
#[derive(Debug, Default)]
pub struct Bindings {
    users: BTreeMap<String, Bound>,
    /// How many bindings there are from each host.
    hosts: BTreeMap<IpAddr, usize>,
}

impl Bindings {
    /// Applies what a REGISTER of `user` wants. Changes come out in the order in which they must be stored.
    pub fn apply(&mut self, user: &str, wish: Wish, now: Duration) -> Result<Vec<Change>, OutOfOrder> {
        let known = self.users.get(user);
        if known.is_some_and(|bound| bound.call_id == wish.call_id && bound.cseq >= wish.cseq) {
            return Err(OutOfOrder);
        }
        let mut changes = Vec::new();
        if let Some(bound) = known
            && bound.contact != wish.contact
            && !wish.expires.is_zero()
        {
            changes.push(Change::Unbound { user: user.into(), contact: bound.contact.clone() });
        }
        if wish.expires.is_zero() {
            if known.is_some_and(|bound| bound.contact == wish.contact) {
                changes.extend(self.remove(user));
            }
            return Ok(changes);
        }
        let bound = Bound {
            contact: wish.contact,
            address: wish.address,
            transport: wish.transport,
            call_id: wish.call_id,
            cseq: wish.cseq,
            expires_at: now.saturating_add(wish.expires),
        };
        changes.push(Change::Bound(binding(user, &bound, wish.expires)));
        self.insert(user.into(), bound);
        Ok(changes)
    }

    /// Removes what is bound for `user` (`Contact: *`).
    pub fn clear(&mut self, user: &str, call_id: &str, cseq: u32) -> Result<Vec<Change>, OutOfOrder> {
        match self.users.get(user) {
            None => Ok(Vec::new()),
            Some(bound) if bound.call_id == call_id && bound.cseq >= cseq => Err(OutOfOrder),
            Some(_) => Ok(self.remove(user).into_iter().collect()),
        }
    }

    /// Puts back a stored binding unless a newer one is there already. The connection of an earlier process is gone, and a
    /// phone behind one must come by itself.
    pub fn restore(&mut self, binding: Binding, now: Duration) -> bool {
        let alive = !binding.expires_in.is_zero() && !binding.transport.is_stream();
        let fits = alive && !self.users.contains_key(&binding.user);
        if fits {
            let bound = Bound {
                contact: binding.contact,
                address: binding.address,
                transport: binding.transport,
                call_id: binding.call_id,
                cseq: binding.cseq,
                expires_at: now.saturating_add(binding.expires_in),
            };
            self.insert(binding.user, bound);
        }
        fits
    }

    /// The live contact of `user`.
    pub fn of(&self, user: &str, now: Duration) -> Option<&Bound> {
        self.users.get(user).filter(|bound| bound.expires_at > now)
    }

    /// When the next binding runs out.
    pub fn next_expiry(&self) -> Option<Duration> {
        self.users.values().map(|bound| bound.expires_at).min()
    }

    /// Removes what has run out.
    pub fn expire(&mut self, now: Duration) -> Vec<Change> {
        let over: Vec<String> = self
            .users
            .iter()
            .filter(|(_, bound)| bound.expires_at <= now)
            .map(|(user, _)| user.clone())
            .collect();
        over.iter().filter_map(|user| self.remove(user)).collect()
    }

    /// Removes what can't be reached any more since the connection to `address` was closed.
    pub fn closed(&mut self, transport: Transport, address: SocketAddr) -> Vec<Change> {
        let over: Vec<String> = self
            .users
            .iter()
            .filter(|(_, bound)| bound.transport == transport && bound.address == address)
            .map(|(user, _)| user.clone())
            .collect();
        over.iter().filter_map(|user| self.remove(user)).collect()
    }

    /// Whether some phone registered from this host.
    pub fn is_host(&self, host: IpAddr) -> bool {
        self.hosts.contains_key(&host)
    }

    fn insert(&mut self, user: String, bound: Bound) {
        *self.hosts.entry(bound.address.ip()).or_default() += 1;
        if let Some(old) = self.users.insert(user, bound) {
            self.leave(old.address.ip());
        }
    }

    fn leave(&mut self, host: IpAddr) {
        if let Some(count) = self.hosts.get_mut(&host) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.hosts.remove(&host);
            }
        }
    }

    fn remove(&mut self, user: &str) -> Option<Change> {
        let bound = self.users.remove(user)?;
        self.leave(bound.address.ip());
        Some(Change::Unbound { user: user.into(), contact: bound.contact })
    }
}

fn binding(user: &str, bound: &Bound, expires_in: Duration) -> Binding {
    Binding {
        user: user.into(),
        contact: bound.contact.clone(),
        address: bound.address,
        transport: bound.transport,
        expires_in,
        call_id: bound.call_id.clone(),
        cseq: bound.cseq,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(contact: &str, call_id: &str, cseq: u32, expires_s: u64) -> Wish {
        Wish {
            contact: contact.into(),
            address: "192.0.2.7:5062".parse().unwrap(),
            transport: Transport::Udp,
            call_id: call_id.into(),
            cseq,
            expires: Duration::from_secs(expires_s),
        }
    }

    fn unbound(contact: &str) -> Change {
        Change::Unbound { user: "anna".into(), contact: contact.into() }
    }

    #[test]
    fn a_new_contact_replaces_the_old_one() {
        let mut bindings = Bindings::default();
        let now = Duration::ZERO;
        assert_eq!(bindings.apply("anna", wish("sip:a@1", "x", 1, 60), now).unwrap().len(), 1);
        let changes = bindings.apply("anna", wish("sip:a@2", "y", 1, 60), now).unwrap();
        assert_eq!(changes[0], unbound("sip:a@1"));
        assert!(matches!(&changes[1], Change::Bound(binding) if binding.contact == "sip:a@2"));
        assert_eq!(bindings.of("anna", now).unwrap().contact, "sip:a@2");
    }

    #[test]
    fn order_is_kept_within_a_call_id() {
        let mut bindings = Bindings::default();
        let now = Duration::ZERO;
        bindings.apply("anna", wish("sip:a@1", "x", 5, 60), now).unwrap();
        assert_eq!(bindings.apply("anna", wish("sip:a@1", "x", 5, 60), now), Err(OutOfOrder));
        assert_eq!(bindings.clear("anna", "x", 4), Err(OutOfOrder));
        assert!(bindings.apply("anna", wish("sip:a@1", "x", 6, 60), now).is_ok());
        assert!(bindings.apply("anna", wish("sip:a@1", "rebooted", 1, 60), now).is_ok());
    }

    #[test]
    fn zero_removes_only_its_own_contact() {
        let mut bindings = Bindings::default();
        let now = Duration::ZERO;
        bindings.apply("anna", wish("sip:a@1", "x", 1, 60), now).unwrap();
        assert_eq!(bindings.apply("anna", wish("sip:a@9", "y", 1, 0), now), Ok(vec![]));
        assert!(bindings.of("anna", now).is_some());
        assert_eq!(bindings.apply("anna", wish("sip:a@1", "x", 2, 0), now), Ok(vec![unbound("sip:a@1")]));
        assert_eq!(bindings.of("anna", now), None);
        assert_eq!(bindings.clear("anna", "x", 3), Ok(vec![]));
    }

    #[test]
    fn bindings_run_out() {
        let mut bindings = Bindings::default();
        bindings.apply("anna", wish("sip:a@1", "x", 1, 60), Duration::ZERO).unwrap();
        bindings.apply("ben", wish("sip:b@1", "x", 1, 90), Duration::ZERO).unwrap();
        let at = Duration::from_secs(60);
        assert_eq!(bindings.next_expiry(), Some(at));
        assert_eq!(bindings.of("anna", at), None, "not used in its last instant");
        assert_eq!(bindings.expire(at), vec![unbound("sip:a@1")]);
        assert!(bindings.is_host("192.0.2.7".parse().unwrap()), "another phone is there");
        assert_eq!(bindings.next_expiry(), Some(Duration::from_secs(90)));
        bindings.expire(Duration::from_secs(90));
        assert!(!bindings.is_host("192.0.2.7".parse().unwrap()));
    }

    #[test]
    fn a_stored_binding_never_overrides_a_fresh_one() {
        let mut bindings = Bindings::default();
        let stored = Binding {
            user: "anna".into(),
            contact: "sip:a@old".into(),
            address: "192.0.2.7:5062".parse().unwrap(),
            transport: Transport::Udp,
            expires_in: Duration::from_secs(30),
            call_id: "x".into(),
            cseq: 7,
        };
        assert!(bindings.restore(stored.clone(), Duration::ZERO));
        assert!(!bindings.restore(stored.clone(), Duration::ZERO));
        assert_eq!(bindings.of("anna", Duration::ZERO).unwrap().contact, "sip:a@old");
        let over = Binding { user: "ben".into(), expires_in: Duration::ZERO, ..stored };
        assert!(!bindings.restore(over, Duration::ZERO));
    }
}
