//! Where softphones are: every device of a user once, replaced and not piled up.
//!
//! A binding is known by its [`key`]: the device and the flow that it names (RFC 5626 §6), else the device, else the
//! contact (RFC 3261 §10.3).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::command::Binding;
use crate::message::Uri;
use crate::transport::{Local, Transport};

/// Most bindings of one user: a few devices with two flows each. One more takes the place of the one that was refreshed
/// longest ago, first among those that name no device.
pub const BINDINGS_MAX: usize = 10;

/// A contact's `q` where it gives none: 1, in thousandths.
pub const Q_WHOLE: u16 = 1_000;

/// A registered contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// What a REGISTER wanted, as it was granted.
    pub wish: Wish,
    /// When it was bound first.
    pub since: Duration,
    /// When it was bound or refreshed last.
    pub refreshed: Duration,
    /// When it ends.
    pub expires_at: Duration,
    /// Nothing came back when it was called, and it has not registered again since.
    pub doubted: bool,
}

/// What one REGISTER wants for one contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Contact URI as written.
    pub contact: String,
    /// Where requests to it are sent: the source of the REGISTER (RFC 3581, NAT), or the proxy nearest to us.
    pub address: SocketAddr,
    /// Which of our addresses it came in on, and thereby over which transport requests go out.
    pub local: Local,
    /// Call-ID of the REGISTER.
    pub call_id: String,
    /// CSeq number of the REGISTER.
    pub cseq: u32,
    /// Granted lifetime; zero removes.
    pub expires: Duration,
    /// The device, as its `+sip.instance` names it, without quotes.
    pub instance: Option<String>,
    /// Which flow of the device (RFC 5626 §4.2).
    pub reg_id: Option<u32>,
    /// How gladly the user is called here, in thousandths.
    pub q: u16,
    /// Proxies on the way to it, the nearest to us first (RFC 3327).
    pub path: Vec<String>,
    /// The sign-in whose token it came with: it ends with it.
    pub session: Option<u64>,
}

impl Wish {
    /// What the binding is known by among those of its user.
    pub fn key(&self) -> String {
        key(self.instance.as_deref(), self.reg_id, &self.contact)
    }

    /// What stands for the device: several flows of one device share it.
    pub fn device(&self) -> &str {
        self.instance.as_deref().unwrap_or(&self.contact)
    }

    /// Whether it can be reached over nothing but the connection that its REGISTER came over.
    fn is_tied(&self) -> bool {
        is_tied(self.local.transport, self.address, &self.path)
    }
}

impl Bound {
    /// As it is stored.
    pub fn stored(&self, user: &str, now: Duration) -> Binding {
        let wish = &self.wish;
        Binding {
            user: user.into(),
            contact: wish.contact.clone(),
            address: wish.address,
            local: wish.local,
            expires_in: self.expires_at.saturating_sub(now),
            bound_for: now.saturating_sub(self.since),
            call_id: wish.call_id.clone(),
            cseq: wish.cseq,
            instance: wish.instance.clone(),
            reg_id: wish.reg_id,
            q: wish.q,
            path: wish.path.clone(),
        }
    }
}

/// What a binding is known by among those of its user.
pub fn key(instance: Option<&str>, reg_id: Option<u32>, contact: &str) -> String {
    match (instance, reg_id) {
        (Some(instance), Some(reg_id)) => format!("{instance};reg-id={reg_id}"),
        (Some(instance), None) => instance.to_owned(),
        (None, _) => contact.to_owned(),
    }
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A contact was bound or refreshed.
    Bound(Binding),
    /// A contact was bound or refreshed with a token: it ends with the process, as all tokens do, and is not stored.
    Lent {
        /// User.
        user: String,
        /// What the binding is known by, which may have been stored before it came with a token.
        binding: String,
    },
    /// A contact was removed, replaced or ran out.
    Unbound {
        /// User.
        user: String,
        /// What the binding was known by.
        binding: String,
    },
}

/// RFC 3261 §10.3 step 7: a REGISTER of the same Call-ID must have a higher CSeq than the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("REGISTER is older than the binding it wants to change")]
pub struct OutOfOrder;

/// All bindings. Bounded by the number of configured users and by [`BINDINGS_MAX`].
#[derive(Debug, Default)]
pub struct Bindings {
    users: BTreeMap<String, Vec<Bound>>,
    /// Users by when a binding of theirs ends.
    by_time: BTreeSet<(Duration, String)>,
    /// Whose bindings go with a connection.
    flows: BTreeMap<(Transport, SocketAddr), BTreeSet<String>>,
    /// How many bindings there are towards each host.
    hosts: BTreeMap<IpAddr, usize>,
}

impl Bindings {
    /// Applies what one REGISTER of `user` wants, all of it or nothing. Changes come out in the order in which they must be
    /// stored.
    pub fn apply(&mut self, user: &str, wishes: Vec<Wish>, now: Duration) -> Result<Vec<Change>, OutOfOrder> {
        let known = self.users.get(user).map(Vec::as_slice).unwrap_or_default();
        let nameless = |bound: &Bound, wish: &Wish| {
            bound.wish.instance.is_none() && wish.instance.is_none() && bound.wish.call_id == wish.call_id
        };
        let late = |bound: &Bound, wish: &Wish| {
            let same_call = is_same(bound, wish) && bound.wish.call_id == wish.call_id;
            (same_call || nameless(bound, wish)) && bound.wish.cseq >= wish.cseq
        };
        if wishes.iter().any(|wish| known.iter().any(|bound| late(bound, wish))) {
            return Err(OutOfOrder);
        }
        let mut changes = Vec::new();
        // A phone without a name that has moved says so with its Call-ID (RFC 3261 §10.2.4).
        let moved = |bound: &Bound| {
            let here = |wish: &Wish| nameless(bound, wish) && !wish.expires.is_zero();
            wishes.iter().any(here) && !wishes.iter().any(|wish| is_same(bound, wish))
        };
        changes.extend(self.remove(user, moved));
        for wish in wishes {
            if wish.expires.is_zero() {
                changes.extend(self.remove(user, |bound| is_same(bound, &wish)));
            } else {
                self.bind(user, wish, now, &mut changes);
            }
        }
        Ok(changes)
    }

    fn bind(&mut self, user: &str, wish: Wish, now: Duration, changes: &mut Vec<Change>) {
        let key = wish.key();
        let old = self.of(user).iter().find(|bound| is_same(bound, &wish));
        let since = old.map_or(now, |bound| bound.since);
        let gone = self.remove(user, |bound| is_same(bound, &wish));
        // What is stored under the same key is written over.
        let under = |change: &Change| matches!(change, Change::Unbound { binding, .. } if *binding == key);
        changes.extend(gone.into_iter().filter(|change| !under(change)));
        if self.of(user).len() >= BINDINGS_MAX {
            changes.extend(self.give_way(user));
        }
        let expires_at = now.saturating_add(wish.expires);
        let bound = Bound { wish, since, refreshed: now, expires_at, doubted: false };
        changes.push(match bound.wish.session {
            Some(_) => Change::Lent { user: user.to_owned(), binding: key },
            None => Change::Bound(bound.stored(user, now)),
        });
        self.insert(user, bound);
    }

    /// Removes what was refreshed longest ago, a phone without a name first.
    fn give_way(&mut self, user: &str) -> Vec<Change> {
        let age = |bound: &&Bound| (bound.wish.instance.is_some(), bound.refreshed, bound.wish.cseq);
        let Some(oldest) = self.of(user).iter().min_by_key(age).map(|bound| bound.wish.key()) else {
            return Vec::new();
        };
        self.remove(user, |bound| bound.wish.key() == oldest)
    }

    /// Removes all that is bound for `user` (`Contact: *`).
    pub fn clear(&mut self, user: &str, call_id: &str, cseq: u32) -> Result<Vec<Change>, OutOfOrder> {
        let late = |bound: &Bound| bound.wish.call_id == call_id && bound.wish.cseq >= cseq;
        if self.of(user).iter().any(late) {
            return Err(OutOfOrder);
        }
        Ok(self.remove(user, |_| true))
    }

    /// Puts back a stored binding unless a newer one is there already. What was tied to a connection went with the process,
    /// and the phone must come by itself.
    pub fn restore(&mut self, binding: Binding, now: Duration) -> bool {
        let wish = Wish {
            contact: binding.contact,
            address: binding.address,
            local: binding.local,
            call_id: binding.call_id,
            cseq: binding.cseq,
            expires: binding.expires_in,
            instance: binding.instance,
            reg_id: binding.reg_id,
            q: binding.q,
            path: binding.path,
            session: None,
        };
        let known = self.of(&binding.user);
        let newer = known.len() >= BINDINGS_MAX || known.iter().any(|bound| is_same(bound, &wish));
        let fits = !newer && !wish.expires.is_zero() && !wish.is_tied();
        if fits {
            let since = now.saturating_sub(binding.bound_for);
            let expires_at = now.saturating_add(wish.expires);
            let bound = Bound { wish, since, refreshed: since, expires_at, doubted: false };
            self.insert(&binding.user, bound);
        }
        fits
    }

    /// All bindings of `user`, in no order that means anything.
    pub fn of(&self, user: &str) -> &[Bound] {
        self.users.get(user).map(Vec::as_slice).unwrap_or_default()
    }

    /// The live bindings of `user` in the order in which they are to be called: those in doubt last; then the preferred
    /// device, the higher `q`, the newer device; of the flows of one device the one refreshed last (RFC 5626 §6).
    pub fn in_order(&self, user: &str, preferred: Option<&str>, now: Duration) -> Vec<&Bound> {
        let mut live: Vec<&Bound> = self.of(user).iter().filter(|bound| bound.expires_at > now).collect();
        if live.len() < 2 {
            return live;
        }
        let rank = |bound: &Bound| {
            let device = bound.wish.device();
            let flows = || live.iter().filter(|other| other.wish.device() == device);
            // A device is as good as its best flow, and as old as its first one.
            let q = flows().map(|flow| flow.wish.q).max();
            let since = flows().map(|flow| flow.since).min();
            (bound.doubted, preferred != Some(bare(device)), std::cmp::Reverse((q, since)))
        };
        let mut ranked: Vec<_> = live.iter().map(|bound| (rank(bound), *bound)).collect();
        ranked.sort_by(|(rank, bound), (other_rank, other)| {
            rank.cmp(other_rank)
                .then_with(|| bound.wish.device().cmp(other.wish.device()))
                .then_with(|| other.refreshed.cmp(&bound.refreshed))
                .then_with(|| other.wish.reg_id.cmp(&bound.wish.reg_id))
        });
        live.clear();
        live.extend(ranked.into_iter().map(|(_, bound)| bound));
        live
    }

    /// Nothing came back from a binding: it is called after all others until it registers again.
    pub fn doubt(&mut self, user: &str, key: &str) {
        let bound = self.users.get_mut(user).and_then(|all| all.iter_mut().find(|it| it.wish.key() == key));
        if let Some(bound) = bound {
            bound.doubted = true;
        }
    }

    /// When the next binding runs out.
    pub fn next_expiry(&self) -> Option<Duration> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Removes what has run out.
    pub fn expire(&mut self, now: Duration) -> Vec<Change> {
        let mut changes = Vec::new();
        // Ends: each turn removes the binding that put the entry there, and the entry.
        while let Some((at, user)) = self.by_time.first().cloned()
            && at <= now
        {
            changes.extend(self.remove(&user, |bound| bound.expires_at <= now));
            self.by_time.remove(&(at, user));
        }
        changes
    }

    /// Removes what can't be reached any more since the connection to `address` was closed.
    pub fn closed(&mut self, transport: Transport, address: SocketAddr) -> Vec<Change> {
        let users = self.flows.remove(&(transport, address)).unwrap_or_default();
        let over = |bound: &Bound| {
            let wish = &bound.wish;
            wish.is_tied() && (wish.local.transport, wish.address) == (transport, address)
        };
        users.into_iter().flat_map(|user| self.remove(&user, over)).collect()
    }

    /// Removes what came with a token of this sign-in of `user`.
    pub fn end_session(&mut self, user: &str, session: u64) -> Vec<Change> {
        self.remove(user, |bound| bound.wish.session == Some(session))
    }

    /// Removes what a device of `user` has registered.
    pub fn end_device(&mut self, user: &str, device: &str) -> Vec<Change> {
        self.remove(user, |bound| bound.wish.device() == device)
    }

    /// Whether some phone is reached at this host.
    pub fn is_host(&self, host: IpAddr) -> bool {
        self.hosts.contains_key(&host)
    }

    /// How many bindings there are.
    pub fn len(&self) -> usize {
        self.hosts.values().sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    fn insert(&mut self, user: &str, bound: Bound) {
        let wish = &bound.wish;
        *self.hosts.entry(wish.address.ip()).or_default() += 1;
        if wish.is_tied() {
            let flow = (wish.local.transport, wish.address);
            self.flows.entry(flow).or_default().insert(user.to_owned());
        }
        self.by_time.insert((bound.expires_at, user.to_owned()));
        self.users.entry(user.to_owned()).or_default().push(bound);
    }

    /// Removes those bindings of `user` that `over` picks.
    fn remove(&mut self, user: &str, over: impl Fn(&Bound) -> bool) -> Vec<Change> {
        let Some(all) = self.users.get_mut(user) else { return Vec::new() };
        let (gone, left): (Vec<Bound>, Vec<Bound>) = std::mem::take(all).into_iter().partition(over);
        *all = left;
        for bound in &gone {
            let wish = &bound.wish;
            leave(&mut self.hosts, wish.address.ip());
            let all = self.users.get(user).map(Vec::as_slice).unwrap_or_default();
            if !all.iter().any(|other| other.expires_at == bound.expires_at) {
                self.by_time.remove(&(bound.expires_at, user.to_owned()));
            }
            let flow = (wish.local.transport, wish.address);
            let same = |other: &&Bound| (other.wish.local.transport, other.wish.address) == flow;
            if !all.iter().any(|other| same(&other) && other.wish.is_tied())
                && let Some(users) = self.flows.get_mut(&flow)
            {
                users.remove(user);
                if users.is_empty() {
                    self.flows.remove(&flow);
                }
            }
        }
        if self.of(user).is_empty() {
            self.users.remove(user);
        }
        let unbound = |bound: Bound| Change::Unbound { user: user.to_owned(), binding: bound.wish.key() };
        gone.into_iter().map(unbound).collect()
    }
}

/// Whether a REGISTER is about this binding: the same flow of the same device, else the same contact (RFC 5626 §6, RFC 3261
/// §10.3 step 7). A phone that removes a contact need not name its device.
fn is_same(bound: &Bound, wish: &Wish) -> bool {
    let known = &bound.wish;
    match (&known.instance, &wish.instance) {
        (Some(one), Some(other)) => one == other && known.reg_id == wish.reg_id,
        (None, None) => is_same_uri(&known.contact, &wish.contact),
        (Some(_), None) => wish.expires.is_zero() && is_same_uri(&known.contact, &wish.contact),
        (None, Some(_)) => is_same_uri(&known.contact, &wish.contact),
    }
}

fn is_same_uri(one: &str, other: &str) -> bool {
    let matches = || Some(Uri::parse(one).ok()?.matches(&Uri::parse(other).ok()?));
    one == other || matches().unwrap_or(false)
}

/// Over a connection nobody but its own end can be reached, unless a proxy can be called where its Path says.
fn is_tied(transport: Transport, address: SocketAddr, path: &[String]) -> bool {
    let proxy = path.first().and_then(|first| Uri::parse(first).ok()?.socket_addr());
    transport.is_stream() && (proxy != Some(address) || !transport.follows_addresses())
}

/// An instance without the angle brackets that it stands in.
pub fn bare(device: &str) -> &str {
    device.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(device)
}

fn leave(hosts: &mut BTreeMap<IpAddr, usize>, host: IpAddr) {
    if let Some(count) = hosts.get_mut(&host) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            hosts.remove(&host);
        }
    }
}

#[cfg(test)]
mod tests;
