use super::super::{Kind, Record};
use super::*;
use crate::transport::Transport;

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn resolver(host: &str) -> Resolver {
    let named = Named {
        host: host.into(),
        port: Some(5060),
        transports: vec![Transport::Udp],
        open: false,
        secure: false,
    };
    let listen = ["127.0.0.1:5060".parse().unwrap()];
    Resolver::new(&listen, [Place::Named(named)].iter())
}

fn a(host: &str) -> Question {
    Question::new(host, Kind::A)
}

fn records(address: &str, ttl: u64) -> Answer {
    Answer::Records { records: vec![Record::Address(address.parse().unwrap())], ttl: s(ttl) }
}

fn failed() -> Answer {
    Answer::Failed { fault: "timeout".into() }
}

/// What came out, in short.
fn told(resolver: &mut Resolver) -> Vec<String> {
    let short = |output| match output {
        Output::Ask(question) => format!("ask {}", question.name),
        Output::Found { servers, .. } => {
            let addresses = servers.iter().flat_map(|server| &server.addresses);
            addresses.map(ToString::to_string).collect::<Vec<_>>().join(",")
        }
        Output::Lost { why, .. } => format!("lost: {why}"),
    };
    std::iter::from_fn(|| resolver.poll_output()).map(short).collect()
}

#[test]
fn records_are_asked_for_again_before_their_time_is_over() {
    let mut it = resolver("carrier.example");
    it.start(s(0));
    assert_eq!(told(&mut it), ["ask carrier.example"]);
    it.answered(a("carrier.example"), records("192.0.2.1", 100), s(1));
    assert_eq!(told(&mut it), ["192.0.2.1:5060"]);
    assert_eq!(it.poll_timeout(), Some(s(81)));
    it.handle_timeout(s(81));
    assert_eq!(told(&mut it), ["ask carrier.example"], "the old answer is in use meanwhile");
    it.answered(a("carrier.example"), records("192.0.2.1", 100), s(82));
    assert_eq!(told(&mut it), [] as [&str; 0], "the same is not told again");
    it.handle_timeout(s(162));
    it.answered(a("carrier.example"), records("192.0.2.2", 100), s(163));
    assert_eq!(told(&mut it), ["ask carrier.example", "192.0.2.2:5060"]);
}

#[test]
fn times_to_live_have_a_least_and_a_greatest() {
    for (ttl, due) in [(0, TTL_MIN * 4 / 5), (u64::MAX / 2, TTL_MAX * 4 / 5)] {
        let mut it = resolver("carrier.example");
        it.start(s(0));
        it.answered(a("carrier.example"), records("192.0.2.1", ttl), s(0));
        assert_eq!(it.poll_timeout(), Some(due));
    }
    for (ttl, kept) in [(Some(s(0)), NOTHING_MIN), (Some(s(9_999)), NOTHING_MAX), (None, NOTHING_MAX)] {
        let mut it = resolver("carrier.example");
        it.start(s(0));
        it.answered(a("carrier.example"), Answer::Nothing { ttl }, s(0));
        assert_eq!(told(&mut it)[1], "lost: it has no address");
        assert_eq!(it.poll_timeout(), Some(kept * 4 / 5));
    }
}

#[test]
fn an_old_answer_stays_while_nobody_answers() {
    let mut it = resolver("carrier.example");
    it.start(s(0));
    it.answered(a("carrier.example"), records("192.0.2.1", 10), s(0));
    told(&mut it);
    let mut now = s(0);
    let mut tries = 0;
    while now < s(10) + STALE_MAX {
        now = it.poll_timeout().unwrap();
        it.handle_timeout(now);
        tries += told(&mut it).iter().filter(|line| *line == "ask carrier.example").count();
        it.answered(a("carrier.example"), failed(), now);
        let news = told(&mut it);
        assert!(news.is_empty() || now >= s(10) + STALE_MAX, "{news:?} at {now:?}");
        if !news.is_empty() {
            assert_eq!(news, ["lost: A of carrier.example: timeout"], "after three days");
        }
    }
    let day = 24 * 3600 / RETRY_MAX.as_secs() as usize;
    assert!((3 * day..3 * day + 10).contains(&tries), "seldom, but on and on: {tries}");
    now = it.poll_timeout().unwrap();
    it.handle_timeout(now);
    it.answered(a("carrier.example"), records("192.0.2.1", 10), now);
    assert_eq!(told(&mut it), ["ask carrier.example", "192.0.2.1:5060"]);
}

#[test]
fn a_name_that_cannot_be_resolved_is_said_once_and_tried_ever_more_seldom() {
    let mut it = resolver("carrier.example");
    it.start(s(0));
    let mut waits = Vec::new();
    let mut now = s(0);
    for round in 0..9 {
        it.answered(a("carrier.example"), failed(), now);
        let lost = told(&mut it).iter().filter(|line| line.starts_with("lost")).count();
        assert_eq!(lost, usize::from(round == 0));
        let due = it.poll_timeout().unwrap();
        waits.push((due - now).as_secs());
        now = due;
        it.handle_timeout(now);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    it.answered(a("carrier.example"), Answer::Nothing { ttl: Some(s(20)) }, now);
    assert_eq!(told(&mut it), ["ask carrier.example"], "still nowhere");
}

#[test]
fn a_question_that_is_lost_has_failed() {
    let mut it = resolver("carrier.example");
    it.start(s(0));
    told(&mut it);
    assert_eq!(it.poll_timeout(), Some(ANSWER_MAX));
    it.handle_timeout(ANSWER_MAX);
    assert_eq!(told(&mut it), ["lost: A of carrier.example: no answer"]);
    it.answered(a("carrier.example"), records("192.0.2.1", 10), ANSWER_MAX);
    assert_eq!(told(&mut it), [] as [&str; 0], "nobody waits for it any more");
}

#[test]
fn answers_are_shared_and_forgotten_with_the_last_who_used_them() {
    let named = |host: &str, open| {
        Place::Named(Named {
            host: host.into(),
            port: None,
            transports: vec![Transport::Udp],
            open,
            secure: false,
        })
    };
    let fixed = Place::Fixed(super::super::Target {
        transport: Transport::Udp,
        address: "192.0.2.9:5060".parse().unwrap(),
    });
    let places = [named("one.example", false), fixed, named("one.example", false)];
    let mut it = Resolver::new(&["127.0.0.1:5060".parse().unwrap()], places.iter());
    let srv = Question::new("_sip._udp.ONE.example.", Kind::Srv);
    it.start(s(0));
    assert_eq!(told(&mut it), ["ask _sip._udp.one.example"]);
    let server = |target: &str| Answer::Records {
        records: vec![Record::Srv { priority: 1, weight: 0, port: 5070, target: target.into() }],
        ttl: s(100),
    };
    it.answered(srv.clone(), server("a.example"), s(1));
    it.answered(a("a.example"), records("192.0.2.1", 1_000), s(2));
    assert_eq!(told(&mut it), ["ask a.example", "192.0.2.1:5070", "192.0.2.1:5070"], "each of the two");
    it.handle_timeout(s(81));
    it.answered(srv, server("b.example"), s(82));
    assert_eq!(
        told(&mut it),
        ["ask _sip._udp.one.example", "ask b.example"],
        "the old way until the new one is whole"
    );
    it.answered(a("b.example"), records("192.0.2.2", 1_000), s(83));
    assert_eq!(told(&mut it), ["192.0.2.2:5070", "192.0.2.2:5070"]);
    assert!(!it.known.contains_key(&a("a.example")));
    assert_eq!(it.known.len(), 2);
}
