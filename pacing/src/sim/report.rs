//! Table and page.
