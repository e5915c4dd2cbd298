//! The campaign file: what is read from it, and what its defaults are.

use std::time::Duration;

use crate::folder::{EXAMPLE, Folder, MINIMAL};
use carillon_config::CampaignFile;
use carillon_core::attempt::outcome::Outcome;
use carillon_core::campaign::spec::{CampaignSpec, ClosureSpec, Day, Jurisdiction, Mode, Unanswered, WrapUp};
use carillon_sip::auth::{Algorithm, Ha1};
use carillon_sip::command::AgentLegMode;
use carillon_sip::media::Codec;
use carillon_sip::options::Secret;
use carillon_sip::resolve::{Place, Target};
use carillon_sip::transport::Transport;

#[test]
fn the_example_holds_what_it_says() {
    let folder = Folder::new();
    let file = CampaignFile::load(&folder.write(EXAMPLE)).unwrap();
    let spec = &file.spec;
    assert_eq!((spec.name.as_str(), spec.mode, spec.ratio), ("renewals", Mode::Ratio, 2.0));
    assert_eq!((spec.jurisdiction, spec.abandon_limit), (Jurisdiction::Us, 0.03));
    assert_eq!((spec.abandon_strict, spec.abandon_after), (false, Duration::from_secs(2)));
    let strict = EXAMPLE.replace("abandon_strict = false", "abandon_strict = true");
    assert!(CampaignFile::load(&folder.write(&strict)).unwrap().spec.abandon_strict);
    assert_eq!(spec.ring_timeout, Duration::from_secs(25));
    assert_eq!(spec.time_limit, Some(Duration::from_secs(600)));
    assert_eq!(file.seed, Some(42));
    let harbour = file.safe_harbour.as_ref().unwrap();
    assert!(harbour.is_absolute() && harbour.ends_with("sorry.wav"));
    assert_eq!(spec.safe_harbour.as_deref(), harbour.to_str());

    assert_eq!(file.sip.listen, ["127.0.0.1:5060".parse().unwrap()]);
    assert_eq!(file.sip.rtp_ports, (20_000, 29_999));
    let trunk = &file.sip.trunks[0];
    assert_eq!(
        (trunk.name.as_str(), &trunk.place),
        ("carrier", &Place::udp("127.0.0.1:5090".parse().unwrap()))
    );
    assert_eq!((trunk.max_calls, trunk.calls_per_second, trunk.register), (200, 50.0, false));
    assert_eq!(trunk.codecs, [Codec::Pcmu, Codec::Pcma]);
    assert_eq!(trunk.caller_ids, ["+15550000001"]);
    assert_eq!(trunk.options_interval, Some(Duration::from_secs(30)));

    assert_eq!(file.agents.leg, AgentLegMode::Persistent);
    assert_eq!(file.agents.users, ["agent1", "agent2"]);
    let secret = Ha1::of("agent1", "carillon", &Secret::new("s3cret"));
    assert_eq!(file.sip.users[0].ha1, secret);
    assert_eq!(file.sip.phone_digests, [Algorithm::Md5]);
    assert_eq!(file.sip.users[1].contact.as_deref(), Some("sip:agent2@127.0.0.1:5072"));
    assert_eq!(spec.wrap_up, WrapUp::Script { after: Duration::from_secs(5), disposition: "success".into() });
    let [shift] = &spec.shifts[..] else { panic!("one shift") };
    assert_eq!((shift.from.as_str(), shift.to.as_str(), shift.agents.len()), ("09:00", "12:30", 1));
    assert_eq!(shift.days, [Day::Tue, Day::Wed, Day::Thu]);
    assert_eq!(spec.shifts_timezone.as_deref(), Some("America/New_York"));

    assert!(file.list.file.is_absolute() && file.list.file.ends_with("contacts.csv"));
    assert_eq!((file.list.region.as_deref(), file.list.timezone.as_deref()), (Some("US"), Some("UTC")));
    assert_eq!((spec.region.as_deref(), spec.timezone.as_deref()), (Some("US"), Some("UTC")));
    assert_eq!(spec.windows.len(), 1);
    assert_eq!(spec.windows[0].days.first(), Some(&Day::Mon));
    assert_eq!((spec.windows[0].from.as_str(), spec.windows[0].to.as_str()), ("08:00", "21:00"));
    assert_eq!(spec.closure.retry[&Outcome::Abandoned], Duration::from_secs(24 * 3600));
    assert_eq!(spec.closure.retry.len(), 5);
    assert_eq!(spec.closure.callee_left, Some(Duration::from_secs(120)));
}

#[test]
fn what_is_left_out_has_its_default() {
    let folder = Folder::new();
    let file = CampaignFile::load(&folder.write(MINIMAL)).unwrap();
    let expected = CampaignSpec {
        wrap_up: WrapUp::Script { after: Duration::from_secs(5), disposition: "success".into() },
        // A run has no screens.
        preview_timeout: Duration::ZERO,
        preview_unanswered: Unanswered::Call,
        ..CampaignSpec::new("m".into(), Mode::Progressive, Jurisdiction::None)
    };
    assert_eq!(file.spec, expected);
    assert_eq!(file.spec.closure, ClosureSpec::default());
    assert_eq!((file.seed, &file.safe_harbour, &file.list.suppression), (None, &None, &None));
    assert_eq!(file.sip.listen, ["127.0.0.1:5060".parse().unwrap()]);
    assert_eq!(file.sip.media_address, file.sip.listen[0].address.ip());
    assert_eq!((file.sip.rtp_ports, file.sip.realm.as_str()), ((20_000, 29_999), "carillon"));
    assert_eq!(file.sip.trunks[0].place, Place::udp("127.0.0.1:5060".parse().unwrap()));
    assert_eq!((file.sip.trunks[0].max_calls, file.sip.trunks[0].calls_per_second), (200, 50.0));
    assert_eq!(file.sip.trunks[0].incoming_per_second, None);
    assert_eq!(file.agents.wait_for, Duration::from_secs(20));
}

#[test]
fn the_api_reads_the_spec_of_the_file() {
    let folder = Folder::new();
    let file = CampaignFile::load(&folder.write(EXAMPLE)).unwrap();
    let json = serde_json::to_string(&file.spec).unwrap();
    assert_eq!(serde_json::from_str::<CampaignSpec>(&json).unwrap(), file.spec);
}

#[test]
fn secrets_do_not_show() {
    let folder = Folder::new();
    let file = CampaignFile::load(&folder.write(EXAMPLE)).unwrap();
    assert!(!format!("{file:?}").contains("s3cret"));
}

#[test]
fn a_trunk_may_have_a_name() {
    let folder = Folder::new();
    let text = MINIMAL.replace("sip:127.0.0.1", "sip:localhost:5091;transport=udp");
    let file = CampaignFile::load(&folder.write(&text)).unwrap();
    let Place::Named(named) = &file.sip.trunks[0].place else { panic!("a name is looked up later") };
    assert_eq!((named.host.as_str(), named.port, named.open), ("localhost", Some(5091), false));
}

#[test]
fn a_trunk_may_be_reached_over_tcp() {
    let folder = Folder::new();
    let listen = "[sip]\nlisten = [\"127.0.0.1:5060\", \"tcp:127.0.0.1:5060\"]\n";
    let text = MINIMAL.replace("sip:127.0.0.1", "sip:127.0.0.1:5091;transport=tcp");
    let file = CampaignFile::load(&folder.write(&format!("{text}\n{listen}"))).unwrap();
    let trunk = &file.sip.trunks[0];
    let target = Target { transport: Transport::Tcp, address: "127.0.0.1:5091".parse().unwrap() };
    assert_eq!(trunk.place, Place::Fixed(target));
    assert_eq!(file.sip.listen[1].to_string(), "tcp:127.0.0.1:5060");
}

#[test]
fn several_addresses_may_be_listened_on() {
    let folder = Folder::new();
    let text = format!("{MINIMAL}\n[sip]\nlisten = [\"udp:127.0.0.1:5060\", \"[::1]:5062\"]\n");
    let file = CampaignFile::load(&folder.write(&text)).unwrap();
    assert_eq!(file.sip.listen, ["127.0.0.1:5060".parse().unwrap(), "[::1]:5062".parse().unwrap()]);
}

#[test]
fn an_agent_may_be_given_by_hashes_alone() {
    let folder = Folder::new();
    let hash = Ha1::of("a", "carillon", &Secret::new("b"));
    let digest = |algorithm| hash.get(algorithm).unwrap();
    let md5 = format!("ha1_md5 = \"{}\"\n", digest(Algorithm::Md5));
    let text = MINIMAL.replace("password = \"b\"\n", &md5);
    let user = &CampaignFile::load(&folder.write(&text)).unwrap().sip.users[0];
    assert_eq!(user.ha1.get(Algorithm::Md5), hash.get(Algorithm::Md5));
    assert_eq!(user.ha1.get(Algorithm::Sha256), None);

    let strong = "[sip]\nphone_digests = [\"SHA-512-256\", \"sha-256\"]\n";
    let sha256 = format!("ha1_sha256 = \"{}\"\n", digest(Algorithm::Sha256));
    let text = MINIMAL.replace("password = \"b\"\n", &sha256);
    let told = CampaignFile::load(&folder.write(&text)).unwrap_err().to_string();
    assert!(told.contains("[[agents.agent]] user: has no hash for what phones are asked for: MD5"), "{told}");
    let text = text + strong;
    let file = CampaignFile::load(&folder.write(&text)).unwrap();
    assert_eq!(file.sip.phone_digests, [Algorithm::Sha512_256, Algorithm::Sha256]);
    assert_eq!(file.sip.users[0].ha1.get(Algorithm::Sha256), hash.get(Algorithm::Sha256));
}
