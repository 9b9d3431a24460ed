//! The state machine as a picture of characters.
//!
//! **Owns:** where each state and each arrow stands. What an arrow is called and whether it is
//! dashed comes from the table of transitions.

use super::Style;
use super::canvas::{Canvas, Ink, Point};
use super::drawn::{find, has_undrawn_abort, is_dashed, note_number, noted, undrawn};
use super::transitions::{Part, Shown, Transition};
use super::wrap::wrap;
use crate::model::TcpState::{
    self, Close, CloseWait, Closing, Established, FinWait1, FinWait2, LastAck, Listen, SynRecv,
    SynSent, TimeWait,
};

const COLUMNS: usize = 80;
const ROWS: usize = 45;
/// Width of a box: the longest name, a space on each side, the mark, the border.
const BOX: usize = 18;

/// Upper left corners; CLOSE stands at both ends.
const BOXES: [(TcpState, Point); 12] = [
    (Close, (33, 0)),
    (Listen, (4, 6)),
    (SynRecv, (4, 12)),
    (SynSent, (62, 12)),
    (Established, (33, 18)),
    (FinWait1, (4, 24)),
    (CloseWait, (62, 24)),
    (FinWait2, (4, 30)),
    (Closing, (33, 30)),
    (LastAck, (62, 30)),
    (TimeWait, (4, 36)),
    (Close, (33, 42)),
];

struct Route {
    from: TcpState,
    to: TcpState,
    points: &'static [Point],
    label: Label,
}

/// Where the first line of a label begins, or where all its lines end.
enum Label {
    From(Point),
    UpTo(Point),
}

const fn route((from, to): (TcpState, TcpState), points: &'static [Point], label: Label) -> Route {
    Route {
        from,
        to,
        points,
        label,
    }
}

const ROUTES: [Route; 18] = [
    route(
        (Close, Listen),
        &[(33, 1), (9, 1), (9, 5)],
        Label::From((11, 3)),
    ),
    route(
        (Listen, Close),
        &[(17, 6), (17, 4), (37, 4), (37, 3)],
        Label::From((19, 5)),
    ),
    route(
        (Close, SynSent),
        &[(50, 1), (74, 1), (74, 11)],
        Label::UpTo((73, 3)),
    ),
    route(
        (SynSent, Close),
        &[(66, 12), (66, 6), (46, 6), (46, 3)],
        Label::From((48, 7)),
    ),
    route(
        (Listen, SynRecv),
        &[(13, 8), (13, 11)],
        Label::From((15, 9)),
    ),
    route(
        (SynSent, SynRecv),
        &[(62, 13), (22, 13)],
        Label::From((35, 11)),
    ),
    route(
        (SynRecv, Established),
        &[(17, 14), (17, 19), (32, 19)],
        Label::From((19, 17)),
    ),
    route(
        (SynSent, Established),
        &[(70, 14), (70, 19), (51, 19)],
        Label::From((52, 16)),
    ),
    route(
        (SynRecv, FinWait1),
        &[(8, 14), (8, 23)],
        Label::From((10, 20)),
    ),
    route(
        (Established, FinWait1),
        &[(37, 20), (37, 25), (22, 25)],
        Label::From((25, 22)),
    ),
    route(
        (Established, CloseWait),
        &[(46, 20), (46, 25), (61, 25)],
        Label::From((48, 22)),
    ),
    route(
        (FinWait1, FinWait2),
        &[(6, 26), (6, 29)],
        Label::From((8, 27)),
    ),
    route(
        (FinWait1, Closing),
        &[(20, 26), (20, 27), (42, 27), (42, 29)],
        Label::From((25, 28)),
    ),
    route(
        (FinWait2, TimeWait),
        &[(13, 32), (13, 35)],
        Label::From((15, 33)),
    ),
    route(
        (Closing, TimeWait),
        &[(42, 32), (42, 37), (22, 37)],
        Label::UpTo((41, 34)),
    ),
    route(
        (CloseWait, LastAck),
        &[(70, 26), (70, 29)],
        Label::UpTo((69, 27)),
    ),
    route(
        (LastAck, Close),
        &[(70, 32), (70, 43), (51, 43)],
        Label::UpTo((69, 37)),
    ),
    route(
        (TimeWait, Close),
        &[(13, 38), (13, 43), (32, 43)],
        Label::From((15, 40)),
    ),
];

/// Returns the state machine as a picture of 80 columns, and what its signs mean.
pub fn diagram(style: &Style) -> String {
    let mut canvas = Canvas::new(COLUMNS, ROWS);
    for (state, corner) in BOXES {
        draw_box(&mut canvas, style, state, corner);
    }
    for (route, step) in drawn() {
        draw_line(&mut canvas, route, step);
        draw_label(&mut canvas, route, step);
    }
    let picture = canvas.print(style.color);
    format!("{picture}\n{}", legend(style))
}

fn draw_box(canvas: &mut Canvas, style: &Style, state: TcpState, corner: Point) {
    let name = style.name(state);
    if !has_undrawn_abort(state) {
        canvas.boxed(corner, BOX, &name, "1");
        return;
    }
    // The name keeps clear of the mark.
    canvas.boxed(corner, BOX, &format!("{name:^14}  "), "1");
    canvas.text((corner.0 + BOX - 3, corner.1 + 1), "×", ink(Part::Abort));
}

fn draw_line(canvas: &mut Canvas, route: &Route, step: &Transition) {
    canvas.arrow(route.points, is_dashed(step), ink(step.part));
}

fn draw_label(canvas: &mut Canvas, route: &Route, step: &Transition) {
    let cause = match note_number(step) {
        Some(number) => format!("{} {}", step.cause, superscript(number)),
        None => step.cause.to_owned(),
    };
    let sends = step.sends.map(|segment| format!("sends {segment}"));
    for (line, text) in [Some(cause), sends].into_iter().flatten().enumerate() {
        let (x, y) = match route.label {
            Label::From(start) => start,
            Label::UpTo((end, y)) => (end - text.chars().count(), y),
        };
        canvas.text((x, y + line), &text, ink(step.part));
    }
}

/// Returns each route with the transition that it draws.
fn drawn() -> impl Iterator<Item = (&'static Route, &'static Transition)> {
    ROUTES
        .iter()
        .filter_map(|route| find(route.from, route.to).map(|step| (route, step)))
}

fn ink(part: Part) -> Ink {
    match part {
        Part::ActiveOpen | Part::ActiveClose => "36",
        Part::PassiveOpen | Part::PassiveClose => "32",
        Part::Abort => "31",
    }
}

fn superscript(number: usize) -> char {
    ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'][number % 10]
}

fn legend(style: &Style) -> String {
    let mut legend = String::new();
    let mut entry = |sign: &str, text: &str| {
        let mut sign = format!("{sign:<6}");
        for line in wrap(&style.fill(text), COLUMNS - 6) {
            legend.push_str(&format!("{sign}{line}\n"));
            sign = " ".repeat(6);
        }
    };
    let arrow = |step: &Transition| format!("{} → {}", style.name(step.from), style.name(step.to));
    entry(
        "───▶",
        "shown by the tracepoint (left: this side closes first, right: the peer)",
    );
    entry("┈┈┈▶", "not shown by the tracepoint");
    entry(
        "×",
        "also goes to {CLOSE}: by a reset, a timeout or an abort",
    );
    for (number, step) in noted().enumerate() {
        let (verdict, how) = match step.shown {
            Shown::Yes => continue,
            Shown::Partly(how) => ("is in part on the tracepoint", how),
            Shown::No(how) => ("is not on the tracepoint", how),
        };
        let sign = superscript(number + 1).to_string();
        entry(&sign, &format!("{} {verdict}: {how}", arrow(step)));
    }
    for step in undrawn() {
        entry("", &format!("not drawn: {} ({})", arrow(step), step.event));
    }
    legend
}

#[cfg(test)]
mod tests {
    use super::super::drawn::is_drawn;
    use super::super::transitions::TRANSITIONS;
    use super::*;
    use crate::model::Naming;

    fn styles() -> [Style; 3] {
        [Naming::Netstat, Naming::Ss, Naming::Rfc].map(|names| Style {
            names,
            ..Style::default()
        })
    }

    #[test]
    fn what_is_to_be_drawn_has_one_route_and_nothing_else_has() {
        for step in &TRANSITIONS {
            let routes = drawn().filter(|(_, other)| *other == step).count();
            assert_eq!(
                routes,
                usize::from(is_drawn(step)),
                "{} → {}",
                step.from,
                step.to
            );
        }
        assert_eq!(drawn().count(), ROUTES.len());
    }

    /// Each box, line and label is drawn alone, and no two of them may use the same cell.
    #[test]
    fn no_line_crosses_a_box_a_label_or_another_line() {
        for style in styles() {
            let alone = |draw: &dyn Fn(&mut Canvas)| {
                let mut canvas = Canvas::new(COLUMNS, ROWS);
                draw(&mut canvas);
                canvas.print(false)
            };
            let mut parts = Vec::new();
            for (state, corner) in BOXES {
                let page = alone(&|canvas| draw_box(canvas, &style, state, corner));
                parts.push((format!("{state} at {corner:?}"), page));
            }
            for (route, step) in drawn() {
                let name = format!("{} → {}", step.from, step.to);
                let line = alone(&|canvas| {
                    draw_line(canvas, route, step);
                    // The line begins on the border of its box.
                    canvas.text(route.points[0], " ", "");
                });
                let label = alone(&|canvas| draw_label(canvas, route, step));
                parts.push((format!("line {name}"), line));
                parts.push((format!("label {name}"), label));
            }
            let mut taken = vec![vec![None; COLUMNS]; ROWS];
            for (name, page) in &parts {
                for (y, line) in page.lines().enumerate() {
                    for (x, _) in line.chars().enumerate().filter(|(_, cell)| *cell != ' ') {
                        let before = taken[y][x].replace(name);
                        assert_eq!(before, None, "{name} at column {x}, row {y}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_name_stands_whole_and_no_line_is_too_long() {
        for style in styles() {
            let page = diagram(&style);
            for (state, _) in BOXES {
                assert!(page.contains(&format!(" {} ", style.name(state))), "{page}");
            }
            for line in page.lines() {
                assert!(line.chars().count() <= COLUMNS, "{line}");
                assert_eq!(line, line.trim_end());
            }
        }
    }

    #[test]
    fn every_arrow_has_a_head_at_its_box() {
        let page = diagram(&Style::default());
        let rows: Vec<Vec<char>> = page.lines().map(|line| line.chars().collect()).collect();
        for route in &ROUTES {
            let (x, y) = *route.points.last().expect("a point");
            assert!("▲▼◀▶".contains(rows[y][x]), "{} → {}", route.from, route.to);
            let (state, inside) = (route.to, |(left, top): Point| {
                (left - 1..=left + BOX).contains(&x) && (top - top.min(1)..=top + 3).contains(&y)
            });
            let boxes = BOXES.iter().filter(|(name, _)| *name == state);
            assert_eq!(
                boxes.filter(|(_, corner)| inside(*corner)).count(),
                1,
                "{state}"
            );
        }
    }

    #[test]
    fn colours_are_only_where_they_were_asked_for() {
        let plain = diagram(&Style::default());
        let colored = diagram(&Style {
            color: true,
            ..Style::default()
        });
        assert!(colored.contains("\x1b[31m×\x1b[0m"));
        assert!(!plain.contains('\x1b'));
    }
}
