//! Registrar for softphones (RFC 3261 §10.3): who may register, and what is granted.

pub mod bindings;
pub mod flood;
pub mod guesses;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::auth::{Challenger, Ha1, Verdict};
use crate::command::Binding;
use crate::dialog::capability::response as plain;
use crate::message::{Contacts, HeaderName, NameAddr, Request, Response, Scheme, Uri};
use crate::options::{Options, UserOptions};
use crate::transport::Transport;
use bindings::{Bindings, Bound, Change, Wish};

/// Lifetime granted when the phone asks for none (RFC 3261 §10.3 step 6 leaves it to us).
pub const EXPIRES_DEFAULT: Duration = Duration::from_secs(3600);

/// Answers REGISTER and keeps the bindings.
pub struct Registrar {
    challenger: Challenger,
    users: BTreeMap<String, Ha1>,
    expires_min: Duration,
    expires_max: Duration,
    bindings: Bindings,
    /// Hosts of phones that don't register.
    fixed: BTreeSet<IpAddr>,
}

/// What became of a REGISTER.
#[derive(Debug)]
pub struct Registered {
    /// The answer.
    pub response: Response,
    /// What changed, in the order in which it must be stored.
    pub changes: Vec<Change>,
    /// Whether it was granted.
    pub granted: bool,
}

impl Registrar {
    /// A registrar without bindings. `key` must be random and secret.
    pub fn new(options: &Options, key: [u8; 32]) -> Self {
        let user = |user: &UserOptions| (user.user.clone(), user.ha1.clone());
        let fixed = |user: &UserOptions| Uri::parse(user.contact.as_ref()?).ok()?.host_ip();
        Self {
            challenger: Challenger::new(options.realm.clone(), key, &options.phone_digests),
            users: options.users.iter().map(user).collect(),
            expires_min: options.register_expires_min,
            expires_max: options.register_expires_max,
            bindings: Bindings::default(),
            fixed: options.users.iter().filter_map(fixed).collect(),
        }
    }

    /// Answers a sound REGISTER.
    pub fn register(
        &mut self,
        request: &Request,
        from: SocketAddr,
        transport: Transport,
        now: Duration,
    ) -> Registered {
        match self.decide(request, from, transport, now) {
            Ok(changes) => {
                let mut response = plain(request, 200);
                let user = aor_user(request).unwrap_or_default();
                if let Some(bound) = self.bindings.of(&user, now) {
                    response.headers.append(HeaderName::Contact, contact_value(bound, now));
                }
                Registered { response, changes, granted: true }
            }
            Err(response) => Registered { response, changes: Vec::new(), granted: false },
        }
    }

    /// The live contact of `user`.
    pub fn of(&self, user: &str, now: Duration) -> Option<&Bound> {
        self.bindings.of(user, now)
    }

    /// Whether some registered phone, or one with a fixed contact, is on this host.
    pub fn is_phone(&self, source: SocketAddr) -> bool {
        self.bindings.is_host(source.ip()) || self.fixed.contains(&source.ip())
    }

    /// Puts back a stored binding of a user that still exists, unless a newer one is there already.
    pub fn restore(&mut self, binding: Binding, now: Duration) -> bool {
        self.users.contains_key(&binding.user) && self.bindings.restore(binding, now)
    }

    /// Removes what was only reachable over a connection that is closed.
    pub fn closed(&mut self, transport: Transport, address: SocketAddr) -> Vec<Change> {
        self.bindings.closed(transport, address)
    }

    /// When the next binding runs out.
    pub fn next_expiry(&self) -> Option<Duration> {
        self.bindings.next_expiry()
    }

    /// Removes what has run out.
    pub fn expire(&mut self, now: Duration) -> Vec<Change> {
        self.bindings.expire(now)
    }

    /// RFC 3261 §10.3, step by step. `Err` is the refusal.
    fn decide(
        &mut self,
        request: &Request,
        from: SocketAddr,
        transport: Transport,
        now: Duration,
    ) -> Result<Vec<Change>, Response> {
        // Steps 2 and 3: who is it.
        let users = &self.users;
        let username = match self.challenger.verify(request, from.ip(), |user| users.get(user), now) {
            Verdict::Accepted { username } => username,
            Verdict::Challenge { stale } => {
                let mut response = plain(request, 401);
                for challenge in self.challenger.challenges(from.ip(), stale, now) {
                    response.headers.append(HeaderName::WwwAuthenticate, challenge);
                }
                return Err(response);
            }
            Verdict::Malformed => return Err(plain(request, 400)),
        };
        // Steps 4 and 5: everybody registers for nobody but themselves.
        let user = aor_user(request).ok_or_else(|| plain(request, 400))?;
        if user != username {
            return Err(plain(request, 403));
        }
        let call_id = request.headers.call_id().map_err(|_| plain(request, 400))?.to_owned();
        let cseq = request.headers.cseq().map_err(|_| plain(request, 400))?.number;
        let out_of_order = |_| plain(request, 500);
        match request.headers.contacts().map_err(|_| plain(request, 400))? {
            // Step 6: "*" removes all, and only with "Expires: 0".
            Contacts::Star if request.headers.expires() == Some(0) => {
                self.bindings.clear(&user, &call_id, cseq).map_err(out_of_order)
            }
            Contacts::Star => Err(plain(request, 400)),
            Contacts::List(contacts) => {
                let Some((contact, expires)) = self.wanted(request, &contacts)? else {
                    return Ok(Vec::new());
                };
                let contact = contact.uri.raw().to_owned();
                let wish = Wish { contact, address: from, transport, call_id, cseq, expires };
                self.bindings.apply(&user, wish, now).map_err(out_of_order)
            }
        }
    }

    /// Step 7: the contact that counts, with its lifetime. Of several the first that isn't removed: a user has one
    /// phone. `None` when the phone only asks.
    fn wanted<'a>(
        &self,
        request: &Request,
        contacts: &'a [NameAddr],
    ) -> Result<Option<(&'a NameAddr, Duration)>, Response> {
        let general = request.headers.expires();
        let mut chosen = None;
        for contact in contacts {
            // Headers in a contact would be headers of our INVITE (§19.1.5).
            if !matches!(contact.uri.scheme(), Scheme::Sip | Scheme::Sips) || contact.uri.headers().is_some()
            {
                return Err(plain(request, 400));
            }
            let own = contact.param("expires").and_then(|text| text.parse::<u32>().ok());
            let expires = own.or(general).map_or(EXPIRES_DEFAULT, |s| Duration::from_secs(u64::from(s)));
            if !expires.is_zero() && expires < self.expires_min {
                let mut response = plain(request, 423);
                response.headers.append(HeaderName::MinExpires, self.expires_min.as_secs().to_string());
                return Err(response);
            }
            let better = chosen.is_none_or(|(_, known): (_, Duration)| known.is_zero());
            if better {
                chosen = Some((contact, expires.min(self.expires_max)));
            }
        }
        Ok(chosen)
    }
}

/// User part of the address of record (To).
fn aor_user(request: &Request) -> Option<String> {
    String::from_utf8(request.headers.to().ok()?.uri.user_decoded()?).ok()
}

/// Step 8: the binding with what is left of it.
fn contact_value(bound: &Bound, now: Duration) -> String {
    let left = bound.expires_at.saturating_sub(now).as_secs();
    format!("<{}>;expires={left}", bound.contact)
}
