//! A second process for one end of a connection: another pid, name, user or cgroup than the test's.
//!
//! The process is the test binary itself, started again with the one test that calls [`serve`]. So
//! the suite stays one file, which is all that an initramfs needs to hold. Commands and answers are
//! lines on its standard input and error output; libtest writes to neither.

mod kin;

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::iter;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio, exit};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use std::{env, fs, io, thread};

use rustix::thread::LinkNameSpaceType;

use crate::PATIENCE;
use crate::host::Host;
use crate::traffic::Socket;

/// Set in the environment of a process that is to serve.
const SERVE: &str = "TRACER_TEST_PEER";

/// How long the rest of a message is waited for: processes that it forked may keep the output open for ever.
const MESSAGE: Duration = Duration::from_secs(1);

/// A second process, inside a host.
#[derive(Debug)]
pub struct Peer {
    child: Child,
    commands: ChildStdin,
    answers: Receiver<String>,
}

impl Peer {
    /// Starts the process, through the test that is named and calls [`serve`].
    ///
    /// # Panics
    ///
    /// Panics when it does not start or cannot enter the host.
    pub fn start(test: &str, host: &Host) -> Self {
        let command = Command::new(env::current_exe().expect("find the test binary"));
        Self::run(command, test, host)
    }

    /// Starts a process all of which is inside the host, so that `/proc/PID/ns/net` leads there.
    ///
    /// # Panics
    ///
    /// Panics when it does not start.
    pub fn start_wholly_inside(test: &str, host: &Host) -> Self {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", host.netns.name()])
            .arg(env::current_exe().expect("find the test binary"));
        Self::run(command, test, host)
    }

    fn run(mut command: Command, test: &str, host: &Host) -> Self {
        let mut child = command
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env(SERVE, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start a second process");
        let commands = child.stdin.take().expect("a piped input");
        let errors = child.stderr.take().expect("a piped error output");
        let (sender, answers) = channel();
        thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut peer = Self {
            child,
            commands,
            answers,
        };
        peer.tell(&format!("enter {}", host.netns.path().display()));
        peer
    }

    /// Returns the process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Tells the process to do one step, and returns what it answers when it is done.
    ///
    /// # Panics
    ///
    /// Panics when it could not.
    pub fn tell(&mut self, command: &str) -> String {
        writeln!(self.commands, "{command}").expect("tell the second process");
        let answer = self.answers.recv_timeout(PATIENCE);
        let answer = answer.unwrap_or_else(|_| panic!("no answer to {command:?}"));
        if let Some(done) = answer.strip_prefix("done ") {
            return done.to_owned();
        }
        let more = iter::from_fn(|| self.answers.recv_timeout(MESSAGE).ok());
        let panic: Vec<String> = more.collect();
        panic!("{command:?}: {answer}{}", panic.join("\n"));
    }

    /// Connects.
    pub fn connect(&mut self, remote: SocketAddr) -> SocketAddr {
        self.tell(&format!("connect {remote}"))
            .parse()
            .expect("its local address")
    }

    /// Listens.
    pub fn listen(&mut self, local: SocketAddr) {
        self.tell(&format!("listen {local}"));
    }

    /// Accepts from what it listens on.
    pub fn accept(&mut self) -> SocketAddr {
        self.tell("accept").parse().expect("the remote address")
    }

    /// Gives what it listens on to a child of its own too, and returns the child's process id.
    pub fn share(&mut self) -> u32 {
        self.tell("lend").parse().expect("a process id")
    }

    /// Closes the oldest connection.
    pub fn close(&mut self) {
        self.tell("close");
    }

    /// Forks, and returns the child's process id. The child has copies of all sockets, and does what
    /// [`Self::tell_child`] tells it.
    ///
    /// # Panics
    ///
    /// Panics when it could not.
    pub fn fork(&mut self) -> u32 {
        self.tell("fork").parse().expect("a process id")
    }

    /// Tells a child, by its number in the order of forking, to do one step.
    ///
    /// # Panics
    ///
    /// Panics when it could not.
    pub fn tell_child(&mut self, child: usize, command: &str) -> String {
        self.tell(&format!("child {child} {command}"))
    }

    /// Becomes the program at a path, with more arguments than this one has; sockets stay.
    ///
    /// # Panics
    ///
    /// Panics when it could not.
    pub fn exec(&mut self, path: &Path, more: &[&[u8]]) {
        let command = exec(path, more);
        self.tell(&command);
    }

    /// Takes a name, whatever is in it.
    ///
    /// # Panics
    ///
    /// Panics when it could not.
    pub fn rename(&mut self, name: &[u8]) {
        self.tell(&format!("rename {}", kin::hex(name)));
    }

    /// Ends without closing anything.
    ///
    /// # Panics
    ///
    /// Panics when it is gone already.
    pub fn exit(&mut self) {
        writeln!(self.commands, "exit").expect("tell the second process");
        self.child.wait().expect("wait for the second process");
    }

    /// Ends it as nothing can be prepared for.
    ///
    /// # Panics
    ///
    /// Panics when it is gone already.
    pub fn kill(&mut self) {
        self.child.kill().expect("kill the second process");
        self.child.wait().expect("wait for the second process");
    }
}

/// Returns the command to become the program at a path, with more arguments than the process has.
pub fn exec(path: &Path, more: &[&[u8]]) -> String {
    let words = iter::once(path.as_os_str().as_bytes()).chain(more.iter().copied());
    let words: Vec<String> = words.map(kin::hex).collect();
    format!("exec {}", words.join(" "))
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Both fail only for a process that has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns words for a shell that run a second process in a host, through the test that is named, and have it do
/// these steps.
///
/// # Panics
///
/// Panics where the test binary has no path.
pub fn script(test: &str, host: &Host, steps: &[&str]) -> String {
    let program = env::current_exe().expect("find the test binary");
    let enter = format!("enter {}", host.netns.path().display());
    let lines: Vec<String> = iter::once(enter.as_str())
        .chain(steps.iter().copied())
        .map(|step| format!("'{step}'"))
        .collect();
    format!(
        "printf '%s\\n' {} | {SERVE}=1 {} --exact {test} --nocapture --test-threads=1 >/dev/null",
        lines.join(" "),
        program.display()
    )
}

/// Serves as the second process if this process is one, and returns whether it was.
pub fn serve() -> bool {
    if env::var_os(SERVE).is_none() {
        return false;
    }
    let mut sockets = Sockets::default();
    if sockets.take_up() {
        eprintln!("done ");
    }
    for line in io::stdin().lines() {
        let line = line.expect("read a command");
        if sockets.hand_on(&line) {
            continue;
        }
        let (verb, object) = line.split_once(' ').unwrap_or((&line, ""));
        if let Some(answer) = sockets.step(verb, object) {
            eprintln!("done {answer}");
        }
    }
    if !sockets.is_first() {
        // What else the test program wanted to do is its parent's.
        exit(0);
    }
    true
}

#[derive(Default)]
struct Sockets {
    listener: Option<Socket>,
    /// Each waits for its input, which ends with this process.
    children: Vec<Child>,
    connections: VecDeque<Socket>,
    kin: kin::Kin,
    /// Each ends by itself, and is waited for by nobody.
    shells: Vec<Child>,
}

impl Sockets {
    /// Does one step, and returns the answer unless another process gives it; a step that cannot be done is a
    /// panic, whose message is no `done`.
    fn step(&mut self, verb: &str, object: &str) -> Option<String> {
        match verb {
            "enter" => {
                let netns = fs::File::open(object).expect("open the network namespace");
                let kind = Some(LinkNameSpaceType::Network);
                rustix::thread::move_into_link_name_space(netns.as_fd(), kind)
                    .expect("enter the network namespace");
            }
            "name" => fs::write("/proc/thread-self/comm", object).expect("take a name"),
            "process-name" => fs::write("/proc/self/comm", object).expect("take a name"),
            "user" => {
                let uid = rustix::thread::Uid::from_raw(object.parse().expect("a uid"));
                rustix::thread::set_thread_uid(uid).expect("become another user");
            }
            "connect" => {
                let remote: SocketAddr = object.parse().expect("an address");
                let socket = Self::socket_for(remote);
                socket.connect(remote);
                let local = socket.local();
                self.connections.push_back(socket);
                return Some(local.to_string());
            }
            "listen" | "share" => {
                let local: SocketAddr = object.parse().expect("an address");
                let socket = Self::socket_for(local);
                if verb == "share" {
                    socket.share_port();
                }
                socket.bind(local);
                socket.listen(16);
                self.listener = Some(socket);
            }
            "accept" => {
                let socket = self.listener.as_ref().expect("a listener").accept();
                let remote = socket.remote();
                self.connections.push_back(socket);
                return Some(remote.to_string());
            }
            "accept-one" => {
                let listener = self.listener.as_ref().expect("a listener");
                let Some(socket) = listener.try_accept() else {
                    return Some("none".to_owned());
                };
                let remote = socket.remote();
                self.connections.push_back(socket);
                return Some(remote.to_string());
            }
            // Waits for the other end to close.
            "await" => self.connections.front().expect("a connection").receive(&[]),
            // Runs a shell, and goes on meanwhile.
            "start" => {
                // Commands and answers are between the test and this process.
                let shell = Command::new("sh")
                    .args(["-c", object])
                    .stdin(Stdio::null())
                    .stderr(Stdio::null())
                    .spawn();
                self.shells.push(shell.expect("start a shell"));
            }
            // Ends with everything open.
            "leave" => exit(0),
            "lend" => {
                let listener = self.listener.as_ref().expect("a listener");
                let child = Command::new("cat")
                    .stdin(Stdio::piped())
                    .stdout(listener.again())
                    .spawn()
                    .expect("start a child");
                let pid = child.id();
                self.children.push(child);
                return Some(pid.to_string());
            }
            "unlisten" => drop(self.listener.take().expect("a listener")),
            "close" => self.connections.pop_front().expect("a connection").close(),
            "deafen" => self.listener.take().expect("a listener").close(),
            "send" => self.oldest().send(&data(object)),
            "receive" => self.oldest().receive(&data(object)),
            _ => return self.step_with_kin(verb, object),
        }
        Some(String::new())
    }

    fn oldest(&self) -> &Socket {
        self.connections.front().expect("a connection")
    }

    fn socket_for(addr: SocketAddr) -> Socket {
        if addr.is_ipv4() {
            Socket::ipv4()
        } else {
            Socket::ipv6()
        }
    }
}

/// So many bytes.
fn data(len: &str) -> Vec<u8> {
    vec![b'x'; len.parse().expect("how many")]
}
