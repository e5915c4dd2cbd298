//! A doorbell: wakes a polling thread once for all that was put down since it last looked.

use std::sync::atomic::{AtomicBool, Ordering};

use mio::Waker;

/// Rung by many, answered by one. A write to the waker's descriptor costs a system call and often a switch of
/// threads; a bell that has rung already needs neither.
#[derive(Debug)]
pub struct Doorbell {
    waker: Waker,
    rung: AtomicBool,
}

impl Doorbell {
    /// A bell that nobody has rung.
    pub fn new(waker: Waker) -> Self {
        Self { waker, rung: AtomicBool::new(false) }
    }

    /// Has the owner look again. To be called after what is to be seen was put down.
    pub fn ring(&self) {
        if self.rung.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Err(error) = self.waker.wake() {
            // The next ring tries again; the owner also looks by itself several times a second.
            self.rung.store(false, Ordering::Release);
            tracing::warn!(%error, "a thread could not be woken");
        }
    }

    /// The owner is about to look: from now on the bell counts anew.
    pub fn answer(&self) {
        self.rung.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mio::{Events, Poll, Token};

    use super::*;

    #[test]
    fn it_wakes_once_until_it_is_answered() {
        let mut poll = Poll::new().unwrap();
        let bell = Doorbell::new(Waker::new(poll.registry(), Token(7)).unwrap());
        let mut events = Events::with_capacity(4);
        let mut woken = |patience_ms| {
            poll.poll(&mut events, Some(Duration::from_millis(patience_ms))).unwrap();
            events.iter().filter(|event| event.token() == Token(7)).count()
        };
        bell.ring();
        assert_eq!(woken(5_000), 1);
        bell.ring();
        assert_eq!(woken(20), 0, "rung and not answered: the owner has yet to look");
        bell.answer();
        bell.ring();
        assert_eq!(woken(5_000), 1);
    }
}
