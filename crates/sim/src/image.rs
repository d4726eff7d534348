//! What an agent does that is made from an image, and when a helper dies.

use std::time::Duration;

/// What an agent does that is made from an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Image {
    /// It works.
    #[default]
    Good,
    /// There is none, here or elsewhere.
    Absent,
    /// It ends as soon as it is started.
    CannotStart,
    /// It runs, and never reaches Core.
    NeverConnects,
    /// It works, and ends by itself after some time, each time it is started.
    DiesAfter(Duration),
}

/// At which step a helper dies, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HelperDies {
    /// Before the n-th step from now is done.
    Before(usize),
    /// After it.
    After(usize),
}
