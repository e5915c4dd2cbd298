//! What the transaction tests share.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::{Action, Layer, LayerOptions, Output, TagMaker, Timer, TransactionKey};
use crate::message::{HeaderName, Message, Request, Response, decode, reason_phrase};
use crate::options::Timers;

/// `-` when nothing changed and nothing is done, else the next state's name and the actions' names.
pub(crate) fn outcome<S: Debug + PartialEq>(before: S, after: S, actions: &[Action]) -> String {
    if actions.is_empty() && name(&before) == name(&after) {
        return "-".to_owned();
    }
    let mut words = vec![name(&after)];
    words.extend(actions.iter().map(|action| format!("{action:?}")));
    words.join(" ")
}

fn name<S: Debug>(state: &S) -> String {
    format!("{state:?}").split([' ', '{']).next().unwrap_or_default().to_owned()
}

/// Every timer there is.
pub(crate) const TIMERS: [Timer; 16] = [
    Timer::A,
    Timer::B,
    Timer::C,
    Timer::D,
    Timer::E,
    Timer::F,
    Timer::G,
    Timer::H,
    Timer::I,
    Timer::J,
    Timer::K,
    Timer::L,
    Timer::M,
    Timer::Trying,
    Timer::Cancelled,
    Timer::Unanswered,
];

/// An INVITE of ours to the carrier, CSeq 1, with a route.
pub(crate) fn invite_text(branch: &str) -> String {
    request_text("INVITE", branch)
}

/// A request of 192.0.2.1:5060 to `callee`, CSeq 1, Call-ID `call-1`, From tag `ours`.
pub(crate) fn request_text(method: &str, branch: &str) -> String {
    format!(
        "{method} sip:callee@192.0.2.10 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.1:5060;branch={branch};rport\r\n\
         Route: <sip:192.0.2.10;lr>\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:caller@192.0.2.1>;tag=ours\r\n\
         To: <sip:callee@192.0.2.10>\r\n\
         Call-ID: call-1\r\n\
         CSeq: 1 {method}\r\n\
         Contact: <sip:192.0.2.1:5060>\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

/// A response to [`invite_text`] with this To tag.
pub(crate) fn response_text(branch: &str, status: u16, to_tag: &str) -> String {
    format!(
        "SIP/2.0 {status} Anything\r\n\
         Via: SIP/2.0/UDP 192.0.2.1:5060;branch={branch};rport=5060;received=192.0.2.1\r\n\
         From: <sip:caller@192.0.2.1>;tag=ours\r\n\
         To: <sip:callee@192.0.2.10>;tag={to_tag}\r\n\
         Call-ID: call-1\r\n\
         CSeq: 1 INVITE\r\n\
         Contact: <sip:callee@192.0.2.10:5070>\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

pub(crate) const CARRIER: &str = "192.0.2.10:5060";
pub(crate) const OURS: &str = "192.0.2.1:5060";

pub(crate) fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

pub(crate) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(crate) fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(crate) fn layer() -> Layer {
    Layer::new(LayerOptions::new(Timers::default()), TagMaker::new([7; 32]))
}

pub(crate) fn small(clients_max: usize, servers_max: usize) -> Layer {
    let options = LayerOptions { clients_max, servers_max, ..LayerOptions::new(Timers::default()) };
    Layer::new(options, TagMaker::new([7; 32]))
}

pub(crate) fn message(text: &str) -> Message {
    decode(Bytes::from(text.to_owned())).expect("a good message")
}

pub(crate) fn request(text: &str) -> Request {
    match message(text) {
        Message::Request(request) => request,
        Message::Response(_) => panic!("not a request"),
    }
}

pub(crate) fn send(layer: &mut Layer, text: &str, now: Duration) -> TransactionKey {
    layer.send_request(request(text), at(CARRIER), at(OURS), now).expect("sent")
}

pub(crate) fn receive(layer: &mut Layer, text: &str, now: Duration) -> Vec<Output> {
    layer.receive(message(text), at(CARRIER), at(OURS), now);
    drain(layer)
}

pub(crate) fn drain(layer: &mut Layer) -> Vec<Output> {
    std::iter::from_fn(|| layer.poll_output()).collect()
}

/// Lets time run to `now` and returns what came out.
pub(crate) fn run_to(layer: &mut Layer, now: Duration) -> Vec<Output> {
    while let Some(due) = layer.poll_timeout().filter(|due| *due <= now) {
        layer.handle_timeout(due);
    }
    drain(layer)
}

/// The messages among the outputs that are sent.
pub(crate) fn sent(outputs: &[Output]) -> Vec<Message> {
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Transmit { bytes, .. } => Some(decode(bytes.clone()).expect("what we send can be read")),
            _ => None,
        })
        .collect()
}

pub(crate) fn sent_request(outputs: &[Output]) -> Request {
    match sent(outputs).as_slice() {
        [Message::Request(request)] => request.clone(),
        other => panic!("not one request: {other:?}"),
    }
}

pub(crate) fn sent_response(outputs: &[Output]) -> Response {
    match sent(outputs).as_slice() {
        [Message::Response(response)] => response.clone(),
        other => panic!("not one response: {other:?}"),
    }
}

pub(crate) fn new_request(outputs: &[Output]) -> (TransactionKey, Request) {
    match outputs {
        [Output::Request { key, request, .. }] => (*key, request.clone()),
        other => panic!("not one new request: {other:?}"),
    }
}

pub(crate) fn passed_up(outputs: &[Output]) -> Vec<u16> {
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Response { response, .. } => Some(response.status),
            _ => None,
        })
        .collect()
}

pub(crate) fn text(request: &Request, name: HeaderName) -> String {
    request.headers.text(name).unwrap_or_default().to_owned()
}

pub(crate) fn respond(
    layer: &mut Layer,
    key: TransactionKey,
    request: &Request,
    status: u16,
    now: Duration,
) -> Vec<Output> {
    layer.respond(key, request.response(status, reason_phrase(status)), now);
    drain(layer)
}
