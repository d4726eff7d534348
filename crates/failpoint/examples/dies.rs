//! Comes to the point `example.step` three times and says so: what the tests of failpoints run.

use komodo_failpoint::{failpoint, failpoints};
use tracing_subscriber::{layer::SubscriberExt, util::SubscriberInitExt};

fn main() {
    tracing_subscriber::registry().with(failpoints()).init();
    for step in 1..=3 {
        println!("{step}");
        failpoint!("example.step");
    }
}
