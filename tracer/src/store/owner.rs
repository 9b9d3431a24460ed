//! Whose evidence is: the user who ran the agent, and not root where that was through `sudo` or `pkexec`.
//!
//! **Owns:** who that is, and doing something with no more than that user's rights.

use std::{fs, io, panic, thread};

use rustix::fs::{Gid, Uid};
use rustix::process::{DumpableBehavior, dumpable_behavior, geteuid, set_dumpable_behavior};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::privilege::{User, invoker};

/// A user to whom evidence belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// uid.
    pub uid: u32,
    /// Name, where `/etc/passwd` has one.
    pub name: Option<String>,
    gid: u32,
    /// Further groups, as `/etc/group` has them.
    groups: Vec<u32>,
}

impl Owner {
    /// Finds who ran the agent.
    pub fn find() -> Self {
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        Self::in_file(invoker(), &passwd)
    }

    /// Looks up the name of a user in the text of `/etc/passwd`. One that another directory service knows
    /// has none here.
    fn in_file(user: User, passwd: &str) -> Self {
        let name = passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)?.parse() == Ok(user.uid)).then(|| name.to_owned())
        });
        Self {
            uid: user.uid,
            name,
            gid: user.gid,
            groups: user.groups,
        }
    }

    /// Does `work` with this user's rights, and no more.
    ///
    /// Where the agent runs as this user already, that is on the calling thread, and needs nothing. Else it
    /// is on a thread of its own, which gives all else up, and ends: so a path is only followed where
    /// the user could follow it, and a new file belongs to the user from its first moment.
    ///
    /// # Errors
    ///
    /// The kernel lets the agent not become this user; `work` has then not run.
    ///
    /// # Panics
    ///
    /// If `work` does.
    pub(super) fn act<T: Send>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send,
    ) -> io::Result<T> {
        if geteuid().as_raw() == self.uid {
            return work();
        }
        // The kernel forbids core dumps and a look into /proc/self from the moment on in which any thread
        // changes its user; the process stays what it is, and so may they.
        let dumpable = dumpable_behavior();
        let result = thread::scope(|scope| {
            let thread = thread::Builder::new()
                .name("owner".to_owned())
                .spawn_scoped(scope, || {
                    self.become_it()?;
                    work()
                })?;
            thread
                .join()
                .unwrap_or_else(|payload| panic::resume_unwind(payload))
        });
        if let Ok(DumpableBehavior::Dumpable) = dumpable {
            // It has no reason to fail, and nothing here depends on it.
            let _ = set_dumpable_behavior(DumpableBehavior::Dumpable);
        }
        result
    }

    /// Makes the calling thread this user, for good. With the last step its capabilities go.
    fn become_it(&self) -> io::Result<()> {
        let groups: Vec<Gid> = self.groups.iter().copied().map(Gid::from_raw).collect();
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        set_thread_groups(&groups)?;
        set_thread_res_gid(gid, gid, gid)?;
        set_thread_res_uid(uid, uid, uid)?;
        Ok(())
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{} (uid {})", crate::model::printable(name), self.uid),
            None => write!(f, "uid {}", self.uid),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    const PASSWD: &str =
        "root:x:0:0::/root:/bin/sh\nalice:x:1000:100::/home/alice:/bin/sh\nbroken\n";
    fn user(uid: u32, gid: u32) -> User {
        User {
            uid,
            gid,
            groups: Vec::new(),
        }
    }

    #[test]
    fn a_user_has_the_name_that_the_file_has() {
        let alice = Owner::in_file(user(1000, 100), PASSWD);
        assert_eq!(alice.to_string(), "alice (uid 1000)");
        let unknown = Owner::in_file(user(4242, 7), PASSWD);
        assert_eq!(unknown.to_string(), "uid 4242");
    }

    #[test]
    fn what_root_may_is_not_done_for_another() {
        if !geteuid().is_root() {
            eprintln!("skipped: only root can become another user");
            return;
        }
        let dir = tempfile::tempdir().expect("a directory");
        let nobody = Owner::in_file(user(65_534, 65_534), "");
        let groups = thread::scope(|scope| {
            let in_group = scope.spawn(|| {
                set_thread_groups(&[Gid::from_raw(4)])?;
                nobody.act(|| Ok(rustix::process::getgroups()?))
            });
            in_group.join().expect("the thread ends")
        });
        assert_eq!(groups.expect("its groups"), [], "root's are left behind");
        let path = dir.path().join("file");
        let made = nobody.act(|| fs::write(&path, "x"));
        let refused = made.expect_err("the directory is root's");
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        assert!(!path.exists());

        let open = |mode| {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            fs::set_permissions(dir.path(), mode).expect("change the mode");
        };
        open(0o777);
        nobody.act(|| fs::write(&path, "x")).expect("it may now");
        let file = fs::metadata(&path).expect("a file");
        assert_eq!((file.uid(), file.gid()), (65_534, 65_534));
        assert!(geteuid().is_root(), "only that thread became another");
    }
}
