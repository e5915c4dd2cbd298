//! Requests too large for a datagram: over TCP, and back to UDP where nobody takes TCP (RFC 3261 §18.1.1).

use std::time::Duration;

use super::key::TransactionKey;
use super::layer::Layer;
use super::machine::Machine;
use super::output::{Output, SendError};
use crate::message::{FieldError, HeaderName, Request, Via};
use crate::transport::{Local, Transport};

/// A larger request, in octets, may not fit into one packet on its way.
pub const DATAGRAM_REQUEST_MAX: usize = 1_300;

impl Layer {
    /// Our address on TCP that a request has to leave from since it is too large for a datagram (§18.1.1), unless its
    /// Request-URI or first Route names UDP.
    pub(super) fn by_size(&self, request: &Request, length: usize, local: Local) -> Option<Local> {
        if length <= DATAGRAM_REQUEST_MAX || local.transport != Transport::Udp {
            return None;
        }
        let route = request.headers.routes().ok().and_then(|routes| routes.into_iter().next());
        let next = route.as_ref().map_or(&request.uri, |route| &route.uri);
        let same = |tcp: &&Local| tcp.address.is_ipv4() == local.address.is_ipv4();
        self.options.large_over.iter().find(same).copied().filter(|_| next.param("transport").is_none())
    }

    /// Nobody takes TCP there: what went over it by its size alone goes over UDP (§18.1.1). Whether it does.
    pub(super) fn fall_back(&mut self, key: TransactionKey, now: Duration) -> bool {
        let Some(entry) = self.table.get(key) else { return false };
        let Some(local) = entry.fallback else { return false };
        let rewritten =
            with_via(entry.request.clone(), local).and_then(|request| Ok((request.to_vec()?, request)));
        let Ok((bytes, request)) = rewritten else { return false };
        let machine = Machine::client(&request.method, self.lengths(local), now);
        let Some(entry) = self.table.get_mut(key) else { return false };
        entry.machine = machine;
        entry.request = request;
        (entry.local, entry.fallback) = (local, None);
        entry.last = bytes.into();
        let output = Output::Transmit { to: entry.to, local, bytes: entry.last.clone() };
        self.outputs.push_back(output);
        self.table.settle(key);
        true
    }
}

/// The request with the topmost Via that it has over this transport of ours (§18.1.1).
pub(super) fn with_via(mut request: Request, local: Local) -> Result<Request, SendError> {
    let mut vias = request.headers.vias()?.into_iter();
    let top = vias.next().ok_or(FieldError::Missing)?;
    let new = Via::own(local, top.branch().ok_or(FieldError::Via)?);
    request.headers.remove(HeaderName::Via);
    let all: Vec<Via> = [new].into_iter().chain(vias).collect();
    for via in all.into_iter().rev() {
        request.headers.push_front(HeaderName::Via, via);
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Method;
    use crate::options::Timers;
    use crate::transaction::testing::*;
    use crate::transaction::{LayerOptions, TagMaker};

    fn with_tcp() -> Layer {
        let large_over = vec![Local::tcp(at("[2001:db8::1]:5060")), Local::tcp(at(OURS))];
        let options = LayerOptions { large_over, ..LayerOptions::new(Timers::default()) };
        Layer::new(options, TagMaker::new([7; 32]))
    }

    /// An INVITE of `length` octets.
    fn invite(length: usize) -> String {
        let text = invite_text("z9hG4bKa");
        let subject = "x".repeat(length - text.len() - "Subject: \r\n".len());
        text.replace("Max-Forwards", &format!("Subject: {subject}\r\nMax-Forwards"))
    }

    fn ways(outputs: &[Output]) -> Vec<(Local, String)> {
        let way = |output: &Output| match output {
            Output::Transmit { to, local, bytes } => {
                assert_eq!(*to, at(CARRIER));
                let text = String::from_utf8_lossy(bytes).into_owned();
                let via = text.lines().find(|line| line.starts_with("Via: ")).unwrap_or_default();
                Some((*local, via.to_owned()))
            }
            _ => None,
        };
        outputs.iter().filter_map(way).collect()
    }

    fn udp() -> (Local, String) {
        (at(OURS).into(), "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa;rport".into())
    }

    fn tcp() -> (Local, String) {
        (Local::tcp(at(OURS)), "Via: SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bKa;rport".into())
    }

    #[test]
    fn only_what_is_too_large_goes_over_tcp_with_a_via_that_says_so() {
        for (length, way) in [(DATAGRAM_REQUEST_MAX, udp()), (DATAGRAM_REQUEST_MAX + 1, tcp())] {
            let mut layer = with_tcp();
            send(&mut layer, &invite(length), Duration::ZERO);
            assert_eq!(ways(&drain(&mut layer)), [way], "{length}");
        }
        let mut none = layer();
        send(&mut none, &invite(3_000), Duration::ZERO);
        assert_eq!(ways(&drain(&mut none)), [udp()], "without TCP there is no other way");
        let mut named = with_tcp();
        send(&mut named, &invite(3_000).replace(";lr>", ";lr;transport=udp>"), Duration::ZERO);
        assert_eq!(ways(&drain(&mut named)), [udp()], "the next hop said UDP");
    }

    #[test]
    fn over_tcp_nothing_is_repeated_and_the_answer_is_known() {
        let mut layer = with_tcp();
        send(&mut layer, &invite(2_000), Duration::ZERO);
        drain(&mut layer);
        assert_eq!(run_to(&mut layer, secs(5)), []);
        let answer = response_text("z9hG4bKa", 486, "callee").replace("SIP/2.0/UDP", "SIP/2.0/TCP");
        layer.receive(message(&answer), at(CARRIER), Local::tcp(at(OURS)), secs(5));
        let outputs = drain(&mut layer);
        assert_eq!(passed_up(&outputs), [486]);
        assert_eq!(ways(&outputs), [tcp()], "its ACK takes the same way");
    }

    #[test]
    fn where_nobody_takes_tcp_it_goes_over_udp_and_is_repeated_there() {
        let mut layer = with_tcp();
        send(&mut layer, &invite(2_000), Duration::ZERO);
        drain(&mut layer);
        layer.transport_error(at(CARRIER), Local::tcp(at(OURS)), ms(100));
        assert_eq!(ways(&drain(&mut layer)), [udp()]);
        assert_eq!(ways(&run_to(&mut layer, ms(600))), [udp()], "timer A");
        assert_eq!(passed_up(&receive(&mut layer, &response_text("z9hG4bKa", 180, "b"), secs(1))), [180]);
        layer.transport_error(at(CARRIER), at(OURS), secs(1));
        assert_eq!(ways(&drain(&mut layer)), [], "there is no third way");
    }

    #[test]
    fn a_connection_that_broke_after_an_answer_is_no_reason_to_ask_again() {
        let mut layer = with_tcp();
        send(&mut layer, &invite(2_000), Duration::ZERO);
        drain(&mut layer);
        let answer = response_text("z9hG4bKa", 180, "callee").replace("SIP/2.0/UDP", "SIP/2.0/TCP");
        layer.receive(message(&answer), at(CARRIER), Local::tcp(at(OURS)), secs(1));
        drain(&mut layer);
        layer.transport_error(at(CARRIER), Local::tcp(at(OURS)), secs(2));
        assert_eq!(ways(&drain(&mut layer)), []);
    }

    #[test]
    fn the_cancel_takes_the_way_of_its_invite() {
        let mut layer = with_tcp();
        let key = send(&mut layer, &invite(2_000), Duration::ZERO);
        drain(&mut layer);
        let answer = response_text("z9hG4bKa", 180, "callee").replace("SIP/2.0/UDP", "SIP/2.0/TCP");
        layer.receive(message(&answer), at(CARRIER), Local::tcp(at(OURS)), secs(1));
        drain(&mut layer);
        layer.cancel(key, None, secs(2)).expect("it rings");
        let outputs = drain(&mut layer);
        assert_eq!(sent_request(&outputs).method, Method::Cancel);
        assert_eq!(ways(&outputs), [tcp()]);
    }
}
