//! The verb `run-when-told`: what a program is before a trace lets it run.
//!
//! **Owns:** that it has no more rights than whoever typed it, from before it waits.

use std::convert::Infallible;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use super::gate::{self, Step};
use crate::cli::args::RunWhenToldArgs;
use crate::cli::exit::Exit;
use crate::privilege::{User, account, become_invoker};
use crate::run::failure::Failure;

/// What `sudo` and `pkexec` say of whoever called them, which is no news to that one's own programs.
const TOLD_OF_CALLER: [&str; 6] = [
    "SUDO_UID",
    "SUDO_GID",
    "SUDO_USER",
    "SUDO_COMMAND",
    "SUDO_HOME",
    "PKEXEC_UID",
];

/// The top-level entry point for `run-when-told`.
pub(in crate::run) fn run(args: &RunWhenToldArgs) -> Result<Exit, Failure> {
    let failed = |cause: io::Error| Failure::System {
        what: "wait to be told to run a command, as only `tracer live -- COMMAND` does",
        cause,
    };
    // It is closed as the program begins.
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)
        .map_err(|errno| failed(errno.into()))?;
    let (step, cause) = match become_invoker() {
        Err(cause) => (Step::User, cause),
        Ok(user) => {
            if !gate::wait().map_err(failed)? {
                return Ok(Exit::Done);
            }
            let Err(cause) = become_program(args, user.as_ref());
            (Step::Program, cause)
        }
    };
    gate::refuse(socket, step, &cause);
    Ok(Exit::Failed)
}

/// Becomes the program; returns why that cannot be.
fn become_program(args: &RunWhenToldArgs, user: Option<&User>) -> Result<Infallible, io::Error> {
    let [name, words @ ..] = args.words.as_slice() else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let mut program = Command::new(&args.program);
    program.arg0(name).args(words);
    if let Some(user) = user {
        set_environment(&mut program, user.uid);
    }
    Err(program.exec())
}

/// Makes the environment that of the user again, as far as `sudo` made it root's.
fn set_environment(program: &mut Command, uid: u32) {
    let account = account(uid);
    // Of a user whom a directory service knows, `sudo` may tell.
    let told = |variable| std::env::var_os(variable);
    let of_account = |part: fn(&crate::privilege::Account) -> &String| {
        let part = account.as_ref().map(part).filter(|part| !part.is_empty());
        part.map(Into::into)
    };
    let name = of_account(|account| &account.name).or_else(|| told("SUDO_USER"));
    let home = of_account(|account| &account.home).or_else(|| told("SUDO_HOME"));
    let shell = of_account(|account| &account.shell);
    for (variable, value) in [
        ("USER", name.clone()),
        ("LOGNAME", name),
        ("HOME", home),
        ("SHELL", shell),
        // It was root's.
        ("MAIL", None),
    ] {
        match value {
            Some(value) => program.env(variable, value),
            None => program.env_remove(variable),
        };
    }
    for variable in TOLD_OF_CALLER {
        program.env_remove(variable);
    }
}
