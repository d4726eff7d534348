//! Feeds to browsers and scripts over websockets: snapshots and deltas instead of polling.

pub(crate) mod ring;
