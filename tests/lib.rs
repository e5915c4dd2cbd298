//! Holds the integration-test binary `scenarios`; nothing else.
