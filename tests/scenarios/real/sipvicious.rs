//! Whoever looks for a way in, with the programs that are used for it: svmap, svwar and svcrack of sipvicious.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use super::rig::campaign::Campaign;
use super::rig::process::Process;
use super::rig::{LONG, PASSWORD, Run, Stage};

/// What sipvicious says when it has learnt nothing.
const NOTHING: &str = "found nothing";

/// An engine whose trunk is elsewhere: whoever sends from 127.0.0.1 is a stranger.
fn engine(stage: &Stage) -> Run {
    let carrier = SocketAddr::from((Ipv4Addr::new(127, 44, 0, 1), 5060));
    let mut run = stage.run(&Campaign {
        carrier: Some(carrier),
        wait_for: "10m",
        time_limit: "10m",
        ..Campaign::default()
    });
    run.wait_until_up();
    run
}

/// Runs one of the programs against it to the end; what it printed.
fn attack(stage: &Stage, name: &str, program: &str, args: &[&str]) -> String {
    let mut command = Command::new(program);
    // Where it keeps what it has found out.
    command.env("HOME", stage.directory()).arg("-p").arg(stage.ports.listen().port().to_string()).args(args);
    command.args(["127.0.0.1"]);
    let mut process = Process::start(name, &mut command, stage.directory());
    process.wait(LONG);
    process.output()
}

/// A list of passwords with the right one behind so many wrong ones.
fn passwords(stage: &Stage, wrong: usize) -> String {
    let path = stage.directory().join(format!("{wrong}.txt"));
    let mut list: String = (0..wrong).map(|index| format!("wrong{index}\n")).collect();
    list.push_str(PASSWORD);
    list.push_str("\nwrong\n");
    fs::write(&path, list).expect("a list of passwords");
    path.display().to_string()
}

#[test]
fn svmap_does_not_see_us() {
    let stage = Stage::new();
    let run = engine(&stage);
    for method in ["OPTIONS", "INVITE"] {
        let output = attack(&stage, method, "svmap", &["-m", method]);
        assert!(output.contains(NOTHING), "{output}");
    }
    assert!(!run.output().contains("panicked"), "{}", run.output());
}

#[test]
fn svwar_does_not_find_our_users() {
    let stage = Stage::new();
    let run = engine(&stage);
    let users = stage.directory().join("users.txt");
    fs::write(&users, format!("nobody\n{}\nnobodyelse\n", Stage::user(0))).expect("a list of users");
    let users = users.display().to_string();
    for method in ["REGISTER", "INVITE", "OPTIONS"] {
        let output =
            attack(&stage, method, "svwar", &["--force", "--maximumtime", "3", "-m", method, "-d", &users]);
        assert!(output.contains(NOTHING) || output.contains("reqauth"), "{output}");
        // Where it is asked for a password, it is so for every name.
        let asked = output.lines().filter(|line| line.contains("reqauth")).count();
        assert!(asked == 0 || asked == 3, "some names differ from others:\n{output}");
    }
    assert!(!run.output().contains("panicked"), "{}", run.output());
}

#[test]
fn svcrack_finds_a_password_only_among_the_first_few() {
    let stage = Stage::new();
    let run = engine(&stage);
    let user = Stage::user(0);
    let crack = |stage: &Stage, wrong| {
        let list = passwords(stage, wrong);
        attack(stage, "svcrack", "svcrack", &["--maximumtime", "3", "-u", &user, "-d", &list])
    };
    let late = crack(&stage, 60);
    assert!(late.contains(NOTHING), "{late}");
    // The program itself works: where few are tried, it finds the right one.
    let stage = Stage::new();
    let other = engine(&stage);
    let early = crack(&stage, 5);
    assert!(early.contains(PASSWORD), "{early}");
    for run in [run, other] {
        assert!(!run.output().contains("panicked"), "{}", run.output());
    }
}
