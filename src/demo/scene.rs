//! Sets the scene: free ports, the demo's files, carrier and phones with their sockets.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::audio::Heard;
use super::io::{Seat, bind_media, bind_sip};
use super::party::Sound;
use super::party::carrier::{self, Carrier};
use super::party::phone::{self, Phone};
use super::party::plan::Plan;
use super::party::sdp::{PCMA, PCMU};
use super::party::token::Tokens;
use super::{AGENTS_MAX, DemoOptions, contacts};
use crate::exit::Exit;
use crate::run;

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const CAMPAIGN: &str = include_str!("data/campaign.toml");
const CALLEES: &str = include_str!("data/callees.toml");
const MESSAGE: &[u8] = include_bytes!("data/sorry.wav");
/// Lines the carrier has per agent: more than any ratio of the demo asks for, with those that are just ending.
const LINES_PER_AGENT: usize = 8;
/// Ports of the engine's RTP per agent: agent leg and lines, RTP and RTCP each.
const PORTS_PER_AGENT: u16 = 40;
/// Below the ports that systems hand out by themselves.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// A phone rings this long before it answers by itself.
const ANSWER_AFTER: Duration = Duration::from_millis(120);
const REGISTER_FOR: Duration = Duration::from_secs(300);

/// Everything that is ready to play.
pub struct Scene {
    /// The campaign file.
    pub campaign: PathBuf,
    /// The carrier.
    pub carrier: Seat<Carrier>,
    /// One phone an agent.
    pub phones: Vec<Seat<Phone>>,
}

/// Binds sockets and writes the demo's files into `directory`.
pub fn set(options: &DemoOptions, directory: &Path) -> Result<Scene, Exit> {
    if !(1..=AGENTS_MAX).contains(&options.agents) {
        return Err(Exit::file(format!("--agents: must be 1 to {AGENTS_MAX}")));
    }
    if !(1..=contacts::CONTACTS_MAX).contains(&options.contacts) {
        return Err(Exit::file(format!("--contacts: must be 1 to {}", contacts::CONTACTS_MAX)));
    }
    if directory.join(run::DATABASE).exists() {
        return Err(Exit::file(format!(
            "--keep: {} holds an earlier demo; name another folder",
            directory.display()
        )));
    }
    let sockets = |error: std::io::Error| Exit::other(format!("simulated parties: {error}"));
    let listen = free_address().map_err(sockets)?;
    let carrier = carrier(options).map_err(sockets)?;
    let phones = (0..options.agents)
        .map(|index| phone(index, listen, options.seed))
        .collect::<Result<Vec<_>, _>>()
        .map_err(sockets)?;
    let trunk = carrier.sip.local_addr().map_err(sockets)?;
    let ports = free_ports(PORTS_PER_AGENT * options.agents as u16)
        .ok_or_else(|| Exit::other("no range of free UDP ports for RTP between 20000 and 32000"))?;

    let files = |error: std::io::Error| Exit::other(format!("{}: {error}", directory.display()));
    std::fs::create_dir_all(directory).map_err(files)?;
    let campaign = directory.join("campaign.toml");
    std::fs::write(&campaign, campaign_file(options, listen, trunk, ports)).map_err(files)?;
    std::fs::write(directory.join("contacts.csv"), contacts::first(options.contacts)).map_err(files)?;
    std::fs::write(directory.join("sorry.wav"), MESSAGE).map_err(files)?;
    Ok(Scene { campaign, carrier, phones })
}

/// What the carrier does when a callee hears something.
pub fn carrier_hears(carrier: &mut Carrier, line: u64, heard: Heard, now: Duration) {
    match heard {
        Heard::Message => carrier.hears_message(line, now),
        Heard::Silence | Heard::Voice(_) | Heard::Beep | Heard::Other => {}
    }
}

fn carrier(options: &DemoOptions) -> std::io::Result<Seat<Carrier>> {
    let sip = bind_sip(LOCAL)?;
    let media = bind_media(LOCAL, LINES_PER_AGENT * options.agents)?;
    let plan = Plan::parse(CALLEES).map_err(std::io::Error::other)?;
    let machine = carrier::Options {
        address: sip.local_addr()?,
        media: media.iter().map(|socket| socket.address).collect(),
        plan,
        seed: options.seed,
        speed: f64::from(options.speed),
    };
    Ok(Seat { party: Carrier::new(machine, tokens(options.seed, 0)), sip, media })
}

fn phone(index: usize, registrar: SocketAddr, seed: u64) -> std::io::Result<Seat<Phone>> {
    let sip = bind_sip(LOCAL)?;
    let media = bind_media(LOCAL, 1)?;
    let machine = phone::Options {
        user: user(index),
        password: password(index),
        registrar,
        address: sip.local_addr()?,
        media: media.first().map_or(registrar, |socket| socket.address),
        payload: if index % 3 == 2 { PCMA } else { PCMU },
        expires: REGISTER_FOR,
        answer_after: ANSWER_AFTER,
        hang_up_after: None,
        declines: false,
        sound: Sound::Agent(index as u8),
    };
    let mut party = Phone::new(machine, tokens(seed, 1 + index as u64));
    party.sign_on(Duration::ZERO);
    Ok(Seat { party, sip, media })
}

fn user(index: usize) -> String {
    format!("agent{}", index + 1)
}

/// Both ends of it are in this process and listen on the loopback address alone.
fn password(index: usize) -> String {
    format!("demo-{}", index + 1)
}

fn tokens(seed: u64, party: u64) -> Tokens {
    Tokens::new(ChaCha20Rng::seed_from_u64(seed ^ party.rotate_left(32)))
}

/// The rules of the campaign with the sockets of this run.
fn campaign_file(options: &DemoOptions, listen: SocketAddr, trunk: SocketAddr, ports: (u16, u16)) -> String {
    // What is kept can be listened to.
    let mut file = CAMPAIGN.replacen("record = false", &format!("record = {}", options.keep.is_some()), 1);
    file = file.replacen("mode = \"predictive\"", &format!("mode = \"{}\"", options.mode.word()), 1);
    let (first, last) = ports;
    let lines = LINES_PER_AGENT * options.agents;
    let (part, rest) = (
        format!(
            "\n[sip]\nlisten = \"{listen}\"\nmedia_address = \"{LOCAL}\"\nrtp_ports = \"{first}-{last}\"\n"
        ),
        format!(
            "\n[[trunk]]\nname = \"carrier\"\nuri = \"sip:{trunk}\"\nmax_calls = {lines}\ncalls_per_second = \
             50.0\ncaller_ids = [\"+12125550100\"]\ncodecs = [\"PCMU\", \"PCMA\"]\n\n[agents]\nleg = \"persistent\"\nwait_for = \
             \"20s\"\nwrap_up = \"5s\"\ndisposition = \"success\"\n"
        ),
    );
    file.push_str(&part);
    file.push_str(&rest);
    for index in 0..options.agents {
        // Writing to a string can't fail.
        let _ = write!(
            file,
            "\n[[agents.agent]]\nuser = \"{}\"\npassword = \"{}\"\n",
            user(index),
            password(index)
        );
    }
    file
}

/// A free UDP port, given back at once: the engine binds it a moment later.
fn free_address() -> std::io::Result<SocketAddr> {
    UdpSocket::bind(SocketAddr::new(LOCAL, 0))?.local_addr()
}

/// The first range of `count` ports that are all free.
fn free_ports(count: u16) -> Option<(u16, u16)> {
    PORTS.step_by(usize::from(count)).find_map(|first| {
        let last = first.checked_add(count - 1).filter(|last| *last < PORTS.end)?;
        let free = (first..=last).all(|port| UdpSocket::bind(SocketAddr::new(LOCAL, port)).is_ok());
        free.then_some((first, last))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::DemoMode;

    #[test]
    fn the_campaign_file_is_one_that_run_takes() {
        let directory = std::env::temp_dir().join(format!("carillon-scene-{}", std::process::id()));
        let options = DemoOptions {
            agents: 3,
            contacts: 20,
            seed: 1,
            speed: 10,
            mode: DemoMode::Ratio,
            listen: None,
            keep: None,
        };
        let scene = set(&options, &directory).expect("a scene");
        let file = carillon_config::CampaignFile::load(&scene.campaign);
        std::fs::remove_dir_all(&directory).expect("removed");
        let file = file.expect("a good file");
        assert_eq!(file.agents.users, ["agent1", "agent2", "agent3"]);
        let carrier = scene.carrier.sip.local_addr().expect("address");
        assert_eq!(file.sip.trunks[0].place, carillon_sip::resolve::Place::udp(carrier));
        assert!(file.safe_harbour.is_some());
        assert!(!file.spec.record, "nothing is kept");
        assert_eq!(file.spec.mode, carillon_core::campaign::spec::Mode::Ratio);
        assert_eq!(scene.phones.len(), 3);
    }

    #[test]
    fn sizes_are_checked() {
        let refused = |agents, contacts| {
            let options = DemoOptions {
                agents,
                contacts,
                seed: 1,
                speed: 10,
                mode: DemoMode::Ratio,
                listen: None,
                keep: None,
            };
            set(&options, Path::new("/nonexistent")).err().expect("refused").to_string()
        };
        assert!(refused(0, 10).contains("--agents"));
        assert!(refused(AGENTS_MAX + 1, 10).contains("--agents"));
        assert!(refused(1, 0).contains("--contacts"));
        assert!(refused(1, 1_001).contains("--contacts"));
    }

    #[test]
    fn an_earlier_demo_is_not_run_on() {
        let directory = tempfile::tempdir().expect("a folder");
        std::fs::write(directory.path().join(run::DATABASE), "").expect("written");
        let keep = Some(directory.path().to_owned());
        let options = DemoOptions {
            agents: 1,
            contacts: 1,
            seed: 1,
            speed: 10,
            mode: DemoMode::Ratio,
            listen: None,
            keep,
        };
        let refused = set(&options, directory.path()).err().expect("refused").to_string();
        assert!(refused.contains("--keep"), "{refused}");
    }

    #[test]
    fn the_plan_is_good_and_the_message_is_heard_as_one() {
        assert!(Plan::parse(CALLEES).is_ok());
        let samples = MESSAGE[44..].chunks_exact(2).map(|octets| i16::from_le_bytes([octets[0], octets[1]]));
        let mut ear = super::super::audio::Ear::default();
        let heard: Vec<Heard> = samples.filter_map(|sample| ear.listen(sample)).collect();
        assert_eq!(heard.first(), Some(&Heard::Message));
        assert!(heard.iter().all(|heard| !matches!(heard, Heard::Voice(Sound::Agent(_)))), "{heard:?}");
    }
}
