//! Requests within a call, phones that fork, agents who hang up.

use super::rig::campaign::Campaign;
use super::rig::customer::{Customer, Packet, assert_one_stream, sound};
use super::rig::process::eventually;
use super::rig::tone::{Law, seconds_of};
use super::rig::{AGENT_HZ, CUSTOMER_HZ, LONG, Stage};

#[test]
fn options_and_a_re_invite_in_mid_call_are_answered_and_the_talk_goes_on() {
    let stage = Stage::new();
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let mut carrier = stage.carrier("carrier_reinvite.xml").customer(&customer).pause_ms(1_500).start();
    let phone = stage.phone(0, &[Law::Mu]);
    let report = stage.run(&Campaign::default()).finish();
    carrier.finish(LONG);
    assert_eq!(report.only_attempt().get("outcome"), "answered");
    assert!((2_700..=4_000).contains(&report.only_attempt().number("talk_ms")), "{:?}", report.attempts);
    assert_one_stream(&customer.packets());
    assert!(seconds_of(&sound(&customer.packets()), AGENT_HZ) > 2.4);
    assert!(seconds_of(&phone.stop(), CUSTOMER_HZ) > 2.4);
}

#[test]
fn of_two_phones_that_pick_up_the_first_is_kept_and_the_other_hung_up() {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_forked.xml").pause_ms(1_000).start();
    let mut phone = stage.sipp_phone("agent_answer.xml").start();
    let report = stage.run(&Campaign::with_sipp_agent()).finish();
    // The scenario wants an ACK for each 200 and a BYE for the second.
    carrier.finish(LONG);
    phone.finish(LONG);
    assert_eq!((report.count("placed"), report.count("answered"), report.count("bridged")), (1, 1, 1));
    let ended = report.only_attempt();
    assert!(ended.number("talk_ms") >= 900, "the first call was cut: {ended:?}");
}

#[test]
fn an_agent_who_hangs_up_ends_the_call() {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_answer_wait.xml").start();
    let mut phone = stage.sipp_phone("agent_hangs_up.xml").pause_ms(1_000).start();
    let report = stage.run(&Campaign::with_sipp_agent()).finish();
    phone.finish(LONG);
    // The carrier waits for our BYE.
    carrier.finish(LONG);
    let attempt = report.only_attempt();
    assert_eq!((attempt.get("outcome"), attempt.get("agent")), ("answered", "agent1"));
    assert!((800..=2_000).contains(&attempt.number("talk_ms")), "{attempt:?}");
}

#[test]
fn a_customer_whose_only_agent_does_not_pick_up_is_abandoned_in_time() {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_answer_wait.xml").start();
    let phone = stage.sipp_phone("agent_busy.xml").calls(10).start();
    let report = stage.run(&Campaign::with_sipp_agent()).finish();
    carrier.finish(LONG);
    assert!(eventually(LONG, || (!phone.received("INVITE").is_empty()).then_some(())).is_some());
    let attempt = report.only_attempt();
    assert_eq!((attempt.get("outcome"), attempt.get("attribution")), ("abandoned", "us"));
    let held = attempt.time("ended_at").unwrap() - attempt.time("answered_at").unwrap();
    assert!((0..=2_500).contains(&held), "kept on the line for {held} ms");
    assert_eq!((report.count("answered"), report.count("bridged")), (1, 0));
}

#[test]
fn a_session_is_refreshed_both_ways_and_a_carrier_that_falls_silent_does_not_hold_the_call() {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_session_timer.xml").start();
    let phone = stage.phone(0, &[Law::Mu]);
    let report = stage.run(&Campaign::default()).finish();
    carrier.finish(LONG);
    phone.stop();
    let attempt = report.only_attempt();
    // 2 s to the UPDATE, 2 s to the re-INVITE, and 4 s less a third to the end.
    assert_eq!((attempt.get("outcome"), report.count("bridged")), ("answered", 1));
    assert!((6_000..=8_000).contains(&attempt.number("talk_ms")), "{attempt:?}");
}

#[test]
fn reliable_provisional_responses_are_acknowledged_and_carry_the_session() {
    let stage = Stage::new();
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let mut carrier = stage.carrier("carrier_prack.xml").customer(&customer).pause_ms(2_000).start();
    let phone = stage.phone(0, &[Law::Mu]);
    let report = stage.run(&Campaign::default()).finish();
    carrier.finish(LONG);
    assert_eq!((carrier.received("PRACK").len(), report.count("bridged")), (2, 1));
    assert_one_stream(&customer.packets());
    assert!(seconds_of(&sound(&customer.packets()), AGENT_HZ) > 1.4);
    assert!(seconds_of(&phone.stop(), CUSTOMER_HZ) > 1.4);
}

#[test]
fn an_offer_of_the_carrier_is_answered_in_the_ack() {
    let stage = Stage::new();
    let customer = Customer::speaking(Law::A, CUSTOMER_HZ);
    let mut carrier = stage.carrier("carrier_late_offer.xml").customer(&customer).start();
    let phone = stage.phone(0, &[Law::A]);
    let campaign = Campaign { trunk_keys: "late_offer = true", talk_limit: "2s", ..Campaign::default() };
    let report = stage.run(&campaign).finish();
    carrier.finish(LONG);
    assert_eq!(report.count("bridged"), 1);
    assert!(seconds_of(&sound(&customer.packets()), AGENT_HZ) > 1.4);
    assert!(seconds_of(&phone.stop(), CUSTOMER_HZ) > 1.4);
}

#[test]
fn a_customer_on_hold_is_sent_nothing_and_hears_the_agent_again_after() {
    let stage = Stage::new();
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let mut carrier = stage.carrier("carrier_hold.xml").customer(&customer).pause_ms(1_000).start();
    let phone = stage.phone(0, &[Law::Mu]);
    let report = stage.run(&Campaign::default()).finish();
    carrier.finish(LONG);
    phone.stop();
    assert_eq!((report.count("bridged"), report.only_attempt().get("outcome")), (1, "answered"));
    let packets = customer.packets();
    let at = |index: usize| packets[index].at;
    let pauses: Vec<usize> = (1..packets.len())
        .filter(|index| at(*index).duration_since(at(index - 1)).is_ok_and(|gap| gap.as_millis() > 700))
        .collect();
    assert_eq!(pauses.len(), 2, "two holds of a second each");
    // Between the holds and after the second one the agent's tone is there.
    let stretches = [&packets[..pauses[0]], &packets[pauses[0]..pauses[1]], &packets[pauses[1]..]];
    for stretch in stretches {
        assert!(seconds_of(&sound(stretch), AGENT_HZ) > 0.5);
    }
}

#[test]
fn an_agent_who_holds_is_sent_nothing_and_the_customer_hears_silence() {
    let stage = Stage::new();
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    // The phone's sound: an endpoint like the customer's, with the agent's tone.
    let agent = Customer::speaking(Law::Mu, AGENT_HZ);
    let mut carrier = stage.carrier("carrier_answer_wait.xml").customer(&customer).start();
    let mut phone = stage.sipp_phone("agent_holds.xml").customer(&agent).pause_ms(1_500).start();
    let report = stage.run(&Campaign::with_sipp_agent()).finish();
    phone.finish(LONG);
    carrier.finish(LONG);
    assert_eq!(report.count("bridged"), 1);
    let packets = agent.packets();
    let at = |index: usize| packets[index].at;
    let gap = (1..packets.len())
        .find(|index| at(*index).duration_since(at(index - 1)).is_ok_and(|gap| gap.as_millis() > 1_000));
    let held = gap.expect("nothing is sent to a phone that holds");
    for stretch in [&packets[..held], &packets[held..]] {
        assert!(seconds_of(&sound(stretch), CUSTOMER_HZ) > 1.0, "before and after, the customer is heard");
    }
    // One stream all the time: the agent's tone, or silence.
    assert_one_stream(&customer.packets());
}

// RFC 6086, RFC 4733: a phone that tells keys in INFO, and a customer who gets them as events.
#[test]
fn keys_in_an_info_reach_the_customer_as_telephone_events() {
    let stage = Stage::new();
    let customer = Customer::speaking(Law::Mu, CUSTOMER_HZ);
    let agent = Customer::speaking(Law::Mu, AGENT_HZ);
    let mut carrier = stage.carrier("carrier_answer_wait.xml").customer(&customer).start();
    let mut phone = stage.sipp_phone("agent_info.xml").customer(&agent).pause_ms(1_000).start();
    let report = stage.run(&Campaign::with_sipp_agent()).finish();
    phone.finish(LONG);
    carrier.finish(LONG);
    assert_eq!(report.count("bridged"), 1);
    let packets = customer.packets();
    let events: Vec<_> = packets.iter().filter(|packet| packet.payload_type == 101).collect();
    // 100 ms in five packets and 160 ms in eight, and the end of either twice more.
    let began = events[0].timestamp;
    let (five, hash): (Vec<&Packet>, Vec<&Packet>) =
        events.into_iter().partition(|packet| packet.timestamp == began);
    assert_eq!((five.len(), hash.len()), (7, 10));
    assert!(hash.iter().all(|packet| packet.timestamp == hash[0].timestamp));
    for pair in packets.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1), "one stream");
    }
    assert!(seconds_of(&sound(&packets), AGENT_HZ) > 2.0, "the agent is heard before and after");
}

// RFC 3428: both scenarios insist on what the other one wrote.
#[test]
fn agent_and_customer_write_to_each_other_within_the_call() {
    let stage = Stage::new();
    let mut carrier = stage.carrier("carrier_texts.xml").start();
    let mut phone = stage.sipp_phone("agent_texts.xml").pause_ms(1_000).start();
    let report = stage.run(&Campaign::with_sipp_agent()).finish();
    phone.finish(LONG);
    carrier.finish(LONG);
    assert_eq!(report.count("bridged"), 1);
}
