//! What can be seen from outside: datagrams, first packets of audio, what became durable, deaths and births. Checkers see
//! this and nothing else.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use carillon::demo::party::text::{Text, user_of};
use carillon_core::store::memory::Memory;
use carillon_core::store::write::Write;

use super::dice::Hash;
use super::media::Audio;

/// Messages kept to be shown when something is wrong.
const KEPT: usize = 40;

/// Which way a datagram goes, seen from the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It leaves the node.
    Out,
    /// It reaches the node.
    In,
}

/// One thing that happened.
#[derive(Clone, Copy, Debug)]
pub enum What<'a> {
    /// A SIP message at the node's socket; `peer` is the other end.
    Sip { way: Way, peer: SocketAddr, text: &'a Text },
    /// Audio that begins or ends to leave from one of our RTP addresses towards a customer.
    Audio { local: SocketAddr, audio: Audio },
    /// A commit made these durable, in order.
    Durable { writes: &'a [Write] },
    /// The operator suppressed numbers; durable from now on.
    Suppressed { numbers: &'a [String] },
    /// The operator stopped placing (pause or stop), or lets it go on.
    Placing { allowed: bool },
    /// The process was killed.
    Killed,
    /// A new process took over the disk.
    Started,
}

/// One thing that happened, and when.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// World time.
    pub at: Duration,
    /// What.
    pub what: What<'a>,
    /// The durable disk after it.
    pub disk: &'a Memory,
}

/// The record of a world: a hash over everything, and the latest messages in words.
#[derive(Debug, Default)]
pub struct Trace {
    hash: Hash,
    kept: VecDeque<String>,
    /// Print every line as it comes.
    pub loud: bool,
    /// Datagrams seen at the node.
    pub datagrams: u64,
    /// Batches that became durable.
    pub commits: u64,
}

impl Trace {
    /// Notes a datagram.
    pub fn datagram(&mut self, at: Duration, way: Way, peer: SocketAddr, bytes: &[u8]) {
        self.datagrams += 1;
        self.stamp(at);
        self.hash.feed(peer.to_string().as_bytes());
        self.hash.feed(bytes);
        let arrow = match way {
            Way::Out => "->",
            Way::In => "<-",
        };
        let words = match Text::read(bytes) {
            Some(text) => words(&text),
            None => format!("{} octets that are no SIP", bytes.len()),
        };
        self.keep(format!("{at:>12.6?} {arrow} {peer} {words}"));
    }

    /// Notes a batch.
    pub fn durable(&mut self, at: Duration, writes: &[Write]) {
        self.commits += 1;
        self.stamp(at);
        let text = format!("{writes:?}");
        self.hash.feed(text.as_bytes());
        if self.loud {
            self.keep(format!("{at:>12.6?} == {text}"));
        }
    }

    /// Notes anything else.
    pub fn note(&mut self, at: Duration, words: &str) {
        self.stamp(at);
        self.hash.feed(words.as_bytes());
        self.keep(format!("{at:>12.6?} ** {words}"));
    }

    /// The hash so far.
    pub fn hash(&self) -> u64 {
        self.hash.0
    }

    /// The latest messages, oldest first.
    pub fn latest(&self) -> String {
        self.kept.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    fn stamp(&mut self, at: Duration) {
        self.hash.feed(&at.as_nanos().to_le_bytes());
    }

    fn keep(&mut self, line: String) {
        if self.loud {
            println!("{line}");
        }
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(line);
    }
}

/// One message in one line.
fn words(text: &Text) -> String {
    let (number, method) = text.cseq();
    let what = match text.status() {
        Some(status) => format!("{status} of {method}"),
        None => format!("{} {}", text.method().unwrap_or_default(), user_of(text.uri())),
    };
    format!("{what} cseq {number} call {} to-tag {}", text.call_id(), text.to_tag())
}
