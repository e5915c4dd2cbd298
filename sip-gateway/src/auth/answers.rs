//! The client's answers to the challenges of one request, kept for its repetitions (RFC 3261 §22.2, §22.3).

use super::challenge::{Answer, Challenge};
use super::fields::Fields;
use crate::message::{HeaderName, Response};
use crate::options::Secret;

/// Most realms that one request is answered for: a server's, and those of proxies before it.
pub const REALMS_MAX: usize = 4;

/// Most times that one request is sent again: for a proxy, for the server behind it, and for one nonce grown old.
pub const REPETITIONS_MAX: u8 = 3;

/// What a peer knows us by.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Digest user.
    pub username: String,
    /// Digest password.
    pub password: Secret,
}

/// The request that is answered for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Method.
    pub method: &'a str,
    /// Request-URI as written.
    pub uri: &'a str,
    /// Body.
    pub body: &'a [u8],
}

/// The challenges that one request has met. Each repetition of the request answers all of them: a proxy that was
/// satisfied wants to be satisfied again when the server behind it asks too (§22.3).
#[derive(Clone, Debug, Default)]
pub struct Answers {
    met: Vec<Met>,
    repetitions: u8,
}

/// One realm's newest challenge.
#[derive(Clone, Debug)]
struct Met {
    /// The header that answers it: proxies and servers have their own.
    header: HeaderName,
    challenge: Challenge,
    /// How often its nonce was used.
    nonce_count: u32,
    /// Its nonce had grown old once already.
    renewed: bool,
    /// Nobody asked: the server named its nonce beforehand.
    ahead: bool,
    /// The client nonce of a session.
    cnonce: Option<String>,
}

impl Met {
    fn new(header: &HeaderName, challenge: Challenge, renewed: bool) -> Self {
        Self { header: header.clone(), challenge, nonce_count: 0, renewed, ahead: false, cnonce: None }
    }
}

impl Answers {
    /// How often the request was sent again.
    pub fn repetitions(&self) -> u8 {
        self.repetitions
    }

    /// The headers with which a request that got this 401 or 407 is sent again. `None` when that is in vain: nothing is
    /// asked that we can answer, a realm refuses what it was told, or it was tried too often.
    ///
    /// `cnonce` makes fresh random text, a token.
    pub fn answer(
        &mut self,
        response: &Response,
        credentials: &Credentials,
        asked: Asked<'_>,
        cnonce: impl FnMut() -> String,
    ) -> Option<Vec<(HeaderName, String)>> {
        if self.repetitions >= REPETITIONS_MAX || !self.meet(response) {
            return None;
        }
        self.repetitions += 1;
        Some(self.again(credentials, asked, cnonce))
    }

    /// The headers that answer all challenges met so far, for a request that is sent again for another reason.
    pub fn again(
        &mut self,
        credentials: &Credentials,
        asked: Asked<'_>,
        mut cnonce: impl FnMut() -> String,
    ) -> Vec<(HeaderName, String)> {
        let answer = |met: &mut Met| {
            met.nonce_count = met.nonce_count.saturating_add(1);
            let cnonce = match &met.cnonce {
                Some(first) => first.clone(),
                None => cnonce(),
            };
            if met.challenge.is_session() {
                met.cnonce = Some(cnonce.clone());
            }
            let value = met.challenge.authorization(&Answer {
                username: &credentials.username,
                password: &credentials.password,
                method: asked.method,
                uri: asked.uri,
                body: asked.body,
                nonce_count: met.nonce_count,
                cnonce: &cnonce,
            });
            (met.header.clone(), value)
        };
        self.met.iter_mut().map(answer).collect()
    }

    /// What the next request of the same kind is sent with at once: a server that names its next nonce in a 2xx wants to see
    /// that one (RFC 7616 §3.5). `None` where none is named, or it can't be known to whom it belongs.
    pub fn ahead(&self, response: &Response) -> Option<Self> {
        let fields = Fields::parse_bare(response.headers.first(HeaderName::AuthenticationInfo)?)?;
        let nonce = fields.get("nextnonce").filter(|nonce| !nonce.is_empty())?;
        let [met] = self.met.as_slice() else { return None };
        // Of a session the first nonce is part of the key.
        if met.header != HeaderName::Authorization || met.challenge.is_session() {
            return None;
        }
        let met = Met { ahead: true, ..Met::new(&met.header, met.challenge.renewed(nonce), false) };
        Some(Self { met: vec![met], repetitions: 0 })
    }

    /// Takes in what is asked. Whether an answer may help.
    fn meet(&mut self, response: &Response) -> bool {
        let (asks, header) = match response.status {
            401 => (HeaderName::WwwAuthenticate, HeaderName::Authorization),
            407 => (HeaderName::ProxyAuthenticate, HeaderName::ProxyAuthorization),
            _ => return false,
        };
        let mut asked: Vec<Challenge> = Vec::new();
        for challenge in Challenge::parse_all(&response.headers, asks) {
            // The strongest of a realm comes first; the others ask for the same in a weaker form.
            if !asked.iter().any(|known| known.realm() == challenge.realm()) {
                asked.push(challenge);
            }
        }
        let something = !asked.is_empty();
        something && asked.into_iter().all(|challenge| self.meet_one(&header, challenge))
    }

    fn meet_one(&mut self, header: &HeaderName, challenge: Challenge) -> bool {
        let room = self.met.len() < REALMS_MAX;
        let same = |met: &&mut Met| met.header == *header && met.challenge.realm() == challenge.realm();
        match self.met.iter_mut().find(same) {
            // RFC 7616 §3.3: the answer was right, only the nonce has to be renewed.
            Some(met) if challenge.stale && !met.renewed => {
                *met = Met::new(header, challenge, true);
                true
            }
            // The server has forgotten which nonce it named; the password was not refused.
            Some(met) if met.ahead => {
                *met = Met::new(header, challenge, false);
                true
            }
            // §22.2: credentials that were refused are not tried again.
            Some(_) => false,
            None if room => {
                self.met.push(Met::new(header, challenge, false));
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Method, Request, Uri};

    fn response(status: u16, challenges: &[&str]) -> Response {
        let uri = Uri::parse("sip:a@example.com").unwrap();
        let mut response = Request::new(Method::Invite, uri).response(status, "x");
        let name = if status == 401 { HeaderName::WwwAuthenticate } else { HeaderName::ProxyAuthenticate };
        for challenge in challenges {
            response.headers.append(name.clone(), (*challenge).to_owned());
        }
        response
    }

    fn answer(answers: &mut Answers, response: &Response) -> Option<Vec<(HeaderName, String)>> {
        let credentials = Credentials { username: "u".into(), password: Secret::new("p") };
        let asked = Asked { method: "INVITE", uri: "sip:a@example.com", body: b"" };
        answers.answer(response, &credentials, asked, || "cn".to_owned())
    }

    /// Header and realm of each answer, and how often its nonce was used.
    fn shape(headers: Option<Vec<(HeaderName, String)>>) -> Vec<(HeaderName, String, String)> {
        let field = |value: &str, name: &str| {
            let rest = value.split(&format!("{name}=")).nth(1).unwrap();
            rest.trim_start_matches('"').split(['"', ',']).next().unwrap().to_owned()
        };
        let one = |(name, value): (HeaderName, String)| {
            (name, field(&value, "realm"), field(&value, "nonce") + "/" + &field(&value, "nc"))
        };
        headers.unwrap().into_iter().map(one).collect()
    }

    const PROXY: &str = "Digest realm=\"proxy\", nonce=\"n1\", qop=\"auth\"";
    const SERVER: &str = "Digest realm=\"server\", nonce=\"n2\", qop=\"auth\"";

    #[test]
    fn the_strongest_usable_challenge_of_a_realm_is_answered() {
        let md5 = "Digest realm=\"r\", nonce=\"m\"";
        let sha = "Digest realm=\"r\", nonce=\"s\", algorithm=SHA-256, qop=\"auth\"";
        let unusable = [
            "Digest realm=\"r\", nonce=\"n\", algorithm=SHA-3",
            "Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256-sess",
            "Digest realm=\"r\", nonce=\"n\", qop=\"auth-conf\"",
            "Basic realm=\"r\"",
            "Digest nonce=\"n\"",
            "Digest realm=\"r\"",
        ];
        let asked = response(407, &[unusable[0], md5, sha]);
        let [(name, value)] = answer(&mut Answers::default(), &asked).unwrap().try_into().unwrap();
        assert_eq!(name, HeaderName::ProxyAuthorization);
        assert!(value.contains("nonce=\"s\"") && value.contains("algorithm=SHA-256"), "{value}");
        let [(name, value)] =
            answer(&mut Answers::default(), &response(401, &[md5])).unwrap().try_into().unwrap();
        assert_eq!(name, HeaderName::Authorization);
        assert!(!value.contains("qop") && !value.contains("cnonce"), "{value}");
        assert_eq!(answer(&mut Answers::default(), &response(401, &unusable)), None);
        assert_eq!(answer(&mut Answers::default(), &response(403, &[md5])), None);
    }

    // RFC 7616 §3.4.2: the first answer's client nonce is part of the session's key.
    #[test]
    fn a_session_keeps_its_client_nonce() {
        let session = response(401, &["Digest realm=\"r\", nonce=\"n\", algorithm=MD5-sess, qop=\"auth\""]);
        let credentials = Credentials { username: "u".into(), password: Secret::new("p") };
        let mut answers = Answers::default();
        let asked = Asked { method: "INVITE", uri: "sip:a", body: b"" };
        let mut names = ["first", "second"].into_iter().map(str::to_owned);
        let first = answers.answer(&session, &credentials, asked, || names.next().unwrap()).unwrap();
        let second = answers.again(&credentials, asked, || "second".to_owned());
        assert!(
            first[0].1.contains("algorithm=MD5-sess") && first[0].1.contains("cnonce=\"first\""),
            "{first:?}"
        );
        assert!(
            second[0].1.contains("nc=00000002") && second[0].1.contains("cnonce=\"first\""),
            "{second:?}"
        );
    }

    // §22.2: credentials that were refused are not tried again; RFC 7616 §3.3: a stale nonce is no refusal.
    #[test]
    fn a_realm_is_answered_again_only_for_a_stale_nonce_and_only_once() {
        let mut answers = Answers::default();
        assert!(answer(&mut answers, &response(401, &[SERVER])).is_some());
        assert_eq!(answer(&mut answers.clone(), &response(401, &[SERVER])), None);
        let stale = response(401, &["Digest realm=\"server\", nonce=\"n3\", qop=\"auth\", stale=TRUE"]);
        let again = shape(answer(&mut answers, &stale));
        assert_eq!(again, [(HeaderName::Authorization, "server".into(), "n3/00000001".into())]);
        assert_eq!(answer(&mut answers, &stale), None);
    }

    // §22.3: credentials for each realm are accumulated; RFC 7616 §3.4: each use of a nonce is counted.
    #[test]
    fn a_proxy_and_the_server_behind_it_both_get_their_answer() {
        let mut answers = Answers::default();
        let proxy = (HeaderName::ProxyAuthorization, "proxy".to_owned(), "n1/00000001".to_owned());
        assert_eq!(shape(answer(&mut answers, &response(407, &[PROXY]))), [proxy]);
        let both = shape(answer(&mut answers, &response(401, &[SERVER])));
        let proxy = (HeaderName::ProxyAuthorization, "proxy".to_owned(), "n1/00000002".to_owned());
        let server = (HeaderName::Authorization, "server".to_owned(), "n2/00000001".to_owned());
        assert_eq!(both, [proxy, server]);
        assert_eq!(answers.repetitions(), 2);
        assert_eq!(answer(&mut answers, &response(407, &[PROXY])), None, "refused, not asked");
    }

    // §22.3: a response may carry challenges of several proxies.
    #[test]
    fn all_realms_of_one_response_are_answered() {
        let both = response(407, &[PROXY, "Digest realm=\"second\", nonce=\"n4\", qop=\"auth\""]);
        let realms: Vec<String> =
            shape(answer(&mut Answers::default(), &both)).into_iter().map(|(_, realm, _)| realm).collect();
        assert_eq!(realms, ["proxy", "second"]);
    }

    // RFC 7616 §3.5.
    #[test]
    fn the_nonce_that_a_server_names_is_used_next() {
        let mut answers = Answers::default();
        answer(&mut answers, &response(401, &[SERVER]));
        let granted = |info: &str| {
            let mut granted = response(200, &[]);
            granted.headers.append(HeaderName::AuthenticationInfo, info.to_owned());
            granted
        };
        let mut ahead = answers.ahead(&granted("qop=auth, nextnonce=\"n9\"")).unwrap();
        let credentials = Credentials { username: "u".into(), password: Secret::new("p") };
        let asked = Asked { method: "REGISTER", uri: "sip:a", body: b"" };
        let sent = shape(Some(ahead.again(&credentials, asked, || "cn".into())));
        assert_eq!(sent, [(HeaderName::Authorization, "server".into(), "n9/00000001".into())]);
        // A server that has forgotten it asks, and is answered as if nothing had been sent.
        let again = shape(answer(&mut ahead, &response(401, &[SERVER])));
        assert_eq!(again, [(HeaderName::Authorization, "server".into(), "n2/00000001".into())]);
        assert_eq!(answer(&mut ahead, &response(401, &[SERVER])), None, "that was the password");
        for nothing in ["qop=auth", "nextnonce=\"\"", "", "nextnonce=\"a"] {
            assert!(answers.ahead(&granted(nothing)).is_none(), "{nothing}");
        }
    }

    #[test]
    fn realms_and_repetitions_are_bounded() {
        let realm = |index: usize| format!("Digest realm=\"r{index}\", nonce=\"n\"");
        let mut answers = Answers::default();
        for index in 0..usize::from(REPETITIONS_MAX) {
            assert!(answer(&mut answers, &response(401, &[&realm(index)])).is_some());
        }
        assert_eq!(answer(&mut answers, &response(401, &[&realm(9)])), None, "too often");

        let many: Vec<String> = (0..=REALMS_MAX).map(realm).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(answer(&mut Answers::default(), &response(401, &many[..REALMS_MAX])).is_some());
        assert_eq!(answer(&mut Answers::default(), &response(401, &many)), None, "too many");
    }
}
