//! Attempts (外呼): one try to reach one number, from the line held for it to its stored ending.

mod answering;
pub(crate) mod event;
pub(crate) mod machine;
mod opening;
pub mod outcome;
pub mod table;

#[cfg(test)]
mod tests;
