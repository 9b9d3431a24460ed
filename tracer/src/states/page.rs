//! The pages in words: a table of all states, and all about one.

use std::fmt::Write as _;

use super::Style;
use super::texts::text;
use super::transitions::{Shown, TRANSITIONS, Transition};
use super::wrap::{indented, wrap};
use crate::model::{Naming, TcpState};

const NAMINGS: [(Naming, &str); 3] = [
    (Naming::Netstat, "netstat"),
    (Naming::Ss, "ss"),
    (Naming::Rfc, "RFC 9293"),
];

/// Width of the column of a state's name: the longest is RFC 9293's `SYN-RECEIVED`.
const NAME: usize = 12;

/// Returns the table of all states: a line for each, and a hint where to read on.
pub fn overview(style: &Style) -> String {
    let mut namings = NAMINGS;
    // The chosen naming comes first, the others keep their order.
    namings.sort_by_key(|(naming, _)| *naming != style.names);

    let mut page = String::new();
    let heads = namings.map(|(_, head)| format!("{head:<NAME$} "));
    push_line(&mut page, &style.dim(&format!("{}means", heads.concat())));
    for state in TcpState::ALL {
        let [first, others @ ..] =
            namings.map(|(naming, _)| format!("{:<NAME$} ", state.named(naming)));
        let brief = text(state).map_or("", |text| text.brief);
        let row = format!(
            "{}{}{brief}",
            style.bold(&first),
            style.dim(&others.concat())
        );
        push_line(&mut page, &row);
    }
    page.push('\n');
    let hint = "`tracer states NAME` tells all about one, `tracer states --diagram` draws how they \
                follow each other. The tracepoint never shows {TIME_WAIT}, nor the half-open \
                {SYN_RECV} of a listener: their pages say how they are followed all the same.";
    page.push_str(&indented(&style.fill(hint), 0, style.columns()));
    page
}

/// Returns all that is said about one state; for a number without a name, that it has none.
pub fn page(state: TcpState, style: &Style) -> String {
    let Some(text) = text(state) else {
        return format!("{state}: a number that this version of tracer has no name for\n");
    };
    let mut page = String::new();
    let _ = writeln!(
        page,
        "{}  {}",
        style.bold(&style.name(state)),
        other_names(state, style)
    );
    page.push('\n');
    page.push_str(&indented(&style.fill(text.meaning), 0, style.columns()));
    let sections = [("Who moves next", text.next), ("When it stays", text.stays)];
    for (head, body) in sections {
        push_section(&mut page, style, head, body);
    }
    push_looks(&mut page, style, text.look);
    push_section(&mut page, style, "What is told", text.told);
    push_steps(&mut page, style, "Comes from", |step| {
        (step.to == state).then_some(step.from)
    });
    push_steps(&mut page, style, "Goes to", |step| {
        (step.from == state).then_some(step.to)
    });
    page
}

/// Returns the names that the state has elsewhere, for the head of its page.
fn other_names(state: TcpState, style: &Style) -> String {
    let others: Vec<String> = NAMINGS
        .iter()
        .filter(|(naming, _)| *naming != style.names)
        .map(|(naming, who)| format!("{who}: {}", state.named(*naming)))
        .collect();
    style.dim(&others.join(" · "))
}

fn push_section(page: &mut String, style: &Style, head: &str, body: &str) {
    let _ = writeln!(page, "\n{}", style.bold(head));
    page.push_str(&indented(&style.fill(body), 2, style.columns()));
}

fn push_looks(page: &mut String, style: &Style, looks: &[(&str, &str)]) {
    let _ = writeln!(page, "\n{}", style.bold("What to look at"));
    for (command, tells) in looks {
        let _ = writeln!(page, "  $ {command}");
        page.push_str(&indented(&style.fill(tells), 6, style.columns()));
    }
}

/// Lists the transitions that `other_end` picks, by the state at their other end.
fn push_steps(
    page: &mut String,
    style: &Style,
    head: &str,
    other_end: impl Fn(&Transition) -> Option<TcpState>,
) {
    let _ = writeln!(page, "\n{}", style.bold(head));
    // Two columns of margin, and two between the name and its event.
    let margin = 2 + NAME + 2;
    for step in &TRANSITIONS {
        let Some(other) = other_end(step) else {
            continue;
        };
        let mut name = format!("{:<NAME$}", style.name(other));
        for line in wrap(step.event, style.columns() - margin) {
            let _ = writeln!(page, "  {}  {line}", style.bold(&name));
            name = " ".repeat(NAME);
        }
        let (verdict, how) = match step.shown {
            Shown::Yes => continue,
            Shown::Partly(how) => ("in part on the tracepoint", how),
            Shown::No(how) => ("not on the tracepoint", how),
        };
        let remark = style.fill(&format!("{verdict}: {how}"));
        for line in wrap(&remark, style.columns() - margin) {
            let _ = writeln!(page, "{}{}", " ".repeat(margin), style.dim(&line));
        }
    }
}

fn push_line(page: &mut String, line: &str) {
    page.push_str(line.trim_end());
    page.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn styles() -> impl Iterator<Item = Style> {
        NAMINGS.into_iter().flat_map(|(names, _)| {
            [80, 100, 200].map(|width| Style {
                names,
                color: false,
                width,
            })
        })
    }

    #[test]
    fn no_line_is_longer_than_the_terminal_or_than_a_hundred() {
        for style in styles() {
            let mut pages = TcpState::ALL.map(|state| page(state, &style)).to_vec();
            pages.push(overview(&style));
            for line in pages.iter().flat_map(|page| page.lines()) {
                let columns = line.chars().count();
                assert!(columns <= style.width.min(100), "{columns}: {line}");
                assert_eq!(line, line.trim_end());
            }
        }
    }

    #[test]
    fn the_table_has_a_line_for_each_state_with_all_three_names() {
        for style in styles() {
            let table = overview(&style);
            for state in TcpState::ALL {
                let line = table
                    .lines()
                    .find(|line| line.starts_with(&style.name(state)));
                let line = line.unwrap_or_else(|| panic!("no line for {state}"));
                for (naming, _) in NAMINGS {
                    let name = state.named(naming).to_string();
                    assert!(line.split_whitespace().any(|word| word == name), "{line}");
                }
            }
        }
    }

    #[test]
    fn a_page_speaks_of_other_states_in_the_chosen_naming() {
        let style = Style {
            names: Naming::Ss,
            ..Style::default()
        };
        let page = page(TcpState::TimeWait, &style);
        assert!(page.starts_with("TIME-WAIT  netstat: TIME_WAIT"), "{page}");
        assert!(page.contains("FIN-WAIT-2 → UNCONN"), "{page}");
        assert!(!page.contains(['{', '}']), "{page}");
        assert!(
            page.contains("not on the tracepoint: it said UNCONN"),
            "{page}"
        );
    }

    #[test]
    fn colour_is_only_where_it_was_asked_for() {
        let plain = Style::default();
        let colored = Style {
            color: true,
            ..plain
        };
        assert!(!page(TcpState::Close, &plain).contains('\x1b'));
        assert!(page(TcpState::Close, &colored).contains("\x1b[1mCLOSE\x1b[0m"));
    }

    #[test]
    fn a_number_without_a_name_is_not_explained() {
        let page = page(TcpState::Unknown(13), &Style::default());
        assert!(page.starts_with("UNKNOWN(13): "), "{page}");
    }
}
