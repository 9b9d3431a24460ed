//! What a process may do, once it has given up what it no longer needs.

/// What is in force, as the kernel told when it was asked afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Privileges {
    /// Names of the capabilities that are held, such as `CAP_SYS_ADMIN`; those that could be taken up
    /// again count too.
    pub capabilities: Vec<String>,
    /// The uid it runs as.
    pub user: u32,
    /// Whether no program that it could start would give it more (`PR_SET_NO_NEW_PRIVS`).
    pub no_new_privs: bool,
    /// Version of Landlock's interface by which files, the network and other processes are closed to
    /// it; `None` where they are not.
    pub landlock: Option<u32>,
    /// Whether all system calls but those that are needed are refused.
    pub seccomp: bool,
}

impl Privileges {
    /// Says what is not in force, in a person's words.
    pub fn lacking(&self) -> Vec<String> {
        let mut lacking = Vec::new();
        if !self.capabilities.is_empty() {
            lacking.push(format!("{} kept", self.capabilities.join(", ")));
        }
        if !self.no_new_privs {
            lacking.push("no_new_privs is not set".to_owned());
        }
        if self.landlock.is_none() {
            lacking.push("not confined by Landlock".to_owned());
        }
        if !self.seccomp {
            lacking.push("system calls are not filtered".to_owned());
        }
        lacking
    }

    /// Says what is in force, in a person's words.
    pub fn in_force(&self) -> Vec<String> {
        let mut held = vec![format!("uid {}", self.user)];
        if self.capabilities.is_empty() {
            held.push("no capability".to_owned());
        }
        if self.no_new_privs {
            held.push("no_new_privs".to_owned());
        }
        if let Some(abi) = self.landlock {
            held.push(format!("Landlock {abi}"));
        }
        if self.seccomp {
            held.push("seccomp".to_owned());
        }
        held
    }
}
