use std::collections::BTreeMap;
use std::time::Duration;

use super::*;

/// A zone: questions with the records of their answers; what is not in it does not exist.
struct Zone(BTreeMap<Question, Answer>);

impl Zone {
    /// Lines like `_sip._udp.carrier.example SRV 1 0 5060 a.carrier.example`.
    fn new(lines: &[&str]) -> Self {
        let mut zone: BTreeMap<Question, Vec<Record>> = BTreeMap::new();
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            let number = |place: usize| words[place].parse::<u16>().unwrap();
            let name = |place: usize| words[place].trim_end_matches('.').to_owned();
            let (kind, record) = match words[1] {
                "NAPTR" => (
                    Kind::Naptr,
                    Record::Naptr {
                        order: number(2),
                        preference: number(3),
                        flags: name(4),
                        service: name(5),
                        regexp: if words.len() > 7 { name(7) } else { String::new() },
                        replacement: name(6),
                    },
                ),
                "SRV" => (
                    Kind::Srv,
                    Record::Srv { priority: number(2), weight: number(3), port: number(4), target: name(5) },
                ),
                "A" => (Kind::A, Record::Address(words[2].parse().unwrap())),
                "AAAA" => (Kind::Aaaa, Record::Address(words[2].parse().unwrap())),
                other => panic!("{other}"),
            };
            zone.entry(Question::new(words[0], kind)).or_default().push(record);
        }
        let answer = |records| Answer::Records { records, ttl: Duration::from_secs(60) };
        Self(zone.into_iter().map(|(question, records)| (question, answer(records))).collect())
    }

    fn failing(mut self, name: &str, kind: Kind) -> Self {
        self.0.insert(Question::new(name, kind), Answer::Failed { fault: "timeout".into() });
        self
    }

    /// Walks until nothing is missing; the plan and every question in the order in which it was asked.
    fn resolve(&self, named: &Named, listen: &[&str]) -> (Plan, Vec<String>) {
        let listen: Vec<Local> = listen.iter().map(|local| local.parse().unwrap()).collect();
        let nothing = Answer::Nothing { ttl: None };
        let (mut known, mut asked) = (BTreeMap::new(), Vec::new());
        loop {
            let plan = plan(named, &listen, |question| known.get(question).copied());
            if plan.missing.is_empty() {
                return (plan, asked);
            }
            assert!(plan.servers.is_empty(), "nothing is known before all is");
            for question in plan.missing {
                asked.push(format!("{} {}", question.kind, question.name));
                let answer = self.0.get(&question).unwrap_or(&nothing);
                assert!(known.insert(question, answer).is_none(), "asked once");
            }
        }
    }

    /// The servers as `rank weight transport:address`.
    fn servers(&self, named: &Named, listen: &[&str]) -> Vec<String> {
        told(&self.resolve(named, listen).0)
    }
}

fn told(plan: &Plan) -> Vec<String> {
    let told = |server: &Server| {
        let addresses: Vec<String> = server.addresses.iter().map(ToString::to_string).collect();
        format!("{} {} {}:{}", server.rank, server.weight, server.transport.name(), addresses.join(","))
    };
    plan.servers.iter().map(told).collect()
}

const HOST: &str = "carrier.example";
const ALL: [&str; 3] = ["udp:10.0.0.1:5060", "tcp:10.0.0.1:5060", "tls:10.0.0.1:5061"];

fn open(transports: &[Transport]) -> Named {
    Named { host: HOST.into(), port: None, transports: transports.to_vec(), open: true, secure: false }
}

fn all() -> Named {
    open(&[Transport::Udp, Transport::Tcp, Transport::Tls])
}

/// RFC 3263 §4.1 has this example.
const EXAMPLE: [&str; 9] = [
    "carrier.example NAPTR 50 50 s SIPS+D2T _sips._tcp.carrier.example.",
    "carrier.example NAPTR 90 50 s SIP+D2T _sip._tcp.carrier.example",
    "carrier.example NAPTR 100 50 s SIP+D2U _sip._udp.carrier.example.",
    "_sip._tcp.carrier.example SRV 0 1 5060 server1.carrier.example.",
    "_sip._tcp.carrier.example SRV 0 2 5060 server2.carrier.example.",
    "_sip._udp.carrier.example SRV 5 0 5060 server2.carrier.example.",
    "_sips._tcp.carrier.example SRV 1 0 5071 server1.carrier.example.",
    "server1.carrier.example A 192.0.2.1",
    "server2.carrier.example A 192.0.2.2",
];

#[test]
fn naptr_chooses_the_transport_among_ours() {
    let zone = Zone::new(&EXAMPLE);
    let (plan, asked) = zone.resolve(&open(&[Transport::Udp, Transport::Tcp]), &ALL);
    assert_eq!(told(&plan), ["1 1 tcp:192.0.2.1:5060", "1 2 tcp:192.0.2.2:5060"]);
    let expected = [
        "NAPTR carrier.example",
        "SRV _sip._tcp.carrier.example",
        "A server1.carrier.example",
        "A server2.carrier.example",
    ];
    assert_eq!(asked, expected);
    assert_eq!(zone.servers(&all(), &ALL), ["1 0 tls:192.0.2.1:5071"]);
    assert_eq!(zone.servers(&open(&[Transport::Udp]), &ALL), ["1 0 udp:192.0.2.2:5060"]);
}

#[test]
fn a_port_or_an_address_family_leaves_nothing_but_addresses() {
    let zone = Zone::new(&[
        "carrier.example A 192.0.2.1",
        "carrier.example A 192.0.2.2",
        "carrier.example AAAA 2001:db8::1",
        "carrier.example NAPTR 1 1 s SIP+D2T _sip._tcp.carrier.example",
    ]);
    let with_port = Named { port: Some(5090), ..all() };
    let (plan, asked) = zone.resolve(&with_port, &ALL);
    assert_eq!(told(&plan), ["0 0 udp:192.0.2.1:5090,192.0.2.2:5090"]);
    assert_eq!(asked, ["A carrier.example"], "no IPv6 where we have none");
    let both = ["udp:[2001:db8::9]:5060", "udp:10.0.0.1:5060", "tcp:10.0.0.1:5060"];
    assert_eq!(
        zone.servers(&with_port, &both),
        ["0 0 udp:[2001:db8::1]:5090,192.0.2.1:5090,192.0.2.2:5090"],
        "in the order in which we listen"
    );
}

#[test]
fn a_transport_that_is_written_is_the_only_one_asked_for() {
    let zone = Zone::new(&EXAMPLE);
    for (transport, secure, first, servers) in [
        (Transport::Udp, false, "SRV _sip._udp.carrier.example", "1 0 udp:192.0.2.2:5060"),
        (Transport::Tls, false, "SRV _sips._tcp.carrier.example", "1 0 tls:192.0.2.1:5071"),
        (Transport::Tls, true, "SRV _sips._tcp.carrier.example", "1 0 tls:192.0.2.1:5071"),
    ] {
        let named = Named { transports: vec![transport], open: false, secure, ..all() };
        let (plan, asked) = zone.resolve(&named, &ALL);
        assert_eq!((asked[0].as_str(), told(&plan)), (first, vec![servers.to_owned()]));
    }
    let none = Zone::new(&["carrier.example A 192.0.2.7"]);
    let named = Named { transports: vec![Transport::Tls], open: false, ..all() };
    assert_eq!(none.servers(&named, &ALL), ["0 0 tls:192.0.2.7:5061"], "the port of TLS");
}

#[test]
fn without_naptr_the_services_are_asked_for_in_the_order_of_our_preference() {
    let zone = Zone::new(&[
        "_sip._tcp.carrier.example SRV 10 5 5070 a.example",
        "_sip._udp.carrier.example SRV 10 5 5060 a.example",
        "a.example A 192.0.2.3",
        "carrier.example A 192.0.2.9",
    ]);
    assert_eq!(
        zone.servers(&open(&[Transport::Tls, Transport::Tcp, Transport::Udp]), &ALL),
        ["1 5 tcp:192.0.2.3:5070"]
    );
    assert_eq!(zone.servers(&all(), &ALL), ["1 5 udp:192.0.2.3:5060"]);
    let (plan, asked) = Zone::new(&["carrier.example A 192.0.2.9"]).resolve(&all(), &ALL);
    assert_eq!(told(&plan), ["0 0 udp:192.0.2.9:5060"], "§4.1: UDP where nothing says otherwise");
    assert_eq!(asked.len(), 5);
    let sips = Named { transports: vec![Transport::Tls], secure: true, ..all() };
    let (plan, asked) = Zone::new(&EXAMPLE[1..]).resolve(&sips, &ALL);
    assert_eq!(told(&plan), ["1 0 tls:192.0.2.1:5071"]);
    assert!(
        !asked.contains(&"SRV _sip._tcp.carrier.example".to_owned()),
        "nothing that is not secure: {asked:?}"
    );
}

#[test]
fn a_service_that_is_said_not_to_be_there_is_not_looked_for_elsewhere() {
    let zone = Zone::new(&["_sip._udp.carrier.example SRV 0 0 5060 .", "carrier.example A 192.0.2.9"]);
    let (plan, _) = zone.resolve(&all(), &ALL);
    assert_eq!((told(&plan).len(), plan.failed), (0, false));
    let udp = Named { transports: vec![Transport::Udp], open: false, ..all() };
    assert_eq!(zone.servers(&udp, &ALL).len(), 0);
}

#[test]
fn ranks_follow_priorities_and_rules_of_one_order() {
    let zone = Zone::new(&[
        "carrier.example NAPTR 1 20 S sip+d2t _sip._tcp.carrier.example",
        "carrier.example NAPTR 1 10 s SIP+D2U _sip._udp.carrier.example",
        "carrier.example NAPTR 2 1 s SIPS+D2T _sips._tcp.carrier.example",
        "_sip._udp.carrier.example SRV 20 7 5060 b.example",
        "_sip._udp.carrier.example SRV 10 3 5060 a.example",
        "_sip._udp.carrier.example SRV 10 4 5062 b.example",
        "_sip._tcp.carrier.example SRV 5 0 5060 a.example",
        "_sip._udp.carrier.example SRV 10 9 5060 gone.example",
        "a.example A 192.0.2.1",
        "b.example A 192.0.2.2",
    ]);
    let expected = [
        "1 3 udp:192.0.2.1:5060",
        "1 4 udp:192.0.2.2:5062",
        "2 7 udp:192.0.2.2:5060",
        "3 0 tcp:192.0.2.1:5060",
    ];
    assert_eq!(zone.servers(&all(), &ALL), expected);
}

#[test]
fn rules_that_sip_does_not_have_are_passed_over() {
    let zone = Zone::new(&[
        "carrier.example NAPTR 1 1 u E2U+sip . !^.*$!sip:a@b!",
        "carrier.example NAPTR 1 1 s SIP+D2S _sip._sctp.carrier.example",
        "carrier.example NAPTR 1 1 a SIP+D2T a.example",
        "carrier.example NAPTR 9 1 s SIP+D2U _other._udp.carrier.example",
        "_other._udp.carrier.example SRV 1 1 5066 a.example",
        "a.example A 192.0.2.1",
    ]);
    assert_eq!(zone.servers(&all(), &ALL), ["1 1 udp:192.0.2.1:5066"]);
}

#[test]
fn nothing_insecure_stands_in_for_what_is_secure() {
    let zone = Zone::new(&[
        "carrier.example NAPTR 1 1 s SIPS+D2T _sips._tcp.carrier.example",
        "carrier.example NAPTR 1 2 s SIP+D2U _sip._udp.carrier.example",
        "_sips._tcp.carrier.example SRV 1 1 5061 a.example",
        "_sip._udp.carrier.example SRV 1 1 5060 a.example",
        "a.example A 192.0.2.1",
    ]);
    assert_eq!(zone.servers(&all(), &ALL), ["1 1 tls:192.0.2.1:5061"]);
}

#[test]
fn where_nobody_answers_nothing_is_guessed() {
    let zone = |name: &str, kind| Zone::new(&["carrier.example A 192.0.2.9"]).failing(name, kind);
    for (name, kind) in [(HOST, Kind::Naptr), ("_sip._udp.carrier.example", Kind::Srv), (HOST, Kind::A)] {
        let (plan, _) = zone(name, kind).resolve(&all(), &ALL);
        assert_eq!((told(&plan).len(), plan.failed), (0, true), "{kind}");
    }
    let one_of_two = Zone::new(&[
        "_sip._udp.carrier.example SRV 1 1 5060 a.example",
        "_sip._udp.carrier.example SRV 2 1 5060 b.example",
        "b.example A 192.0.2.2",
    ]);
    let (plan, _) = one_of_two.failing("a.example", Kind::A).resolve(&all(), &ALL);
    assert_eq!((told(&plan), plan.failed), (vec!["2 1 udp:192.0.2.2:5060".to_owned()], true));
}

#[test]
fn a_hostile_zone_is_cut() {
    let many: Vec<String> = (0..60)
        .flat_map(|n| {
            [
                format!("_sip._udp.carrier.example SRV {n} 1 5060 h{n}.example"),
                format!("h{n}.example A 192.0.2.{n}"),
            ]
        })
        .collect();
    let lines: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(Zone::new(&lines).servers(&all(), &ALL).len(), RECORDS_MAX);
}
