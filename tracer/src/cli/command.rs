//! The command that is traced, as a filter: its connections are shown, and those of whatever it starts.

use super::args::FilterArgs;
use crate::model::printable;

/// Stands before the command.
const DASHES: &str = "--";

/// Returns it as a person types it, if there is one.
pub(super) fn describe(command: &[String]) -> Option<String> {
    let quoted: Vec<String> = command.iter().map(|word| quote(word)).collect();
    (!command.is_empty()).then(|| format!("{DASHES} {}", quoted.join(" ")))
}

/// Returns the words that stand for it, none where there is none.
pub(super) fn words(command: &[String]) -> impl Iterator<Item = String> {
    let dashes = (!command.is_empty()).then(|| DASHES.to_owned());
    dashes.into_iter().chain(command.iter().cloned())
}

/// Refuses to follow nobody, or somebody in two ways.
///
/// # Errors
///
/// What does not go together, and what to type instead.
pub(super) fn refuse(args: &FilterArgs) -> Result<(), String> {
    let processes = !args.pids.is_empty();
    match (args.command.is_empty(), processes, args.follow) {
        (true, false, true) => Err(
            "cannot follow nobody: say whom with --pid, or run a command: `tracer live -- COMMAND`"
                .to_owned(),
        ),
        (false, true, _) => Err(
            "cannot trace a command and show other processes by --pid; leave one of them out"
                .to_owned(),
        ),
        (false, false, true) => Err(
            "cannot follow a command by --follow: what it starts is shown anyway; leave --follow \
             out"
            .to_owned(),
        ),
        _ => Ok(()),
    }
}

/// Refuses to filter evidence by what its trace did not follow: which process started which stands in no
/// record.
///
/// # Errors
///
/// Whom the trace followed, and what to type instead.
pub(super) fn refuse_unrecorded(now: &FilterArgs, of_trace: &FilterArgs) -> Result<(), String> {
    if !now.follow {
        return Ok(());
    }
    let followed = match (describe(&of_trace.command), of_trace.follow) {
        (Some(command), _) => format!("`{command}`"),
        (None, true) => format!("--pid {}", list(&of_trace.pids)),
        (None, false) => {
            return Err(
                "cannot filter this evidence by --follow: its trace followed no process, and which \
                 one started which, no record tells; leave --follow out"
                    .to_owned(),
            );
        }
    };
    let is_same = now.pids.is_empty() || sorted(&now.pids) == sorted(&of_trace.pids);
    match is_same {
        true => Ok(()),
        false => Err(format!(
            "cannot filter this evidence by --pid {} --follow: its trace followed {followed}; give --follow \
             alone for what that did",
            list(&now.pids)
        )),
    }
}

fn list(pids: &[u32]) -> String {
    let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
    pids.join(",")
}

fn sorted(pids: &[u32]) -> Vec<u32> {
    let mut pids = pids.to_vec();
    pids.sort_unstable();
    pids.dedup();
    pids
}

/// A word as a shell takes it, safe to print.
fn quote(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", printable(word.replace('\'', r"'\''"))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::filter_words::parse;
    use super::*;

    fn typed(text: &str) -> FilterArgs {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        parse(&words).expect("good words")
    }

    #[test]
    fn nobody_is_followed_twice_or_not_at_all() {
        for (text, next) in [
            ("--follow", "--pid"),
            ("--pid 1 -- curl", "leave one"),
            ("--pid 1 --follow -- curl", "leave one"),
            ("--follow -- curl", "leave --follow out"),
        ] {
            let said = refuse(&typed(text)).expect_err(text);
            assert!(said.contains(next), "{text}: {said}");
        }
        for text in [
            "",
            "--pid 1",
            "--pid 1 --follow",
            "-- curl",
            "--port 1 -- a",
        ] {
            assert_eq!(refuse(&typed(text)), Ok(()), "{text}");
        }
    }

    #[test]
    fn evidence_tells_of_those_alone_whom_its_trace_followed() {
        let asked = |now: &str, of_trace: &str| refuse_unrecorded(&typed(now), &typed(of_trace));
        for (now, of_trace) in [
            ("--follow", "--pid 1,2 --follow"),
            ("--pid 2,1 --follow", "--pid 1,2 --follow"),
            ("--follow", "-- curl"),
            ("--pid 1", ""),
            ("--port 1", "-- curl"),
        ] {
            assert_eq!(asked(now, of_trace), Ok(()), "{now} of {of_trace}");
        }
        for (now, of_trace, said) in [
            ("--follow", "", "leave --follow out"),
            ("--pid 1 --follow", "--pid 1", "leave --follow out"),
            ("--pid 1 --follow", "--pid 1,2 --follow", "--pid 1,2;"),
            ("--pid 1 --follow", "-- curl -s", "`-- curl -s`"),
        ] {
            let error = asked(now, of_trace).expect_err(now);
            assert!(error.contains(said), "{now} of {of_trace}: {error}");
        }
    }
}
