//! What is shown of a connection while it lives: its changes, and whose it is.

use super::Connection;
use crate::model::{Family, MonoNs, StateChange, TcpState};
use crate::track::output::{Change, Origin, Owner, Span};
use crate::track::users::User;

impl Connection {
    /// Makes the change to show. Its ends and owner are completed when it leaves.
    pub(in crate::track) fn change(&self, change: &StateChange, in_from: Option<Span>) -> Change {
        let origin = Origin::Tracepoint {
            shown: change.shown,
            task: change.task,
            task_holds_socket: change.task_holds_socket,
        };
        self.make_change(change.at, origin, Some(change.from), in_from)
    }

    /// Makes the change that shows a connection that was found.
    pub(in crate::track) fn found_change(&self, at: MonoNs) -> Change {
        self.make_change(at, Origin::Snapshot, None, None)
    }

    pub(super) fn make_change(
        &self,
        at: MonoNs,
        origin: Origin,
        from: Option<TcpState>,
        in_from: Option<Span>,
    ) -> Change {
        Change {
            at,
            error_ns: 0,
            conn: self.id,
            origin,
            family: self.family(),
            tuple: self.tuple,
            from,
            to: self.state,
            in_from,
            netns: self.netns,
            cookie: self.cookie,
            owner: self.owner(),
        }
    }

    /// Keeps a change until the connection may be shown.
    pub(in crate::track) fn hold(&mut self, change: Change) {
        if self.held.is_empty() {
            // Most wait alone, and not for long.
            self.held.reserve_exact(1);
        }
        self.held.push(change);
    }

    /// Brings a held change up to what is known now.
    pub(in crate::track) fn complete(&self, mut change: Change) -> Change {
        change.family = self.family();
        change.tuple = self.tuple;
        change.netns = self.netns;
        change.cookie = self.cookie;
        // Whose it was then stays what it was, but for what was so from the beginning: who opened it, and what belongs to
        // the socket itself.
        let owner = self.owner();
        change.owner.opened_by = change.owner.opened_by.or(owner.opened_by);
        change.owner.process = change.owner.process.or(owner.opened_by);
        change.owner.uid = self.uid;
        change.owner.cgroup = self.cgroup;
        change
    }

    /// Whose it is, as far as it is known by now.
    pub(super) fn owner(&self) -> Owner {
        let named = |user: &User| (user.pid, user.comm);
        Owner {
            process: self.users.owner().map(named),
            opened_by: self.users.opened_by.as_deref().map(named),
            uid: self.uid,
            cgroup: self.cgroup,
        }
    }

    pub(super) fn family(&self) -> Family {
        self.tuple.family().unwrap_or(self.socket_family)
    }
}
