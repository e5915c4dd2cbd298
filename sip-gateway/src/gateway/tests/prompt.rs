//! The safe-harbour message: played once, then BYE.

use std::sync::Arc;

use super::super::testing::*;
use super::{CALL, ended};
use crate::command::{AgentLegMode, Command};
use crate::event::{EndedBy, Event};
use crate::media::MediaEvent;
use crate::media::prompt::Prompt;

fn second_of_prompt() -> Command {
    let prompt = Arc::new(Prompt { pcmu: vec![0xff; 8_000], pcma: vec![0xd5; 8_000] });
    Command::PlayAndHangUp { call: CALL, prompt }
}

#[test]
fn it_is_played_to_its_end_and_the_call_is_hung_up() {
    let mut bench = Bench::new(options());
    bench.answered(1);
    bench.command(second_of_prompt());
    assert_eq!(words(&bench.media()), ["play 1"]);
    bench.media_event(MediaEvent::PromptStarted { call: CALL });
    assert_eq!(bench.events(), [Event::PromptStarted { call: CALL }]);
    bench.pass(ms(1_000));
    assert!(bench.sent(CARRIER).is_empty());
    bench.media_event(MediaEvent::PromptFinished { call: CALL });
    let bye = bench.one(CARRIER);
    bench.feed(CARRIER, bye.reply("200 OK", "", &[], ""));
    assert_eq!(bench.events(), ended(EndedBy::Us, "safe_harbour"));
}

#[test]
fn one_that_is_never_reported_finished_is_given_up() {
    let mut bench = Bench::new(options());
    bench.answered(1);
    bench.command(second_of_prompt());
    bench.pass(ms(5_999));
    assert!(bench.sent(CARRIER).is_empty());
    bench.pass(ms(1));
    assert_eq!(bench.starts(CARRIER), ["BYE"]);
}

#[test]
fn a_connected_customer_is_not_interrupted() {
    let mut bench = Bench::new(options());
    bench.anna_up();
    bench.answered(1);
    bench.connect(1, "anna");
    bench.media();
    bench.command(second_of_prompt());
    assert_eq!(words(&bench.media()), Vec::<String>::new());
    bench.media_event(MediaEvent::PromptFinished { call: CALL });
    assert!(bench.sent(CARRIER).is_empty());
}

#[test]
fn a_phone_that_still_rings_is_cancelled_first() {
    let mut bench = Bench::new(options());
    bench.bind_anna();
    bench.command(Command::SignOn { user: "anna".into(), leg: AgentLegMode::PerCall });
    bench.answered(1);
    bench.events();
    bench.connect(1, "anna");
    let invite = bench.one(PHONE);
    bench.feed(PHONE, invite.reply("180 Ringing", "anna", &[], ""));
    bench.media();
    bench.command(second_of_prompt());
    assert_eq!(bench.starts(PHONE), ["CANCEL"]);
    assert_eq!(words(&bench.media()), ["close 2", "play 1"]);
    assert_eq!(bench.events(), [], "the agent was not asked for any more");
}
