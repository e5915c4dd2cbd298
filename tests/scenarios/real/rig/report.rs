//! What `carillon run` wrote, read by the contract's words and checked for what holds in every report.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

/// Columns of `attempts.csv`, in this order.
const ATTEMPT_COLUMNS: [&str; 19] = [
    "attempt_id",
    "task_id",
    "contact_id",
    "number",
    "trunk",
    "caller_id",
    "placed_at",
    "ringing_at",
    "answered_at",
    "bridged_at",
    "ended_at",
    "outcome",
    "sip_status",
    "attribution",
    "reason",
    "agent",
    "answer_to_agent_ms",
    "talk_ms",
    "recording",
];

/// Columns of `tasks.csv`, in this order.
const TASK_COLUMNS: [&str; 8] = [
    "task_id",
    "contact_id",
    "state",
    "closed_reason",
    "attempts",
    "last_outcome",
    "last_disposition",
    "next_at",
];

/// Columns of `inbound.csv`, in this order.
const INBOUND_COLUMNS: [&str; 21] = [
    "call_id",
    "trunk",
    "number",
    "caller",
    "contact_id",
    "task_id",
    "arrived_at",
    "answered_at",
    "bridged_at",
    "ended_at",
    "outcome",
    "reason",
    "agent",
    "talk_ms",
    "disposition",
    "note",
    "recording",
    "diversion",
    "history_info",
    "wait_ms",
    "identity",
];

/// Keys of `summary.json`.
const SUMMARY_KEYS: [&str; 25] = [
    "placed",
    "answered",
    "bridged",
    "abandoned",
    "callee_left",
    "abandon_rate",
    "machine",
    "busy",
    "no_answer",
    "rejected",
    "invalid_number",
    "congestion",
    "failed",
    "cancelled",
    "interrupted",
    "tasks_closed",
    "tasks_open",
    "agents",
    "agent_seconds",
    "utilisation",
    "answer_to_agent_ms",
    "started_at",
    "ended_at",
    "seed",
    "version",
];

/// One row of a CSV file by its columns.
#[derive(Clone, Debug)]
pub struct Row(BTreeMap<String, String>);

impl Row {
    /// The value of a column.
    pub fn get(&self, column: &str) -> &str {
        self.0.get(column).map_or_else(|| panic!("no column {column}"), String::as_str)
    }

    /// A time as milliseconds since 1970; `None` where it is empty.
    pub fn time(&self, column: &str) -> Option<i64> {
        let text = self.get(column);
        (!text.is_empty()).then(|| milliseconds(text))
    }

    /// A whole number.
    pub fn number(&self, column: &str) -> i64 {
        self.get(column).parse().unwrap_or_else(|_| panic!("{column} is `{}`", self.get(column)))
    }
}

/// The three files.
#[derive(Clone, Debug)]
pub struct Report {
    /// `attempts.csv`.
    pub attempts: Vec<Row>,
    /// `tasks.csv`.
    pub tasks: Vec<Row>,
    /// `summary.json`.
    pub summary: Value,
}

impl Report {
    /// Reads the report and checks what every report must hold.
    pub fn read(directory: &Path) -> Report {
        let text = fs::read_to_string(directory.join("summary.json")).expect("summary.json");
        let report = Report {
            attempts: rows(&directory.join("attempts.csv"), &ATTEMPT_COLUMNS),
            tasks: rows(&directory.join("tasks.csv"), &TASK_COLUMNS),
            summary: serde_json::from_str(&text).expect("summary.json is JSON"),
        };
        report.check();
        report
    }

    /// The only attempt.
    pub fn only_attempt(&self) -> &Row {
        assert_eq!(self.attempts.len(), 1, "{:#?}", self.attempts);
        &self.attempts[0]
    }

    /// The attempts with an outcome.
    pub fn with_outcome(&self, outcome: &str) -> Vec<&Row> {
        self.attempts.iter().filter(|row| row.get("outcome") == outcome).collect()
    }

    /// A count of the summary.
    pub fn count(&self, key: &str) -> u64 {
        self.summary[key].as_u64().unwrap_or_else(|| panic!("{key} in {}", self.summary))
    }

    fn check(&self) {
        let object = self.summary.as_object().expect("summary.json is an object");
        for key in SUMMARY_KEYS {
            assert!(object.contains_key(key), "summary.json has no {key}: {}", self.summary);
        }
        assert_eq!(
            self.count("answered"),
            self.count("bridged") + self.count("abandoned") + self.count("callee_left"),
            "{}",
            self.summary
        );
        for row in &self.attempts {
            assert!(!row.get("outcome").is_empty(), "an attempt without outcome: {row:?}");
            assert!(!row.get("attribution").is_empty(), "an attempt without attribution: {row:?}");
            let times = ["placed_at", "ringing_at", "answered_at", "bridged_at", "ended_at"];
            let times: Vec<i64> = times.iter().filter_map(|column| row.time(column)).collect();
            assert!(times.is_sorted(), "times out of order: {row:?}");
            assert!(row.time("ended_at").is_some(), "an attempt that did not end: {row:?}");
        }
        for outcome in [
            "machine",
            "busy",
            "no_answer",
            "rejected",
            "invalid_number",
            "congestion",
            "failed",
            "cancelled",
        ] {
            let rows = u64::try_from(self.with_outcome(outcome).len()).unwrap_or(u64::MAX);
            assert_eq!(self.count(outcome), rows, "{outcome} in {}", self.summary);
        }
        let (closed, open): (Vec<&Row>, Vec<&Row>) =
            self.tasks.iter().partition(|row| row.get("state") == "closed");
        assert!(open.iter().all(|row| row.get("state") == "open"), "{open:?}");
        assert_eq!(self.count("tasks_closed"), u64::try_from(closed.len()).unwrap_or(u64::MAX));
        assert_eq!(self.count("tasks_open"), u64::try_from(open.len()).unwrap_or(u64::MAX));
    }
}

/// The calls of `inbound.csv`.
pub fn inbound(directory: &Path) -> Vec<Row> {
    rows(&directory.join("inbound.csv"), &INBOUND_COLUMNS)
}

fn rows(path: &Path, columns: &[&str]) -> Vec<Row> {
    let mut reader =
        csv::Reader::from_path(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let header: Vec<String> = reader.headers().expect("a header line").iter().map(str::to_owned).collect();
    assert_eq!(header, columns, "columns of {}", path.display());
    reader
        .records()
        .map(|record| {
            let record = record.expect("a whole row");
            Row(header.iter().cloned().zip(record.iter().map(str::to_owned)).collect())
        })
        .collect()
}

/// Milliseconds since 1970 of `2026-01-31T23:59:59.123Z` (RFC 3339, UTC, always with milliseconds).
pub fn milliseconds(text: &str) -> i64 {
    let form = || -> i64 { panic!("`{text}` is not like 2026-01-31T23:59:59.123Z") };
    if text.len() != 24 || !text.is_ascii() || !text.ends_with('Z') {
        form();
    }
    let part = |from: usize, to: usize| text[from..to].parse::<i64>().unwrap_or_else(|_| form());
    let days = days_since_1970(part(0, 4), part(5, 7), part(8, 10));
    let seconds = ((days * 24 + part(11, 13)) * 60 + part(14, 16)) * 60 + part(17, 19);
    seconds * 1_000 + part(20, 23)
}

/// Days from 1970-01-01 in the Gregorian calendar; years begin in March so that leap days come last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let before_month = (153 * month + 2) / 5;
    year * 365 + year / 4 - year / 100 + year / 400 + before_month + day - 1 - 719_468
}

#[test]
fn times_are_read_to_the_millisecond() {
    assert_eq!(milliseconds("1970-01-01T00:00:00.000Z"), 0);
    assert_eq!(milliseconds("2000-02-29T12:00:00.250Z"), 951_825_600_250);
    assert_eq!(milliseconds("2026-11-22T02:41:21.007Z"), 1_795_315_281_007);
}
