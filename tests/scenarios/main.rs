//! Whole-system scenarios in one binary: the tidy rules, the seeded world, the torture corpus and the real parts.

mod real;
mod tidy;
mod torture;
mod trunks;
mod world;
