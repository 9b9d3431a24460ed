//! Filters that together leave nothing to show: refused, since silence would pass for an answer.

use super::args::{FilterArgs, HookArg, OutputArgs, PartArg, TimeWaitArg};
use crate::model::{Prefix, TcpState};
use crate::track::Listening;

/// Refuses filters that no socket can match.
///
/// # Errors
///
/// Which they are, why nothing matches, and what to type instead.
pub(super) fn refuse(args: &FilterArgs, listening: Listening) -> Result<(), String> {
    match listening {
        Listening::Hidden => refuse_hidden_listeners(args),
        Listening::Only => refuse_what_listeners_lack(args),
        Listening::Shown => Ok(()),
    }?;
    refuse_families(args)
}

/// Refuses a filter by TIME_WAIT where nobody follows it, and a method of following it that the other options leave no room for.
///
/// # Errors
///
/// Which they are, and what to type instead.
pub(super) fn refuse_method(
    method: TimeWaitArg,
    raw: bool,
    hook: HookArg,
    states: &[TcpState],
) -> Result<(), String> {
    let off = match (method, raw) {
        (TimeWaitArg::Off, _) => Some("--time-wait off"),
        (_, true) => Some("--raw"),
        _ => None,
    };
    if let Some(off) = off
        && states.contains(&TcpState::TimeWait)
    {
        return Err(format!(
            "cannot filter by `--state TIME_WAIT` with {off}: nothing is then known of it; leave {off} \
             out, or take FIN_WAIT2,CLOSING, which come before it"
        ));
    }
    let name = match method {
        TimeWaitArg::Auto | TimeWaitArg::Off => return Ok(()),
        TimeWaitArg::Fentry => "fentry",
        TimeWaitArg::Timer => "timer",
        TimeWaitArg::Diag => "diag",
    };
    if raw {
        return Err(format!(
            "cannot follow TIME_WAIT via {name} with --raw: raw is what the tracepoint said, and it \
             never says TIME_WAIT; leave one of them out"
        ));
    }
    if matches!(hook, HookArg::Classic) {
        return Err(format!(
            "cannot follow TIME_WAIT via {name} with the classic hook, which does not tell the cookie \
             by which a timewait socket is known; use `--hook btf`"
        ));
    }
    Ok(())
}

/// Refuses conversations and findings where the other options leave no way to tell them.
///
/// # Errors
///
/// Why, and what to type instead.
pub(super) fn refuse_conversations(args: &OutputArgs) -> Result<(), String> {
    if args.csv && args.only == [PartArg::Findings] {
        return Err("cannot write findings as CSV: they are no table; use --json".to_owned());
    }
    if !args.only.contains(&PartArg::Conversations) {
        return Ok(());
    }
    if args.csv {
        return Err(
            "cannot write conversations as CSV: each is told from two ends, and a row from one; use \
             --json, or `--csv --only timelines`"
                .to_owned(),
        );
    }
    if args.raw {
        return Err(
            "cannot tell conversations with --raw: they are a reading of the changes, and raw changes \
             are not read; leave one of them out"
                .to_owned(),
        );
    }
    Ok(())
}

fn refuse_hidden_listeners(args: &FilterArgs) -> Result<(), String> {
    if !args.states.contains(&TcpState::Listen) {
        return Ok(());
    }
    Err(
        "cannot filter by `--state LISTEN`: listening sockets are left out; add -l to see \
         only them, or -a to see them too"
            .to_owned(),
    )
}

fn refuse_what_listeners_lack(args: &FilterArgs) -> Result<(), String> {
    let remote = [
        (!args.remote_ports.is_empty(), "--rport", "--lport"),
        (!args.remote_addrs.is_empty(), "--raddr", "--laddr"),
    ];
    for (given, option, instead) in remote {
        if given {
            return Err(format!(
                "cannot filter by {option} with -l: a listening socket has no remote end; use \
                 {instead}, or leave -l out"
            ));
        }
    }
    let passed = |state: &TcpState| matches!(state, TcpState::Close | TcpState::Listen);
    match args.states.iter().find(|state| !passed(state)) {
        Some(state) => Err(format!(
            "cannot filter by `--state {state}` with -l: a listening socket is never in {state}; \
             use -a, or leave -l out"
        )),
        None => Ok(()),
    }
}

fn refuse_families(args: &FilterArgs) -> Result<(), String> {
    let lists = [
        ("--addr", &args.addrs),
        ("--laddr", &args.local_addrs),
        ("--raddr", &args.remote_addrs),
    ];
    let families = [
        (args.ipv4, "-4", "IPv6", true),
        (args.ipv6, "-6", "IPv4", false),
    ];
    for (given, flag, other, is_ipv4) in families {
        let matches = |prefix: &Prefix| prefix.parts().0.is_ipv4() == is_ipv4;
        for (option, list) in lists {
            if given && !list.is_empty() && !list.iter().any(matches) {
                return Err(format!(
                    "cannot filter by {option} with {flag}: it names {other} addresses only; leave \
                     {flag} out"
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::{Args, Plan};

    fn plan(options: &str) -> Result<(), String> {
        let words = ["tracer"].into_iter().chain(options.split(' '));
        let args = Args::try_parse_from(words).unwrap_or_else(|error| panic!("{options}: {error}"));
        Plan::new(args.live).map(drop)
    }

    #[test]
    fn filters_that_leave_nothing_are_refused_and_say_what_to_type() {
        for (options, next) in [
            ("--state LISTEN", "add -l"),
            ("--state LISTEN,ESTABLISHED", "add -l"),
            ("-l --state ESTABLISHED", "-a"),
            ("-l --rport 80", "--lport"),
            ("-l --raddr 10.0.0.0/8", "--laddr"),
            ("-4 --addr 2001:db8::/32", "-4"),
            ("-6 --laddr 10.0.0.0/8", "-6"),
            ("-6 --raddr ::ffff:10.0.0.1", "-6"),
            ("--raw --time-wait timer", "leave one"),
            ("--raw --state TIME_WAIT", "leave --raw out"),
            ("--time-wait off --state TIME_WAIT", "FIN_WAIT2"),
            ("--hook classic --time-wait fentry", "--hook btf"),
            ("--hook classic --time-wait diag", "--hook btf"),
            ("--only conversations --csv", "--json"),
            ("--only changes,conversations --raw", "leave one"),
        ] {
            let said = plan(options).expect_err(options);
            assert!(said.contains(next), "{options}: {said}");
        }
    }

    #[test]
    fn filters_that_leave_something_are_taken() {
        for options in [
            "-l --state LISTEN",
            "-a --state LISTEN --rport 80",
            "--raw --state LISTEN",
            "--state ESTABLISHED",
            "-4 --addr 10.0.0.0/8,2001:db8::/32",
            "-4 --addr ::ffff:10.0.0.1",
            "-l --port 80",
            "--raw --time-wait off",
            "--state TIME_WAIT",
            "--hook classic",
            "--only conversations --json",
        ] {
            assert_eq!(plan(options), Ok(()), "{options}");
        }
    }
}
