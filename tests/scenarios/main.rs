//! Whole-system scenarios in one binary.
