//! The filters in words: for a person to read, and for a later command line to take up again.

use clap::Parser;

use super::args::FilterArgs;
use super::command;
use crate::model::printable;

/// Returns the filters in a person's words: an option and its value in each.
pub(super) fn describe(args: &FilterArgs) -> Vec<String> {
    let options = options(args).into_iter();
    options
        .map(|(option, value)| match value {
            Some(value) => format!("{option} {}", printable(value)),
            None => option.to_owned(),
        })
        .chain(command::describe(&args.command))
        .collect()
}

/// Returns the filters as the words of a command line, which [`parse`] takes up again.
pub(super) fn words(args: &FilterArgs) -> Vec<String> {
    let options = options(args).into_iter();
    options
        .flat_map(|(option, value)| std::iter::once(option.to_owned()).chain(value))
        .chain(command::words(&args.command))
        .collect()
}

/// Reads such words.
///
/// # Errors
///
/// They are none of this version, and why.
pub fn parse(words: &[String]) -> Result<FilterArgs, String> {
    #[derive(Debug, Parser)]
    #[command(no_binary_name = true, disable_help_flag = true)]
    struct Words {
        #[command(flatten)]
        filters: FilterArgs,
        #[arg(last = true)]
        command: Vec<String>,
    }
    let words =
        Words::try_parse_from(words).map_err(|error| printable(error.kind().to_string()))?;
    Ok(FilterArgs {
        command: words.command,
        ..words.filters
    })
}

/// The options that are given, and what they are given.
fn options(args: &FilterArgs) -> Vec<(&'static str, Option<String>)> {
    fn list<T: ToString>(
        option: &'static str,
        values: &[T],
    ) -> Option<(&'static str, Option<String>)> {
        let values: Vec<String> = values.iter().map(ToString::to_string).collect();
        (!values.is_empty()).then(|| (option, Some(values.join(","))))
    }
    let flag = |option, given: bool| given.then_some((option, None));
    let cgroup = args.cgroup.clone().map(|cgroup| ("--cgroup", Some(cgroup)));
    [
        list("--port", &args.ports),
        list("--lport", &args.local_ports),
        list("--rport", &args.remote_ports),
        list("--addr", &args.addrs),
        list("--laddr", &args.local_addrs),
        list("--raddr", &args.remote_addrs),
        flag("-4", args.ipv4),
        flag("-6", args.ipv6),
        list("--pid", &args.pids),
        flag("--follow", args.follow),
        list("--comm", &args.comms),
        list("--uid", &args.uids),
        cgroup,
        list("--netns", &args.netns),
        list("--state", &args.states),
        flag("--listening", args.listening),
        flag("--all", args.all),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> FilterArgs {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        parse(&words).expect("good words")
    }

    #[test]
    fn words_are_taken_up_again() {
        for text in [
            "",
            "--port 80,443 --lport 1 --rport 2 --addr 10.0.0.0/8,::1 --laddr ::1 --raddr 10.1.2.3 -4",
            "-6 --pid 1,2 --comm a,b --uid 0 --cgroup a/b --netns x,5 --state CLOSE_WAIT,TIME_WAIT -l",
            "--comm x --all",
            "--pid 7 --follow",
            "--follow",
            "--port 443 -- curl -s --port 80 -- x",
        ] {
            let first = words(&typed(text));
            let again = parse(&first).expect("its own words");
            assert_eq!(words(&again), first, "{text}");
        }
        assert!(parse(&["--nothing".to_owned()]).is_err());
    }

    #[test]
    fn a_command_reads_as_it_was_typed() {
        let command = |words: &[&str]| FilterArgs {
            command: words.iter().copied().map(str::to_owned).collect(),
            ..typed("--port 443")
        };
        let described = |words: &[&str]| describe(&command(words)).split_off(1);
        assert_eq!(
            described(&["curl", "-s", "http://[::1]:80/?a=b"]),
            ["-- curl -s 'http://[::1]:80/?a=b'"]
        );
        assert_eq!(
            described(&["sh", "-c", "it's", "", "a\u{1b}b"]),
            ["-- sh -c 'it'\\''s' '' 'a\\u{1b}b'"]
        );
        assert!(described(&[]).is_empty());
    }

    #[test]
    fn a_person_reads_no_raw_bytes() {
        let args = typed("--port 80,443 --comm a\u{1b}[2J -4");
        assert_eq!(
            describe(&args),
            ["--port 80,443", "-4", "--comm a\\u{1b}[2J"]
        );
    }
}
