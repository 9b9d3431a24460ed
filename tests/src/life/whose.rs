//! Whose a connection is said to be, as time goes on.

use super::Life;
use crate::schema::{Opener, Process};

impl Life<'_> {
    /// Demands the owner of each change, by the state that it enters: `None` for nobody. What is not named may be
    /// anybody's.
    pub fn owners(&self, wanted: &[(&str, Option<u32>)]) -> &Self {
        for &(state, pid) in wanted {
            let mut entered = self.seen().filter(|change| change.to == state);
            let change = entered.next().unwrap_or_else(|| {
                panic!("{} does not enter {state}\n{}", self.what, self.told());
            });
            let said = change.owner.as_ref().and_then(|owner| owner.pid);
            assert_eq!(said, pid, "owner as it enters {state}\n{}", self.told());
        }
        self
    }

    /// Demands whose the timeline says it is at last, and by which name.
    pub fn owned_at_last(&self, pid: u32, comm: &str) -> &Self {
        let owner = self.timeline().owner.as_ref();
        let said = owner.map(|owner| (owner.pid, owner.comm.as_deref()));
        assert_eq!(
            said,
            Some((Some(pid), Some(comm))),
            "owner of the timeline\n{}",
            self.told()
        );
        self
    }

    /// Demands that a process opened it which is not the owner, in the timeline and in the last change; `None` for
    /// nobody, or the owner.
    pub fn opened_by(&self, pid: Option<u32>) -> &Self {
        let last = self.seen().last().and_then(|one| one.opened_by.as_ref());
        for said in [self.timeline().opened_by.as_ref(), last] {
            let said = said.map(|opener: &Opener| opener.pid);
            assert_eq!(said, pid, "opened by\n{}", self.told());
        }
        self
    }

    /// Returns what the owner's process is said to be.
    ///
    /// # Panics
    ///
    /// Panics where nothing is.
    pub fn process(&self) -> &Process {
        let owner = self.timeline().owner.as_ref();
        let process = owner.and_then(|owner| owner.process.as_ref());
        process.unwrap_or_else(|| panic!("nothing is told of its process\n{}", self.told()))
    }
}
