//! Pure decisions: guard, bulk plans, status. No async, no clock, no IO, no randomness.
