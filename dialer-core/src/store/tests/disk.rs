//! A store as the tests use it.

use std::collections::BTreeMap;

use super::writes::{RENEWALS, campaign, list};
use crate::contact::ListedContact;
use crate::id::CampaignId;
use crate::inbound::{InboundRow, KnownCaller};
use crate::store::memory::Memory;
use crate::store::read::{AgentTimeRow, AttemptRow, Fetched, Imported, Recovered, TaskRow};
use crate::store::write::{JournalPart, Refusal, Write};
use crate::time::Utc;

/// Both stores, told and asked in the same words.
pub trait Disk {
    fn apply(&mut self, writes: Vec<Write>) -> Result<(), Refusal>;
    fn fetch_for(&self, campaign: CampaignId, limit: u32, owners: &[String], now: Utc) -> Fetched;
    fn recover_at(&self, now: Utc) -> Recovered;
    fn import(&mut self, campaign: CampaignId, rows: Vec<ListedContact>) -> Imported;
    fn suppress(&mut self, numbers: Vec<String>) -> u64;
    fn attempts(&self) -> Vec<AttemptRow>;
    fn tasks(&self) -> Vec<TaskRow>;
    fn agent_time(&self) -> BTreeMap<String, AgentTimeRow>;
    fn inbound(&self) -> Vec<InboundRow>;
    fn find_caller(&self, campaigns: &[CampaignId], number: &str) -> Option<KnownCaller>;
    fn journal(&self, campaign: CampaignId) -> Vec<JournalPart>;
    /// The process ends and another one opens the same disk.
    fn reopen(&mut self);

    /// One running campaign with `count` contacts.
    fn prepare(&mut self, count: u64) {
        self.apply(vec![campaign(RENEWALS)]).unwrap();
        assert_eq!(self.import(RENEWALS, list(count)).added, count);
    }

    fn recover(&self) -> Recovered {
        self.recover_at(Utc(10_000))
    }

    fn attempt(&self, id: u64) -> AttemptRow {
        self.attempts().into_iter().find(|row| row.attempt.0 == id).unwrap()
    }

    fn fetch(&self, campaign: CampaignId, limit: u32, now: Utc) -> Fetched {
        self.fetch_for(campaign, limit, &[], now)
    }

    fn task(&self, id: u64) -> TaskRow {
        self.tasks().into_iter().find(|row| row.task.0 == id).unwrap()
    }

    /// Ids of the tasks due at `now`, in order.
    fn due(&self, now: i64) -> Vec<u64> {
        self.fetch(RENEWALS, 1_000, Utc(now)).due.iter().map(|due| due.task.0).collect()
    }
}

impl Disk for Memory {
    fn apply(&mut self, writes: Vec<Write>) -> Result<(), Refusal> {
        Memory::apply(self, &writes)
    }

    fn fetch_for(&self, campaign: CampaignId, limit: u32, owners: &[String], now: Utc) -> Fetched {
        Memory::fetch(self, campaign, limit, owners, now)
    }

    fn recover_at(&self, now: Utc) -> Recovered {
        Memory::recover(self, now)
    }

    fn import(&mut self, campaign: CampaignId, rows: Vec<ListedContact>) -> Imported {
        Memory::import(self, campaign, rows).unwrap()
    }

    fn suppress(&mut self, numbers: Vec<String>) -> u64 {
        Memory::suppress(self, numbers)
    }

    fn attempts(&self) -> Vec<AttemptRow> {
        Memory::attempts(self).cloned().collect()
    }

    fn tasks(&self) -> Vec<TaskRow> {
        Memory::tasks(self).cloned().collect()
    }

    fn journal(&self, campaign: CampaignId) -> Vec<JournalPart> {
        Memory::journal(self, campaign).cloned().collect()
    }

    fn agent_time(&self) -> BTreeMap<String, AgentTimeRow> {
        Memory::agent_time(self).clone()
    }

    fn inbound(&self) -> Vec<InboundRow> {
        Memory::inbound(self).cloned().collect()
    }

    fn find_caller(&self, campaigns: &[CampaignId], number: &str) -> Option<KnownCaller> {
        Memory::find_caller(self, campaigns, number)
    }

    fn reopen(&mut self) {
        *self = self.clone();
    }
}

#[cfg(feature = "store")]
pub use on_disk::OnDisk;

#[cfg(feature = "store")]
mod on_disk {
    use std::path::PathBuf;
    use std::sync::mpsc;
    use std::time::Duration;

    use tempfile::TempDir;
    use tokio::runtime::Runtime;

    use super::*;
    use crate::id::{AttemptId, TaskId, Ticket};
    use crate::store::sqlite::{Archive, Store};

    /// SQLite in a directory of its own.
    pub struct OnDisk {
        directory: TempDir,
        pub runtime: Runtime,
        store: Option<Store>,
        results: mpsc::Receiver<(Ticket, Result<(), Refusal>)>,
        last_ticket: u64,
    }

    impl OnDisk {
        pub fn new() -> Self {
            let directory = TempDir::new().unwrap();
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            let (_, results) = mpsc::channel();
            let mut disk = Self { directory, runtime, store: None, results, last_ticket: 0 };
            disk.open();
            disk
        }

        pub fn path(&self) -> PathBuf {
            self.directory.path().join("carillon.db")
        }

        pub fn store(&self) -> &Store {
            self.store.as_ref().unwrap()
        }

        /// Ends this process's hold on the database.
        pub fn close(&mut self) {
            if let Some(store) = self.store.take() {
                self.runtime.block_on(store.close());
            }
        }

        pub fn open(&mut self) {
            let (told, results) = mpsc::channel();
            let on_stored = Box::new(move |ticket, result| {
                let _ = told.send((ticket, result));
            });
            self.store = Some(self.runtime.block_on(Store::open(&self.path(), on_stored)).unwrap());
            self.results = results;
        }

        pub fn submit(&mut self, writes: Vec<Write>) -> Ticket {
            self.last_ticket += 1;
            let ticket = Ticket(self.last_ticket);
            self.store().submit(ticket, writes).unwrap();
            ticket
        }

        pub fn result(&self, ticket: Ticket) -> Result<(), Refusal> {
            let (answered, result) = self.results.recv_timeout(Duration::from_secs(60)).unwrap();
            assert_eq!(answered, ticket, "answers come in the order of the batches");
            result
        }
    }

    impl Disk for OnDisk {
        fn apply(&mut self, writes: Vec<Write>) -> Result<(), Refusal> {
            let ticket = self.submit(writes);
            self.result(ticket)
        }

        fn fetch_for(&self, campaign: CampaignId, limit: u32, owners: &[String], now: Utc) -> Fetched {
            self.runtime.block_on(self.store().fetch(campaign, limit, owners, now)).unwrap()
        }

        fn recover_at(&self, now: Utc) -> Recovered {
            self.runtime.block_on(self.store().recover(now)).unwrap()
        }

        fn import(&mut self, campaign: CampaignId, rows: Vec<ListedContact>) -> Imported {
            self.runtime.block_on(async {
                let import = self.store().begin_import(campaign).await.unwrap();
                import.add(rows).await.unwrap()
            })
        }

        fn suppress(&mut self, numbers: Vec<String>) -> u64 {
            self.runtime.block_on(self.store().suppress(numbers)).unwrap()
        }

        fn attempts(&self) -> Vec<AttemptRow> {
            self.runtime.block_on(self.store().attempts(None, AttemptId(0), 1_000)).unwrap()
        }

        fn tasks(&self) -> Vec<TaskRow> {
            self.runtime.block_on(self.store().tasks(None, TaskId(0), 1_000)).unwrap()
        }

        fn journal(&self, campaign: CampaignId) -> Vec<JournalPart> {
            self.runtime.block_on(async {
                let mut archive = Archive::open(&self.path()).await.unwrap();
                archive.journal(campaign).await.unwrap()
            })
        }

        fn agent_time(&self) -> BTreeMap<String, AgentTimeRow> {
            self.runtime.block_on(self.store().agent_time()).unwrap()
        }

        fn inbound(&self) -> Vec<InboundRow> {
            self.runtime.block_on(self.store().inbound_calls(AttemptId(0), 1_000)).unwrap()
        }

        fn find_caller(&self, campaigns: &[CampaignId], number: &str) -> Option<KnownCaller> {
            self.runtime.block_on(self.store().find_caller(campaigns, number)).unwrap()
        }

        fn reopen(&mut self) {
            self.close();
            self.open();
        }
    }
}
