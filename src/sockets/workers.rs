//! Workers: threads that share the UDP addresses among them, read what comes and send what goes.
//!
//! All that needs no knowledge of calls is done here, beside the engine: the system calls, telling noise from messages, decoding.
//! The engine stays the only owner of transactions and dialogs. The system gives all datagrams of one peer's port to the same
//! worker, and what leaves is spread by Call-ID, so neither a peer's nor a call's messages overtake each other here. Every
//! queue is bounded; what finds it full is dropped and counted, as by the system where its buffer is full.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use carillon_sip::decoded::Decoded;
use carillon_sip::gateway::counters as gateway;
use carillon_sip::hep::redact::call_id;
use carillon_sip::io::udp::{Drained, SipSocket};
use carillon_sip::transport::{Local, Transport};
use mio::{Events, Poll, Token, Waker};

use super::{Departure, Listening, PER_TURN, SocketError};
use crate::breath::Breath;
use crate::doorbell::Doorbell;
use crate::node::NodeInput;

/// Messages of one worker that may wait for the engine.
const ARRIVALS_MAX: usize = 4_096;
/// Messages that may wait for one worker to send them.
const DEPARTURES_MAX: usize = 8_192;
/// Messages after which a worker is woken though the engine's turn is not over.
const DEPARTURES_TOLD: usize = 16;
/// Messages sent before what came has its turn.
const SENT_PER_TURN: usize = 256;
/// How long a worker whose poll failed waits before it looks by itself.
const POLL_AGAIN: Duration = Duration::from_millis(10);
const WAKER: Token = Token(usize::MAX);

/// What a worker has done since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerCounts {
    /// Datagrams received.
    pub received: u64,
    /// Of them, those that nobody ever answers: keep-alives, noise.
    pub noise: u64,
    /// Of them, those that found the engine's queue full.
    pub overflowed: u64,
    /// Datagrams sent.
    pub sent: u64,
    /// Messages that could not be sent: the worker's queue or the system's buffer was full.
    pub unsent: u64,
}

/// The gateway's counters, with what workers have not passed on to it.
pub fn counted(mut gateway: gateway::Counters, workers: &[WorkerCounts]) -> gateway::Counters {
    for WorkerCounts { noise, overflowed, .. } in workers {
        gateway.datagrams_received += noise + overflowed;
        gateway.datagrams_dropped += noise + overflowed;
    }
    gateway
}

#[derive(Debug, Default)]
struct Counters {
    received: AtomicU64,
    noise: AtomicU64,
    overflowed: AtomicU64,
    sent: AtomicU64,
    unsent: AtomicU64,
}

/// All workers, as the engine sees them. Dropped, they send what they were given and end.
pub struct Workers {
    locals: Vec<Local>,
    workers: Vec<Worker>,
}

struct Worker {
    arrivals: Receiver<NodeInput>,
    /// None when it is to end.
    departures: Option<SyncSender<Departure>>,
    /// Departures since it was last woken.
    untold: usize,
    bell: Arc<Doorbell>,
    counters: Arc<Counters>,
    thread: Option<JoinHandle<()>>,
}

impl Workers {
    /// Starts so many workers on these addresses; they ring `engine` when something came.
    pub fn start(
        addresses: &[SocketAddr],
        count: usize,
        engine: &Arc<Doorbell>,
    ) -> Result<Self, SocketError> {
        let mut shares: Vec<Vec<SipSocket>> = (0..count).map(|_| Vec::new()).collect();
        for address in addresses {
            for (share, socket) in shares.iter_mut().zip(SipSocket::bind_shared(*address, count)?) {
                share.push(socket);
            }
        }
        let sockets = shares.first().map(Vec::as_slice).unwrap_or_default();
        let locals = sockets.iter().map(|socket| Local::from(socket.local())).collect();
        let mut workers = Vec::with_capacity(count);
        for (index, sockets) in shares.into_iter().enumerate() {
            workers.push(Worker::start(index, sockets, engine.clone())?);
        }
        Ok(Self { locals, workers })
    }

    /// The addresses that they share.
    pub fn locals(&self) -> &[Local] {
        &self.locals
    }

    /// Takes what came, up to the budget of a turn for each worker; true when there may be more.
    pub fn take(&self, inputs: &mut Vec<NodeInput>) -> bool {
        let mut more = false;
        for worker in &self.workers {
            let before = inputs.len();
            inputs.extend(worker.arrivals.try_iter().take(PER_TURN));
            more |= inputs.len() - before == PER_TURN;
        }
        more
    }

    /// Gives a message to the worker of its call. Whether it could be sent is told by [`Workers::take`].
    pub fn send(&mut self, bytes: Bytes, to: SocketAddr, local: Local) -> io::Result<()> {
        let listener = self.locals.iter().position(|it| it.serves(local)).unwrap_or(0);
        let index = shard(call_id(&bytes).unwrap_or_default(), self.workers.len());
        let worker = self.workers.get_mut(index).ok_or(io::ErrorKind::AddrNotAvailable)?;
        worker.untold += 1;
        let departure = Departure { bytes, to, listener };
        if worker.departures.as_ref().is_none_or(|queue| queue.try_send(departure).is_err()) {
            worker.counters.unsent.fetch_add(1, Ordering::Relaxed);
        }
        if worker.untold >= DEPARTURES_TOLD {
            worker.wake();
        }
        Ok(())
    }

    /// Wakes the workers that have something to send. To be called at the end of a turn.
    pub fn flush(&mut self) {
        self.workers.iter_mut().filter(|worker| worker.untold > 0).for_each(Worker::wake);
    }

    /// What each of them has done.
    pub fn counts(&self) -> Vec<WorkerCounts> {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let of = |Counters { received, noise, overflowed, sent, unsent }: &Counters| WorkerCounts {
            received: read(received),
            noise: read(noise),
            overflowed: read(overflowed),
            sent: read(sent),
            unsent: read(unsent),
        };
        self.workers.iter().map(|worker| of(&worker.counters)).collect()
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            worker.departures = None;
            worker.bell.ring();
        }
        for thread in self.workers.iter_mut().filter_map(|worker| worker.thread.take()) {
            if thread.join().is_err() {
                tracing::error!("a worker has panicked");
            }
        }
    }
}

impl Worker {
    fn start(index: usize, sockets: Vec<SipSocket>, engine: Arc<Doorbell>) -> Result<Self, SocketError> {
        let poll = Poll::new()?;
        let bell = Arc::new(Doorbell::new(Waker::new(poll.registry(), WAKER)?));
        let (arrived, arrivals) = sync_channel(ARRIVALS_MAX);
        let (departing, departures) = sync_channel(DEPARTURES_MAX);
        let counters = Arc::new(Counters::default());
        let mut listening = Vec::with_capacity(sockets.len());
        for (index, mut socket) in sockets.into_iter().enumerate() {
            socket.register(poll.registry(), Token(index))?;
            listening.push(Listening { socket, token: Token(index), ready: true });
        }
        let desk = Desk {
            poll,
            listening,
            arrived,
            departures,
            bell: bell.clone(),
            engine,
            counters: counters.clone(),
        };
        let name = format!("sip-worker-{index}");
        let thread = std::thread::Builder::new().name(name).spawn(move || desk.run())?;
        Ok(Self { arrivals, departures: Some(departing), untold: 0, bell, counters, thread: Some(thread) })
    }

    fn wake(&mut self) {
        self.untold = 0;
        self.bell.ring();
    }
}

/// The side of a worker that its thread has.
struct Desk {
    poll: Poll,
    listening: Vec<Listening>,
    arrived: SyncSender<NodeInput>,
    departures: Receiver<Departure>,
    bell: Arc<Doorbell>,
    engine: Arc<Doorbell>,
    counters: Arc<Counters>,
}

/// How far the queue of what is to be sent was emptied.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Queue {
    Empty,
    MayHoldMore,
    Closed,
}

impl Desk {
    fn run(mut self) {
        let origin = Instant::now();
        let mut events = Events::with_capacity(64);
        let mut breath = Breath::default();
        loop {
            self.bell.answer();
            breath.turn(origin.elapsed());
            let queue = self.send(&mut breath);
            let more = self.receive(&mut breath) || queue == Queue::MayHoldMore;
            if queue == Queue::Closed {
                return;
            }
            let rest = if more { Duration::ZERO } else { breath.rest(origin.elapsed()) };
            if !rest.is_zero() {
                std::thread::sleep(rest);
            }
            match self.poll.poll(&mut events, more.then_some(Duration::ZERO)) {
                Ok(()) => {
                    for event in &events {
                        let told = self.listening.iter_mut().find(|it| it.token == event.token());
                        if let Some(listening) = told {
                            listening.ready = true;
                        }
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::error!(%error, "epoll failed; a worker looks by itself");
                    self.listening.iter_mut().for_each(|listening| listening.ready = true);
                    std::thread::sleep(POLL_AGAIN);
                }
            }
        }
    }

    fn send(&self, breath: &mut Breath) -> Queue {
        for _ in 0..SENT_PER_TURN {
            let Departure { bytes, to, listener } = match self.departures.try_recv() {
                Ok(departure) => departure,
                Err(TryRecvError::Empty) => return Queue::Empty,
                Err(TryRecvError::Disconnected) => return Queue::Closed,
            };
            breath.input();
            let Some(Listening { socket, .. }) = self.listening.get(listener) else { continue };
            match socket.send(&bytes, to) {
                Ok(()) => {
                    self.counters.sent.fetch_add(1, Ordering::Relaxed);
                }
                // SIP over UDP repeats what is lost.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.counters.unsent.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => {
                    tracing::debug!(%error, "send failed");
                    self.counters.unsent.fetch_add(1, Ordering::Relaxed);
                    // An engine that has no room for the news finds out by a timer.
                    let local = Local::from(socket.local());
                    let _ = self.arrived.try_send(NodeInput::Unreachable { to, local });
                    self.engine.ring();
                }
            }
        }
        Queue::MayHoldMore
    }

    /// True when there may be more.
    fn receive(&mut self, breath: &mut Breath) -> bool {
        let mut more = false;
        for Listening { socket, ready, .. } in self.listening.iter_mut().filter(|it| it.ready) {
            let local = Local::from(socket.local());
            let mut told = false;
            let drained = socket.receive(PER_TURN, |bytes, from| {
                breath.input();
                self.counters.received.fetch_add(1, Ordering::Relaxed);
                let datagram = Decoded::of(bytes.clone(), Transport::Udp);
                if datagram.is_noise() {
                    self.counters.noise.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                let input = NodeInput::Decoded { datagram: Box::new(datagram), bytes, from, local };
                match self.arrived.try_send(input) {
                    Ok(()) => told = true,
                    Err(_) => {
                        self.counters.overflowed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
            if told {
                self.engine.ring();
            }
            *ready = drained == Drained::MayHoldMore;
            more |= *ready;
        }
        more
    }
}

/// Which of `count` workers what has this Call-ID is sent by (FNV-1a; who chooses Call-IDs so that they fall on one worker
/// makes that one busy, and nothing else).
fn shard(call_id: &[u8], count: usize) -> usize {
    let mix = |hash: u64, octet: &u8| (hash ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3);
    let hash = call_id.iter().fold(0xcbf2_9ce4_8422_2325, mix);
    // The low bits of the hash alone are those of the last octets.
    usize::try_from((hash >> 32) ^ (hash & 0xffff_ffff)).unwrap_or_default() % count.max(1)
}

#[cfg(test)]
mod tests;
