//! The log, to standard error.

use std::io::IsTerminal;

use komodo_failpoint::failpoints;
use komodo_periphery::config::{LogForm, LogLevel, Logging};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Layer, filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt,
};

/// Starts logging. Libraries only have a say when something is wrong.
pub(crate) fn start(logging: &Logging) {
    let level = match logging.level {
        LogLevel::Trace => LevelFilter::TRACE,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    };
    let targets = Targets::new()
        .with_target("komodo", level)
        .with_default(level.min(LevelFilter::WARN));
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(logging.ansi && std::io::stderr().is_terminal())
        .with_target(false)
        .with_file(logging.location)
        .with_line_number(logging.location);
    let layer = match (logging.stdio, logging.timestamps) {
        (LogForm::None, _) => tracing_subscriber::layer::Identity::new().boxed(),
        (LogForm::Standard, true) => lines.boxed(),
        (LogForm::Standard, false) => lines.without_time().boxed(),
        (LogForm::Json, true) => lines.json().boxed(),
        (LogForm::Json, false) => lines.json().without_time().boxed(),
    };
    tracing_subscriber::registry()
        .with(failpoints())
        .with(layer.with_filter(targets))
        .init();
}
