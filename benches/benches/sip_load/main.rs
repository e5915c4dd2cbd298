//! Whole-process signalling load: `carillon run` between two SIPp processes, per-call agent legs, attempts stored.
//!
//! Five parts, each against its limit and beside what SIPp itself needed; `SIP_LOAD=cost,rate,memory,overload,inward` chooses:
//!
//! - `cost`: CPU per originated and bridged call at 150 calls a second.
//! - `rate`: at least 1,000 bridged calls a second for a minute, nothing lost; the CPU per call there.
//! - `memory`: what a live call adds to the resident memory of the process.
//! - `overload`: the highest rate at which calls are bridged, and what is left of it when twice as many are asked for.
//! - `inward`: the same for calls from outside: what is bridged, who is refused and how, and what calls that were up hear of it.
//!
//! `SIP_LOAD=asterisk` has Asterisk make the same calls of `cost`, as it comes and tuned, at rising rates: its figures on this
//! machine. `SIP_LOAD_ASTERISK` names the program if it isn't on the path.
//!
//! `SIP_LOAD_SECONDS` shortens the minute of `cost` and `rate`; `SIP_LOAD_WORKERS` has so many threads share the UDP address
//! (`[sip] workers`), none unless it is set.

mod asterisk;
mod inward;
mod rig;

use rig::{Plan, Rig, Run};

/// CPU of Asterisk 22 for an originated and bridged call, signalling only, in milliseconds, as the limit was set; `asterisk` measures it.
const ASTERISK_MS: f64 = 4.3;
/// A tenth of that.
const LIMIT_MS: f64 = 0.43;
/// Bridged calls a second to be kept up.
const RATE: f64 = 1_000.0;
/// Memory for the signalling of a live call, in KiB.
const MEMORY_KIB: f64 = 12.0;
/// How long calls beyond the rate are asked for, in seconds, and how long a rate is to be kept up to count as the peak.
const OVERLOAD_SECONDS: usize = 30;
/// Share of the peak that is to be left under twice the load.
const GOODPUT: f64 = 0.90;

fn main() {
    let wanted = std::env::var("SIP_LOAD").unwrap_or_else(|_| "cost,rate,memory,overload,inward".into());
    let seconds = std::env::var("SIP_LOAD_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let workers = std::env::var("SIP_LOAD_WORKERS").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let rig = Rig::new(workers);
    println!("machine                        {}", rig::machine());
    println!("workers of the UDP address     {workers}");
    for part in wanted.split(',') {
        match part {
            "cost" => cost(&rig, seconds),
            "rate" => rate(&rig, seconds),
            "memory" => memory(&rig),
            "overload" => overload(&rig),
            "inward" => inward::inward(&rig),
            "asterisk" => asterisk::asterisk(&rig, seconds),
            other => panic!("SIP_LOAD: {other} is none of cost, rate, memory, overload, inward, asterisk"),
        }
    }
}

fn cost(rig: &Rig, seconds: usize) {
    let run =
        rig.run(&Plan { calls_per_second: 150.0, calls: 150 * seconds, agents: 400, ..Plan::default() });
    println!("-- cost: 150 calls a second for {seconds} s");
    show_calls(&run);
    show_cost(&run);
}

fn rate(rig: &Rig, seconds: usize) {
    // Slots of a trunk are spread over 1.02 s, and some are lost where the loop is late by more than the shaper makes good:
    // its cap stands a little above the rate that is asked of it.
    let cap = RATE * 1.06;
    let calls = (RATE as usize) * seconds;
    let run = rig.run(&Plan { calls_per_second: cap, calls, agents: 3_000, ..Plan::default() });
    println!("-- rate: {RATE:.0} calls a second for {seconds} s");
    show_calls(&run);
    println!(
        "bridged per second             {:.0}  (limit {RATE:.0}, ratio {:.2})",
        run.per_second(),
        run.per_second() / RATE
    );
    show_cost(&run);
}

fn memory(rig: &Rig) {
    let resident = |lines: usize| {
        let plan = Plan {
            calls_per_second: 400.0,
            calls: 4_000,
            agents: 3_000,
            talk_ms: 60_000,
            lines,
            ..Plan::default()
        };
        rig.resident_kib(&plan, lines)
    };
    let (few, many) = (200, 2_200);
    let (with_few, with_many) = (resident(few), resident(many));
    let each = (with_many - with_few) / (many - few) as f64;
    println!("-- memory: a live call of two legs, media streams included");
    println!("resident with {few} calls        {with_few:.0} KiB");
    println!("resident with {many} calls       {with_many:.0} KiB");
    println!(
        "memory per live call           {each:.1} KiB  (limit {MEMORY_KIB}, ratio {:.2})",
        each / MEMORY_KIB
    );
}

fn overload(rig: &Rig) {
    println!("-- overload: bridged calls a second, by calls a second asked for");
    // A peak counts when it was kept up for as long as the flood lasts that is compared with it.
    let asked = |rate: f64| {
        let run = rig.run(&Plan {
            calls_per_second: rate,
            calls: (rate as usize) * OVERLOAD_SECONDS,
            agents: 6_000,
            time_limit: Some(OVERLOAD_SECONDS),
            ..Plan::default()
        });
        println!(
            "{rate:>6.0}                         {:>6.0}  of {} placed {} bridged, {} without outcome",
            run.per_second(),
            run.placed,
            run.bridged,
            run.unended
        );
        run
    };
    let mut peak = 0.0f64;
    let mut rate = RATE / 2.0;
    // Ends: no machine carries a hundred thousand.
    while rate < 100_000.0 {
        let carried = asked(rate).per_second();
        peak = peak.max(carried);
        if carried < rate * 0.85 {
            break;
        }
        rate *= 1.5;
    }
    let run = asked(peak * 2.0);
    let left = run.per_second() / peak;
    println!("peak                           {peak:.0} per second");
    println!("goodput at twice the peak      {left:.2} of the peak  (limit {GOODPUT})");
    println!("stuck calls                    {}  (limit 0)", run.unended);
    println!("placed and not bridged         {}", run.placed - run.bridged);
}

fn show_calls(run: &Run) {
    println!("calls placed, bridged          {}, {} of {}", run.placed, run.bridged, run.wanted);
    println!("calls lost or stuck            {}  (limit 0)", run.wanted as i64 - run.bridged as i64);
}

fn show_cost(run: &Run) {
    let calls = run.bridged.max(1) as f64;
    let ours = run.cpu_s * 1_000.0 / calls;
    let sipp = run.sipp_cpu_s * 1_000.0 / calls;
    println!(
        "CPU per bridged call           {ours:.3} ms  (limit {LIMIT_MS}, ratio {:.2}; Asterisk 22 {ASTERISK_MS}, ratio {:.3})",
        ours / LIMIT_MS,
        ours / ASTERISK_MS
    );
    for (thread, seconds) in &run.thread_cpu_s {
        println!("  of it, thread {thread:<15}  {:.3} ms", seconds * 1_000.0 / calls);
    }
    println!(
        "CPU of both SIPp per call      {sipp:.3} ms  (ours is {:.2} times that)",
        ours / sipp.max(0.001)
    );
}
