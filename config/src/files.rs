//! Files that a file names: they have to be there, and of the right kind, before anything starts.

use std::path::PathBuf;

use crate::reader::{At, Document};

/// The absolute path of a file that has to exist.
pub(crate) fn existing(document: &Document<'_>, written: &At<String>) -> PathBuf {
    let path = document.path(&written.value);
    match std::fs::metadata(&path) {
        Ok(found) if found.is_file() => {}
        Ok(_) => document.problem(&written.place, format!("{} is not a file", path.display())),
        Err(error) => document.problem(&written.place, format!("{} can't be read: {error}", path.display())),
    }
    path
}

/// The absolute path of a WAV file that can be played to a phone: PCM16 mono, 8 to 48 kHz, not empty.
pub(crate) fn prompt(document: &Document<'_>, written: &At<String>) -> PathBuf {
    let path = document.path(&written.value);
    let wrong = match hound::WavReader::open(&path) {
        Ok(reader) => {
            let spec = reader.spec();
            let fits = spec.channels == 1
                && spec.bits_per_sample == 16
                && spec.sample_format == hound::SampleFormat::Int
                && (8_000..=48_000).contains(&spec.sample_rate);
            if !fits {
                Some("must be PCM16 mono at 8 to 48 kHz".to_owned())
            } else if reader.duration() == 0 {
                Some("holds no sound".to_owned())
            } else {
                None
            }
        }
        Err(hound::Error::IoError(error)) => Some(format!("can't be read: {error}")),
        Err(error) => Some(format!("is not a WAV file that can be played: {error}")),
    };
    if let Some(wrong) = wrong {
        document.problem(&written.place, format!("{} {wrong}", path.display()));
    }
    path
}
