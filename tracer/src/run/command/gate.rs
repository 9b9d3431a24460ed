//! What keeps a program from running before it is told to: a socket between the agent and what waits.
//!
//! **Owns:** what goes over it. One way, once: a byte, and with it the standard input that the program is to have,
//! since the socket stands in its place. The other way, only where the program cannot run: at which step, and
//! the number of the error. A socket that closes says that nothing will come.

use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::cmsg_space;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// The step at which a program could not be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Step {
    /// It was to become the user who called.
    User = 1,
    /// It was to become the program.
    Program = 2,
}

/// Why a program could not be run.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) step: Step,
    pub(super) cause: io::Error,
}

/// The agent's side.
pub(super) struct Gate(UnixStream);

impl Gate {
    /// Makes both sides.
    pub(super) fn new() -> io::Result<(Self, OwnedFd)> {
        let (own, other) = UnixStream::pair()?;
        own.set_nonblocking(true)?;
        Ok((Self(own), other.into()))
    }

    /// Lets the program run, with this process's standard input. That it has ended already is no failure here.
    pub(super) fn open(&self) -> io::Result<()> {
        let stdin = io::stdin();
        let handed_over = [stdin.as_fd()];
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&handed_over));
        let sent = sendmsg(
            &self.0,
            &[IoSlice::new(&[0])],
            &mut control,
            SendFlags::NOSIGNAL,
        );
        match sent {
            Ok(_) | Err(rustix::io::Errno::PIPE | rustix::io::Errno::CONNRESET) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Returns why the program could not be run, if that was so.
    pub(super) fn refusal(&mut self) -> Option<Refusal> {
        let mut told = [0; 5];
        // Nothing came, and nothing will where the other side is closed.
        self.0.read_exact(&mut told).ok()?;
        let [step, number @ ..] = told;
        let steps = [Step::User, Step::Program];
        Some(Refusal {
            step: steps.into_iter().find(|one| *one as u8 == step)?,
            cause: io::Error::from_raw_os_error(i32::from_le_bytes(number)),
        })
    }
}

/// Waits at the socket that is this process's standard input, and puts the one that comes over it in its place.
/// Returns whether the program is to run.
pub(super) fn wait() -> io::Result<bool> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(
        rustix::stdio::stdin(),
        &mut [IoSliceMut::new(&mut byte)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    if received.bytes == 0 {
        return Ok(false);
    }
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(mut files) = message
            && let Some(stdin) = files.next()
        {
            rustix::stdio::dup2_stdin(&stdin)?;
            return Ok(true);
        }
    }
    Err(io::Error::other("no standard input came with it"))
}

/// Tells the agent why the program cannot be run, over the socket that was this process's standard input.
pub(super) fn refuse(socket: OwnedFd, step: Step, cause: &io::Error) {
    let number = cause.raw_os_error().unwrap_or(libc::EIO).to_le_bytes();
    let told = [&[step as u8][..], &number].concat();
    // Where the agent has ended, nobody asks.
    let _ = UnixStream::from(socket).write_all(&told);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_arrives_as_it_was_sent() {
        let (mut gate, other) = Gate::new().expect("a socket");
        assert!(gate.refusal().is_none(), "nothing came yet");
        let cause = io::Error::from_raw_os_error(libc::ENOEXEC);
        refuse(other, Step::Program, &cause);
        let refusal = gate.refusal().expect("it came");
        assert_eq!(refusal.step, Step::Program);
        assert_eq!(refusal.cause.raw_os_error(), Some(libc::ENOEXEC));
    }

    #[test]
    fn a_program_that_has_ended_is_no_failure_of_the_gate() {
        let (mut gate, other) = Gate::new().expect("a socket");
        drop(other);
        gate.open().expect("nobody is there");
        assert!(gate.refusal().is_none());
    }
}
