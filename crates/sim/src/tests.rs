//! Boundary tests of the simulation itself.
