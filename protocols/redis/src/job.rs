/// What an answer of a server is to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Job {
    /// The ticket's number.
    pub(crate) number: u64,
    /// Which part of the command.
    pub(crate) part: usize,
}

impl Job {
    /// A command that goes to one server.
    pub(crate) const fn whole(number: u64) -> Self {
        Self { number, part: 0 }
    }
}
