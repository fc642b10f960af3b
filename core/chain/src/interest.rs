/// How much of something a reader must be shown. Ordered: whoever is shown more is shown the rest too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Need {
    /// Nothing: the bytes pass by.
    #[default]
    Pass,
    /// That it happened, and how it ended.
    Head,
    /// The neutral description ([`crate::Facts`]).
    Facts,
    /// The bytes themselves.
    Body,
}

/// What a reader must be shown of each direction. Stated when a Plan is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Interest {
    /// Of requests.
    pub request: Need,
    /// Of replies.
    pub reply: Need,
    /// Of what answers no request: notifications, published messages.
    pub push: Need,
}

impl Interest {
    /// What satisfies both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self {
            request: self.request.max(other.request),
            reply: self.reply.max(other.reply),
            push: self.push.max(other.push),
        }
    }
}
