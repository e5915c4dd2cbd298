//! Registrar for softphones (RFC 3261 §10.3): who may register, and what is granted.

pub mod bindings;
mod debts;
pub mod devices;
pub mod flood;
pub mod guesses;
mod request;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::auth::{Challenger, Claim, Ha1, Token, Tokens, Verdict};
use crate::command::Binding;
use crate::dialog::capability::{SUPPORTED_REGISTER, response as plain};
use crate::message::{HeaderName, Request, Response, Uri};
use crate::options::{Options, UserOptions};
use crate::transport::{Local, Transport};
use bindings::{Bindings, Bound, Change, Q_WHOLE};
use request::{Asked, Lifetimes};

pub use request::{EXPIRES_DEFAULT, INSTANCE_LENGTH_MAX, OUTBOUND, PATH_MAX};

/// Answers REGISTER and keeps the bindings.
pub struct Registrar {
    challenger: Challenger,
    realm: String,
    tokens: Tokens,
    users: BTreeMap<String, User>,
    lifetimes: Lifetimes,
    bindings: Bindings,
    /// Hosts of phones that don't register.
    fixed: BTreeSet<IpAddr>,
}

/// Who may register.
struct User {
    ha1: Ha1,
    preferred_device: Option<String>,
    /// What was chosen instead while the service ran, or another one before it.
    chosen_device: Option<String>,
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
    /// A registrar without bindings. `key` and `token_key` must be random and secret.
    pub fn new(options: &Options, key: [u8; 32], token_key: [u8; 32]) -> Self {
        let user = |user: &UserOptions| {
            let preferred_device = user.preferred_device.clone();
            let known = User { ha1: user.ha1.clone(), preferred_device, chosen_device: None };
            (user.user.clone(), known)
        };
        let fixed = |user: &UserOptions| Uri::parse(user.contact.as_ref()?).ok()?.host_ip();
        Self {
            challenger: Challenger::new(
                options.realm.clone(),
                key,
                &options.phone_digests,
                options.phone_auth_int,
            ),
            realm: options.realm.clone(),
            tokens: Tokens::new(token_key),
            users: options.users.iter().map(user).collect(),
            lifetimes: Lifetimes { min: options.register_expires_min, max: options.register_expires_max },
            bindings: Bindings::default(),
            fixed: options.users.iter().filter_map(fixed).collect(),
        }
    }

    /// Answers a sound REGISTER that came in on `local`.
    pub fn register(
        &mut self,
        request: &Request,
        from: SocketAddr,
        local: Local,
        now: Duration,
    ) -> Registered {
        match self.decide(request, from, local, now) {
            Ok(granted) => {
                let mut response = plain(request, 200);
                let headers = &mut response.headers;
                // RFC 3261 §10.3 step 8: all that is bound.
                for bound in self.bindings.of(&granted.user) {
                    headers.append(HeaderName::Contact, contact_value(bound, now));
                }
                headers.append(HeaderName::Supported, SUPPORTED_REGISTER);
                // RFC 3327 §5.3: proxies and phone learn that the path was kept.
                headers.copy(HeaderName::Path, &request.headers);
                // RFC 5626 §6.
                if granted.outbound {
                    headers.append(HeaderName::Require, OUTBOUND);
                }
                // RFC 7616 §3.5.
                if let Some(info) = granted.info {
                    headers.append(HeaderName::AuthenticationInfo, info);
                }
                Registered { response, changes: granted.changes, granted: true }
            }
            Err(response) => Registered { response, changes: Vec::new(), granted: false },
        }
    }

    /// Whose phone sends a request that is no REGISTER: the user who proves it as for one, and who is named in From.
    ///
    /// # Errors
    /// The response that asks for credentials, or refuses them.
    pub fn caller(&mut self, request: &Request, from: SocketAddr, now: Duration) -> Result<String, Response> {
        let (username, _) = self.prove(request, from, now)?;
        let user = request.headers.from().ok().and_then(|from| from.uri.user_decoded());
        let user = user.and_then(|user| String::from_utf8(user).ok()).ok_or_else(|| plain(request, 400))?;
        if user != Claim::read(&username).map_or(username.as_str(), |claim| claim.user) {
            return Err(plain(request, 403));
        }
        Ok(user)
    }

    /// Something to register with instead of the password, for a phone whose user has signed in elsewhere. `None` for who is
    /// no user.
    pub fn mint(&self, user: &str, session: u64, life: Duration, now: Duration) -> Option<Token> {
        self.users.contains_key(user).then(|| self.tokens.mint(user, session, life, now))
    }

    /// A sign-in has ended: its tokens are good for nothing any more, and what `user` registered with them is gone.
    pub fn end_session(&mut self, user: &str, session: u64, now: Duration) -> Vec<Change> {
        self.tokens.revoke(session, now);
        self.bindings.end_session(user, session)
    }

    /// Which device of `user` is called first, and whether that was chosen and not the file's own.
    pub fn preferred(&self, user: &str) -> (Option<&str>, bool) {
        let Some(known) = self.users.get(user) else { return (None, false) };
        let chosen = known.chosen_device.as_deref();
        (chosen.or(known.preferred_device.as_deref()), chosen.is_some())
    }

    /// From now on this device of `user` is called first, given as [`UserOptions::preferred_device`]; `None`: the file's. True where
    /// that is something new, and the user is one.
    pub fn prefer(&mut self, user: &str, device: Option<&str>) -> bool {
        let Some(known) = self.users.get_mut(user) else { return false };
        let device = device.filter(|device| device.len() <= INSTANCE_LENGTH_MAX);
        let changed = known.chosen_device.as_deref() != device;
        known.chosen_device = device.map(str::to_owned);
        changed
    }

    /// Ends what one device of `user` has registered, all of its flows.
    pub fn end_device(&mut self, user: &str, device: &str) -> Vec<Change> {
        self.bindings.end_device(user, device)
    }

    /// Whether `user` may register.
    pub fn is_user(&self, user: &str) -> bool {
        self.users.contains_key(user)
    }

    /// Realm of the challenges.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The live bindings of `user` in the order in which they are to be called.
    pub fn in_order(&self, user: &str, now: Duration) -> Vec<&Bound> {
        self.bindings.in_order(user, self.preferred(user).0, now)
    }

    /// Whether `user` has a live binding.
    pub fn is_bound(&self, user: &str, now: Duration) -> bool {
        self.bindings.of(user).iter().any(|bound| bound.expires_at > now)
    }

    /// Nothing came back from a binding: it is called after all others until it registers again.
    pub fn doubt(&mut self, user: &str, key: &str) {
        self.bindings.doubt(user, key);
    }

    /// Whether a live binding of `user` is at exactly this address.
    pub fn is_bound_at(&self, user: &str, address: SocketAddr, now: Duration) -> bool {
        self.bindings.of(user).iter().any(|bound| bound.expires_at > now && bound.wish.address == address)
    }

    /// How many bindings there are.
    pub fn count(&self) -> usize {
        self.bindings.len()
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
        local: Local,
        now: Duration,
    ) -> Result<Granted, Response> {
        // Steps 2 and 3: who is it.
        let (username, info) = self.prove(request, from, now)?;
        // Steps 4 and 5: everybody registers for nobody but themselves.
        let user = aor_user(request).ok_or_else(|| plain(request, 400))?;
        let claim = Claim::read(&username);
        if user != claim.map_or(username.as_str(), |claim| claim.user) {
            return Err(plain(request, 403));
        }
        // Steps 6 and 7.
        let out_of_order = |_| plain(request, 500);
        let (changes, outbound) = match request::read(request, from, local, self.lifetimes)? {
            Asked::Nothing => (Vec::new(), false),
            Asked::Clear => {
                let call_id = request.headers.call_id().map_err(|_| plain(request, 400))?;
                let cseq = request.headers.cseq().map_err(|_| plain(request, 400))?.number;
                (self.bindings.clear(&user, call_id, cseq).map_err(out_of_order)?, false)
            }
            Asked::Change { mut wishes, outbound } => {
                for wish in wishes.iter_mut().filter(|wish| !wish.expires.is_zero()) {
                    let Some(claim) = claim else { continue };
                    // Who came with a token is there no longer than it, in the whole seconds that the phone is told.
                    let left = claim.expires_at.saturating_sub(now).as_secs();
                    wish.expires = wish.expires.min(Duration::from_secs(left));
                    wish.session = Some(claim.session);
                }
                (self.bindings.apply(&user, wishes, now).map_err(out_of_order)?, outbound)
            }
        };
        Ok(Granted { user, changes, outbound, info })
    }

    /// The digest user whose credentials are right, with the value of Authentication-Info; `Err` asks for them.
    fn prove(
        &mut self,
        request: &Request,
        from: SocketAddr,
        now: Duration,
    ) -> Result<(String, Option<String>), Response> {
        let (users, tokens, realm) = (&self.users, &self.tokens, &self.realm);
        let ha1 = |username: &str, algorithm| match Claim::read(username) {
            // The arithmetic is the same for whoever is named; only then it is asked whether they are known.
            Some(claim) => {
                let ha1 = Ha1::one(username, realm, &tokens.password(username), algorithm);
                let good = users.contains_key(claim.user) && tokens.is_good(claim, now);
                good.then_some(Cow::Owned(ha1))
            }
            None => users.get(username).and_then(|known| known.ha1.get(algorithm)).map(Cow::Borrowed),
        };
        match self.challenger.verify(request, from.ip(), ha1, now) {
            Verdict::Accepted { username, info } => Ok((username, info)),
            Verdict::Challenge { stale } => {
                let mut response = plain(request, 401);
                for challenge in self.challenger.challenges(from.ip(), stale, now) {
                    response.headers.append(HeaderName::WwwAuthenticate, challenge);
                }
                Err(response)
            }
            Verdict::Malformed => Err(plain(request, 400)),
        }
    }
}

/// What was granted.
struct Granted {
    user: String,
    changes: Vec<Change>,
    outbound: bool,
    /// Value of Authentication-Info.
    info: Option<String>,
}

/// User part of the address of record (To).
fn aor_user(request: &Request) -> Option<String> {
    String::from_utf8(request.headers.to().ok()?.uri.user_decoded()?).ok()
}

/// Step 8: the binding with what is left of it.
fn contact_value(bound: &Bound, now: Duration) -> String {
    let left = bound.expires_at.saturating_sub(now).as_secs();
    let mut value = format!("<{}>;expires={left}", bound.wish.contact);
    if bound.wish.q != Q_WHOLE {
        value.push_str(&format!(";q=0.{:03}", bound.wish.q));
    }
    if let Some(instance) = &bound.wish.instance {
        value.push_str(&format!(";+sip.instance=\"{instance}\""));
    }
    if let Some(reg_id) = bound.wish.reg_id {
        value.push_str(&format!(";reg-id={reg_id}"));
    }
    value
}
