//! The files that people write: what is read, what is refused and at which line.

mod campaign_file;
mod documented;
mod folder;
mod hostile;
mod service_file;
mod wrong_files;
