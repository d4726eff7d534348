//! Agents that systemd runs, in a container with a systemd of its own: the units that we ship, hand over and updates.

mod faults;
mod kills;
mod machine;
mod restart;
mod trust;
mod units;
mod update;
