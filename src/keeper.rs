//! Ladders of ended calls on the disk: a file for each day, one line of JSON for each call.
//!
//! Beside the database and not in it, so that no call waits for them: a thread writes behind a bounded queue, and what it can't
//! keep up with is lost. Nothing but looking for a call ever reads them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use carillon_core::ladder::Ladder;
use carillon_core::time::Utc;

use crate::clock::wall;

/// Directory of the ladders within that of the database.
pub const LADDERS: &str = "ladders";

/// Ladders that may wait to be written.
const QUEUE_MAX: usize = 4_096;
/// Longest line that is read; a ladder has some 20,000 octets at most.
const LINE_MAX: u64 = 1 << 20;
/// What names of files end with, after the day.
const ENDING: &str = ".jsonl";

/// The way to the thread that keeps ladders.
pub struct Keeper {
    queue: SyncSender<Ladder>,
    thread: JoinHandle<()>,
    well: bool,
}

/// Starts keeping ladders in a directory, each day's for `keep`.
pub fn spawn(directory: PathBuf, keep: Duration) -> io::Result<Keeper> {
    fs::create_dir_all(&directory)?;
    let (queue, ladders) = sync_channel(QUEUE_MAX);
    let thread = std::thread::Builder::new()
        .name("ladders".into())
        .spawn(move || Files { directory, keep, open: None }.serve(&ladders))?;
    Ok(Keeper { queue, thread, well: true })
}

impl Keeper {
    /// Takes the ladder of an ended call. Never waits.
    pub fn keep(&mut self, ladder: Ladder) {
        let well = self.queue.try_send(ladder).is_ok();
        if !well && self.well {
            tracing::warn!("ladders come faster than they can be kept; some are lost");
        }
        self.well = well;
    }

    /// Writes what waits, then ends.
    pub fn stop(self) {
        drop(self.queue);
        if self.thread.join().is_err() {
            tracing::warn!("the thread that keeps ladders ended in disorder");
        }
    }
}

/// The kept ladder of a call, by its number or by the Call-ID of one of its dialogs. Reads the newest days first.
pub fn find(directory: &Path, call: &str) -> io::Result<Option<Ladder>> {
    let mut days = match days(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        days => days?,
    };
    days.sort();
    let number = call.parse::<u64>().ok();
    let by_number = number.map(|number| format!("{{\"call\":{number},"));
    let by_call_id = format!("\"call_id\":{}", serde_json::Value::from(call));
    for day in days.into_iter().rev() {
        let mut lines = BufReader::new(File::open(directory.join(day))?);
        let mut line = String::new();
        loop {
            line.clear();
            match (&mut lines).take(LINE_MAX).read_line(&mut line) {
                Ok(0) => break,
                Ok(_) => {}
                // Half a line of a process that died.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => continue,
                Err(error) => return Err(error),
            }
            let named = by_number.as_ref().is_some_and(|begin| line.starts_with(begin));
            if (named || line.contains(&by_call_id))
                && let Ok(ladder) = serde_json::from_str(&line)
            {
                return Ok(Some(ladder));
            }
        }
    }
    Ok(None)
}

/// Names of the files of ladders.
fn days(directory: &Path) -> io::Result<Vec<String>> {
    let names = fs::read_dir(directory)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.filter(|name| name.ends_with(ENDING)).collect())
}

struct Files {
    directory: PathBuf,
    keep: Duration,
    /// The day's file.
    open: Option<(String, BufWriter<File>)>,
}

impl Files {
    fn serve(mut self, ladders: &Receiver<Ladder>) {
        self.tidy(wall());
        while let Ok(ladder) = ladders.recv() {
            let mut next = Some(ladder);
            // All that waits, then to the disk.
            while let Some(ladder) = next {
                self.write(&ladder);
                next = ladders.try_recv().ok();
            }
            self.flush();
        }
    }

    fn write(&mut self, ladder: &Ladder) {
        let name = name_of(ladder.began_at);
        if self.open.as_ref().is_none_or(|(open, _)| *open != name) {
            self.flush();
            let path = self.directory.join(&name);
            match OpenOptions::new().create(true).append(true).open(&path) {
                Ok(file) => self.open = Some((name, BufWriter::new(file))),
                Err(error) => return tracing::warn!(%error, path = %path.display(), "no ladder is kept"),
            }
            self.tidy(ladder.began_at);
        }
        let Ok(mut line) = serde_json::to_vec(ladder) else { return };
        line.push(b'\n');
        if let Some((_, file)) = &mut self.open
            && let Err(error) = file.write_all(&line)
        {
            tracing::warn!(%error, "a ladder is not kept");
        }
    }

    fn flush(&mut self) {
        if let Some((_, file)) = &mut self.open
            && let Err(error) = file.flush()
        {
            tracing::warn!(%error, "ladders are not kept");
        }
    }

    /// Removes the days that are over for longer than they are kept.
    fn tidy(&self, now: Utc) {
        let keep = i64::try_from(self.keep.as_millis()).unwrap_or(i64::MAX);
        let oldest = name_of(Utc(now.0.saturating_sub(keep)));
        for name in days(&self.directory).unwrap_or_default() {
            if name < oldest
                && let Err(error) = fs::remove_file(self.directory.join(&name))
            {
                tracing::warn!(%error, name, "old ladders can't be removed");
            }
        }
    }
}

/// The file of a UTC day; names sort as days do.
fn name_of(at: Utc) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
    format!("{}{ENDING}", at.strftime("%Y-%m-%d"))
}

#[cfg(test)]
mod tests {
    use carillon_core::id::AttemptId;
    use carillon_core::ladder::{Party, Role};

    use super::*;

    const DAY: i64 = 24 * 3_600 * 1_000;

    fn ladder(call: Option<u64>, call_id: &str, began_at: i64) -> Ladder {
        let party = Party {
            role: Role::Trunk,
            name: "carrier".into(),
            address: "192.0.2.1:5060".into(),
            transport: "udp".into(),
            call_id: call_id.into(),
        };
        Ladder {
            call: call.map(AttemptId),
            began_at: Utc(began_at),
            ended: true,
            parties: vec![party],
            messages: Vec::new(),
            left_out: 0,
            left_out_after: 48,
        }
    }

    #[test]
    fn kept_ladders_are_found_by_number_and_call_id_and_go_with_their_days() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join(LADDERS);
        assert_eq!(find(&directory, "1").unwrap(), None, "no directory yet");
        let now = wall().0;
        let mut keeper = spawn(directory.clone(), Duration::from_secs(2 * 24 * 3_600)).unwrap();
        let (old, new) = (ladder(Some(1), "a\"b@x", now - DAY), ladder(Some(11), "12", now));
        keeper.keep(ladder(Some(9), "gone", now - 4 * DAY));
        keeper.keep(old.clone());
        keeper.keep(new.clone());
        keeper.keep(ladder(None, "refused", now));
        keeper.stop();
        let of = |call: &str| find(&directory, call).unwrap();
        assert_eq!((of("1"), of("a\"b@x")), (Some(old.clone()), Some(old)));
        assert_eq!((of("11"), of("12")), (Some(new.clone()), Some(new)), "a Call-ID of digits");
        assert_eq!(of("refused").map(|ladder| ladder.call), Some(None));
        assert_eq!((of("9"), of("gone"), of("carrier"), of("")), (None, None, None, None));

        // A process that died in the middle of a line hides nothing that comes after.
        let path = directory.join(name_of(Utc(now)));
        OpenOptions::new().append(true).open(path).unwrap().write_all(b"{\"call\":3,\xff\"par\n").unwrap();
        let mut keeper = spawn(directory.clone(), Duration::from_secs(2 * 24 * 3_600)).unwrap();
        keeper.keep(ladder(Some(3), "later", now));
        keeper.stop();
        assert!(find(&directory, "later").unwrap().is_some());
    }
}
