//! Who the process runs as when it needs nothing any more.
//!
//! **Never:** a user who was not there before: what the environment says counts only for root, who could
//! become anybody.

use std::env;
use std::fs;

use rustix::fs::{Gid, Uid};
use rustix::process::{getegid, geteuid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use super::Allowed;

/// The user and group that own nothing, by the number that Linux shows for those that cannot be shown.
const NOBODY: u32 = 65_534;

/// A user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// uid.
    pub uid: u32,
    /// gid of the primary group; no other group is kept.
    pub gid: u32,
}

/// The user who started this: through `sudo` or `pkexec`, else the one that it runs as.
pub fn invoker() -> User {
    let own = User {
        uid: geteuid().as_raw(),
        gid: getegid().as_raw(),
    };
    match own.uid {
        0 => from_environment(|name| env::var(name).ok(), primary_group).unwrap_or(own),
        _ => own,
    }
}

/// Reads what `sudo` and `pkexec` say of whoever called them.
fn from_environment(
    variable: impl Fn(&str) -> Option<String>,
    group: impl Fn(u32) -> Option<u32>,
) -> Option<User> {
    let number = |name| variable(name)?.parse::<u32>().ok().filter(|&id| is_id(id));
    if let Some(uid) = number("SUDO_UID") {
        let gid = number("SUDO_GID").or_else(|| group(uid));
        return Some(User { uid, gid: gid? });
    }
    let uid = number("PKEXEC_UID")?;
    Some(User {
        uid,
        gid: group(uid)?,
    })
}

/// Whether a number can be a user or a group; the highest means "no change".
fn is_id(id: u32) -> bool {
    id != u32::MAX
}

/// The primary group of a user, where `/etc/passwd` tells.
fn primary_group(uid: u32) -> Option<u32> {
    group_in(&fs::read_to_string("/etc/passwd").ok()?, uid)
}

fn group_in(passwd: &str, uid: u32) -> Option<u32> {
    passwd.lines().find_map(|line| {
        // name:password:uid:gid:…
        let mut fields = line.split(':').skip(2);
        let is_it = fields.next()?.parse() == Ok(uid);
        let gid = fields.next()?.parse().ok()?;
        (is_it && is_id(gid)).then_some(gid)
    })
}

/// Becomes the user for whom the process runs, for good. One who is not root stays what they are. Where the
/// kernel refuses, as it does for users that a user namespace does not have, nothing changes, and what is
/// told afterwards is the user that it still is.
pub(super) fn become_user(allowed: &Allowed) {
    if !geteuid().is_root() {
        return;
    }
    let makes_files = !allowed.write_below.is_empty();
    let user = match invoker() {
        // Files of root's would still be its own to write.
        User { uid: 0, .. } if !makes_files => User {
            uid: NOBODY,
            gid: NOBODY,
        },
        user => user,
    };
    let gid = Gid::from_raw(user.gid);
    let uid = Uid::from_raw(user.uid);
    let _ = set_thread_groups(&[gid])
        .and_then(|()| set_thread_res_gid(gid, gid, gid))
        .and_then(|()| set_thread_res_uid(uid, uid, uid));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pairs: &[(&str, &str)]) -> Option<User> {
        let variable = |name: &str| {
            let found = pairs.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        from_environment(variable, |uid| (uid == 1000).then_some(100))
    }

    fn user(uid: u32, gid: u32) -> Option<User> {
        Some(User { uid, gid })
    }

    #[test]
    fn whoever_called_sudo_or_pkexec_is_meant() {
        assert_eq!(told(&[]), None);
        assert_eq!(
            told(&[("SUDO_UID", "1000"), ("SUDO_GID", "5")]),
            user(1000, 5)
        );
        assert_eq!(told(&[("SUDO_UID", "1000")]), user(1000, 100));
        assert_eq!(told(&[("SUDO_UID", "0"), ("SUDO_GID", "0")]), user(0, 0));
        assert_eq!(told(&[("PKEXEC_UID", "1000")]), user(1000, 100));
    }

    #[test]
    fn what_can_be_no_user_is_none() {
        for bad in ["", "-1", "4294967295", "4294967296", "root", "1000 "] {
            assert_eq!(told(&[("SUDO_UID", bad), ("SUDO_GID", "5")]), None, "{bad}");
        }
        // A group that nobody knows: not root's by mistake.
        assert_eq!(told(&[("PKEXEC_UID", "1001")]), None);
        assert_eq!(told(&[("SUDO_UID", "1001"), ("SUDO_GID", "x")]), None);
    }

    #[test]
    fn a_group_is_found_in_passwd() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\na:x:7:8:::\nb:x:9:x:::\n";
        assert_eq!(group_in(passwd, 7), Some(8));
        assert_eq!(group_in(passwd, 9), None);
        assert_eq!(group_in(passwd, 10), None);
    }
}
