//! What only the store on disk does.

mod crash;
mod files;
mod guards;
mod writer;
