//! How long work goes on: a bar on a terminal, log lines elsewhere.

use std::fmt;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use storage::{Progress, Step};

/// Between two log lines. Work that is done sooner writes none.
const LINE_EVERY: Duration = Duration::from_secs(3);

/// Shows how long work goes on. One for a whole command: when the next step begins, the bar of the
/// one before goes.
pub struct LongWork(Mutex<Output>);

enum Output {
    Terminal(Option<Bar>),
    Log(Option<Lines>),
    Nowhere,
}

struct Bar {
    step: &'static str,
    bar: ProgressBar,
}

/// The log lines of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lines {
    step: &'static str,
    last: Instant,
}

impl LongWork {
    /// A bar on standard error if that is a terminal, log lines otherwise.
    #[must_use]
    pub fn on_stderr() -> Self {
        let output = if io::stderr().is_terminal() { Output::Terminal(None) } else { Output::Log(None) };
        Self(Mutex::new(output))
    }

    /// Shows nothing.
    #[must_use]
    pub fn silent() -> Self {
        Self(Mutex::new(Output::Nowhere))
    }

    /// So much of the step is done; `total` is an estimate, or 0 when nobody knows.
    pub fn report(&self, step: &'static str, done: u64, total: u64) {
        match &mut *self.0.lock() {
            Output::Terminal(shown) => show(shown, step, done, total),
            Output::Log(lines) => {
                if is_due(lines, step, Instant::now()) {
                    tracing::info!(step, done, total, "still at work");
                }
            }
            Output::Nowhere => {}
        }
    }

    /// Removes the bar: the work is done.
    pub fn finish(&self) {
        if let Output::Terminal(shown) = &mut *self.0.lock() {
            clear(shown);
        }
    }
}

impl fmt::Debug for LongWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LongWork")
    }
}

impl Drop for LongWork {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Progress for LongWork {
    fn report(&self, step: Step, done: u64, total: u64) {
        let step = match step {
            Step::Replay => "replay the journal",
            Step::Compare => "compare the index",
            Step::Rebuild => "rebuild the index",
            Step::Verify => "verify the journal",
            Step::Read => "read the journal",
            Step::Fold => "fold the journal",
            Step::Copy => "copy",
            Step::Check => "check the copy",
        };
        self.report(step, done, total);
    }
}

fn show(shown: &mut Option<Bar>, step: &'static str, done: u64, total: u64) {
    if shown.as_ref().is_none_or(|bar| bar.step != step) {
        clear(shown);
    }
    let bar = shown.get_or_insert_with(|| Bar { step, bar: new_bar(step, total) });
    bar.bar.set_length(total.max(done));
    bar.bar.set_position(done);
}

fn clear(shown: &mut Option<Bar>) {
    if let Some(bar) = shown.take() {
        bar.bar.finish_and_clear();
    }
}

fn new_bar(step: &'static str, total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total).with_message(step);
    let style = ProgressStyle::with_template("{msg} [{bar:40}] {human_pos}/{human_len} {eta}");
    match style {
        Ok(style) => bar.with_style(style),
        // The bar that comes with the crate serves as well.
        Err(_) => bar,
    }
}

/// Whether a line is written now. The time of a step counts from its first report.
fn is_due(lines: &mut Option<Lines>, step: &'static str, now: Instant) -> bool {
    match lines {
        Some(lines) if lines.step == step => {
            if now.duration_since(lines.last) < LINE_EVERY {
                return false;
            }
            lines.last = now;
            true
        }
        Some(_) | None => {
            *lines = Some(Lines { step, last: now });
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_writes_a_line_every_three_seconds_and_none_before() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut lines = None;
        let cases = [
            ("a", 0, false),
            ("a", 2_999, false),
            ("a", 3_000, true),
            ("a", 5_999, false),
            ("b", 6_000, false),
            ("b", 8_999, false),
            ("b", 9_000, true),
        ];
        for (step, millis, due) in cases {
            assert_eq!(is_due(&mut lines, step, at(millis)), due, "{step} {millis}");
        }
    }

    #[test]
    fn a_bar_lasts_as_long_as_its_step() {
        let mut shown = None;
        let step = |shown: &Option<Bar>| shown.as_ref().map(|bar| bar.step);
        show(&mut shown, "a", 1, 3);
        assert_eq!(step(&shown), Some("a"));
        show(&mut shown, "b", 1, 2);
        assert_eq!(step(&shown), Some("b"));
        show(&mut shown, "b", 2, 2);
        assert_eq!(step(&shown), Some("b"));
        clear(&mut shown);
        assert_eq!(step(&shown), None);
    }
}
