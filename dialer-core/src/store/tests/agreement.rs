//! SQLite does what the model does, whatever is written in whatever order.

#![cfg(feature = "store")]

use proptest::collection::vec;
use proptest::prelude::*;

use super::disk::{Disk, OnDisk};
use super::writes::*;
use crate::attempt::outcome::Outcome;
use crate::contact::ListedContact;
use crate::id::CampaignId;
use crate::store::memory::Memory;
use crate::store::write::{BindingRow, Write};
use crate::task::{ClosedReason, TaskState};
use crate::time::Utc;

#[derive(Clone, Debug)]
enum Step {
    Batch(Vec<Write>),
    Import(CampaignId, Vec<ListedContact>),
    Suppress(String),
    Reopen,
}

fn campaigns() -> impl Strategy<Value = CampaignId> {
    (1_u64..=2).prop_map(CampaignId)
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Answered),
        Just(Outcome::Abandoned),
        Just(Outcome::Machine),
        Just(Outcome::Busy),
        Just(Outcome::Interrupted),
    ]
}

fn states() -> impl Strategy<Value = TaskState> {
    prop_oneof![
        4 => Just(TaskState::Open),
        1 => Just(TaskState::Closed(ClosedReason::Success)),
        1 => Just(TaskState::Closed(ClosedReason::Within)),
    ]
}

fn words() -> impl Strategy<Value = Option<&'static str>> {
    prop_oneof![Just(None), Just(Some("success")), Just(Some("later"))]
}

/// Few ids, so that writes meet.
fn writes() -> impl Strategy<Value = Write> {
    let (attempt, n, at) = (1_u64..8, 1_u64..6, 0_i64..10_000);
    prop_oneof![
        6 => (attempt.clone(), n.clone(), at.clone()).prop_map(|(attempt, n, at)| intent(attempt, n, at)),
        1 => (attempt.clone(), campaigns(), n.clone(), n.clone(), n.clone(), at.clone()).prop_map(
            |(attempt, campaign, task, contact, other, at)| {
                intent_of(attempt, campaign, task, contact, &number(other), at)
            }
        ),
        2 => (attempt.clone(), at.clone()).prop_map(|(attempt, at)| placed(attempt, at)),
        1 => (attempt.clone(), 20_u64..24).prop_map(|(attempt, to)| diverted(attempt, to)),
        1 => (attempt.clone(), at.clone()).prop_map(|(attempt, at)| ringing(attempt, at)),
        2 => (attempt.clone(), at.clone()).prop_map(|(attempt, at)| answered(attempt, at)),
        2 => (attempt.clone(), at.clone()).prop_map(|(attempt, at)| bridged(attempt, at, "agent1")),
        1 => (attempt.clone(), 0_u64..90).prop_map(|(attempt, after)| heard(attempt, after)),
        1 => attempt.clone().prop_map(|attempt| recorded(attempt, "a.wav")),
        5 => (attempt.clone(), at.clone(), outcomes()).prop_map(|(attempt, at, what)| ended(attempt, at, what)),
        2 => (attempt.clone(), n.clone()).prop_map(|(attempt, n)| disposition(attempt, n, "success")),
        5 => (n, states(), proptest::option::of(at.clone()), words())
            .prop_map(|(n, state, next_at, word)| task(n, state, next_at, word)),
        1 => (0_u64..500, 0_u64..500).prop_map(|(ready, talking)| agent_time("agent1", ready, talking)),
        3 => (20_u64..24, 1_u64..5, at.clone(), 0_u64..6)
            .prop_map(|(call, n, at, stage)| inbound(call, n, at, stage)),
        1 => attempt.clone().prop_map(|attempt| handed_over(attempt, "agent2")),
        1 => attempt.clone().prop_map(|leg| {
            Write::AgentLeg { agent: "agent1".into(), leg: (leg % 2 == 0).then(|| orphan(leg, true)) }
        }),
        1 => attempt.prop_map(|cseq| Write::Binding(BindingRow {
            user: "agent1".into(),
            binding: format!("sip:{}", cseq % 2),
            contact: format!("sip:{}", cseq % 2),
            address: "192.0.2.1:5060".into(),
            local: "192.0.2.2:5060".into(),
            bound_at: Utc(0),
            instance: None,
            reg_id: None,
            q: 1_000,
            path: Vec::new(),
            expires_at: Utc(1),
            call_id: "r".into(),
            cseq: u32::try_from(cseq).unwrap(),
        })),
        1 => (at, 0_u32..9).prop_map(|(at, calls)| Write::Number(number_row("carrier", at, calls))),
        1 => proptest::option::of("[ab]").prop_map(|device| Write::Preferred { user: "agent1".into(), device }),
        1 => Just(Write::Unbind { user: "agent1".into(), binding: "sip:1".into() }),
        1 => campaigns().prop_map(campaign),
    ]
}

fn rows() -> impl Strategy<Value = Vec<ListedContact>> {
    vec((1_u64..7, 1_u64..7), 0..6).prop_map(|rows| {
        let listed =
            |(line, (id, n)): (usize, (u64, u64))| listed(line as u64 + 2, &format!("c{id}"), &number(n));
        rows.into_iter().enumerate().map(listed).collect()
    })
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => vec(writes(), 1..4).prop_map(Step::Batch),
        2 => (campaigns(), rows()).prop_map(|(campaign, rows)| Step::Import(campaign, rows)),
        1 => (1_u64..6).prop_map(|n| Step::Suppress(number(n))),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn sqlite_does_what_the_model_does(steps in vec(steps(), 1..60), now in 0_i64..10_000) {
        let (mut model, mut disk) = (Memory::new(), OnDisk::new());
        for id in [1, 2] {
            model.apply(&[campaign(CampaignId(id))]).unwrap();
            disk.apply(vec![campaign(CampaignId(id))]).unwrap();
        }
        prop_assert_eq!(Disk::import(&mut model, RENEWALS, list(4)), disk.import(RENEWALS, list(4)));
        for step in steps {
            match step {
                Step::Batch(writes) => {
                    prop_assert_eq!(model.apply(&writes), disk.apply(writes.clone()), "{:?}", writes);
                }
                Step::Import(campaign, rows) => {
                    let expected = Disk::import(&mut model, campaign, rows.clone());
                    prop_assert_eq!(expected, disk.import(campaign, rows));
                }
                Step::Suppress(number) => {
                    prop_assert_eq!(model.suppress([number.clone()]), disk.suppress(vec![number]));
                }
                Step::Reopen => disk.reopen(),
            }
        }
        prop_assert_eq!(Disk::attempts(&model), disk.attempts());
        prop_assert_eq!(Disk::tasks(&model), disk.tasks());
        prop_assert_eq!(Disk::recover(&model), disk.recover());
        prop_assert_eq!(Disk::agent_time(&model), disk.agent_time());
        prop_assert_eq!(Disk::inbound(&model), disk.inbound());
        for n in 1..6 {
            let both = [CampaignId(2), RENEWALS];
            prop_assert_eq!(Disk::find_caller(&model, &both, &number(n)), disk.find_caller(&both, &number(n)));
        }
        for id in [1, 2, 3] {
            let (campaign, now) = (CampaignId(id), Utc(now));
            prop_assert_eq!(Disk::fetch(&model, campaign, 3, now), disk.fetch(campaign, 3, now));
        }
    }
}
