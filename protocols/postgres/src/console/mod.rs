//! Database names that stand for no server: a [`VirtualDatabase`] answers there. What it knows is its own affair; here is
//! the protocol of a session with it, served on the login threads, so that it touches no core.

mod extended;
mod row;
mod session;

pub(crate) use session::{Visitor, serve};

use tidegate_base::{Reason, Refusal};
use tidegate_engine::Asker;

use crate::config::Console;

/// Which names of a listener a virtual database answers, and to whom.
#[derive(Debug)]
pub(crate) struct ConsoleRules(Console);

/// Who may enter without a login: the system vouches that it is the user that this process runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IsOwnUser(pub(crate) bool);

impl ConsoleRules {
    pub(crate) fn new(config: &Console) -> Self {
        Self(config.clone())
    }

    /// Whether this name is answered here.
    pub(crate) fn answers(&self, database: &str) -> bool {
        self.0.databases.iter().any(|name| name == database)
    }

    /// What somebody may do who is who it says it is.
    pub(crate) fn admit(&self, user: &str, IsOwnUser(is_own): IsOwnUser) -> Result<Asker, Refusal> {
        let listed = |users: &[String]| users.iter().any(|name| name == user);
        let is_admin = is_own || listed(&self.0.admin_users);
        if !is_admin && !listed(&self.0.stats_users) {
            let text = format!("user \"{user}\" may not use the console: name it in admin_users or stats_users");
            return Err(Refusal::new(Reason::Denied, text));
        }
        Ok(Asker {
            user: user.to_owned(),
            is_admin,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(user: &str, is_own: bool, expected: Option<bool>) {
        let rules = ConsoleRules::new(&Console {
            admin_users: vec!["root".to_owned()],
            stats_users: vec!["root".to_owned(), "stats".to_owned()],
            ..Console::default()
        });
        let admitted = rules.admit(user, IsOwnUser(is_own));
        assert_eq!(admitted.ok().map(|asker| asker.is_admin), expected, "{user}");
    }

    #[test]
    fn who_may_enter() {
        check("root", false, Some(true));
        check("stats", false, Some(false));
        check("stats", true, Some(true));
        check("anybody", true, Some(true));
        check("anybody", false, None);
        check("", false, None);
    }

    #[test]
    fn names_are_taken_as_they_are() {
        let rules = ConsoleRules::new(&Console::default());
        assert!(rules.answers("tidegate") && rules.answers("pgbouncer"));
        assert!(!rules.answers("PgBouncer") && !rules.answers(""));
    }
}
