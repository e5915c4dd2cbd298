//! Two real trunks, one of which answers: which call goes where, what is recorded, and what the pacer reckoned with.

use super::replay::look_back;
use super::rig::campaign::Campaign;
use super::rig::{LONG, Stage};

/// Contacts of the list; all but the first are called on the second trunk.
const CONTACTS: u32 = 6;
/// More decisions than such a run makes before its calls are placed.
const DECISIONS_MAX: u32 = 400;

#[test]
fn each_call_is_reckoned_with_on_the_trunk_that_it_takes() {
    let stage = Stage::new();
    let mut good = stage.carrier("carrier_answer.xml").pause_ms(1_000).start();
    let mut bad = stage.other_carrier("carrier_busy.xml").calls(CONTACTS - 1).start();
    let mut phone = stage.sipp_phone("agent_answer.xml").start();
    let campaign = Campaign {
        mode: "predictive",
        contacts: CONTACTS,
        // One call in twenty seconds on the first trunk: the second one takes what comes meanwhile.
        calls_per_second: 0.05,
        other_trunk: true,
        ..Campaign::with_sipp_agent()
    };
    let report = stage.run(&campaign).finish();
    for part in [&mut good, &mut bad, &mut phone] {
        part.finish(LONG);
    }

    let by_trunk: Vec<_> =
        report.attempts.iter().map(|attempt| (attempt.get("trunk"), attempt.get("outcome"))).collect();
    let mut expected = vec![("carrier", "answered")];
    expected.resize(CONTACTS as usize, ("other", "busy"));
    assert_eq!(by_trunk, expected);
    let shown = report.attempts.last().map(|attempt| attempt.get("caller_id"));
    assert_eq!(shown, Some("+15550000002"), "a number of its trunk");

    // What the decisions that placed a call were made with.
    let database = stage.report_directory().join("carillon.db");
    let (status, said, error) = look_back("replay", &database, &[]);
    assert!(status == 0 && said.contains("every decision comes out as it was made"), "{said}{error}");
    let mut reckoned = Vec::new();
    for number in 1..DECISIONS_MAX {
        let (status, shown, _) = look_back("replay", &database, &["--decision", &number.to_string()]);
        if status != 0 || reckoned.len() == CONTACTS as usize {
            break;
        }
        if shown.contains(": place 1\n") {
            let next = shown.lines().find_map(|line| line.trim().strip_prefix("next tasks: "));
            reckoned.push(next.unwrap_or_default().to_owned());
        }
    }
    let first_trunk = |next: &String| {
        let (_, trunk) = next.split_once(": trunk ").expect("a trunk is named");
        trunk.split(',').next().unwrap_or_default().to_owned()
    };
    let trunks: Vec<String> = reckoned.iter().map(first_trunk).collect();
    let expected: Vec<&str> = expected.iter().map(|(trunk, _)| *trunk).collect();
    assert_eq!(trunks, expected, "{reckoned:#?}");
    assert!(reckoned[0].contains("; 5: trunk other, hour "), "{reckoned:#?}");
}
