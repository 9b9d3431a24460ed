//! Which connections are shown.
//!
//! A filter that is not decided yet (a local port before it is chosen, the process before it has
//! touched the socket) leaves the connection undecided; the tracker then holds its changes back, so
//! that it is shown whole or not at all.

use std::net::IpAddr;

use crate::model::{Family, Prefix, TcpState, Tuple, event::Comm};

use super::Owner;
use super::users::Users;

/// Whether listening sockets are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Listening {
    /// Only connections.
    #[default]
    Hidden,
    /// Only listening sockets.
    Only,
    /// Both.
    Shown,
}

/// What a connection must be to be shown. An empty list asks for nothing.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Family, after folding.
    pub family: Option<Family>,
    /// Port at either end.
    pub ports: Vec<u16>,
    /// Local port.
    pub local_ports: Vec<u16>,
    /// Remote port.
    pub remote_ports: Vec<u16>,
    /// Address at either end.
    pub addrs: Vec<Prefix>,
    /// Local address.
    pub local_addrs: Vec<Prefix>,
    /// Remote address.
    pub remote_addrs: Vec<Prefix>,
    /// Process that opened the connection or was seen using it.
    pub pids: Vec<u32>,
    /// Whether processes and their children are followed. The kernel side decides which: a connection that
    /// one of them was seen using passes beside those of `pids`.
    pub followed: bool,
    /// Name of that process, or of its thread that did.
    pub comms: Vec<String>,
    /// uid of the socket.
    ///
    /// Not decided in the kernel, though it could be read there: a connection that one user's
    /// listener takes and another user's process accepts changes its uid at `accept`.
    pub uids: Vec<u32>,
    /// Whether a cgroup is asked for. The kernel side decides which, as it alone sees where a
    /// cgroup stands; a socket that was found, and has not changed yet, is undecided.
    pub cgroup_by_kernel: bool,
    /// Inode numbers of network namespaces.
    pub netns: Vec<u32>,
    /// States, one of which the connection must have been in.
    pub states: Vec<TcpState>,
    /// Whether listening sockets are shown.
    pub listening: Listening,
}

/// Whether a connection is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Shown,
    /// It is not, and nothing can change that.
    Hidden,
    /// Not known yet.
    Undecided,
}

/// What a selection looks at.
pub(super) struct Facts<'a> {
    pub(super) is_listener: bool,
    pub(super) family: Option<Family>,
    pub(super) tuple: &'a Tuple,
    pub(super) owner: &'a Owner,
    pub(super) users: &'a Users,
    pub(super) is_followed: bool,
    pub(super) netns: Option<u32>,
    /// Whether it is or was in a state.
    pub(super) passed: &'a dyn Fn(TcpState) -> bool,
}

impl Selection {
    /// Returns whether every connection of a namespace is taken where any is: what is traced can then
    /// be held against the namespace's counters.
    pub fn takes_whole_namespaces(&self) -> bool {
        let Self {
            family,
            ports,
            local_ports,
            remote_ports,
            addrs,
            local_addrs,
            remote_addrs,
            pids,
            followed,
            comms,
            uids,
            cgroup_by_kernel,
            netns: _,
            states,
            listening: _,
        } = self;
        family.is_none()
            && [ports, local_ports, remote_ports]
                .iter()
                .all(|list| list.is_empty())
            && [addrs, local_addrs, remote_addrs]
                .iter()
                .all(|list| list.is_empty())
            && pids.is_empty()
            && !followed
            && comms.is_empty()
            && uids.is_empty()
            && !cgroup_by_kernel
            && states.is_empty()
    }

    /// Returns whether nothing more is asked for than connections, or listening sockets.
    pub(super) fn asks_for_nothing(&self) -> bool {
        self.netns.is_empty() && self.takes_whole_namespaces()
    }

    /// Judges by nothing but whether it is a listening socket.
    pub(super) fn judge_kind(&self, is_listener: bool) -> Verdict {
        let wanted = match self.listening {
            Listening::Hidden => !is_listener,
            Listening::Only => is_listener,
            Listening::Shown => true,
        };
        match wanted {
            true => Verdict::Shown,
            false => Verdict::Hidden,
        }
    }

    /// Judges a connection by what is known of it.
    pub(super) fn judge(&self, facts: &Facts<'_>) -> Verdict {
        if self.judge_kind(facts.is_listener) == Verdict::Hidden {
            return Verdict::Hidden;
        }
        let Tuple { local, remote } = facts.tuple;
        // A listener has no remote end, so a filter on it never takes one.
        let absent = |verdict: Verdict| match (verdict, facts.is_listener) {
            (Verdict::Undecided, true) => Verdict::Hidden,
            (verdict, _) => verdict,
        };
        let verdicts = [
            self.family.map_or(Verdict::Shown, |family| {
                final_match(facts.family, |found| found == family)
            }),
            among(&self.local_ports, local.port),
            absent(among(&self.remote_ports, remote.port)),
            either(
                among(&self.ports, local.port),
                absent(among(&self.ports, remote.port)),
            ),
            inside(&self.local_addrs, local.addr),
            absent(inside(&self.remote_addrs, remote.addr)),
            either(
                inside(&self.addrs, local.addr),
                absent(inside(&self.addrs, remote.addr)),
            ),
            among(&self.netns, facts.netns),
            // These may come true later.
            later(!self.cgroup_by_kernel || facts.owner.cgroup.is_some()),
            later(self.takes_process(facts)),
            later(
                self.comms.is_empty()
                    || facts
                        .users
                        .any(|user| self.has_comm(user.comm) || self.has_comm(user.thread)),
            ),
            later(
                self.uids.is_empty() || facts.owner.uid.is_some_and(|uid| self.uids.contains(&uid)),
            ),
            later(self.states.is_empty() || self.states.iter().any(|&state| (facts.passed)(state))),
        ];
        if verdicts.contains(&Verdict::Hidden) {
            Verdict::Hidden
        } else if verdicts.contains(&Verdict::Undecided) {
            Verdict::Undecided
        } else {
            Verdict::Shown
        }
    }

    fn takes_process(&self, facts: &Facts<'_>) -> bool {
        if self.pids.is_empty() && !self.followed {
            return true;
        }
        (self.followed && facts.is_followed)
            || facts.users.any(|user| self.pids.contains(&user.pid))
    }

    fn has_comm(&self, comm: Comm) -> bool {
        self.comms
            .iter()
            .any(|wanted| wanted.as_bytes() == comm.bytes())
    }
}

fn final_match<T>(found: Option<T>, matches: impl FnOnce(T) -> bool) -> Verdict {
    match found.map(matches) {
        None => Verdict::Undecided,
        Some(true) => Verdict::Shown,
        Some(false) => Verdict::Hidden,
    }
}

fn among<T: PartialEq>(list: &[T], found: Option<T>) -> Verdict {
    if list.is_empty() {
        return Verdict::Shown;
    }
    final_match(found, |found| list.contains(&found))
}

fn inside(list: &[Prefix], found: Option<IpAddr>) -> Verdict {
    if list.is_empty() {
        return Verdict::Shown;
    }
    final_match(found, |addr| {
        list.iter().any(|prefix| prefix.contains(addr))
    })
}

fn either(first: Verdict, second: Verdict) -> Verdict {
    match (first, second) {
        (Verdict::Shown, _) | (_, Verdict::Shown) => Verdict::Shown,
        (Verdict::Hidden, Verdict::Hidden) => Verdict::Hidden,
        _ => Verdict::Undecided,
    }
}

fn later(matches: bool) -> Verdict {
    if matches {
        Verdict::Shown
    } else {
        Verdict::Undecided
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Endpoint;

    fn judge(selection: &Selection, tuple: Tuple) -> Verdict {
        selection.judge(&Facts {
            is_listener: false,
            family: tuple.family(),
            tuple: &tuple,
            owner: &Owner::default(),
            users: &Users::default(),
            is_followed: false,
            netns: None,
            passed: &|_| false,
        })
    }

    #[test]
    fn a_port_that_is_not_chosen_yet_decides_nothing() {
        let selection = Selection {
            local_ports: vec![5000],
            ..Selection::default()
        };
        let mut tuple = Tuple {
            local: Endpoint::new("10.0.0.1".parse().ok(), None),
            remote: Endpoint::new("10.0.0.2".parse().ok(), Some(80)),
        };
        assert_eq!(judge(&selection, tuple), Verdict::Undecided);
        tuple.local.port = Some(5001);
        assert_eq!(judge(&selection, tuple), Verdict::Hidden);
        tuple.local.port = Some(5000);
        assert_eq!(judge(&selection, tuple), Verdict::Shown);
    }

    #[test]
    fn either_end_may_have_the_port() {
        let selection = Selection {
            ports: vec![80],
            ..Selection::default()
        };
        let tuple = Tuple {
            local: Endpoint::new("10.0.0.1".parse().ok(), None),
            remote: Endpoint::new("10.0.0.2".parse().ok(), Some(80)),
        };
        assert_eq!(judge(&selection, tuple), Verdict::Shown);
        assert_eq!(
            judge(
                &selection,
                Tuple {
                    remote: Endpoint::default(),
                    ..tuple
                }
            ),
            Verdict::Undecided
        );
    }

    #[test]
    fn a_state_or_a_process_can_still_come() {
        let selection = Selection {
            states: vec![TcpState::CloseWait],
            ..Selection::default()
        };
        assert_eq!(judge(&selection, Tuple::default()), Verdict::Undecided);
        let selection = Selection {
            pids: vec![1],
            ..Selection::default()
        };
        assert_eq!(judge(&selection, Tuple::default()), Verdict::Undecided);
    }
}
