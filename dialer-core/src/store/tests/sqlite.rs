//! What only the store on disk does.

mod files;
