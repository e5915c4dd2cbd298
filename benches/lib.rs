//! Holds the benchmarks; nothing else.
