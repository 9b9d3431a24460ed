//! Who the process runs as when it needs nothing any more.
//!
//! **Never:** a user who was not there before: what the environment says counts only for root, who could
//! become anybody.

use std::env;
use std::fs;
use std::io;

use rustix::fs::{Gid, Uid};
use rustix::process::{getegid, geteuid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use super::{Allowed, capabilities};

/// The user and group that own nothing, by the number that Linux shows for those that cannot be shown.
const NOBODY: u32 = 65_534;

/// A user, with what that user may do through groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// uid.
    pub uid: u32,
    /// gid of the primary group.
    pub gid: u32,
    /// Further groups, as `/etc/group` has them.
    pub groups: Vec<u32>,
}

/// What a user's programs are told of the user, as `/etc/passwd` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Name.
    pub name: String,
    /// Home directory.
    pub home: String,
    /// Shell; empty where none is told.
    pub shell: String,
}

/// Returns what programs of a user are told of the user, where somebody knows it.
pub fn account(uid: u32) -> Option<Account> {
    find_account(uid, &fs::read_to_string("/etc/passwd").ok()?)
}

fn find_account(uid: u32, passwd: &str) -> Option<Account> {
    // name:password:uid:gid:comment:home:shell
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let &[name, _, number, _, _, home, ..] = fields.as_slice() else {
            return None;
        };
        (number.parse() == Ok(uid)).then(|| Account {
            name: name.to_owned(),
            home: home.to_owned(),
            shell: fields.get(6).copied().unwrap_or_default().to_owned(),
        })
    })
}

/// The user who started this: through `sudo` or `pkexec`, else the one that it runs as.
pub fn invoker() -> User {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let (passwd, group) = (read("/etc/passwd"), read("/etc/group"));
    let own = geteuid().as_raw();
    let told = match own {
        0 => told_by(|name| env::var(name).ok()),
        _ => None,
    };
    let (uid, gid) = told.unwrap_or((own, Some(getegid().as_raw())));
    look_up(uid, gid, &passwd, &group)
}

/// Reads what `sudo` and `pkexec` say of whoever called them: uid, and gid if it is told.
fn told_by(variable: impl Fn(&str) -> Option<String>) -> Option<(u32, Option<u32>)> {
    // The highest number means "no change".
    let number = |name| variable(name)?.parse().ok().filter(|&id| id != u32::MAX);
    if let Some(uid) = number("SUDO_UID") {
        return Some((uid, number("SUDO_GID")));
    }
    Some((number("PKEXEC_UID")?, None))
}

/// Looks a user up in the texts of `/etc/passwd` and `/etc/group`. One that is not there has a group of the
/// same number and no other: less than it may be, and never more.
fn look_up(uid: u32, gid: Option<u32>, passwd: &str, group: &str) -> User {
    // name:password:uid:gid:…
    let known = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let is_it = fields.nth(1)?.parse() == Ok(uid);
        let gid: u32 = fields.next()?.parse().ok()?;
        is_it.then_some((name, gid))
    });
    // name:password:gid:member,…
    let groups = group.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let (name, _) = known?;
        let is_member = fields.get(3)?.split(',').any(|member| member == name);
        is_member.then(|| fields[2].parse().ok()).flatten()
    });
    User {
        uid,
        gid: gid.or(known.map(|(_, gid)| gid)).unwrap_or(uid),
        groups: groups.collect(),
    }
}

/// Becomes the user who called `sudo` or `pkexec`, for good and without a capability, but able to gain what that
/// user can gain. Returns who that is; `None` where nobody else called, and nothing changed.
///
/// # Errors
///
/// The kernel refuses: the process must not go on.
pub fn become_invoker() -> io::Result<Option<User>> {
    let user = invoker();
    if !geteuid().is_root() || user.uid == 0 {
        return Ok(None);
    }
    let groups: Vec<Gid> = user.groups.iter().copied().map(Gid::from_raw).collect();
    let (gid, uid) = (Gid::from_raw(user.gid), Uid::from_raw(user.uid));
    set_thread_groups(&groups)?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    capabilities::keep_only(capabilities::NONE)?;
    Ok(Some(user))
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
            groups: Vec::new(),
        },
        user => user,
    };
    let gid = Gid::from_raw(user.gid);
    let uid = Uid::from_raw(user.uid);
    let groups: Vec<Gid> = user.groups.into_iter().map(Gid::from_raw).collect();
    let _ = set_thread_groups(&groups)
        .and_then(|()| set_thread_res_gid(gid, gid, gid))
        .and_then(|()| set_thread_res_uid(uid, uid, uid));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pairs: &[(&str, &str)]) -> Option<(u32, Option<u32>)> {
        told_by(|name| {
            let found = pairs.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn whoever_called_sudo_or_pkexec_is_meant() {
        assert_eq!(told(&[]), None);
        let sudo = [("SUDO_UID", "1000"), ("SUDO_GID", "5"), ("PKEXEC_UID", "7")];
        assert_eq!(told(&sudo), Some((1000, Some(5))));
        assert_eq!(told(&sudo[..1]), Some((1000, None)));
        assert_eq!(told(&sudo[2..]), Some((7, None)));
    }

    #[test]
    fn what_can_be_no_user_is_none() {
        for bad in ["", "-1", "4294967295", "4294967296", "root", "1000 "] {
            assert_eq!(told(&[("SUDO_UID", bad), ("SUDO_GID", "5")]), None, "{bad}");
            let without_group = [("SUDO_UID", "5"), ("SUDO_GID", bad)];
            assert_eq!(told(&without_group), Some((5, None)), "{bad}");
        }
    }

    #[test]
    fn an_account_is_found_by_its_number() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken:x:7\na:x:7:8:A,b:/home/a:/bin/zsh\nb:x:9:9::/:\n";
        let account = |name: &str, home: &str, shell: &str| Account {
            name: name.to_owned(),
            home: home.to_owned(),
            shell: shell.to_owned(),
        };
        assert_eq!(
            find_account(7, passwd),
            Some(account("a", "/home/a", "/bin/zsh"))
        );
        assert_eq!(find_account(9, passwd), Some(account("b", "/", "")));
        assert_eq!(find_account(12, passwd), None);
    }

    #[test]
    fn groups_are_those_that_name_the_user() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\na:x:7:8:::\nb:x:9:x:::\n";
        let group = "root:x:0:\nbroken\nwheel:x:10:b,a\nothers:x:11:aa,b\nbad:x:y:a\n";
        let user = |uid, gid, groups: &[u32]| User {
            uid,
            gid,
            groups: groups.to_vec(),
        };
        assert_eq!(look_up(7, None, passwd, group), user(7, 8, &[10]));
        assert_eq!(look_up(7, Some(5), passwd, group), user(7, 5, &[10]));
        // Nobody knows it: no group of root's by mistake.
        assert_eq!(look_up(12, None, passwd, group), user(12, 12, &[]));
    }
}
