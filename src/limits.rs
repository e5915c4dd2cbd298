//! How many sockets and files the process may have open: a bridged call takes four.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit on open files to what the system allows this process. A login shell's usual 1,024 would end at some 250
/// calls.
pub fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, ?current, "the limit on open files could not be raised");
    }
}

/// Streams for which the process may have sockets, two each: a quarter of what it may have open is left for connections and
/// files.
pub fn streams_max() -> usize {
    let Rlimit { current, .. } = getrlimit(Resource::Nofile);
    current.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX) / 8 * 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_files_as_the_system_allows() {
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        // As a login shell has it, or less where even that is not allowed.
        let low = maximum.map_or(1_024, |maximum| maximum.min(1_024));
        setrlimit(Resource::Nofile, Rlimit { current: Some(low), maximum }).unwrap();
        raise_open_files();
        assert_eq!(getrlimit(Resource::Nofile).current, maximum);
        // Two sockets each, and a quarter is left.
        let sockets = maximum.map_or(u64::MAX, |maximum| maximum / 4 * 3);
        assert!(u64::try_from(streams_max()).unwrap().saturating_mul(2) <= sockets);
    }
}
