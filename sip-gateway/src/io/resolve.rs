//! The DNS: a thread of its own that puts questions to nameservers, so that the engine's thread never waits.
//!
//! What the answers mean is [`crate::resolve`]'s matter, and so is keeping them. This room repeats what is lost, goes over to TCP
//! where an answer is cut, and reads the hosts file and, unless nameservers are named, the system's resolver configuration; all of
//! that is `hickory-resolver`'s work.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::resolve::{Answer, Kind, Question, RECORDS_MAX, Record};

/// Questions that may wait for the thread.
pub const QUESTIONS_MAX: usize = 1_024;
/// Questions that are put to nameservers at once.
pub const AT_ONCE_MAX: usize = 64;
/// How long one nameserver has for one answer.
pub const PATIENCE: Duration = Duration::from_secs(3);
/// How often a question is put again.
pub const REPETITIONS: usize = 2;

/// Hears the answers. Called on the thread: it must not block for long.
pub type Answers = Arc<dyn Fn(Question, Answer) + Send + Sync>;

/// The way to the thread, which ends when this is dropped.
#[derive(Debug)]
pub struct ResolverHandle {
    questions: mpsc::Sender<Question>,
}

impl ResolverHandle {
    /// Puts a question. False where so many wait that this one can't; it has no answer then.
    pub fn ask(&self, question: Question) -> bool {
        self.questions.try_send(question).is_ok()
    }
}

/// Starts the thread. Without `nameservers` those of the system are asked.
///
/// # Errors
/// Where the system gives no thread.
pub fn spawn(nameservers: Vec<SocketAddr>, answers: Answers) -> io::Result<ResolverHandle> {
    let (questions, waiting) = mpsc::channel(QUESTIONS_MAX);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let serve = move || runtime.block_on(serve(nameservers, waiting, answers));
    std::thread::Builder::new().name("resolver".into()).spawn(serve)?;
    Ok(ResolverHandle { questions })
}

async fn serve(nameservers: Vec<SocketAddr>, mut waiting: mpsc::Receiver<Question>, answers: Answers) {
    let resolver = match resolver(&nameservers) {
        Ok(resolver) => resolver,
        Err(error) => {
            tracing::warn!(%error, "no name can be resolved: name [sip] nameservers, or repair the system's");
            while let Some(question) = waiting.recv().await {
                answers(question, Answer::Failed { fault: error.to_string() });
            }
            return;
        }
    };
    let mut under_way = JoinSet::new();
    while let Some(question) = waiting.recv().await {
        while under_way.len() >= AT_ONCE_MAX {
            under_way.join_next().await;
        }
        // Those that are done are let go of.
        while under_way.try_join_next().is_some() {}
        let (resolver, answers) = (resolver.clone(), Arc::clone(&answers));
        under_way.spawn(async move {
            let answer = answer(&resolver, &question).await;
            answers(question, answer);
        });
    }
}

fn resolver(nameservers: &[SocketAddr]) -> Result<TokioResolver, NetError> {
    let mut builder = match nameservers {
        [] => TokioResolver::builder_tokio()?,
        named => {
            let server = |address: &SocketAddr| {
                let mut server = NameServerConfig::udp_and_tcp(address.ip());
                for connection in &mut server.connections {
                    connection.port = address.port();
                }
                server
            };
            let config = ResolverConfig::from_parts(None, Vec::new(), named.iter().map(server).collect());
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    let options = builder.options_mut();
    // Answers are kept by whoever asks.
    options.cache_size = 0;
    options.timeout = PATIENCE;
    options.attempts = REPETITIONS;
    builder.build()
}

async fn answer(resolver: &TokioResolver, question: &Question) -> Answer {
    let mut name = match Name::from_ascii(&question.name) {
        Ok(name) => name,
        Err(error) => return Answer::Failed { fault: error.to_string() },
    };
    // A name of several words is whole; the search list of the system is for single ones.
    name.set_fqdn(question.name.contains('.'));
    let kind = match question.kind {
        Kind::Naptr => RecordType::NAPTR,
        Kind::Srv => RecordType::SRV,
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::AAAA,
    };
    match resolver.lookup(name, kind).await {
        Ok(found) => records(&found),
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
            let ttl = none.negative_ttl.map(|seconds| Duration::from_secs(seconds.into()));
            Answer::Nothing { ttl }
        }
        // A nameserver that doesn't know this kind has none of it.
        Err(NetError::Dns(DnsError::ResponseCode(ResponseCode::NotImp))) => Answer::Nothing { ttl: None },
        Err(error) => Answer::Failed { fault: error.to_string() },
    }
}

fn records(found: &Lookup) -> Answer {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    let name = |name: &Name| name.to_ascii().trim_end_matches('.').to_owned();
    let record = |data: &RData| match data {
        RData::A(address) => Some(Record::Address(address.0.into())),
        RData::AAAA(address) => Some(Record::Address(address.0.into())),
        RData::SRV(srv) => Some(Record::Srv {
            priority: srv.priority,
            weight: srv.weight,
            port: srv.port,
            target: name(&srv.target),
        }),
        RData::NAPTR(naptr) => Some(Record::Naptr {
            order: naptr.order,
            preference: naptr.preference,
            flags: text(&naptr.flags),
            service: text(&naptr.services),
            regexp: text(&naptr.regexp),
            replacement: name(&naptr.replacement),
        }),
        // An alias on the way (CNAME); the others were not asked for.
        _ => None,
    };
    // Aliases bound the time, too.
    let ttl = found.answers().iter().map(|record| record.ttl).min().unwrap_or(0);
    let records: Vec<Record> =
        found.answers().iter().filter_map(|it| record(&it.data)).take(RECORDS_MAX).collect();
    let ttl = Duration::from_secs(ttl.into());
    if records.is_empty() { Answer::Nothing { ttl: Some(ttl) } } else { Answer::Records { records, ttl } }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    fn asked(nameservers: Vec<SocketAddr>) -> (ResolverHandle, Receiver<(Question, Answer)>) {
        let (sender, answers) = channel();
        let tell = move |question, answer| drop(sender.send((question, answer)));
        (spawn(nameservers, Arc::new(tell)).expect("a thread"), answers)
    }

    /// A nameserver of a few lines (RFC 1035 §4): one SRV record for every SRV question, NXDOMAIN with an SOA for all others.
    fn nameserver() -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let address = socket.local_addr().expect("bound");
        std::thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let query = &buffer[..length];
                // Header of twelve octets, then the name with its length octets, type and class.
                let name = query[12..].iter().position(|octet| *octet == 0).expect("a name") + 13;
                let srv = query[name..name + 2] == [0, 33];
                let mut answer = query[..name + 4].to_vec();
                answer[2..4].copy_from_slice(&[0x84, if srv { 0x80 } else { 0x83 }]);
                answer[4..12].copy_from_slice(&[0, 1, 0, u8::from(srv), 0, u8::from(!srv), 0, 0]);
                let rest: &[u8] = if srv {
                    // Name as in the question, SRV, IN, 77 s; 3 5 5070 "a.example".
                    b"\xc0\x0c\x00\x21\x00\x01\x00\x00\x00\x4d\x00\x11\x00\x03\x00\x05\x13\xce\x01a\x07example\x00"
                } else {
                    // SOA of the root, 600 s, minimum 30 s.
                    b"\x00\x00\x06\x00\x01\x00\x00\x02\x58\x00\x16\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x1e"
                };
                answer.extend_from_slice(rest);
                let _ = socket.send_to(&answer, from);
            }
        });
        address
    }

    #[test]
    fn records_and_their_absence_come_with_their_times() {
        let (handle, answers) = asked(vec![nameserver()]);
        let srv = Question::new("_sip._udp.carrier.example", Kind::Srv);
        assert!(handle.ask(srv.clone()));
        let record = Record::Srv { priority: 3, weight: 5, port: 5070, target: "a.example".into() };
        let expected = Answer::Records { records: vec![record], ttl: Duration::from_secs(77) };
        assert_eq!(answers.recv_timeout(Duration::from_secs(20)), Ok((srv, expected)));
        let a = Question::new("nothing.example", Kind::A);
        assert!(handle.ask(a.clone()));
        let expected = Answer::Nothing { ttl: Some(Duration::from_secs(30)) };
        assert_eq!(answers.recv_timeout(Duration::from_secs(20)), Ok((a, expected)));
    }

    #[test]
    fn a_name_of_this_machine_needs_no_nameserver_and_a_dead_one_is_a_failure() {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let (handle, answers) = asked(vec![socket.local_addr().expect("bound")]);
        drop(socket);
        assert!(handle.ask(Question::new("localhost", Kind::A)));
        let (_, answer) = answers.recv_timeout(Duration::from_secs(20)).expect("an answer");
        let Answer::Records { records, .. } = answer else { panic!("{answer:?}") };
        assert_eq!(records, [Record::Address([127, 0, 0, 1].into())]);
        assert!(handle.ask(Question::new("carrier.example", Kind::A)));
        let (_, answer) = answers.recv_timeout(Duration::from_secs(60)).expect("an answer");
        assert!(matches!(answer, Answer::Failed { .. }), "{answer:?}");
    }
}
