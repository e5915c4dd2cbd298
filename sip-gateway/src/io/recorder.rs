//! The recorder thread: writes WAV files, so that no disk ever delays a packet.
//!
//! A file is written under its name with `.part` appended and gets its own name when it is complete and synced:
//! a finished name is a complete file. When the queue is full, audio of the recording at hand is given up and
//! the recording ends as a fault; what was written until then stays under the `.part` name.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use hound::{SampleFormat, WavSpec, WavWriter};
use sha2::{Digest, Sha256};

use super::media::Events;
use crate::id::CallId;
use crate::media::g711::SAMPLES_PER_SECOND;
use crate::media::record::RecordCommand;
use crate::media::{MediaEvent, RecordingDone};

/// Commands that may wait for the disk: ten seconds of a hundred recordings.
pub const QUEUE_MAX: usize = 2_048;

/// Recordings belong to their operator alone.
const FILE_MODE: u32 = 0o600;

const SPEC: WavSpec = WavSpec {
    channels: 2,
    sample_rate: SAMPLES_PER_SECOND,
    bits_per_sample: 16,
    sample_format: SampleFormat::Int,
};

/// The near end of the recorder thread. Nothing here blocks but [`Recorder::stop`].
pub struct Recorder {
    queue: SyncSender<Job>,
    /// Beginnings and endings that found the queue full; two a recording at most.
    waiting: VecDeque<Job>,
    /// Recordings of which audio was given up.
    faulted: BTreeSet<CallId>,
    thread: JoinHandle<()>,
}

#[derive(Debug)]
enum Job {
    Do(RecordCommand),
    /// Close what lost audio on the way.
    CloseFaulted(CallId),
}

impl Recorder {
    /// Starts the thread. `events` hears of every recording that ends.
    pub fn spawn(events: Events) -> io::Result<Self> {
        let (queue, jobs) = sync_channel(QUEUE_MAX);
        let thread = std::thread::Builder::new()
            .name("carillon-rec".into())
            .spawn(move || Writers { open: BTreeMap::new(), events }.run(&jobs))?;
        Ok(Self { queue, waiting: VecDeque::new(), faulted: BTreeSet::new(), thread })
    }

    /// Hands a command over, in order. Audio that finds no room is given up with the rest of its recording.
    pub fn push(&mut self, command: RecordCommand) {
        self.retry();
        match command {
            RecordCommand::Open { call, path } => {
                self.faulted.remove(&call);
                self.must(Job::Do(RecordCommand::Open { call, path }));
            }
            RecordCommand::Samples { call, samples } => {
                if self.faulted.contains(&call) {
                    return;
                }
                let job = Job::Do(RecordCommand::Samples { call, samples });
                if !self.waiting.is_empty() || self.queue.try_send(job).is_err() {
                    self.faulted.insert(call);
                }
            }
            RecordCommand::Close { call } => {
                let faulted = self.faulted.remove(&call);
                self.must(if faulted {
                    Job::CloseFaulted(call)
                } else {
                    Job::Do(RecordCommand::Close { call })
                });
            }
        }
    }

    /// Hands over what found the queue full. To be called now and then while [`Recorder::is_waiting`].
    pub fn retry(&mut self) {
        while let Some(job) = self.waiting.pop_front() {
            if let Err(TrySendError::Full(job)) = self.queue.try_send(job) {
                self.waiting.push_front(job);
                return;
            }
        }
    }

    /// Whether something waits for room in the queue.
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Hands over all that is left and waits until everything is written.
    pub fn stop(self) {
        for job in self.waiting {
            // An error means that the thread is gone; then there is nothing to wait for.
            let _ = self.queue.send(job);
        }
        drop(self.queue);
        let _ = self.thread.join();
    }

    fn must(&mut self, job: Job) {
        if !self.waiting.is_empty() {
            self.waiting.push_back(job);
        } else if let Err(TrySendError::Full(job)) = self.queue.try_send(job) {
            self.waiting.push_back(job);
        }
    }
}

/// The far end: files being written.
struct Writers {
    open: BTreeMap<CallId, Recording>,
    events: Events,
}

struct Recording {
    path: PathBuf,
    part: PathBuf,
    /// `Err` once anything failed; the first failure is the one to tell.
    writer: Result<WavWriter<BufWriter<File>>, String>,
    samples: u64,
}

impl Writers {
    fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            match job {
                Job::Do(RecordCommand::Open { call, path }) => {
                    if let Some(recording) = self.open.insert(call, Recording::create(path)) {
                        self.report(call, recording.abandon("replaced by another recording of the call"));
                    }
                }
                Job::Do(RecordCommand::Samples { call, samples }) => {
                    if let Some(recording) = self.open.get_mut(&call) {
                        recording.append(&samples);
                    }
                }
                Job::Do(RecordCommand::Close { call }) => {
                    if let Some(recording) = self.open.remove(&call) {
                        self.report(call, recording.complete());
                    }
                }
                Job::CloseFaulted(call) => {
                    if let Some(recording) = self.open.remove(&call) {
                        self.report(call, recording.abandon("the disk did not keep up"));
                    }
                }
            }
        }
        for (call, recording) in std::mem::take(&mut self.open) {
            self.report(call, recording.abandon("the recorder was stopped"));
        }
    }

    fn report(&self, call: CallId, recording: Result<RecordingDone, String>) {
        (self.events)(MediaEvent::Recorded { call, recording });
    }
}

impl Recording {
    fn create(path: PathBuf) -> Self {
        let mut part = OsString::from(&path);
        part.push(".part");
        let part = PathBuf::from(part);
        let writer = create(&path, &part).map_err(|error| format!("{}: {error}", part.display()));
        Self { path, part, writer, samples: 0 }
    }

    fn append(&mut self, samples: &[i16]) {
        let Ok(writer) = &mut self.writer else {
            return;
        };
        if let Err(error) = samples.iter().try_for_each(|sample| writer.write_sample(*sample)) {
            self.writer = Err(format!("{}: {error}", self.part.display()));
        } else {
            self.samples += samples.len() as u64 / u64::from(SPEC.channels);
        }
    }

    fn complete(self) -> Result<RecordingDone, String> {
        self.writer?.finalize().map_err(|error| format!("{}: {error}", self.part.display()))?;
        let sha256 =
            publish(&self.part, &self.path).map_err(|error| format!("{}: {error}", self.path.display()))?;
        let duration_ms = self.samples * 1_000 / u64::from(SPEC.sample_rate);
        Ok(RecordingDone { path: self.path, duration_ms, sha256 })
    }

    fn abandon(self, reason: &str) -> Result<RecordingDone, String> {
        self.writer?.finalize().map_err(|error| format!("{}: {error}", self.part.display()))?;
        Err(format!("{reason}; what was written is {}", self.part.display()))
    }
}

fn create(path: &Path, part: &Path) -> Result<WavWriter<BufWriter<File>>, hound::Error> {
    if path.exists() {
        // A finished recording is evidence; nothing overwrites it.
        return Err(io::Error::from(io::ErrorKind::AlreadyExists).into());
    }
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(part)?;
    WavWriter::new(BufWriter::new(file), SPEC)
}

/// Sums the file up, syncs it and gives it its name.
fn publish(part: &Path, path: &Path) -> io::Result<String> {
    let mut file = File::open(part)?;
    file.sync_all()?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let length = file.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        hash.update(buffer.get(..length).unwrap_or_default());
    }
    std::fs::rename(part, path)?;
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        // The new name must survive a crash as well as the audio.
        File::open(directory)?.sync_all()?;
    }
    Ok(hash.finalize().iter().map(|octet| format!("{octet:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};
    use std::sync::{Arc, Mutex};

    use super::*;

    const CALL: CallId = CallId(4);

    fn recorder() -> (Recorder, Receiver<MediaEvent>) {
        let (sender, receiver) = channel();
        let sender = Mutex::new(sender);
        let events: Events = Arc::new(move |event| sender.lock().unwrap().send(event).unwrap());
        (Recorder::spawn(events).unwrap(), receiver)
    }

    fn open(recorder: &mut Recorder, path: &Path) {
        recorder.push(RecordCommand::Open { call: CALL, path: path.to_owned() });
    }

    fn recorded(events: &Receiver<MediaEvent>) -> Result<RecordingDone, String> {
        match events.recv().unwrap() {
            MediaEvent::Recorded { call: CALL, recording } => recording,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_finished_name_is_a_complete_file_with_its_sum() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("2024/call.wav");
        let (mut recorder, events) = recorder();
        open(&mut recorder, &path);
        for index in 0..4 {
            recorder.push(RecordCommand::Samples { call: CALL, samples: [index, -index].repeat(4_000) });
        }
        recorder.push(RecordCommand::Close { call: CALL });
        let done = recorded(&events).unwrap();
        assert_eq!((&done.path, done.duration_ms), (&path, 2_000));
        let octets = std::fs::read(&path).unwrap();
        let sum: String = Sha256::digest(&octets).iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(done.sha256, sum);
        let mut reader = hound::WavReader::open(&path).unwrap();
        assert_eq!(reader.spec(), SPEC);
        let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
        assert_eq!(samples, (0..4).flat_map(|index| [index, -index].repeat(4_000)).collect::<Vec<_>>());
        let names: Vec<_> = std::fs::read_dir(directory.path().join("2024")).unwrap().collect();
        assert_eq!(names.len(), 1);
        recorder.stop();
    }

    #[test]
    fn until_then_it_has_another_name_and_stopping_keeps_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("call.wav");
        let (mut recorder, events) = recorder();
        open(&mut recorder, &path);
        recorder.push(RecordCommand::Samples { call: CALL, samples: vec![5; 800] });
        recorder.stop();
        assert!(recorded(&events).unwrap_err().contains("call.wav.part"));
        assert!(!path.exists());
        assert_eq!(hound::WavReader::open(directory.path().join("call.wav.part")).unwrap().duration(), 400);
    }

    #[test]
    fn a_finished_recording_is_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("call.wav");
        std::fs::write(&path, b"evidence").unwrap();
        let (mut recorder, events) = recorder();
        open(&mut recorder, &path);
        recorder.push(RecordCommand::Close { call: CALL });
        assert!(recorded(&events).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"evidence");
        recorder.stop();
    }

    #[test]
    fn a_place_that_cannot_be_written_is_a_fault() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, b"").unwrap();
        let (mut recorder, events) = recorder();
        open(&mut recorder, &file.join("call.wav"));
        recorder.push(RecordCommand::Samples { call: CALL, samples: vec![0; 8] });
        recorder.push(RecordCommand::Close { call: CALL });
        assert!(recorded(&events).unwrap_err().contains("call.wav"));
        recorder.stop();
    }

    #[test]
    fn a_full_queue_faults_the_recording_and_never_blocks() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("call.wav");
        let gate = Arc::new(Mutex::new(()));
        let (sender, events) = channel();
        let sender = Mutex::new(sender);
        let shut = gate.lock().unwrap();
        let at_gate = Arc::clone(&gate);
        let (arrives, arrived) = channel();
        let arrives = Mutex::new(arrives);
        let mut recorder = Recorder::spawn(Arc::new(move |event| {
            arrives.lock().unwrap().send(()).unwrap();
            let _open = at_gate.lock().unwrap();
            sender.lock().unwrap().send(event).unwrap();
        }))
        .unwrap();
        // The thread stands at the gate with the first recording's end while the second one fills the queue.
        open(&mut recorder, &directory.path().join("first.wav"));
        recorder.push(RecordCommand::Close { call: CALL });
        arrived.recv().unwrap();
        open(&mut recorder, &path);
        for _ in 0..QUEUE_MAX + 10 {
            recorder.push(RecordCommand::Samples { call: CALL, samples: vec![1; 2] });
        }
        recorder.push(RecordCommand::Close { call: CALL });
        assert!(recorder.is_waiting());
        drop(shut);
        assert!(recorded(&events).is_ok());
        recorder.stop();
        assert!(recorded(&events).unwrap_err().contains("did not keep up"));
        assert!(!path.exists());
    }
}
