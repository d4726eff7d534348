//! Failpoints: places in the programs at which tests let them die, as a power cut or the kernel would, by `SIGKILL`.
//!
//! A point is one line, `failpoint!("journal.started")`; `KOMODO_FAILPOINT=journal.started:3` kills the process that has
//! put [`failpoints`] into its log at the third time that it comes there, on whatever thread. `journal.started:3:stop`
//! only stops it (`SIGSTOP`), so that a test can do something else to the world at that point. A point is an event of
//! `tracing` that nothing but that layer listens to, so that no state of ours is shared by the whole process.
//! Only builds with debug assertions have any of it: a release build holds neither the points nor their names.
//!
//! What is tested by them belongs to the tests of the whole, not here.

/// The variable that names a point, after a colon the time at which it works (1 where it is not said), and after another
/// what it does: `kill` (where it is not said) or `stop`.
pub const VARIABLE: &str = "KOMODO_FAILPOINT";

#[doc(hidden)]
pub use tracing as __tracing;

/// A place at which a test may let the process die. Nothing in a release build.
#[macro_export]
macro_rules! failpoint {
    ($name:literal) => {
        #[cfg(debug_assertions)]
        {
            $crate::__tracing::trace!(name: $name, target: "failpoint", "");
        }
    };
}

#[cfg(debug_assertions)]
mod armed {
    use std::sync::atomic::{AtomicU64, Ordering};

    use rustix::process::{Signal, getpid, kill_process};
    use tracing::{Event, Level, Subscriber};
    use tracing_subscriber::{
        Layer,
        filter::Targets,
        layer::{Context, Filter},
        registry::LookupSpan,
    };

    /// Sends the process a signal when a point is reached often enough.
    struct Armed {
        point: String,
        signal: Signal,
        left: AtomicU64,
    }

    impl<S: Subscriber> Layer<S> for Armed {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            if event.metadata().name() != self.point
                || self.left.fetch_sub(1, Ordering::Relaxed) != 1
            {
                return;
            }
            // The kernel lets this thread not even return from the call.
            if kill_process(getpid(), self.signal).is_err() {
                std::process::abort();
            }
        }
    }

    /// See [`crate::failpoints`].
    pub(super) fn layer<S>() -> Option<impl Layer<S>>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let asked = std::env::var(super::VARIABLE).ok()?;
        let mut parts = asked.split(':');
        let armed = Armed {
            point: parts.next()?.to_owned(),
            left: AtomicU64::new(parts.next().map_or(Some(1), |times| times.parse().ok())?),
            signal: match parts.next() {
                None | Some("kill") => Signal::KILL,
                Some("stop") => Signal::STOP,
                Some(_) => return None,
            },
        };
        Some(armed.with_filter(points()))
    }

    fn points<S>() -> impl Filter<S> {
        Targets::new().with_target("failpoint", Level::TRACE)
    }
}

/// The layer that a program puts into its log, so that it dies where [`VARIABLE`] says. None where that is not set, and
/// in release builds.
pub fn failpoints<S>() -> Option<impl tracing_subscriber::Layer<S>>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    #[cfg(debug_assertions)]
    return armed::layer();
    #[cfg(not(debug_assertions))]
    None::<tracing_subscriber::layer::Identity>
}
