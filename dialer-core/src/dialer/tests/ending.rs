//! How campaigns end: pause, stop, abort, time limit.

use std::time::Duration;

use super::desk::{Desk, Seen, spec};
use crate::attempt::outcome::Outcome;
use crate::campaign::spec::{CampaignSpec, Mode};
use crate::campaign::{CampaignCommand, CampaignState};
use crate::id::CampaignId;
use crate::input::{EndedBy, Failure, Input, Recording};
use crate::output::{Refused, Reply};

fn limited(seconds: u64) -> CampaignSpec {
    CampaignSpec { time_limit: Some(Duration::from_secs(seconds)), ..spec() }
}

#[test]
fn at_the_time_limit_ringing_and_talking_go_on_and_nothing_new_is_placed() {
    let (mut desk, campaign) = Desk::running(limited(20), 2, 10);
    desk.pass(100);
    let lines: Vec<_> = desk.placed.iter().copied().collect();
    lines.iter().for_each(|attempt| desk.tell(Input::Placed { attempt: *attempt }));
    desk.answer_call(lines[0]);
    desk.tell(Input::Connected { attempt: lines[0] });
    desk.pass(19_900);
    assert_eq!(desk.campaign(campaign).state, CampaignState::Stopping);
    assert!(!desk.saw(&Seen::HangUp(lines[1])), "it may still be answered");
    desk.fails(lines[1], Failure::Status(486));
    desk.pass(59_999);
    assert!(!desk.saw(&Seen::HangUp(lines[0])));
    desk.pass(1);
    assert!(desk.saw(&Seen::HangUp(lines[0])), "a minute later talk is cut");
    desk.ends(lines[0], EndedBy::Us);
    assert_eq!(desk.ending(lines[0]), (Outcome::Answered, "time_limit"));
    assert!(!desk.saw(&Seen::Finished(campaign)), "wrap-up is not over");
    desk.pass(1_000);
    assert!(desk.saw(&Seen::Finished(campaign)));
    assert_eq!(desk.placed.len(), 2);
}

#[test]
fn a_stop_lets_people_finish_their_talk() {
    let (mut desk, campaign) = Desk::running(spec(), 1, 5);
    let attempt = desk.bridged();
    desk.command(CampaignCommand::Stop(campaign)).unwrap();
    desk.pass(3_600_000);
    assert!(!desk.saw(&Seen::HangUp(attempt)));
    desk.ends(attempt, EndedBy::Callee);
    desk.pass(1_000);
    assert!(desk.saw(&Seen::Finished(campaign)));
    assert_eq!(desk.placed.len(), 1);
}

#[test]
fn it_ends_early_when_nothing_falls_due_before_the_limit() {
    let mut spec = limited(100);
    spec.closure.retry.insert(Outcome::Busy, Duration::from_secs(300));
    let (mut desk, campaign) = Desk::running(spec, 1, 1);
    desk.pass(100);
    let attempt = desk.last();
    desk.tell(Input::Placed { attempt });
    desk.fails(attempt, Failure::Status(486));
    desk.pass(100);
    assert!(desk.saw(&Seen::Finished(campaign)));
}

#[test]
fn without_a_limit_a_retry_is_waited_for() {
    let mut spec = spec();
    spec.closure.retry.insert(Outcome::Busy, Duration::from_secs(300));
    let (mut desk, campaign) = Desk::running(spec, 1, 1);
    desk.pass(100);
    let attempt = desk.last();
    desk.tell(Input::Placed { attempt });
    desk.fails(attempt, Failure::Status(486));
    desk.pass(299_000);
    assert!(!desk.saw(&Seen::Finished(campaign)));
    desk.pass(1_500);
    assert_eq!(desk.placed.len(), 2);
}

#[test]
fn an_empty_list_ends_at_once() {
    let (mut desk, campaign) = Desk::running(spec(), 1, 0);
    desk.pass(100);
    assert!(desk.saw(&Seen::Finished(campaign)));
}

#[test]
fn a_pause_places_nothing_and_keeps_the_time_limit() {
    let (mut desk, campaign) = Desk::running(limited(100), 1, 5);
    desk.pass(10);
    desk.command(CampaignCommand::Pause(campaign)).unwrap();
    desk.pass(1_000_000);
    assert!(desk.placed.is_empty());
    assert_eq!(desk.campaign(campaign).state, CampaignState::Paused);
    assert_eq!(desk.command(CampaignCommand::Start(campaign)), Ok(Reply::Done));
    desk.pass(1_000);
    assert_eq!(desk.placed.len(), 1, "the time on pause does not count");
}

#[test]
fn what_is_recorded_and_not_placed_at_a_stop_is_cancelled_and_tried_again() {
    let (mut desk, campaign) = Desk::running(spec(), 1, 1);
    desk.store_slow = true;
    desk.pass(100);
    desk.command(CampaignCommand::Stop(campaign)).unwrap();
    desk.store_slow = false;
    desk.store_answers();
    assert!(desk.placed.is_empty());
    let attempt = *desk.claimed.keys().next().unwrap();
    assert_eq!(desk.ending(attempt), (Outcome::Cancelled, "stopped"));
    assert!(desk.saw(&Seen::Release(attempt)));
    assert_eq!(desk.retry_in(1), Some(Duration::from_secs(60)));
    assert!(desk.saw(&Seen::Finished(campaign)));
}

#[test]
fn an_abort_ends_every_call_now() {
    let ratio = CampaignSpec {
        mode: Mode::Ratio,
        ratio: 4.0,
        abandon_limit: 1.0,
        safe_harbour: Some("sorry.wav".into()),
        ..spec()
    };
    let (mut desk, campaign) = Desk::running(ratio, 1, 10);
    desk.pass(100);
    let lines: Vec<_> = desk.placed.iter().copied().collect();
    assert_eq!(lines.len(), 4);
    lines.iter().for_each(|attempt| desk.tell(Input::Placed { attempt: *attempt }));
    desk.tell(Input::Ringing { attempt: lines[1], early_media: false });
    desk.answer_call(lines[2]);
    desk.tell(Input::Connected { attempt: lines[2] });
    desk.answer_call(lines[3]);
    desk.command(CampaignCommand::Abort(campaign)).unwrap();
    for (line, outcome) in
        lines.iter().zip([Outcome::Cancelled, Outcome::Cancelled, Outcome::Answered, Outcome::Abandoned])
    {
        assert!(desk.saw(&Seen::HangUp(*line)));
        match outcome {
            Outcome::Cancelled => desk.fails(*line, Failure::Cancelled),
            _ => desk.ends(*line, EndedBy::Us),
        }
        assert_eq!(desk.ending(*line), (outcome, "aborted"));
    }
    desk.pass(1_000);
    assert!(desk.saw(&Seen::Finished(campaign)));
}

#[test]
fn the_end_waits_for_an_open_recording_but_not_for_ever() {
    let recorded = CampaignSpec { record: true, ..spec() };
    for closed in [true, false] {
        let (mut desk, campaign) = Desk::running(recorded.clone(), 1, 1);
        let attempt = desk.bridged();
        desk.ends(attempt, EndedBy::Callee);
        desk.pass(2_000);
        assert!(!desk.saw(&Seen::Finished(campaign)));
        if closed {
            let recording = Recording { file: "1.wav".into(), duration_ms: 1, sha256: String::new() };
            desk.tell(Input::Recorded { attempt, recording: Ok(recording) });
        } else {
            desk.pass(58_000);
        }
        desk.pass(100);
        assert!(desk.saw(&Seen::Finished(campaign)), "{closed}");
    }
}

#[test]
fn an_ended_campaign_opens_again_when_its_list_has_grown() {
    let (mut desk, campaign) = Desk::running(spec(), 1, 0);
    desk.pass(100);
    desk.add_task(campaign, 1);
    desk.command(CampaignCommand::ListChanged(campaign)).unwrap();
    desk.pass(1_000);
    assert!(desk.placed.is_empty(), "ended is ended until it is started");
    desk.command(CampaignCommand::Start(campaign)).unwrap();
    desk.pass(100);
    assert_eq!(desk.placed.len(), 1);
}

#[test]
fn a_list_that_grows_is_looked_at_again() {
    let mut spec = spec();
    spec.closure.retry.insert(Outcome::Busy, Duration::from_secs(3000));
    let (mut desk, campaign) = Desk::running(spec, 1, 1);
    desk.pass(100);
    let attempt = desk.last();
    desk.tell(Input::Placed { attempt });
    desk.fails(attempt, Failure::Status(486));
    desk.add_task(campaign, 2);
    desk.command(CampaignCommand::ListChanged(campaign)).unwrap();
    desk.pass(100);
    assert_eq!(desk.placed.len(), 2);
}

#[test]
fn requests_that_cannot_be_done_say_why() {
    let mut desk = Desk::new();
    let missing = CampaignId(9);
    assert!(matches!(desk.command(CampaignCommand::Start(missing)), Err(Refused::Unknown(_))));
    let draft = desk.create(spec());
    assert!(matches!(desk.command(CampaignCommand::Stop(draft)), Err(Refused::State(_))));
    assert!(matches!(desk.command(CampaignCommand::Pause(draft)), Err(Refused::State(_))));
    let mut refused =
        |key: &str, spec: CampaignSpec| match desk.command(CampaignCommand::Create(Box::new(spec))) {
            Err(Refused::Invalid(why)) => assert!(why.starts_with(key), "{why}"),
            other => panic!("{key}: {other:?}"),
        };
    refused("name", CampaignSpec { name: String::new(), ..spec() });
    refused("ratio", CampaignSpec { ratio: f64::NAN, ..spec() });
    refused("abandon_limit", CampaignSpec { abandon_limit: 1.1, ..spec() });
    refused("abandon_after", CampaignSpec { abandon_after: Duration::ZERO, ..spec() });
    refused("timezone", CampaignSpec { timezone: Some("Mars/Olympus".into()), ..spec() });
    let short = Duration::from_secs(14);
    let us = crate::campaign::spec::Jurisdiction::Us;
    refused("ring_timeout", CampaignSpec { ring_timeout: short, jurisdiction: us, ..spec() });
    let mut none = spec();
    none.closure.attempts_max = 0;
    refused("closure.attempts_max", none);
}
