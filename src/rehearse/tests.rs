//! Settings and campaigns that are asked for, and a whole rehearsal on a database of known truth.

use std::sync::mpsc;
use std::time::Duration;

use carillon_core::attempt::outcome::Attribution;
use carillon_core::attempt::outcome::Outcome as Became;
use carillon_core::campaign::CampaignState;
use carillon_core::campaign::spec::Jurisdiction;
use carillon_core::contact::ListedContact;
use carillon_core::id::{AttemptId, CampaignId, ContactId, TaskId, Ticket};
use carillon_core::store::sqlite::Store;
use carillon_core::store::write::{CallDialog, CallRoute, Ended, Intent, Write};
use carillon_pacing::sim::law::Law;
use carillon_pacing::sim::plan::Course;

use super::*;

fn campaign(number: u64, name: &str) -> PastCampaign {
    let spec = CampaignSpec::new(name.into(), Mode::Predictive, Jurisdiction::Us);
    PastCampaign { campaign: CampaignId(number), spec }
}

#[test]
fn a_campaign_is_found_by_number_or_name() {
    let all = [campaign(1, "renewals"), campaign(2, "surveys"), campaign(3, "surveys"), campaign(4, "2")];
    let found = |wanted: &str| find(&all, wanted).map(|it| it.campaign.0);
    assert_eq!(found("renewals"), Ok(1));
    assert_eq!(found("2"), Ok(2), "a number goes before a name");
    assert_eq!(found("surveys"), Err("several campaigns are called `surveys`: give the number".into()));
    assert!(found("x").unwrap_err().contains("there are 1 (renewals), 2 (surveys)"));
    assert_eq!(find(&[], "1").unwrap_err(), "it holds no campaign");
}

#[test]
fn a_setting_is_called_by_what_differs() {
    let was = Setting { name: String::new(), mode: Mode::Ratio, limit: 0.03, agents: None };
    assert_eq!(table::name(&was, &was), "as it was run");
    let other = Setting { mode: Mode::Predictive, limit: 0.015, agents: Some(12), ..was.clone() };
    assert_eq!(table::name(&other, &was), "predictive, limit 1.5%, 12 agents");
}

/// What is true of the world that the database tells of. Six agents, one line for each who is free; four hours from ten o'clock.
const AGENTS: u64 = 6;
const HOURS: f64 = 4.0;
/// Share of calls that a person answers, in the first two hours and in the last two.
const LIVE: [f64; 2] = [0.40, 0.20];
/// Of the others: machine, busy; the rest is not answered.
const MACHINE: f64 = 0.30;
const BUSY: f64 = 0.15;
/// Seconds on average, memoryless: until a person answers, and of a talk.
const RING_S: f64 = 8.0;
const TALK_S: f64 = 90.0;
/// Seconds until a machine answers, until busy, until it has rung long enough.
const MACHINE_S: f64 = 14.0;
const BUSY_S: f64 = 1.0;
const UNANSWERED_S: f64 = 25.0;
/// Wrap-up lasts anything between the two, in seconds.
const WRAP_S: (f64, f64) = (10.0, 30.0);
/// 2026-11-20 10:00 UTC.
const TEN: Utc = Utc(1_795_168_800_000);

/// What the agents of that world did in all.
#[derive(Default)]
struct Truth {
    calls: u64,
    live: u64,
    talk_s: f64,
    there_s: f64,
}

fn at(seconds: f64) -> Utc {
    Utc(TEN.0 + (seconds * 1e3) as i64)
}

/// The writes of that world's attempts, in order of their beginnings.
fn world() -> (Vec<Vec<Write>>, Truth) {
    let mut dice = 20_261_120_u64;
    let mut roll = move || {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((dice >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    };
    let mut lines: Vec<(f64, u64, Vec<Write>)> = Vec::new();
    let mut truth = Truth::default();
    for agent in 1..=AGENTS {
        let mut now = agent as f64;
        while now < HOURS * 3600.0 {
            let rate = LIVE[usize::from(now >= HOURS * 1800.0)];
            let (fate, other) = (roll(), roll());
            let began = now;
            // The attempt gets its number once all are in order.
            let id = AttemptId(0);
            let end = |seconds: f64, outcome, talk_s: f64| {
                Write::Ended(Ended {
                    attempt: id,
                    at: at(seconds),
                    outcome,
                    sip_status: None,
                    attribution: Attribution::Callee,
                    reason: "bye".into(),
                    talk: Duration::from_secs_f64(talk_s),
                })
            };
            let answered = |seconds: f64| Write::Answered { attempt: id, at: at(seconds), dialog: dialog() };
            truth.calls += 1;
            let writes = if fate < rate {
                let answer = now - RING_S * roll().ln();
                let over = answer - TALK_S * roll().ln();
                now = over + WRAP_S.0 + (WRAP_S.1 - WRAP_S.0) * roll();
                truth.live += 1;
                truth.talk_s += over - answer;
                let user = format!("agent{agent}");
                vec![
                    answered(answer),
                    Write::Bridged { attempt: id, at: at(answer), agent: user.clone() },
                    end(over, Became::Answered, over - answer),
                    Write::Disposition {
                        attempt: id,
                        task: TaskId(0),
                        agent: user,
                        at: at(now),
                        disposition: "success".into(),
                        note: String::new(),
                    },
                ]
            } else if other < MACHINE {
                now += MACHINE_S;
                vec![answered(now), end(now + 0.5, Became::Machine, 0.0)]
            } else if other < MACHINE + BUSY {
                now += BUSY_S;
                vec![end(now, Became::Busy, 0.0)]
            } else {
                now += UNANSWERED_S;
                vec![end(now, Became::NoAnswer, 0.0)]
            };
            lines.push((began, agent, writes));
        }
        truth.there_s += now - agent as f64;
    }
    lines.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let numbered = lines.into_iter().zip(1..).map(|((began, _, mut writes), number)| {
        let (id, task) = (AttemptId(number), TaskId(number));
        writes.iter_mut().for_each(|write| match write {
            Write::Answered { attempt, .. } | Write::Bridged { attempt, .. } => *attempt = id,
            Write::Ended(ended) => ended.attempt = id,
            Write::Disposition { attempt, task: of, .. } => (*attempt, *of) = (id, task),
            other => panic!("{other:?}"),
        });
        let intent = Write::Intent(Intent {
            attempt: id,
            campaign: CampaignId(1),
            task,
            contact: ContactId(number),
            number: number_of(number),
            at: at(began),
            route: route(),
        });
        writes.splice(0..0, [intent, Write::Placed { attempt: id, at: at(began) }]);
        writes
    });
    (numbered.collect(), truth)
}

fn number_of(contact: u64) -> String {
    format!("+1555{contact:07}")
}

fn route() -> CallRoute {
    let uri = || "sip:callee@192.0.2.1".to_owned();
    CallRoute {
        trunk: "carrier".into(),
        caller_id: "+15550000001".into(),
        call_id: "call".into(),
        branch: "z9hG4bK1".into(),
        from_tag: "from".into(),
        cseq: 1,
        request_uri: uri(),
        from_uri: uri(),
        to_uri: uri(),
        next_hop: "192.0.2.1:5060".into(),
        local: "192.0.2.2:5060".into(),
    }
}

fn dialog() -> CallDialog {
    let uri = || "sip:callee@192.0.2.1".to_owned();
    CallDialog {
        call_id: "call".into(),
        local_tag: "from".into(),
        remote_tag: "to".into(),
        local_uri: uri(),
        remote_uri: uri(),
        remote_target: uri(),
        route_set: Vec::new(),
        local_cseq: 1,
        next_hop: "192.0.2.1:5060".into(),
        local: "192.0.2.2:5060".into(),
    }
}

/// Writes that world into a database, as the engine's store writes it.
async fn seed(path: &Path) -> Truth {
    let (told, results) = mpsc::channel();
    let on_stored = Box::new(move |ticket, result| drop(told.send((ticket, result))));
    let store = Store::open(path, on_stored).await.unwrap();
    let mut last = 0;
    let mut submit = |writes: Vec<Write>| {
        last += 1;
        store.submit(Ticket(last), writes).unwrap();
        assert_eq!(results.recv_timeout(Duration::from_secs(60)).unwrap(), (Ticket(last), Ok(())));
    };
    let spec = CampaignSpec {
        timezone: Some("UTC".into()),
        ..CampaignSpec::new("renewals".into(), Mode::Progressive, Jurisdiction::None)
    };
    let (state, started_at) = (CampaignState::Ended, Some(TEN));
    let elapsed = Duration::from_secs_f64(HOURS * 3600.0);
    submit(vec![Write::Campaign {
        campaign: CampaignId(1),
        spec: Box::new(spec),
        state,
        started_at,
        elapsed,
    }]);
    let (attempts, truth) = world();
    let contact = |number: u64| ListedContact {
        line: number + 1,
        external_id: format!("c{number}"),
        number: number_of(number),
        name: String::new(),
        timezone: None,
        owner: None,
        fields: [].into(),
    };
    let contacts = (1..=attempts.len() as u64).map(contact).collect();
    store.begin_import(CampaignId(1)).await.unwrap().add(contacts).await.unwrap();
    for batch in attempts.chunks(200) {
        submit(batch.concat());
    }
    store.close().await;
    truth
}

/// The value below which a share of what was observed lies.
fn quantile(law: &Law, share: f64) -> f64 {
    let Law::Sample { seconds } = law else { panic!("not observed: {law:?}") };
    let mut seconds = seconds.clone();
    seconds.sort_by(f64::total_cmp);
    seconds[((seconds.len() - 1) as f64 * share).round() as usize]
}

fn assert_near(what: &str, found: f64, expected: f64, within: f64) {
    assert!((found - expected).abs() <= within, "{what}: {found:.3} where {expected:.3} ± {within} is true");
}

/// From a database of known truth to table, JSON and page. Tolerances are three standard deviations of what some 550 talks
/// of 2,000 calls can tell, or less.
#[test]
fn a_real_database_is_rehearsed_as_it_truly_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("carillon.db");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let truth = runtime.block_on(seed(&path));
    assert!(truth.calls > 1_500 && truth.live > 400, "{} calls, {} live", truth.calls, truth.live);

    // What is read from the database and fitted.
    let (attempts, spec) = runtime.block_on(async {
        let (mut archive, campaign) = open(&path, "renewals").await.unwrap();
        let (cut, attempts) = archive.past(campaign.campaign).await.unwrap();
        assert!(!cut);
        (attempts, campaign.spec)
    });
    let past = past::read(CampaignId(1), &spec, &attempts).unwrap();
    assert_eq!((past.history.calls.len() as u64, past.elsewhere), (truth.calls, 0));
    let fit = Fit::new(past.history).unwrap();
    assert_eq!((fit.days().len(), fit.days()[0].agents().len() as u64), (1, AGENTS));
    let fitted = fit.scenario(None);
    assert_near("answer rate", fitted.answer_rate, truth.live as f64 / truth.calls as f64, 0.001);
    let Course::ByHour { rates, .. } = fitted.answer_course else { panic!("by hour") };
    for (hour, rate) in [(10, LIVE[0]), (11, LIVE[0]), (12, LIVE[1]), (13, LIVE[1])] {
        assert_near(&format!("answers from {hour} o'clock"), rates[hour], rate, 0.07);
    }
    let unanswered = 1.0 - truth.live as f64 / truth.calls as f64;
    assert_near("machines", fitted.others.machine, MACHINE * unanswered, 0.03);
    assert_near("busy", fitted.others.busy, BUSY * unanswered, 0.025);
    assert_eq!(fitted.others.congestion, 0.0);
    assert_near("ringing until a person answers", fitted.ring_live.mean(), RING_S, 1.0);
    // Memoryless: the hazard is the same at every age.
    assert_near("half of the answers", quantile(&fitted.ring_live, 0.5), RING_S * 2.0_f64.ln(), 1.0);
    assert_near("nine in ten answers", quantile(&fitted.ring_live, 0.9), RING_S * 10.0_f64.ln(), 3.0);
    assert_near("ringing until a machine answers", fitted.ring_machine.mean(), MACHINE_S, 0.01);
    assert_near("until busy", fitted.until_busy.mean(), BUSY_S, 0.01);
    assert_near("until nobody answers", fitted.ring_unanswered.mean(), UNANSWERED_S, 0.01);
    assert_near("talk", fitted.talk.mean(), TALK_S, 12.0);
    assert_near("half of the talks", quantile(&fitted.talk, 0.5), TALK_S * 2.0_f64.ln(), 12.0);
    assert_near("wrap-up", fitted.wrap.mean(), (WRAP_S.0 + WRAP_S.1) / 2.0, 1.0);
    assert_near("shortest wrap-up", quantile(&fitted.wrap, 0.0), WRAP_S.0, 0.5);
    assert_near("longest wrap-up", quantile(&fitted.wrap, 1.0), WRAP_S.1, 0.5);

    // What the command makes of it.
    let (json, page) = (folder.path().join("out.json"), folder.path().join("out.html"));
    let options = RehearseOptions {
        from: path,
        campaign: "1".into(),
        agents: vec![8],
        limits: Vec::new(),
        modes: vec![Mode::Progressive, Mode::Predictive],
        seeds: 6,
        json: Some(json.clone()),
        page: Some(page.clone()),
    };
    let before = std::fs::read(&options.from).unwrap();
    assert!(runtime.block_on(command(&options)).is_ok());
    assert_eq!(std::fs::read(&options.from).unwrap(), before, "it is only read");
    let text = std::fs::read_to_string(&json).unwrap();
    let found: Rehearsal = serde_json::from_str(&text).unwrap();
    assert_eq!((found.calls as u64, found.days, found.seeds), (truth.calls, (1, 1), 6));
    assert_near("utilisation", found.happened.utilisation, truth.talk_s / truth.there_s, 0.02);
    assert_near("agent hours", found.happened.agent_hours, truth.there_s / 3600.0, 1.0);
    assert_eq!((found.explained, found.happened.abandoned), (Some(true), 0.0), "{text}");
    let names: Vec<_> = found.outcomes.iter().map(|outcome| outcome.setting.name.as_str()).collect();
    assert_eq!(names, ["as it was run", "8 agents", "predictive, 8 agents"]);
    let [was, more, ahead] = &found.outcomes[..] else { panic!("three settings") };
    assert_near("as it was run", was.utilisation.mean, truth.talk_s / truth.there_s, 0.04);
    assert_near("more agents are as busy, one line each", more.gain.mean, 0.0, 0.04);
    assert!(ahead.gain.mean > 0.02, "calling ahead pays: {:?}", ahead.gain);
    let table = table::text(&found);
    for line in ["campaign renewals: progressive", "what happened", "as it was run", "predictive, 8 agents"] {
        assert!(table.contains(line), "{table}");
    }
    assert!(table.contains("The model explains the past"), "{table}");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("<svg") && page.contains("rehearsal of renewals") && page.contains("8 agents"));
}
