//! The agent as a child process.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{env, thread};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::evidence::Evidence;
use crate::host::Pair;
use crate::schema::Line;
use crate::trace::Trace;
use crate::tracefs::with_tracefs;
use crate::{PATIENCE, ask_until};

/// The hook that the agent is told to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// The BTF raw tracepoint, which knows all fields.
    Btf,
    /// The classic tracepoint, which knows no cookie, no network namespace and no owner.
    Classic,
}

impl Hook {
    /// Returns the hook as `--hook` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Btf => "btf",
            Self::Classic => "classic",
        }
    }

    /// Returns the filter that leaves only what happens between two hosts: their namespaces, or,
    /// where the hook does not know them, their addresses.
    pub fn only(self, pair: &Pair) -> Vec<String> {
        self.only_by("--addr", pair)
    }

    /// The same, for connections alone: the classic hook is asked for the remote address, which
    /// the kernel side decides, so that no traffic of others fills the ring buffer. A listener has
    /// none.
    fn only_connections(self, pair: &Pair) -> Vec<String> {
        self.only_by("--raddr", pair)
    }

    fn only_by(self, addr: &str, pair: &Pair) -> Vec<String> {
        let (flag, values) = match self {
            Self::Btf => {
                let hosts = [&pair.client, &pair.server];
                ("--netns", hosts.map(|host| host.netns.name().to_owned()))
            }
            Self::Classic => (addr, [pair.ipv4_prefix(), pair.ipv6_prefix()]),
        };
        values
            .into_iter()
            .flat_map(|value| [flag.to_owned(), value])
            .collect()
    }
}

/// Finds the agent: `TRACER_BIN`, else beside the test binary, optimized before not.
///
/// # Errors
///
/// Returns where it was looked for, and how to get it.
pub fn binary() -> Result<PathBuf, String> {
    if let Some(given) = env::var_os("TRACER_BIN").map(PathBuf::from) {
        let given = given.canonicalize().map_err(|error| {
            format!(
                "TRACER_BIN={}: {error}; build the agent there or unset it",
                given.display()
            )
        })?;
        return Ok(given);
    }
    let this = env::current_exe().map_err(|error| format!("find the test binary: {error}"))?;
    // target/debug/deps/live-0123456789abcdef
    let target = this
        .ancestors()
        .nth(3)
        .ok_or("the test binary is not below a target directory")?;
    let places = ["release", "debug"].map(|profile| target.join(profile).join("tracer"));
    places.iter().find(|place| place.is_file()).cloned().ok_or_else(|| {
        let [release, debug] = places.map(|place| place.display().to_string());
        format!(
            "no agent at {release} nor at {debug}; run `cargo xtask build`, or name it in TRACER_BIN"
        )
    })
}

/// Returns a command that runs the agent.
///
/// # Panics
///
/// Panics where there is none.
pub fn command() -> Command {
    Command::new(binary().unwrap_or_else(|reason| panic!("{reason}")))
}

/// The same for root alone, whoever called `sudo`: what the agent runs is then root's, too.
///
/// # Panics
///
/// Panics where there is none.
pub fn command_of_root() -> Command {
    let mut command = command();
    for variable in ["SUDO_UID", "SUDO_GID", "PKEXEC_UID"] {
        command.env_remove(variable);
    }
    command
}

/// A running agent. Dropped before it was stopped, it is killed.
#[derive(Debug)]
pub struct Tracer {
    child: Child,
    incoming: Receiver<String>,
    lines: Vec<(String, Line)>,
    stderr: Option<JoinHandle<String>>,
    evidence: Option<Evidence>,
}

impl Tracer {
    /// Starts `tracer live` on what happens between two hosts, and waits until it sees everything.
    pub fn watch(hook: Hook, pair: &Pair, more: &[&str]) -> Self {
        let with_listeners = more.iter().any(|arg| ["-a", "-l", "--raw"].contains(arg));
        let only = match with_listeners {
            true => hook.only(pair),
            false => hook.only_connections(pair),
        };
        let args: Vec<&str> = only
            .iter()
            .map(String::as_str)
            .chain(more.iter().copied())
            .collect();
        Self::start(hook, &args)
    }

    /// Starts `tracer live --json` with more arguments, and waits for its session line: from then
    /// on it sees everything. It keeps the privileges by which it reads, at the end, the counters of
    /// namespaces that no process is in, as those of the tests are. TIME_WAIT is not measured unless they ask
    /// for it: a connection would be followed for a minute after it closed.
    ///
    /// # Panics
    ///
    /// Panics with what the agent said when it does not come to that.
    pub fn start(hook: Hook, args: &[&str]) -> Self {
        let args = [&["--keep-privileges"], args].concat();
        Self::start_recording(command(), hook, &args, &[], Some(Evidence::of(&args)))
    }

    /// Starts `tracer live --json -- TRACED…` as root, and waits for its session line: what is traced then runs.
    ///
    /// # Panics
    ///
    /// Panics with what the agent said when it does not come to that.
    pub fn start_on(args: &[&str], traced: &[&str]) -> Self {
        let evidence = Some(Evidence::of(args));
        Self::start_recording(command_of_root(), Hook::Btf, args, traced, evidence)
    }

    /// The same with nothing recorded, by whatever `command` runs the agent; what it has to say is not held back.
    ///
    /// # Panics
    ///
    /// Panics with what the agent said when it does not come to that.
    pub fn start_on_by(command: Command, args: &[&str], traced: &[&str]) -> Self {
        Self::start_recording(command, Hook::Btf, args, traced, None)
    }

    /// The same with no privileges kept and nothing recorded, by whatever `command` runs the agent.
    ///
    /// # Panics
    ///
    /// Panics with what the agent said when it does not come to that.
    pub fn start_by(command: Command, hook: Hook, args: &[&str]) -> Self {
        Self::start_recording(command, hook, args, &[], None)
    }

    fn start_recording(
        mut command: Command,
        hook: Hook,
        args: &[&str],
        traced: &[&str],
        evidence: Option<Evidence>,
    ) -> Self {
        command.args(["live", "--json", "--hook", hook.name()]);
        if !args.contains(&"--time-wait") {
            command.args(["--time-wait", "off"]);
        }
        command.args(args);
        if let Some(evidence) = &evidence {
            evidence.record(&mut command);
        }
        if !traced.is_empty() {
            command.arg("--").args(traced);
        }
        let mut tracer = match hook {
            Hook::Btf => Self::spawn(command, evidence),
            Hook::Classic => with_tracefs(|| Self::spawn(command, evidence)),
        };
        let started = tracer.wait_for(|line| matches!(line, Line::Session(_)));
        if !started {
            let (code, stderr) = tracer.end();
            panic!("the agent did not start with {args:?}: exit {code:?}, it said: {stderr}");
        }
        tracer
    }

    fn spawn(mut command: Command, evidence: Option<Evidence>) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("start the agent");
        let stdout = child.stdout.take().expect("a piped output");
        let mut stderr = child.stderr.take().expect("a piped error output");
        let (lines, incoming) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    return;
                }
            }
        });
        let stderr = thread::spawn(move || {
            let mut text = String::new();
            // What is not UTF-8 ends the text; a message of the agent never is.
            let _ = stderr.read_to_string(&mut text);
            text
        });
        Self {
            child,
            incoming,
            lines: Vec::new(),
            stderr: Some(stderr),
            evidence,
        }
    }

    /// Returns the process id.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends a signal.
    ///
    /// # Panics
    ///
    /// Panics when the agent is gone.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("send the agent a signal");
    }

    /// Stops the agent in its tracks and returns when it stands.
    ///
    /// # Panics
    ///
    /// Panics when the agent is gone.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
        waitpid(Some(self.pid()), WaitOptions::UNTRACED).expect("wait until the agent stands");
    }

    /// Lets a frozen agent go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Reads lines until one is as wanted. Returns whether it came in time; when it did not, what
    /// is wrong shows better in the whole trace, which the test goes on to judge.
    pub fn wait_for(&mut self, wanted: impl FnMut(&Line) -> bool) -> bool {
        self.wait_for_within(PATIENCE, wanted)
    }

    /// Like [`Self::wait_for`], with a time of one's own.
    pub fn wait_for_within(
        &mut self,
        time: Duration,
        mut wanted: impl FnMut(&Line) -> bool,
    ) -> bool {
        let deadline = Instant::now() + time;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.incoming.recv_timeout(left) {
                Ok(text) => self.take(text),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return false,
            }
            let (_, line) = self.lines.last().expect("a line was just taken");
            if wanted(line) {
                return true;
            }
        }
    }

    /// Waits until so many more timelines of ended connections came, or a loss.
    pub fn wait_ended(&mut self, count: usize) -> bool {
        self.wait_count(
            count,
            |line| matches!(line, Line::Timeline(one) if one.ended.is_some()),
        )
    }

    /// Waits until so many more changes came, or a loss.
    pub fn wait_changes(&mut self, count: usize) -> bool {
        self.wait_count(
            count,
            |line| matches!(line, Line::Change(one) if one.source != "snapshot"),
        )
    }

    /// Waits until so many timelines of ended connections came in all, or a loss.
    pub fn wait_all_ended(&mut self, count: usize) -> bool {
        let ended = |(_, line): &&(String, Line)| matches!(line, Line::Timeline(one) if one.ended.is_some());
        let came = self.lines.iter().filter(ended).count();
        self.wait_ended(count.saturating_sub(came))
    }

    /// Returns whether the agent told by now that the kernel left it out.
    pub fn was_left_out(&mut self) -> bool {
        while let Ok(text) = self.incoming.try_recv() {
            self.take(text);
        }
        let mut lines = self.lines.iter();
        lines.any(|(_, line)| matches!(line, Line::Loss(loss) if loss.cause == "recursion"))
    }

    fn wait_count(&mut self, count: usize, counts: impl Fn(&Line) -> bool) -> bool {
        let mut came = 0;
        count == 0
            || self.wait_for(|line| {
                came += usize::from(counts(line));
                came == count || matches!(line, Line::Loss(_))
            })
    }

    fn take(&mut self, text: String) {
        let line = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("not a line of the contract: {error}\n{text}"));
        self.lines.push((text, line));
    }

    /// Ends the trace as Ctrl-C does, and returns all of it.
    pub fn stop(self) -> Trace {
        self.signal(Signal::INT);
        self.finish()
    }

    /// Waits for the agent's own end, and returns the trace. What it recorded meanwhile must tell the same.
    ///
    /// # Panics
    ///
    /// Panics when it does not end, or its output is not the contract's.
    pub fn finish(mut self) -> Trace {
        while let Ok(text) = self.incoming.recv_timeout(PATIENCE) {
            self.take(text);
        }
        let (code, stderr) = self.end();
        let lines = std::mem::take(&mut self.lines);
        let trace = Trace {
            lines,
            code,
            stderr,
        };
        assert!(
            trace.code.is_some(),
            "the agent was killed by a signal\n{trace}"
        );
        trace.session();
        trace.summary();
        if let Some(evidence) = &self.evidence {
            evidence.demand_the_same(&trace);
        }
        trace
    }

    /// Waits for the end of the process, forces it in the end, and returns its exit code and what
    /// it said.
    fn end(&mut self) -> (Option<i32>, String) {
        let status = ask_until(|| self.child.try_wait().expect("ask for the agent's end"));
        if status.is_none() {
            eprintln!("the agent goes on for ever and has to be killed");
            self.child.kill().expect("kill the agent");
            self.child.wait().expect("wait for the agent's end");
        }
        let stderr = self
            .stderr
            .take()
            .map(|reader| reader.join().expect("read its errors"));
        (
            status.and_then(|status| status.code()),
            stderr.unwrap_or_default(),
        )
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // Both fail only for a process that has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
