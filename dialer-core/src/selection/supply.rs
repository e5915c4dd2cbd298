//! The bounded supply: due tasks in hand, best first, so that placing a call waits for no query.

use std::collections::{BTreeSet, VecDeque};

use crate::id::TaskId;
use crate::store::read::Due;

/// Due tasks in hand.
#[derive(Clone, Debug, Default)]
pub(crate) struct Supply {
    queue: VecDeque<Due>,
    tasks: BTreeSet<TaskId>,
}

impl Supply {
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Adds a task behind the others; false where it is in hand already or there are `most`.
    pub fn add(&mut self, due: Due, most: usize) -> bool {
        let fits = self.queue.len() < most && self.tasks.insert(due.task);
        if fits {
            self.queue.push_back(due);
        }
        fits
    }

    /// Puts a task back before the others; it was in hand a moment ago.
    pub fn put_back(&mut self, due: Due) {
        if self.tasks.insert(due.task) {
            self.queue.push_front(due);
        }
    }

    /// The tasks in hand, best first.
    pub fn iter(&self) -> impl Iterator<Item = &Due> {
        self.queue.iter()
    }

    /// Takes the best task.
    pub fn take(&mut self) -> Option<Due> {
        let due = self.queue.pop_front()?;
        self.tasks.remove(&due.task);
        Some(due)
    }

    pub fn clear(&mut self) {
        self.queue.clear();
        self.tasks.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ContactId;

    fn due(task: u64) -> Due {
        Due {
            task: TaskId(task),
            contact: ContactId(task),
            name: String::new(),
            number: String::new(),
            timezone: None,
            attempts: 0,
            first_attempt_at: None,
        }
    }

    #[test]
    fn keeps_order_holds_each_task_once_and_stays_within_its_bound() {
        let mut supply = Supply::default();
        assert!(supply.add(due(1), 2) && supply.add(due(2), 2));
        assert!(!supply.add(due(1), 3), "twice");
        assert!(!supply.add(due(3), 2), "too many");
        let first = supply.take().unwrap();
        assert_eq!(first.task, TaskId(1));
        supply.put_back(first.clone());
        supply.put_back(first);
        assert_eq!(supply.len(), 2);
        assert_eq!(supply.take().map(|due| due.task), Some(TaskId(1)));
        assert_eq!(supply.take().map(|due| due.task), Some(TaskId(2)));
        assert!(supply.take().is_none() && supply.is_empty());
    }
}
