//! Many runs of a simulator on all processors, with a line of progress where somebody watches.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Does tasks 0 to `tasks` and gives what they gave, in that order: how many processors there are changes nothing.
///
/// # Panics
///
/// Where a task does.
pub fn run_all<T: Send>(tasks: usize, run_one: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, T)>> = Mutex::new(Vec::with_capacity(tasks));
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(tasks);
    let watched = std::io::stderr().is_terminal();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let task = next.fetch_add(1, Ordering::Relaxed);
                    if task >= tasks {
                        break;
                    }
                    let result = run_one(task);
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.push((task, result));
                    if watched {
                        eprint!("\r{} of {tasks} runs", done.len());
                    }
                }
            });
        }
    });
    if watched {
        eprintln!();
    }
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(task, _)| *task);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_tasks() {
        let slow_first = |task: usize| {
            std::thread::sleep(std::time::Duration::from_millis(20_u64.saturating_sub(5 * task as u64)));
            task * task
        };
        assert_eq!(run_all(5, slow_first), [0, 1, 4, 9, 16]);
        assert_eq!(run_all(0, slow_first), [0; 0]);
    }
}
