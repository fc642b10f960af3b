use std::process::ExitCode;

/// How the process ends. Wrong usage ends with 2, which clap sees to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// As asked.
    Done,
    /// The configuration has mistakes, or a file cannot be read or written.
    Mistakes,
    /// An address cannot be listened on, or something that is needed to start is missing.
    CannotStart,
    /// Sessions were left when `drain_timeout` had passed.
    DrainTimedOut,
    /// A second signal asked to end at once: 128 and its number, as shells have it.
    Signal(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Mistakes => 1,
            Exit::CannotStart => 3,
            Exit::DrainTimedOut => 4,
            Exit::Signal(number) => 128_u8.saturating_add(number),
        })
    }
}
