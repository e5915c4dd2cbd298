//! The numbers that calls show: how each fares. Signing them is `identity`'s matter.

use std::time::Duration;

use super::Gateway;
use super::timers::Timer;
use crate::event::Event;
use crate::id::CallId;
use crate::trunk::Trunk;
use crate::trunk::caller_ids::NumberBook;
use crate::trunk::reputation::Reputation;

/// What is new of numbers is told so long after the first of it, so that it costs little; a process that dies forgets that much.
pub const NUMBERS_PATIENCE: Duration = Duration::from_secs(10);

impl Gateway {
    /// Notes what became of a call of ours for the number that it showed.
    pub(super) fn number_fared(&mut self, call: CallId, what: impl FnOnce(&mut Reputation), now: Duration) {
        let Some(known) = self.calls.get(&call).filter(|known| !known.incoming) else { return };
        let index = known.trunk;
        if let Some(trunk) = self.trunks.get_mut(index) {
            trunk.number_fared(&known.route.caller_id, what, now);
        }
        self.note_numbers(index, now);
    }

    /// Something may be new of a number of this trunk: it is told soon, with what else comes until then.
    pub(super) fn note_numbers(&mut self, index: usize, now: Duration) {
        if !self.numbers_due && self.trunks.get(index).is_some_and(Trunk::has_news) {
            self.numbers_due = true;
            // On the way down nothing waits for more.
            let wait = if self.draining { Duration::ZERO } else { NUMBERS_PATIENCE };
            self.timers.set(Timer::Numbers, Some(now.saturating_add(wait)));
        }
    }

    /// Tells what is new of the trunks' numbers.
    pub(super) fn tell_numbers(&mut self, now: Duration) {
        self.numbers_due = false;
        let books: Vec<NumberBook> =
            self.trunks.iter_mut().flat_map(|trunk| trunk.number_news(now)).collect();
        if !books.is_empty() {
            self.event(Event::Numbers(books));
        }
    }

    /// Puts back what an earlier process knew of a number.
    pub(super) fn restore_number(&mut self, book: NumberBook, now: Duration) {
        if let Some(trunk) = self.trunks.iter_mut().find(|trunk| trunk.options.name == book.trunk) {
            trunk.restore_number(book, now);
        }
    }
}
