//! The whole house at work: engine, store, SIP and RTP over real sockets.

use std::path::Path;

use super::audio::{Ear, Heard};
use super::party::Sound;
use super::*;

/// The first and last tenth of a second may hold both silence and sound; this many must be right.
const TENTHS_MIN: usize = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_campaign_is_seen_through_heard_both_ways_and_recorded() {
    let directory = tempfile::tempdir().expect("a folder");
    let keep = Some(directory.path().to_owned());
    let options = DemoOptions {
        agents: 4,
        contacts: 30,
        seed: 3,
        speed: 20,
        mode: DemoMode::Predictive,
        listen: None,
        keep,
    };
    let Played { summary, heard, .. } = play(&options).await.expect("the demo runs to its end");
    assert_eq!((summary.tasks_closed, summary.tasks_open), (30, 0));
    assert!(summary.bridged > 0 && summary.no_answer > 0, "{summary:?}");
    assert_eq!(summary.answered, summary.bridged + summary.abandoned + summary.callee_left);
    assert_eq!((heard.agent_heard, heard.both_ways), (summary.bridged, summary.bridged), "{heard:?}");
    assert_eq!(heard.crossed, 0);

    let mut rows = csv::Reader::from_path(directory.path().join("attempts.csv")).expect("attempts.csv");
    let columns = rows.headers().expect("header").clone();
    let column =
        |name: &str| columns.iter().position(|found| found == name).expect("a column of the contract");
    let (agent, recording) = (column("agent"), column("recording"));
    let mut recordings = 0;
    for row in rows.records() {
        let row = row.expect("a row");
        if row[recording].is_empty() {
            continue;
        }
        recordings += 1;
        let (left, right) = channels(&directory.path().join(&row[recording]));
        let user: u8 = row[agent].trim_start_matches("agent").parse().expect("agentN");
        let by_agent = |heard: &&Heard| **heard == Heard::Voice(Sound::Agent(user - 1));
        let by_callee = |heard: &&Heard| matches!(heard, Heard::Voice(Sound::Person(_) | Sound::Machine(_)));
        assert!(left.iter().filter(by_agent).count() >= TENTHS_MIN, "left of {}: {left:?}", &row[recording]);
        assert!(
            right.iter().filter(by_callee).count() >= TENTHS_MIN,
            "right of {}: {right:?}",
            &row[recording]
        );
        assert!(!left.iter().any(|heard| by_callee(&heard)) && !right.iter().any(|heard| by_agent(&heard)));
    }
    assert_eq!(recordings, summary.bridged);
}

/// What is heard on the left and on the right of a stereo WAV at 8 kHz.
fn channels(path: &Path) -> (Vec<Heard>, Vec<Heard>) {
    let mut reader = hound::WavReader::open(path).expect("a recording");
    let spec = reader.spec();
    assert_eq!((spec.channels, spec.sample_rate), (2, 8_000));
    let samples: Vec<i16> = reader.samples().collect::<Result<_, _>>().expect("samples");
    let side = |offset: usize| {
        let mut ear = Ear::default();
        samples.iter().skip(offset).step_by(2).filter_map(|sample| ear.listen(*sample)).collect()
    };
    (side(0), side(1))
}
