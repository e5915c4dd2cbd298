//! The questions that are put to a trunk, over a socket of their own and the transactions that calls use too.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use bytes::Bytes;
use carillon_sip::auth::{Answers, Asked};
use carillon_sip::dialog::{Dialog, Reach};
use carillon_sip::event::Route;
use carillon_sip::gateway::names::Names;
use carillon_sip::leg::requests::{self, Side, USER_AGENT};
use carillon_sip::message::framer::{Frame, Framer};
use carillon_sip::message::{CSeq, HeaderName, Method, NameAddr, Request, Response, Uri, Via, decode};
use carillon_sip::options::{Options, Timers, TrunkOptions};
use carillon_sip::resolve::Target;
use carillon_sip::sdp;
use carillon_sip::transaction::{Layer, LayerOptions, Output, TagMaker, TransactionKey};
use carillon_sip::transport::{Local, Transport};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

/// Longest wait for an answer to OPTIONS and REGISTER.
const ANSWER_MAX: Duration = Duration::from_secs(8);
/// How long a called phone may ring before the call is cancelled.
const RING_MAX: Duration = Duration::from_secs(20);
/// Longest wait for the end of a cancelled call.
const CANCEL_MAX: Duration = Duration::from_secs(5);
/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Largest datagram.
const DATAGRAM_MAX: usize = 65_535;

/// What came of a question.
pub struct Heard {
    /// The final response.
    pub last: Response,
    /// Provisional ones, each with its time since the question.
    pub before: Vec<(Duration, Response)>,
    /// From the question to the final response; of one that was challenged, the last one.
    pub after: Duration,
    /// How often we were asked who we are.
    pub challenges: u8,
    /// Whether the call was cancelled.
    pub cancelled: bool,
}

impl Heard {
    /// The response that carried the session: the answer, else the last early one.
    pub fn session(&self) -> Option<&Response> {
        let mut all =
            std::iter::once(&self.last).chain(self.before.iter().rev().map(|(_, response)| response));
        all.find(|response| response.status < 300 && !response.body.is_empty())
    }
}

/// A call that was made.
pub struct Called {
    /// What came of the INVITE.
    pub heard: Heard,
    /// When anything was heard first.
    pub first: Option<Duration>,
    /// When it rang first (180, 183).
    pub rang: Option<Duration>,
    /// What came of the BYE, where it was answered.
    pub ended: Option<Result<Heard, String>>,
}

enum Socket {
    Udp(UdpSocket),
    Tcp(TcpStream, Framer),
}

/// A way to a trunk.
pub struct Questions<'t> {
    trunk: &'t TrunkOptions,
    target: Target,
    layer: Layer,
    names: Names,
    socket: Socket,
    local: Local,
    began: Instant,
}

impl<'t> Questions<'t> {
    /// Opens a socket towards one of the trunk's servers.
    pub fn open(trunk: &'t TrunkOptions, target: Target, timers: Timers) -> Result<Self, String> {
        let to = target.address;
        let failed = |error: std::io::Error| format!("{to}: {error}");
        let (socket, address) = match target.transport {
            Transport::Udp => {
                let any: IpAddr = match to {
                    SocketAddr::V4(_) => [0, 0, 0, 0].into(),
                    SocketAddr::V6(_) => [0_u16; 8].into(),
                };
                let socket = UdpSocket::bind((any, 0)).map_err(failed)?;
                socket.connect(to).map_err(failed)?;
                let address = socket.local_addr().map_err(failed)?;
                (Socket::Udp(socket), address)
            }
            Transport::Tcp => {
                let stream = TcpStream::connect_timeout(&to, CONNECT_MAX).map_err(failed)?;
                let address = stream.local_addr().map_err(failed)?;
                (Socket::Tcp(stream, Framer::default()), address)
            }
            other @ (Transport::Tls | Transport::Ws | Transport::Wss) => {
                let reached = TcpStream::connect_timeout(&to, CONNECT_MAX).map_err(failed);
                reached?;
                return Err(format!(
                    "{to} takes connections; what is said over {} is not checked here",
                    super::word(other)
                ));
            }
        };
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| format!("random numbers: {error}"))?;
        let mut names = Names::new(ChaCha20Rng::from_seed(seed));
        let layer = Layer::new(LayerOptions::new(timers), TagMaker::new(names.secret()));
        let local = Local { transport: target.transport, address };
        Ok(Self { trunk, target, layer, names, socket, local, began: Instant::now() })
    }

    /// Where questions come from.
    pub fn local(&self) -> Local {
        self.local
    }

    /// RFC 3261 §11.1.
    pub fn options(&mut self) -> Result<Heard, String> {
        let uri = self.trunk.uri.clone();
        let own = format!("sip:{}", self.local.uri_rest());
        self.with_answers(Method::Options, ANSWER_MAX, |questions, cseq, authorization| {
            let mut request = questions.request(Method::Options, &uri, &own, &uri, cseq, authorization)?;
            request.headers.append(HeaderName::Accept, "application/sdp");
            Some(request)
        })
    }

    /// RFC 3261 §10.2.3: a REGISTER without Contact asks what is bound.
    pub fn register(&mut self) -> Result<Heard, String> {
        let uri = self.trunk.uri.clone();
        let host = Uri::parse(&uri).map_err(|error| error.to_string())?.host().to_string();
        let record = format!("sip:{}@{host}", self.trunk.username);
        self.with_answers(Method::Register, ANSWER_MAX, |questions, cseq, authorization| {
            questions.request(Method::Register, &uri, &record, &record, cseq, authorization)
        })
    }

    /// Calls a number, and ends the call when it is answered or has rung long enough.
    pub fn call(&mut self, trunk: &TrunkOptions, sip: &Options, user: &str) -> Result<Called, String> {
        let host = trunk.uri.strip_prefix("sip:").unwrap_or(&trunk.uri);
        let target = format!("sip:{user}@{host}");
        let caller_id = trunk.caller_ids.first().cloned().unwrap_or_default();
        let route = Route {
            trunk: trunk.name.clone(),
            call_id: self.names.call_id(),
            branch: String::new(),
            from_tag: self.names.tag(),
            cseq: 1,
            from_uri: format!("sip:{caller_id}@{}", self.local.address),
            to_uri: target.clone(),
            request_uri: target,
            caller_id,
            next_hop: self.target.address,
            local: self.local,
        };
        let session = (self.names.session(), 1);
        let (port, _) = sip.rtp_ports;
        let body = Bytes::from(sdp::offer(sip.media_address, port, &trunk.codecs, session.0, session.1));
        let mut last_invite = None;
        let heard = self.with_answers(Method::Invite, RING_MAX, |questions, cseq, authorization| {
            let branch = questions.names.branch();
            let mut request = requests::invite(&route, Side::Trunk, &branch, cseq, authorization).ok()?;
            // It is a question, not a call: nothing that needs an answer before the answer.
            request.headers.remove(HeaderName::Supported);
            request.body = body.clone();
            last_invite = Some(request.clone());
            Some(request)
        })?;
        let first = heard.before.first().map(|(at, _)| *at).or(Some(heard.after));
        let rang = heard.before.iter().find(|(_, response)| response.status > 100).map(|(at, _)| *at);
        let mut ended = None;
        if let (Some(invite), 200..=299) = (last_invite, heard.last.status) {
            let dialog =
                Dialog::from_answer(&invite, &heard.last, Reach::Follow, self.target.address, self.local);
            let mut dialog = dialog.map_err(|error| format!("the answer makes no dialog: {error}"))?;
            let ack = dialog.ack(&self.names.branch());
            self.layer.send_ack(&ack, dialog.destination(), self.local).map_err(|error| error.to_string())?;
            let bye = dialog.request(Method::Bye, &self.names.branch());
            ended = Some(self.ask(bye, ANSWER_MAX));
        }
        Ok(Called { heard, first, rang, ended })
    }

    /// Asks, and asks again with what a challenge wants.
    fn with_answers(
        &mut self,
        method: Method,
        patience: Duration,
        mut request: impl FnMut(&mut Self, u32, &[(HeaderName, String)]) -> Option<Request>,
    ) -> Result<Heard, String> {
        let credentials = self.trunk.credentials();
        let (mut answers, mut authorization, mut cseq) = (Answers::default(), Vec::new(), 1);
        // Ends: it is asked again at most three times.
        loop {
            let next = request(self, cseq, &authorization).ok_or("the request can't be written")?;
            let (uri, body) = (next.uri.raw().to_owned(), next.body.clone());
            let mut heard = self.ask(next, patience)?;
            heard.challenges = answers.repetitions();
            if !matches!(heard.last.status, 401 | 407) {
                return Ok(heard);
            }
            let Some(credentials) = &credentials else { return Ok(heard) };
            let names = &mut self.names;
            let asked = Asked { method: method.as_str(), uri: &uri, body: &body };
            let answer = answers.answer(&heard.last, credentials, asked, || names.cnonce());
            let Some(answer) = answer else { return Ok(heard) };
            (authorization, cseq) = (answer, cseq + 1);
        }
    }

    fn request(
        &mut self,
        method: Method,
        uri: &str,
        from: &str,
        to: &str,
        cseq: u32,
        authorization: &[(HeaderName, String)],
    ) -> Option<Request> {
        let mut request = Request::new(method.clone(), Uri::parse(uri).ok()?);
        let from = NameAddr::new(Uri::parse(from).ok()?).with_param("tag", &self.names.tag());
        let headers = &mut request.headers;
        headers.append(HeaderName::Via, Via::own(self.local, &self.names.branch()));
        headers.append(HeaderName::MaxForwards, "70");
        headers.append(HeaderName::From, from);
        headers.append(HeaderName::To, NameAddr::new(Uri::parse(to).ok()?));
        headers.append(HeaderName::CallId, self.names.call_id());
        headers.append(HeaderName::CSeq, CSeq::new(cseq, method));
        for (name, value) in authorization {
            headers.append(name.clone(), value.clone());
        }
        headers.append(HeaderName::UserAgent, USER_AGENT);
        Some(request)
    }

    /// Sends a request and waits for its final response; an INVITE that is not answered in time is cancelled.
    fn ask(&mut self, request: Request, patience: Duration) -> Result<Heard, String> {
        let asked = self.began.elapsed();
        let sent = self.layer.send_request(request, self.target.address, self.local, asked);
        let key = sent.map_err(|error| error.to_string())?;
        let (mut before, mut cancelled) = (Vec::new(), false);
        let mut until = asked.saturating_add(patience);
        loop {
            if let Some(last) = self.drain(key, asked, &mut before)? {
                let after = self.began.elapsed().saturating_sub(asked);
                return Ok(Heard { last, before, after, challenges: 0, cancelled });
            }
            let now = self.began.elapsed();
            if now >= until {
                let rings = !cancelled && !before.is_empty() && self.layer.cancel(key, None, now).is_ok();
                if !rings {
                    return Err(match before.last() {
                        Some((_, response)) => format!(
                            "no final response within {}; the last was {}",
                            super::ms(patience),
                            response.status
                        ),
                        None => format!("no response within {}", super::ms(patience)),
                    });
                }
                (cancelled, until) = (true, now.saturating_add(CANCEL_MAX));
                continue;
            }
            let due = self.layer.poll_timeout().map_or(until, |due| due.min(until));
            self.receive(due.saturating_sub(now).max(Duration::from_millis(1)))?;
            self.layer.handle_timeout(self.began.elapsed());
        }
    }

    /// Sends what is to be sent; the final response of this request, if it came.
    fn drain(
        &mut self,
        key: TransactionKey,
        asked: Duration,
        before: &mut Vec<(Duration, Response)>,
    ) -> Result<Option<Response>, String> {
        let mut last = None;
        while let Some(output) = self.layer.poll_output() {
            match output {
                Output::Transmit { bytes, .. } => self.send(&bytes)?,
                Output::Response { key: of, response, .. } if of == key && response.status < 200 => {
                    before.push((self.began.elapsed().saturating_sub(asked), response));
                }
                Output::Response { key: of, response, .. } if of == key => last = Some(response),
                Output::Timeout { key: of } if of == key => return Err("no response at all".into()),
                Output::TransportError { key: of } if of == key => return Err("it can't be reached".into()),
                _ => {}
            }
        }
        Ok(last)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        let sent = match &mut self.socket {
            Socket::Udp(socket) => socket.send(bytes).map(drop),
            Socket::Tcp(stream, _) => stream.write_all(bytes),
        };
        sent.map_err(|error| format!("{}: {error}", self.target.address))
    }

    /// Waits for messages, at most so long.
    fn receive(&mut self, wait: Duration) -> Result<(), String> {
        let mut buffer = vec![0; DATAGRAM_MAX];
        let (received, stream) = match &mut self.socket {
            Socket::Udp(socket) => {
                (socket.set_read_timeout(Some(wait)).and_then(|()| socket.recv(&mut buffer)), false)
            }
            Socket::Tcp(stream, _) => {
                (stream.set_read_timeout(Some(wait)).and_then(|()| stream.read(&mut buffer)), true)
            }
        };
        let length = match received {
            Ok(0) if stream => return Err("the connection was closed".into()),
            Ok(length) => length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Ok(());
            }
            Err(error) => return Err(format!("{}: {error}", self.target.address)),
        };
        let octets = buffer.get(..length).unwrap_or_default();
        let mut messages = Vec::new();
        match &mut self.socket {
            Socket::Udp(_) => messages.push(Bytes::copy_from_slice(octets)),
            Socket::Tcp(_, framer) => {
                framer.push(octets);
                while let Some(frame) = framer.take().map_err(|error| error.to_string())? {
                    if let Frame::Message(message) = frame {
                        messages.push(message);
                    }
                }
            }
        }
        for message in messages {
            if let Ok(message) = decode(message) {
                self.layer.receive(message, self.target.address, self.local, self.began.elapsed());
            }
        }
        Ok(())
    }
}
