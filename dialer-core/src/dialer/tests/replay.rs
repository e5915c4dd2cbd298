//! What the dialer decided is made again from its journal: decisions, plans for owners, choices for shared agents.

use std::collections::BTreeMap;

use carillon_pacing::journal::Entry;

use super::desk::{Desk, spec};
use crate::agent::{AgentCommand, AgentState};
use crate::campaign::CampaignCommand;
use crate::campaign::journal::testing::edited;
use crate::campaign::replay::{Remade, replay};
use crate::campaign::spec::{CampaignSpec, Mode};
use crate::id::{AttemptId, CampaignId};
use crate::input::{EndedBy, Failure, Input};
use crate::store::write::{JournalPart, Write};

/// Two campaigns over the same six agents, each with contacts that have owners, some minutes long: answers, refusals, breaks,
/// agents who leave and come back. Their journals.
fn shift(modes: [Mode; 2], seed: u64) -> (Desk, [CampaignId; 2]) {
    let spec = |mode, weight| CampaignSpec { mode, weight, safe_harbour: Some("sorry.wav".into()), ..spec() };
    let [one, two] = modes;
    let (mut desk, one) = Desk::running(spec(one, 3), 6, 150);
    let two = desk.create(spec(two, 1));
    (1_001..=1_060).for_each(|task| desk.add_task(two, task));
    for task in 0..40 {
        desk.add_owned(
            [one, two][task as usize % 2],
            2_000 + task,
            ["agent1", "agent2", "agent3"][task as usize % 3],
        );
    }
    desk.command(CampaignCommand::ListChanged(one)).unwrap();
    desk.command(CampaignCommand::Start(two)).unwrap();
    let mut dice = seed;
    let mut roll = move |sides: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % sides
    };
    let mut talks: Vec<AttemptId> = Vec::new();
    for step in 0..600 {
        desk.pass(200 + roll(800));
        let open: Vec<AttemptId> =
            desk.placed.iter().copied().filter(|it| !desk.ended.contains_key(it)).collect();
        let ringing: Vec<AttemptId> = open.into_iter().filter(|it| !talks.contains(it)).collect();
        if !ringing.is_empty() {
            let attempt = ringing[roll(ringing.len() as u64) as usize];
            desk.tell(Input::Placed { attempt });
            if roll(3) == 0 {
                desk.answer_call(attempt);
                desk.tell(Input::Connected { attempt });
                talks.push(attempt);
            } else {
                desk.fails(attempt, Failure::Status(486));
            }
        }
        if !talks.is_empty() && roll(2) == 0 {
            let attempt = talks.swap_remove(roll(talks.len() as u64) as usize);
            desk.ends(attempt, EndedBy::Callee);
        }
        let agent = format!("agent{}", 1 + roll(6));
        match (step % 25, desk.state(&agent)) {
            (0, AgentState::Ready) => drop(desk.ask(AgentCommand::Break { agent, reason: "tea".into() })),
            (5, AgentState::Ready) => drop(desk.ask(AgentCommand::SignOff { agent })),
            (10 | 15, AgentState::Break) => drop(desk.ask(AgentCommand::Ready { agent })),
            (12 | 20, AgentState::Offline) => desk.sign_on(&agent),
            _ => {}
        }
    }
    for campaign in [one, two] {
        // One that has worked off its list has ended.
        let _ = desk.command(CampaignCommand::Pause(campaign));
    }
    desk.pass(11_000);
    (desk, [one, two])
}

fn journal(desk: &Desk, campaign: CampaignId) -> Vec<JournalPart> {
    let part = |write: &Write| match write {
        Write::Journal(part) if part.campaign == campaign => Some(part.clone()),
        _ => None,
    };
    desk.writes.iter().filter_map(part).collect()
}

#[test]
fn every_decision_plan_and_share_comes_out_the_same() {
    for (seed, modes) in
        [[Mode::Predictive, Mode::Progressive], [Mode::Ratio, Mode::Predictive]].into_iter().enumerate()
    {
        let (desk, campaigns) = shift(modes, 40 + seed as u64);
        let (mut moved, mut asked_ahead) = (0, 0);
        for campaign in campaigns {
            let (mut lines, mut chosen) = (0, BTreeMap::<CampaignId, u32>::new());
            let found = replay(journal(&desk, campaign), &mut |it| {
                assert!(it.is_same(), "{modes:?} {it:?}");
                match it {
                    Remade::Decision(_) => {}
                    Remade::Plan(plan) => lines += plan.plan.lines.len(),
                    Remade::Ahead(it) => {
                        lines += it.ahead.lines.len();
                        asked_ahead += 1;
                    }
                    Remade::Share(share) => *chosen.entry(share.recorded).or_default() += 1,
                }
            });
            assert_eq!((&found.gaps, &found.strayed), (&vec![], &vec![]), "{modes:?}");
            assert!(found.decisions > 300 && found.plans > 50 && found.shares > 20, "{found:?}");
            let owned = desk.claimed.values().filter(|task| {
                let row = &desk.tasks[task];
                row.campaign == campaign && row.due.owner.is_some()
            });
            assert_eq!(lines, owned.count(), "{modes:?}: each line for an owner was planned");
            moved += chosen.iter().filter(|(of, _)| **of != campaign).map(|(_, times)| times).sum::<u32>();
        }
        assert!(moved > 10, "{modes:?}: agents went to and fro");
        assert!(asked_ahead > 50, "{modes:?}: who is called ahead");
    }
}

/// What somebody changed in the record, its check included, does not come out as it is written there.
#[test]
fn a_plan_or_a_share_that_was_changed_is_found() {
    let (desk, [one, _]) = shift([Mode::Progressive, Mode::Progressive], 7);
    let whole = journal(&desk, one);
    let other = |edit: &dyn Fn(&mut Entry) -> bool| {
        let mut done = false;
        let parts = whole.iter().map(|part| {
            edited(part, |entry| {
                done = done || edit(entry);
            })
        });
        let (mut plans, mut shares) = (0, 0);
        let parts: Vec<_> = parts.collect();
        replay(parts, &mut |it| match it {
            Remade::Decision(it) => assert!(it.is_same()),
            Remade::Ahead(it) => assert!(it.is_same()),
            Remade::Plan(it) => plans += u32::from(!it.is_same()),
            Remade::Share(it) => shares += u32::from(!it.is_same()),
        });
        assert!(done);
        (plans, shares)
    };
    assert_eq!(other(&|entry| matches!(entry, Entry::Told { .. })), (0, 0), "nothing was changed");
    let (plans, _) = other(&|entry| match entry {
        Entry::Planned { said, .. } if said.place > 0 => {
            said.place -= 1;
            true
        }
        _ => false,
    });
    assert_eq!(plans, 1, "the lines that went out");
    let (plans, _) = other(&|entry| match entry {
        Entry::Planned { room, said, .. } if said.place > 0 => {
            *room = 0;
            true
        }
        _ => false,
    });
    assert_eq!(plans, 1, "the room there was");
    let (_, shares) = other(&|entry| match entry {
        Entry::Shared { claims: Some(claims), chosen, .. } => {
            *chosen = claims.iter().map(|(campaign, _)| *campaign).find(|it| it != chosen).unwrap();
            true
        }
        _ => false,
    });
    assert_eq!(shares, 1, "the campaign that was chosen");
    let (_, shares) = other(&|entry| match entry {
        Entry::Shared { claims: Some(claims), .. } if claims[0].0 == one.0 => {
            claims[0].1.agents += 1;
            true
        }
        _ => false,
    });
    assert!(shares >= 1, "the own claim, which the events tell");
}
