//! What a second process does with others: it forks, becomes another program, and hands sockets over.
//!
//! **Never:** a socket that is closed without a word: each process lets go of what it has when it is told to.

use std::ffi::OsString;
use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, exit};
use std::{env, fs, thread};

use rustix::io::FdFlags;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

use super::Sockets;
use crate::traffic::Socket;

/// Set in the environment of a process that became another program: the descriptors of its connections, and of its
/// listener, that it kept.
const KEPT: &str = "TRACER_TEST_KEPT";

/// A process that this one forked.
pub(super) struct Child {
    /// Its standard input.
    commands: File,
    /// Where sockets are handed over.
    hands: OwnedFd,
}

/// Whom a process is related to.
#[derive(Default)]
pub(super) struct Kin {
    children: Vec<Child>,
    /// Where its parent hands sockets over; `None` of one that the test started.
    parent: Option<OwnedFd>,
}

impl Sockets {
    /// Hands a command on to the child that is meant, which answers itself; returns whether one is.
    pub(super) fn hand_on(&mut self, line: &str) -> bool {
        let Some(rest) = line.strip_prefix("child ") else {
            return false;
        };
        let (number, command) = rest.split_once(' ').expect("a child and a command");
        let number: usize = number.parse().expect("a child's number");
        writeln!(self.kin.children[number].commands, "{command}").expect("hand a command on");
        true
    }

    /// Returns whether a test started this process, rather than another process.
    pub(super) fn is_first(&self) -> bool {
        self.kin.parent.is_none()
    }

    /// Does one step that concerns other processes; `None` where the answer is another process's.
    pub(super) fn step_with_kin(&mut self, verb: &str, object: &str) -> Option<String> {
        match verb {
            "fork" => return self.fork(),
            "exec" => self.become_another(object),
            "exit" => exit(0),
            "hand" => {
                let connection = self.connections.pop_front().expect("a connection");
                self.send_to_child(&connection);
            }
            "take" => {
                let taken = self.receive_from_parent();
                self.connections.push_back(taken);
            }
            "thread" => {
                let (name, command) = object.split_once(' ').expect("a name and a command");
                let (verb, object) = command.split_once(' ').unwrap_or((command, ""));
                let step = || {
                    fs::write("/proc/thread-self/comm", name).expect("take a name");
                    self.step(verb, object)
                };
                return thread::scope(|scope| scope.spawn(step).join().expect("a thread's step"));
            }
            "rename" => fs::write("/proc/self/comm", unhex(object)).expect("take a name"),
            other => panic!("no such command: {other}"),
        }
        Some(String::new())
    }

    /// Makes a child that has copies of all sockets and goes on in the same way.
    fn fork(&mut self) -> Option<String> {
        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
            .expect("make a pipe for commands");
        let (mine, its) = socketpair(
            AddressFamily::UNIX,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC,
            None,
        )
        .expect("make a pair of sockets");
        // SAFETY: the child goes on with what this thread alone has in hand; no lock that it takes is held by
        // another thread, as the others only wait for this one.
        match unsafe { libc::fork() } {
            -1 => panic!("fork: {}", std::io::Error::last_os_error()),
            0 => {
                rustix::stdio::dup2_stdin(&reader).expect("listen to the parent");
                self.kin = Kin {
                    children: Vec::new(),
                    parent: Some(its),
                };
                None
            }
            pid => {
                self.kin.children.push(Child {
                    commands: File::from(writer),
                    hands: mine,
                });
                Some(pid.to_string())
            }
        }
    }

    /// Becomes the program at a path, with whatever arguments follow it in hexadecimal; sockets stay.
    fn become_another(&mut self, object: &str) {
        let mut words = object.split(' ').map(unhex);
        let path = words.next().expect("a path");
        let mut kept = Vec::new();
        for socket in self.connections.drain(..) {
            kept.push(keep(socket));
        }
        let listener = self.listener.take().map(keep);
        let kept: Vec<String> = kept.iter().map(ToString::to_string).collect();
        let listener = listener.map_or(String::new(), |fd| fd.to_string());
        let mut command = Command::new(OsString::from_vec(path.clone()));
        command
            .arg0(OsString::from_vec(path))
            .args(env::args_os().skip(1))
            .args(words.map(OsString::from_vec))
            .env(KEPT, format!("{};{listener}", kept.join(",")));
        panic!("become another program: {}", command.exec());
    }

    /// Takes up what the program before left, and says so.
    pub(super) fn take_up(&mut self) -> bool {
        let Some(kept) = env::var(KEPT).ok() else {
            return false;
        };
        let (connections, listener) = kept.split_once(';').expect("connections and a listener");
        let numbers = connections.split(',').filter(|number| !number.is_empty());
        self.connections = numbers.map(take_up_one).collect();
        self.listener = (!listener.is_empty()).then(|| take_up_one(listener));
        true
    }

    fn send_to_child(&self, socket: &Socket) {
        let child = self.kin.children.last().expect("a child");
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors = [socket.fd()];
        assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
        sendmsg(
            &child.hands,
            &[IoSlice::new(b"!")],
            &mut control,
            SendFlags::empty(),
        )
        .expect("hand a socket over");
    }

    fn receive_from_parent(&self) -> Socket {
        let parent = self.kin.parent.as_ref().expect("a parent");
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        recvmsg(
            parent,
            &mut [IoSliceMut::new(&mut byte)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )
        .expect("take a socket");
        let mut taken = control.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        Socket::from_fd(taken.next().expect("a socket"))
    }
}

/// Lets a socket outlive this program, and returns its descriptor.
fn keep(socket: Socket) -> i32 {
    let fd = socket.into_fd();
    rustix::io::fcntl_setfd(fd.as_fd(), FdFlags::empty()).expect("keep a socket");
    fd.into_raw_fd()
}

fn take_up_one(number: &str) -> Socket {
    let fd = number.parse().expect("a descriptor");
    // SAFETY: the program before left it to this one alone.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    rustix::io::fcntl_setfd(fd.as_fd(), FdFlags::CLOEXEC).expect("take a socket up");
    Socket::from_fd(fd)
}

/// Writes bytes so that they are one word of a line.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    let byte = |two: &[u8]| {
        let two = str::from_utf8(two).expect("two digits");
        u8::from_str_radix(two, 16).expect("two hexadecimal digits")
    };
    digits.map(byte).collect()
}
