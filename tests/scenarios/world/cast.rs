//! Who takes part, where each of them is, and what each is configured with.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use carillon::demo::party::plan::{DigestPlan, Plan as Callees};
use carillon::demo::party::token::Tokens;
use carillon::demo::party::{Sound, carrier, phone};
use carillon::node;
use carillon_core::dialer;
use carillon_sip::auth::Ha1;
use carillon_sip::media::prompt::Prompt;
use carillon_sip::options::{Options as SipOptions, Secret, TrunkOptions, UserOptions};
use carillon_sip::resolve::Place;

use super::dice::generator;
use super::plan::Plan;

/// Our SIP address.
pub const NODE: &str = "10.0.0.1:5060";
/// The first carrier's.
pub const CARRIER: &str = "10.0.1.1:5060";
/// The number that people call.
pub const CALLED: &str = "+15559990001";
/// The trunk's account.
const ACCOUNT: (&str, &str) = ("carillon", "tr0nk");
/// RTP addresses of the carrier.
const CARRIER_PORTS: u16 = 400;

/// The carriers of a plan, one a trunk.
pub fn carriers(plan: &Plan) -> Vec<carrier::Carrier> {
    let mut first = plan.callees.clone();
    let proxy = plan.seed.is_multiple_of(2);
    first.digest =
        plan.digest.then(|| DigestPlan { username: ACCOUNT.0.into(), password: ACCOUNT.1.into(), proxy });
    let others = plan.others.iter().map(|other| other.callees.clone());
    let carrier = |(trunk, callees): (usize, Callees)| {
        let address = carrier_address(trunk);
        let media = |index| SocketAddr::new(address.ip(), 10_000 + index * 2);
        let options = carrier::Options {
            address,
            media: (0..CARRIER_PORTS).map(media).collect(),
            plan: callees,
            // Whom one carrier finds at home another one may not.
            seed: plan.seed + trunk as u64 * 1_000_003,
            speed: 1.0,
        };
        carrier::Carrier::new(options, Tokens::new(generator(plan.seed, &trunk_name(trunk))))
    };
    std::iter::once(first).chain(others).enumerate().map(carrier).collect()
}

/// Where the carrier of a trunk is.
pub fn carrier_address(trunk: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 1, trunk as u8 + 1], 5_060))
}

/// The trunk whose carrier is there.
pub fn trunk_at(peer: SocketAddr) -> Option<usize> {
    match peer.ip() {
        IpAddr::V4(ip) if ip.octets()[..3] == [10, 0, 1] => usize::from(ip.octets()[3]).checked_sub(1),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}

/// A trunk's name.
pub fn trunk_name(trunk: usize) -> String {
    if trunk == 0 { "carrier".to_owned() } else { format!("carrier{}", trunk + 1) }
}

/// An agent's phone, switched off; `made` tells one from those the agent had before.
pub fn phone(plan: &Plan, agent: usize, made: u64) -> phone::Phone {
    let options = phone::Options {
        user: user(agent),
        password: password(agent),
        registrar: address(NODE),
        address: phone_address(agent),
        media: phone_media(agent),
        payload: if agent.is_multiple_of(3) { 8 } else { 0 },
        expires: Duration::from_secs(120),
        answer_after: Duration::from_millis(200),
        hang_up_after: None,
        declines: false,
        sound: Sound::Agent(agent as u8),
    };
    phone::Phone::new(options, Tokens::new(generator(plan.seed, &format!("phone {made}"))))
}

/// What a node of a plan is made of.
pub fn node_options(plan: &Plan) -> node::Options {
    let account = if plan.digest { ACCOUNT } else { ("", "") };
    let first = TrunkOptions {
        username: account.0.into(),
        password: Secret::new(account.1),
        register: plan.digest,
        max_calls: plan.max_calls,
        calls_per_second: plan.calls_per_second,
        caller_ids: vec!["+15559990001".into(), "+15559990002".into()],
        ..TrunkOptions::new(&trunk_name(0), address(CARRIER))
    };
    let other = |(trunk, (max_calls, calls_per_second)): (usize, (usize, f64))| TrunkOptions {
        name: trunk_name(trunk),
        uri: format!("sip:{}", carrier_address(trunk)),
        place: Place::udp(carrier_address(trunk)),
        username: String::new(),
        password: Secret::default(),
        register: false,
        max_calls: max_calls as u32,
        calls_per_second,
        ..first.clone()
    };
    let others: Vec<_> = plan.caps().into_iter().enumerate().skip(1).map(other).collect();
    let user = |agent| {
        let ha1 = Ha1::of(&user(agent), "carillon", &Secret::new(password(agent)));
        UserOptions { user: user(agent), ha1, contact: None, preferred_device: None }
    };
    let sip = SipOptions {
        trunks: std::iter::once(first).chain(others).collect(),
        users: (0..plan.agents).map(user).collect(),
        register_expires_min: Duration::from_secs(60),
        ..SipOptions::new(vec![address(NODE).into()], IpAddr::from([10, 0, 0, 1]))
    };
    node::Options {
        sip,
        dialer: dialer::Options::default(),
        leg: plan.leg,
        directory: PathBuf::from("/report"),
        speed: 1,
    }
}

/// The safe-harbour message: two seconds.
pub fn prompt() -> Arc<Prompt> {
    Arc::new(Prompt::from_pcm16(&[400; 16_000], 8_000).expect("samples"))
}

/// An agent's user.
pub fn user(agent: usize) -> String {
    format!("agent{agent}")
}

/// Where an agent's phone is.
pub fn phone_address(agent: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 2, agent as u8 + 1], 5_060))
}

/// Where the agent's second phone is.
pub fn second_address(agent: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 2, agent as u8 + 1], 5_062))
}

/// The agent whose phone, first or second, is there.
pub fn agent_at(peer: SocketAddr) -> Option<usize> {
    match peer.ip() {
        IpAddr::V4(ip) if ip.octets()[..3] == [10, 0, 2] => usize::from(ip.octets()[3]).checked_sub(1),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}

/// Where it wants its audio.
pub fn phone_media(agent: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 2, agent as u8 + 1], 7_078))
}

/// An address in words.
pub fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// What the agent's phones prove themselves with.
pub fn password(agent: usize) -> String {
    format!("secret{agent}")
}
