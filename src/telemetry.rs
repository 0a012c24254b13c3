//! What the server tells its operator: log lines on standard error, as text for a person at a terminal and as JSON for
//! whatever else reads them.
//!
//! `RUST_LOG` chooses what is logged (`debug`, `pati_service=debug,warn`); `info` when it is absent.

use std::io::{self, IsTerminal};
use std::panic::{self, PanicHookInfo};

use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

/// What is logged when `RUST_LOG` is absent or wrong. actix tells of every start of a thread.
const USUAL: &str = "info,actix_server=warn";

/// The telemetry was started before.
#[derive(Debug, Error)]
#[error("cannot start the log: {0}")]
pub struct TelemetryError(String);

/// Starts the log and sees to it that panics are logged. Once per process.
///
/// # Errors
/// When something else of the process logs already.
pub fn start() -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(USUAL));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = if io::stderr().is_terminal() {
        lines.finish().try_init()
    } else {
        lines.json().flatten_event(true).finish().try_init()
    };
    started.map_err(|cause| TelemetryError(cause.to_string()))?;
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Tells where a panic happened and not what it said: its words may hold a phone or a name.
fn log_panic(info: &PanicHookInfo<'_>) {
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or_default();
    tracing::error!(location, thread, "panic");
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The planted bug: the payload of the panic as a field.
    #[test]
    fn a_panic_tells_its_place_and_not_its_words() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();

        let usual = panic::take_hook();
        panic::set_hook(Box::new(log_panic));
        let result = tracing::subscriber::with_default(subscriber, || {
            panic::catch_unwind(|| panic!("phone 13800000001"))
        });
        panic::set_hook(usual);

        assert!(result.is_err());
        let bytes = lines.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let text = String::from_utf8(bytes).expect("UTF-8");
        assert!(text.contains("telemetry.rs"), "{text}");
        assert!(!text.contains("138"), "{text}");
    }
}
