use carillon_config::CampaignFile;
use carillon_sip::message::{Message, decode};
use rand_chacha::rand_core::SeedableRng;

use super::*;

const TRUNK: &str = "192.0.2.10:5060";

const FILE: &str = r#"
[campaign]
name = "admission"
mode = "progressive"
jurisdiction = "none"
abandon_limit = 1.0
[sip]
listen = "127.0.0.1:5060"
media_address = "127.0.0.1"
rtp_ports = "20000-29999"
[[trunk]]
name = "carrier"
uri = "sip:192.0.2.10:5060"
max_calls = 2000
calls_per_second = 500.0
caller_ids = ["+12125550100"]
codecs = ["PCMU"]
[list]
file = "contacts.csv"
region = "US"
timezone = "UTC"
[closure]
attempts_max = 1
[agents]
leg = "per_call"
[[agents.agent]]
user = "agent1"
password = "secret"
contact = "sip:agent1@127.0.0.1:5070"
"#;

fn at(ms: u64) -> RealNow {
    RealNow { monotonic: Duration::from_millis(ms), utc: Utc(1_790_000_000_000 + ms as i64) }
}

fn node() -> Node {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("campaign.toml");
    std::fs::write(&path, FILE).expect("written");
    std::fs::write(directory.path().join("contacts.csv"), "id,number\n1,+12125550101\n").expect("written");
    let file = CampaignFile::load(&path).expect("a sound file");
    let options = Options {
        sip: file.sip,
        dialer: dialer::Options::default(),
        leg: file.agents.leg,
        directory: directory.path().to_owned(),
        speed: 1,
    };
    let mut node = Node::new(options, ChaCha20Rng::from_seed([1; 32]), at(0));
    node.handle(NodeInput::Recovered(Recovered::default()), at(0));
    drain(&mut node);
    node
}

fn drain(node: &mut Node) -> Vec<NodeOutput> {
    std::iter::from_fn(|| node.poll_output()).collect()
}

fn load(busy_ms: u64) -> NodeInput {
    let window = admission::WINDOW;
    NodeInput::Load(Load { window, busy: Duration::from_millis(busy_ms), ..Load::default() })
}

fn options(call: &str) -> NodeInput {
    let text = format!(
        "OPTIONS sip:127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {TRUNK};branch=z9hG4bK{call};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:{TRUNK}>;tag=theirs\r\nTo: <sip:127.0.0.1:5060>\r\nCall-ID: {call}\r\n\
         CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
    let local = Local::from("127.0.0.1:5060".parse::<SocketAddr>().expect("an address"));
    NodeInput::Datagram { bytes: text.into(), from: TRUNK.parse().expect("an address"), local }
}

fn invite(call: &str, from: &str) -> NodeInput {
    let text = format!(
        "INVITE sip:+12025550177@127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{call};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:+12025550199@{from}>;tag=theirs\r\nTo: <sip:+12025550177@127.0.0.1:5060>\r\n\
         Call-ID: {call}\r\nCSeq: 1 INVITE\r\nContact: <sip:{from}>\r\nContent-Length: 0\r\n\r\n"
    );
    let local = Local::from("127.0.0.1:5060".parse::<SocketAddr>().expect("an address"));
    NodeInput::Datagram { bytes: text.into(), from: from.parse().expect("an address"), local }
}

fn status(outputs: Vec<NodeOutput>) -> Option<(u16, Option<u32>)> {
    outputs.into_iter().find_map(|output| match output {
        NodeOutput::Transmit { bytes, .. } => match decode(bytes) {
            Ok(Message::Response(response)) => Some((response.status, response.headers.retry_after())),
            Ok(Message::Request(_)) | Err(_) => None,
        },
        _ => None,
    })
}

#[test]
fn a_strained_engine_leaves_the_dialer_less_room_and_is_asked_again_when_there_is_more() {
    let mut node = node();
    assert_eq!(node.room.as_ref().map(|room| room.lines_free), Some(2_000));
    for window in 1..=3 {
        node.handle(load(98), at(window * 100));
    }
    // Nothing was placed lately, so it is the least rate: one call a tenth of a second.
    assert_eq!(node.admission().rate(), Some(10.0));
    assert_eq!(node.room.as_ref().map(|room| room.lines_free), Some(0));
    let due = node.poll_timeout().expect("when there is room for one");
    assert!((at(310).monotonic..=at(400).monotonic).contains(&due), "{due:?}");
    node.handle(NodeInput::Timeout, at(400));
    assert_eq!(node.room.as_ref().map(|room| room.lines_free), Some(1));

    for window in 5..=200 {
        node.handle(load(10), at(window * 100));
    }
    assert_eq!(node.admission().rate(), None);
    assert_eq!(node.room.as_ref().map(|room| room.lines_free), Some(2_000));
}

#[test]
fn an_engine_that_cannot_keep_up_refuses_what_is_new_until_it_can() {
    let mut node = node();
    node.handle(options("one"), at(10));
    assert_eq!(status(drain(&mut node)), Some((200, None)));
    for window in 1..=10 {
        node.handle(load(99), at(window * 100));
    }
    drain(&mut node);
    node.handle(options("two"), at(1_010));
    assert_eq!(status(drain(&mut node)), Some((503, Some(5))));
    assert_eq!(node.counters().shed, 1);
    node.handle(load(50), at(1_100));
    node.handle(options("three"), at(1_110));
    assert_eq!(status(drain(&mut node)), Some((200, None)));
}

#[test]
fn callers_beyond_the_rate_are_refused_while_everything_else_is_served() {
    let mut node = node();
    for window in 1..=3 {
        node.handle(load(98), at(window * 100));
    }
    drain(&mut node);
    // The least rate, and nobody has the number: what is admitted gets 404, and is not charged.
    node.handle(invite("one", TRUNK), at(301));
    assert_eq!(status(drain(&mut node)), Some((404, None)));
    node.admission.placed(at(302).monotonic);
    node.admission.placed(at(302).monotonic);
    node.handle(invite("two", TRUNK), at(303));
    assert_eq!(status(drain(&mut node)), Some((503, Some(5))));
    assert_eq!(node.counters().shed, 1);
    node.handle(options("three"), at(304));
    assert_eq!(status(drain(&mut node)), Some((200, None)), "only calls are paced");
    node.handle(invite("four", TRUNK), at(500));
    assert_eq!(status(drain(&mut node)), Some((404, None)), "the rate has room again");
}
