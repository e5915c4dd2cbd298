//! The bounded supply: due tasks in hand, best first, so that placing a call waits for no query.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::id::TaskId;
use crate::store::read::Due;

/// Most tasks in hand of each owner: fewer than the store gives at once, so that a task on its way to a claim, which it gives
/// again, leaves room for others.
pub(crate) const OWNED_IN_HAND_MAX: usize = 4;

/// Due tasks in hand: those that any agent may take, and those of each owner.
#[derive(Clone, Debug, Default)]
pub(crate) struct Supply {
    queue: VecDeque<Due>,
    owned: BTreeMap<String, VecDeque<Due>>,
    /// How often an owner came to have tasks, or had none left.
    owners_changed: u64,
    tasks: BTreeSet<TaskId>,
}

impl Supply {
    /// Tasks that any agent may take.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether there is a task that any agent may take.
    pub fn has_pooled(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Tasks of this owner.
    pub fn owned_len(&self, owner: &str) -> usize {
        self.owned.get(owner).map_or(0, VecDeque::len)
    }

    /// How often an owner came to have tasks in hand, or had none left: whoever looks again knows by it whether those
    /// are others than before.
    pub fn owners_changed(&self) -> u64 {
        self.owners_changed
    }

    /// Owners who have tasks in hand.
    pub fn owners(&self) -> impl Iterator<Item = &String> {
        self.owned.keys()
    }

    /// Whether there is no task of anybody's.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Adds a task behind the others; false where it is in hand already or there are `most` (of its owner,
    /// [`OWNED_IN_HAND_MAX`]).
    pub fn add(&mut self, due: Due, most: usize) -> bool {
        let fits = match &due.owner {
            None => self.queue.len() < most,
            Some(owner) => self.owned_len(owner) < OWNED_IN_HAND_MAX,
        };
        let fits = fits && self.tasks.insert(due.task);
        if fits {
            self.queue_of(&due).push_back(due);
        }
        fits
    }

    /// Puts a task back before the others; it was in hand a moment ago.
    pub fn put_back(&mut self, due: Due) {
        if self.tasks.insert(due.task) {
            self.queue_of(&due).push_front(due);
        }
    }

    /// The tasks in hand that any agent may take, best first.
    pub fn iter(&self) -> impl Iterator<Item = &Due> {
        self.queue.iter()
    }

    /// Takes the best task that any agent may take.
    pub fn take(&mut self) -> Option<Due> {
        let due = self.queue.pop_front()?;
        self.tasks.remove(&due.task);
        Some(due)
    }

    /// Takes the best task of an owner.
    pub fn take_owned(&mut self, owner: &str) -> Option<Due> {
        let queue = self.owned.get_mut(owner)?;
        let due = queue.pop_front();
        if queue.is_empty() {
            self.owned.remove(owner);
            self.owners_changed += 1;
        }
        let due = due?;
        self.tasks.remove(&due.task);
        Some(due)
    }

    /// Lets go of a task that is not to be called now.
    pub fn forget(&mut self, task: TaskId) {
        if !self.tasks.remove(&task) {
            return;
        }
        self.queue.retain(|due| due.task != task);
        let owners = self.owned.len();
        self.owned.values_mut().for_each(|queue| queue.retain(|due| due.task != task));
        self.owned.retain(|_, queue| !queue.is_empty());
        self.owners_changed += u64::from(self.owned.len() != owners);
    }

    fn queue_of(&mut self, due: &Due) -> &mut VecDeque<Due> {
        match &due.owner {
            None => &mut self.queue,
            Some(owner) => self.owned.entry(owner.clone()).or_insert_with(|| {
                self.owners_changed += 1;
                VecDeque::new()
            }),
        }
    }

    pub fn clear(&mut self) {
        self.queue.clear();
        self.owners_changed += u64::from(!self.owned.is_empty());
        self.owned.clear();
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
            owner: None,
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

    #[test]
    fn owners_have_queues_of_their_own() {
        let owned = |task| Due { owner: Some("agent1".into()), ..due(task) };
        let mut supply = Supply::default();
        let most = OWNED_IN_HAND_MAX as u64;
        assert!((1..=most).all(|task| supply.add(owned(task), 0)), "the pool's bound is not theirs");
        assert!(!supply.add(owned(most + 1), 100));
        assert!(supply.take().is_none(), "not for anybody");
        assert!(!supply.is_empty() && !supply.has_pooled());
        assert_eq!(supply.owners_changed(), 1, "one came to have tasks");
        let first = supply.take_owned("agent1").unwrap();
        assert_eq!((first.task, supply.owned_len("agent1")), (TaskId(1), OWNED_IN_HAND_MAX - 1));
        supply.put_back(first);
        while supply.take_owned("agent1").is_some() {}
        assert!(supply.take_owned("agent2").is_none());
        assert_eq!(supply.owners_changed(), 2, "and has none left");
        assert!(supply.is_empty() && supply.owners().count() == 0);
    }
}
