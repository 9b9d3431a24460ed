//! A command that is traced with what it starts, until it ends: `tracer live -- COMMAND`.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;

use rustix::process::{Signal, kill_process_group};
use tests::host::Pair;
use tests::latch::Latch;
use tests::matcher::Story;
use tests::peer::{Peer, script};
use tests::recording::{Recording, show};
use tests::schema::Line;
use tests::tracer::{Hook, Tracer, command_of_root};
use tests::traffic::Ends;

use super::SECOND_PROCESS;
use super::follow::{CLIENT, client, serve};

btf_only!(
    what_it_starts_is_shown_and_no_neighbour,
    what_it_becomes_is_shown,
    a_server_that_leaves_its_sockets_open_is_shown_whole,
    what_is_recorded_of_it_is_shown,
    it_runs_as_whoever_called_sudo,
    it_is_not_closed_in_and_has_the_standard_input,
    one_that_fails_is_no_failure_of_the_trace,
    one_that_is_not_there_is_named,
    an_interrupt_is_the_commands_first,
    a_second_interrupt_ends_the_trace_alone,
    a_trace_can_end_before_it,
);

/// Starts the agent on what a shell does between two hosts.
fn trace(pair: &Pair, script: &str) -> Tracer {
    let only = Hook::Btf.only(pair);
    let only: Vec<&str> = only.iter().map(String::as_str).collect();
    Tracer::start_on(&only, &["sh", "-c", script])
}

/// Two children connect, and at the same time somebody else does.
fn what_it_starts_is_shown_and_no_neighbour() {
    let pair = Pair::new();
    let listener = pair.server.listen(8000, 4);
    let client = client(&pair, listener.local());
    let mut latch = Latch::new();
    let mut neighbour = Peer::start(SECOND_PROCESS, &pair.client);
    let script = format!("{client} & ({client}) & wait; {}", latch.wait());
    let mut tracer = trace(&pair, &script);

    let neighbours = neighbour.connect(listener.local());
    let mut shown = [(); 3].map(|()| serve(&listener)).to_vec();
    shown.retain(|ends| ends.client != neighbours);
    assert_eq!(shown.len(), 2);
    neighbour.tell("await");
    neighbour.close();

    tracer.wait_ended(2);
    latch.open();
    let trace = tracer.finish();
    trace.demand_whole();
    let mut story = Story::of(&trace);
    for ends in shown {
        story.client(ends).states(CLIENT);
    }
    story.no_other_lines();
    let filters = trace.session().filters.to_string();
    assert!(filters.contains("\"-- sh -c "), "{filters}");
}

/// The command executes another program, twice, and stays the same process.
fn what_it_becomes_is_shown() {
    let pair = Pair::new();
    let listener = pair.server.listen(8000, 4);
    let mut latch = Latch::new();
    let client = client(&pair, listener.local());
    let steps = format!("{client}; {}", latch.wait());
    // `$0` is the word behind what a shell is to do.
    let script = format!(
        "exec sh -c 'exec sh -c \"$0\"' \"{}\"",
        steps.replace('"', "\\\"")
    );
    let mut tracer = trace(&pair, &script);
    let ends = serve(&listener);
    tracer.wait_ended(1);
    latch.open();
    let trace = tracer.finish();
    trace.demand_whole();
    let mut story = Story::of(&trace);
    story.client(ends).states(CLIENT);
    story.no_other_lines();
}

/// Nobody but the server's end is the command's, and it first touches that as it ends.
fn a_server_that_leaves_its_sockets_open_is_shown_whole() {
    let pair = Pair::new();
    let server = pair.server.at(8000);
    let listen = format!("listen {server}");
    let mut latch = Latch::new();
    let steps = [listen.as_str(), "accept", "await", "leave"];
    let server_script = script(SECOND_PROCESS, &pair.server, &steps);
    let mut tracer = trace(&pair, &format!("{server_script}; {}", latch.wait()));
    pair.server.wait_sockets("a listener", |sockets| {
        let is_it = |local, state: &str| local == server && state == "LISTEN";
        sockets.iter().any(|one| is_it(one.local, one.state))
    });
    let socket = pair.client.socket();
    socket.connect(server);
    let ends = Ends {
        client: socket.local(),
        server,
    };
    socket.close();
    tracer.wait_ended(1);
    latch.open();
    let trace = tracer.finish();
    trace.demand_whole();
    let mut story = Story::of(&trace);
    story
        .server(ends)
        .states("LISTEN SYN_RECV ESTABLISHED CLOSE_WAIT LAST_ACK CLOSE");
    story.no_other_lines();
}

/// Evidence holds what the others did, too; without filters of its own, `show` shows the command's.
fn what_is_recorded_of_it_is_shown() {
    let pair = Pair::new();
    let listener = pair.server.listen(8000, 4);
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("a.tev");
    let mut latch = Latch::new();
    let script = format!("{}; {}", client(&pair, listener.local()), latch.wait());
    let mut command = command_of_root();
    command
        .arg("record")
        .arg(&file)
        .args(Hook::Btf.only(&pair))
        .args(["--time-wait", "off", "--", "sh", "-c", &script])
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    let recording = Recording::begin(command, &file);
    let ends = serve(&listener);
    pair.client.wait_sockets("the end", |sockets| {
        sockets.iter().all(|socket| socket.local != ends.client)
    });
    latch.open();
    assert_eq!(recording.wait().0, Some(0), "exit code of `record`");

    let (lines, code) = show(&[file]);
    assert_eq!(code, Some(0), "{lines:#?}");
    let timelines: Vec<_> = lines
        .iter()
        .filter_map(|line| match line {
            Line::Timeline(one) => one.local.known(),
            _ => None,
        })
        .collect();
    assert_eq!(timelines, [ends.client]);
}

fn it_runs_as_whoever_called_sudo() {
    let directory = tempfile::tempdir().expect("a directory");
    let all = fs::Permissions::from_mode(0o777);
    fs::set_permissions(directory.path(), all).expect("a directory for all");
    let file = directory.path().join("told");
    let mut command = command_of_root();
    command.env("SUDO_UID", "4242").env("SUDO_GID", "4343");
    command.env("SUDO_USER", "eve").env("HOME", "/root");
    let script = format!(
        "{{ id -u; id -g; id -G; echo $USER $LOGNAME $SUDO_UID; echo $HOME; }} >{}",
        file.display()
    );
    let trace = Tracer::start_on_by(command, &[], &["sh", "-c", &script]).finish();
    assert_eq!(trace.code, Some(0), "{trace}");
    let told = fs::read_to_string(file).expect("it was told");
    assert_eq!(told, "4242\n4343\n4343\neve eve\n\n");
}

/// What confines the agent does not confine it, and it reads what the agent was given to read.
fn it_is_not_closed_in_and_has_the_standard_input() {
    let script = "read -r line; echo \"heard $line\"; exec cat /proc/self/status";
    let mut command = command_of_root();
    command
        .args(["live", "--quiet", "--csv", "--only", "summary"])
        .args(["--", "sh", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut agent = command.spawn().expect("start the agent");
    let mut stdin = agent.stdin.take().expect("a piped input");
    stdin.write_all(b"a word\n").expect("write a line");
    let output = agent.wait_with_output().expect("wait for the agent");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("heard a word"), "{told}");
    for unconfined in ["NoNewPrivs:\t0", "Seccomp:\t0", "Uid:\t0\t0\t0\t0"] {
        assert!(told.contains(unconfined), "{unconfined}: {told}");
    }
}

fn one_that_fails_is_no_failure_of_the_trace() {
    for (script, said) in [
        ("exit 7", "sh exited with 7\n"),
        ("kill -9 $$", "sh was ended by SIGKILL\n"),
        ("true", ""),
    ] {
        let started = Tracer::start_on_by(command_of_root(), &[], &["sh", "-c", script]);
        let trace = started.finish();
        assert_eq!(trace.code, Some(0), "{trace}");
        assert_eq!(trace.stderr, said, "{trace}");
    }
}

/// Before anything is attached, where that can be known; else when it is tried.
fn one_that_is_not_there_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let script = directory.path().join("script");
    fs::write(&script, "#!/not/there\n").expect("a script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("its mode");
    let script = script.display().to_string();
    for (program, began, code) in [
        ("no-such-program", false, 2),
        ("/no/such/program", false, 2),
        ("/proc/version", false, 3),
        (&script, true, 2),
    ] {
        let output = command_of_root()
            .args(["live", "--json", "--", program, "--json"])
            .output()
            .expect("run the agent");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{program}: {said}");
        assert!(said.contains(&format!("cannot run `{program}`")), "{said}");
        assert_eq!(!output.stdout.is_empty(), began, "{program}: {output:?}");
    }
}

/// As at a terminal, where both get it: the trace ends with the command, and says nothing of that.
fn an_interrupt_is_the_commands_first() {
    let latch = Latch::new();
    let pair = Pair::new();
    let listener = pair.server.listen(8000, 4);
    let mut command = command_of_root();
    command.process_group(0);
    // Whoever runs this in the background may have it ignored, and a shell then ignores it, too.
    // SAFETY: `signal` may be called between fork and exec.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGINT, libc::SIG_DFL);
            Ok(())
        });
    }
    let script = format!("{}; {}", client(&pair, listener.local()), latch.wait());
    let mut tracer = Tracer::start_on_by(command, &[], &["sh", "-c", &script]);
    serve(&listener);
    // It waits now.
    tracer.wait_ended(1);
    kill_process_group(tracer.pid(), Signal::INT).expect("interrupt both");
    let trace = tracer.finish();
    assert_eq!(trace.code, Some(0), "{trace}");
    assert!(!trace.stderr.contains("SIGINT"), "{trace}");
    assert_eq!(trace.summary().connections, 1, "{trace}");
}

/// A command that heeds no interrupt is waited for, and left behind when another one comes.
fn a_second_interrupt_ends_the_trace_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("a.tev");
    let mut latch = Latch::new();
    // What has the agent's outputs open holds up whoever reads them to their end.
    let script = format!("exec >/dev/null 2>&1; trap '' INT; {}", latch.wait());
    let mut command = command_of_root();
    command
        .arg("record")
        .arg(&file)
        .args(["--", "sh", "-c", &script])
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    let mut recording = Recording::begin(command, &file);
    rustix::process::kill_process(recording.pid(), Signal::INT).expect("interrupt the agent");
    recording.wait_said("waiting for sh to end");
    let (code, said) = recording.stop();
    latch.open();
    assert_eq!(code, Some(0), "{said:#?}");
    assert!(
        said.iter().any(|line| line.starts_with("seal ")),
        "{said:#?}"
    );
    assert!(
        said.iter().any(|line| line.starts_with("sh runs on")),
        "{said:#?}"
    );
}

fn a_trace_can_end_before_it() {
    let mut latch = Latch::new();
    let args = ["--duration", "10ms"];
    let script = format!("exec >/dev/null 2>&1; {}", latch.wait());
    let trace = Tracer::start_on_by(command_of_root(), &args, &["sh", "-c", &script]).finish();
    latch.open();
    assert_eq!(trace.code, Some(0), "{trace}");
    assert!(trace.stderr.starts_with("sh runs on"), "{trace}");
}
