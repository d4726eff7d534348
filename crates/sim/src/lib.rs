//! A simulated agent in memory: seeded, with faults on demand.
