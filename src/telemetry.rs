//! Logs: JSON for machines or lines for people, on standard error.
//!
//! In: the wished format and filter. Out: a subscriber. Personal data must never reach it: other rooms log kinds,
//! names, causes and counts; what a library might log of an answer's body is cut off here, whatever the filter says.

use std::io::IsTerminal as _;

use tracing::Metadata;
use tracing_subscriber::filter::{FilterExt as _, FilterFn, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt};

/// What is logged when nothing else is asked for.
const DEFAULT_FILTER: &str = "info,hyper=warn,tower=warn,kube_client=error";

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Human,
}

/// Why logging could not begin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter can't be read.
    #[error("the log filter can't be read; try `info` or `info,tradewind=debug`")]
    Filter(#[source] tracing_subscriber::filter::ParseError),
    /// Something else logs already.
    #[error("logging was set up before")]
    AlreadySet(#[source] tracing_subscriber::util::TryInitError),
}

/// Begins to log. `filter` is a tracing filter, usually from the environment; absent: `info` without chatter.
pub fn start(format: LogFormat, filter: Option<&str>) -> Result<(), Error> {
    let filter = EnvFilter::try_new(filter.unwrap_or(DEFAULT_FILTER)).map_err(Error::Filter)?;
    let filter = filter.and(harmless());
    let stderr = fmt::layer::<Registry>().with_writer(std::io::stderr);
    let layer = match format {
        LogFormat::Json => stderr
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .with_filter(filter)
            .boxed(),
        LogFormat::Human => stderr
            .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
            .with_target(false)
            .with_filter(filter)
            .boxed(),
    };
    tracing_subscriber::registry()
        .with(layer)
        .try_init()
        .map_err(Error::AlreadySet)
}

/// Lets nothing through that may repeat the body of an answer: kube logs a Secret that it can't parse, whole.
fn harmless() -> FilterFn {
    filter_fn(is_harmless)
}

fn is_harmless(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let is_kube = target == "kube_client" || target.starts_with("kube_client::");
    // Its spans name requests and are wanted; its events quote answers.
    !(is_kube && metadata.is_event())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_kube_says_of_answers_never_gets_through() {
        let lines = Lines::default();
        let written = lines.clone();
        let layer = fmt::layer()
            .with_writer(move || written.clone())
            .with_filter(EnvFilter::new("trace").and(harmless()));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::warn!(target: "kube_client::client", "{}", "password: hunter2");
            tracing::error!(target: "kube_client", "{}", "password: hunter2");
            tracing::warn!("region is down");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("region is down"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_an_error() {
        let error = start(LogFormat::Json, Some("tradewind=loud")).unwrap_err();
        assert!(matches!(error, Error::Filter(_)));
    }
}
