//! Where each state and each arrow of the SVG stands.
//!
//! In the manner of the classical picture: opening above, the side that closes first below on the
//! left, the other below on the right. Units are those of the picture's `viewBox`, downwards and to
//! the right.

use super::super::transitions::Part;
use crate::model::TcpState::{
    self, Close, CloseWait, Closing, Established, FinWait1, FinWait2, LastAck, Listen, SynRecv,
    SynSent, TimeWait,
};
use Label::{End, Middle, Start};

pub(super) type Point = (i32, i32);

pub(super) const WIDTH: i32 = 980;
/// Where the pictures' bottom ends and its legend begins.
pub(super) const LEGEND: i32 = 1120;
pub(super) const BOX_WIDTH: i32 = 180;
pub(super) const BOX_HEIGHT: i32 = 56;
pub(super) const LINE_HEIGHT: i32 = 18;

/// Middles of the boxes; CLOSE stands at both ends.
pub(super) const BOXES: [(TcpState, Point); 12] = [
    (Close, (490, 130)),
    (Listen, (180, 250)),
    (SynRecv, (180, 380)),
    (SynSent, (800, 380)),
    (Established, (490, 510)),
    (FinWait1, (180, 650)),
    (CloseWait, (800, 650)),
    (FinWait2, (180, 790)),
    (Closing, (490, 790)),
    (LastAck, (800, 790)),
    (TimeWait, (180, 930)),
    (Close, (490, 1046)),
];

/// Where the label of an arrow stands: the base of its first line, and which end is there.
#[derive(Clone, Copy)]
pub(super) enum Label {
    Start(Point),
    Middle(Point),
    End(Point),
}

/// An arrow: from, to, its corners from box to box, its label.
pub(super) type Route = (TcpState, TcpState, &'static [Point], Label);

pub(super) const ROUTES: [Route; 18] = [
    (
        Close,
        Listen,
        &[(400, 130), (140, 130), (140, 222)],
        Start((154, 181)),
    ),
    (
        Listen,
        Close,
        &[(222, 222), (222, 182), (450, 182), (450, 158)],
        Start((240, 203)),
    ),
    (
        Close,
        SynSent,
        &[(580, 130), (840, 130), (840, 352)],
        Start((854, 240)),
    ),
    (
        SynSent,
        Close,
        &[(760, 352), (760, 206), (530, 206), (530, 158)],
        Start((548, 228)),
    ),
    (
        Listen,
        SynRecv,
        &[(180, 278), (180, 352)],
        Start((194, 311)),
    ),
    (
        SynSent,
        SynRecv,
        &[(710, 380), (270, 380)],
        Middle((490, 352)),
    ),
    (
        SynRecv,
        Established,
        &[(222, 408), (222, 510), (400, 510)],
        Start((240, 496)),
    ),
    (
        SynSent,
        Established,
        &[(800, 408), (800, 510), (580, 510)],
        End((786, 458)),
    ),
    (
        SynRecv,
        FinWait1,
        &[(130, 408), (130, 622)],
        Start((144, 556)),
    ),
    (
        Established,
        FinWait1,
        &[(450, 538), (450, 650), (270, 650)],
        End((436, 580)),
    ),
    (
        Established,
        CloseWait,
        &[(530, 538), (530, 650), (710, 650)],
        Start((544, 580)),
    ),
    (
        FinWait1,
        FinWait2,
        &[(130, 678), (130, 762)],
        Start((144, 724)),
    ),
    (
        FinWait1,
        Closing,
        &[(236, 678), (236, 720), (490, 720), (490, 762)],
        Start((294, 692)),
    ),
    (
        FinWait2,
        TimeWait,
        &[(180, 818), (180, 902)],
        Start((194, 857)),
    ),
    (
        Closing,
        TimeWait,
        &[(490, 818), (490, 930), (270, 930)],
        End((476, 874)),
    ),
    (
        CloseWait,
        LastAck,
        &[(800, 678), (800, 762)],
        Start((814, 715)),
    ),
    (
        LastAck,
        Close,
        &[(800, 818), (800, 1046), (580, 1046)],
        End((786, 940)),
    ),
    (
        TimeWait,
        Close,
        &[(180, 958), (180, 1046), (400, 1046)],
        Start((194, 1010)),
    ),
];

/// Outlines of the areas of the two ways to close, and where their names stand.
pub(super) const AREAS: [(&str, Part, &[Point], Point); 2] = [
    (
        "this side closes first",
        Part::ActiveClose,
        &[
            (62, 604),
            (506, 604),
            (506, 738),
            (612, 738),
            (612, 986),
            (62, 986),
        ],
        (598, 972),
    ),
    (
        "the peer closes first",
        Part::PassiveClose,
        &[(682, 604), (932, 604), (932, 838), (682, 838)],
        (918, 594),
    ),
];

/// Names over the two ways to open.
pub(super) const CAPTIONS: [(&str, Part, &str, Point); 2] = [
    ("the peer asks", Part::PassiveOpen, "start", (62, 112)),
    ("this side asks", Part::ActiveOpen, "end", (918, 112)),
];

#[cfg(test)]
mod tests {
    use super::super::super::drawn::{find, is_drawn, note_number};
    use super::super::super::transitions::TRANSITIONS;
    use super::*;

    /// Corners of an upright rectangle: left, top, right, bottom.
    type Area = (i32, i32, i32, i32);

    fn overlap(one: Area, other: Area) -> bool {
        one.0 < other.2 && other.0 < one.2 && one.1 < other.3 && other.1 < one.3
    }

    fn boxes() -> Vec<Area> {
        let (dx, dy) = (BOX_WIDTH / 2, BOX_HEIGHT / 2);
        let area = |(x, y): Point| (x - dx, y - dy, x + dx, y + dy);
        BOXES.iter().map(|(_, middle)| area(*middle)).collect()
    }

    /// Returns each straight piece of a route as a thin area.
    fn pieces(route: &Route) -> Vec<Area> {
        let piece = |ends: &[Point]| {
            let (one, other) = (ends[0], ends[1]);
            let (left, right) = (one.0.min(other.0), one.0.max(other.0));
            let (top, bottom) = (one.1.min(other.1), one.1.max(other.1));
            (left, top, right.max(left + 1), bottom.max(top + 1))
        };
        route.2.windows(2).map(piece).collect()
    }

    /// Returns the room of a route's label, with wide letters and some air.
    fn label(route: &Route) -> Area {
        let step = find(route.0, route.1).expect("a transition");
        let sends = step.sends.map_or(0, |sends| sends.len() + "sends ".len());
        let note = if note_number(step).is_some() { 4 } else { 0 };
        let letters = (step.cause.len() + note).max(sends);
        let width = i32::try_from(letters).expect("a short label") * 8;
        let lines = if sends > 0 { 2 } else { 1 };
        let (y, left) = match route.3 {
            Start(at) => (at.1, at.0),
            Middle(at) => (at.1, at.0 - width / 2),
            End(at) => (at.1, at.0 - width),
        };
        (
            left,
            y - 13,
            left + width,
            y + 5 + (lines - 1) * LINE_HEIGHT,
        )
    }

    #[test]
    fn what_is_to_be_drawn_has_one_route_and_nothing_else_has() {
        for step in &TRANSITIONS {
            let routes = ROUTES
                .iter()
                .filter(|route| find(route.0, route.1) == Some(step));
            assert_eq!(
                routes.count(),
                usize::from(is_drawn(step)),
                "{} → {}",
                step.from,
                step.to
            );
        }
    }

    #[test]
    fn every_arrow_leaves_its_box_and_reaches_the_other() {
        let touches = |(x, y): Point, state: TcpState| {
            BOXES
                .iter()
                .zip(boxes())
                .any(|((name, _), (left, top, right, bottom))| {
                    let on_side = (x == left || x == right) && (top..=bottom).contains(&y);
                    let on_edge = (y == top || y == bottom) && (left..=right).contains(&x);
                    *name == state && (on_side || on_edge)
                })
        };
        for (from, to, points, _) in &ROUTES {
            assert!(touches(points[0], *from), "{from} → {to} leaves {from}");
            assert!(
                touches(points[points.len() - 1], *to),
                "{from} → {to} reaches {to}"
            );
            for ends in points.windows(2) {
                let straight = ends[0].0 == ends[1].0 || ends[0].1 == ends[1].1;
                assert!(straight, "{from} → {to} is slanted");
            }
        }
    }

    #[test]
    fn no_arrow_crosses_a_box_a_label_or_another_arrow() {
        for (index, route) in ROUTES.iter().enumerate() {
            let name = format!("{} → {}", route.0, route.1);
            for piece in pieces(route) {
                for area in boxes() {
                    // A pixel less: an arrow may touch the border that it leaves or reaches.
                    let inside = (area.0 + 1, area.1 + 1, area.2 - 1, area.3 - 1);
                    assert!(
                        !overlap(piece, inside),
                        "{name} crosses the box at {area:?}"
                    );
                }
                for (other, route) in ROUTES.iter().enumerate() {
                    let that = format!("{} → {}", route.0, route.1);
                    assert!(
                        !overlap(piece, label(route)),
                        "{name} crosses the label of {that}"
                    );
                    let meets = pieces(route).into_iter().any(|area| overlap(piece, area));
                    assert!(index == other || !meets, "{name} crosses {that}");
                }
            }
            for area in boxes() {
                assert!(
                    !overlap(label(route), area),
                    "the label of {name} lies on a box"
                );
            }
        }
    }
}
