//! What the person in front of a long step sees, on standard error: a spinner, or a line now and then in a log.

use std::{
    io::{IsTerminal, stderr},
    sync::Mutex,
    time::{Duration, Instant},
};

use indicatif::{HumanDuration, ProgressBar};

/// How often a step speaks up where there is no terminal.
const SPEAK_EVERY: Duration = Duration::from_secs(30);

/// One long step.
pub struct Progress {
    bar: Option<ProgressBar>,
    title: String,
    begun: Instant,
    spoken: Mutex<Instant>,
}

impl Progress {
    /// Begins a step.
    #[must_use]
    pub fn start(title: &str) -> Self {
        let now = Instant::now();
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner().with_prefix(title.to_owned());
            bar.enable_steady_tick(Duration::from_millis(200));
            bar.set_message(title.to_owned());
            bar
        });
        if bar.is_none() {
            say(&format!("{title} ..."));
        }
        Self {
            bar,
            title: title.to_owned(),
            begun: now,
            spoken: Mutex::new(now),
        }
    }

    /// Says how far it has come.
    pub fn step(&self, detail: &str) {
        let elapsed = HumanDuration(self.begun.elapsed());
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{} ({elapsed}): {detail}", self.title));
        } else if let Ok(mut spoken) = self.spoken.lock()
            && spoken.elapsed() >= SPEAK_EVERY
        {
            *spoken = Instant::now();
            say(&format!("  {elapsed}: {detail}"));
        }
    }

    /// Ends the step.
    pub fn done(self, how: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        say(&format!(
            "{}: {how} in {:.1} s",
            self.title,
            self.begun.elapsed().as_secs_f64()
        ));
    }
}

/// One line for the person in front.
pub fn say(line: &str) {
    eprintln!("{line}");
}
