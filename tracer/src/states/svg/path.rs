//! A path along points, with rounded corners.

use std::fmt::Write as _;

use super::layout::Point;

/// Radius of a corner.
const BEND: i32 = 14;

/// Returns the path along `points` with its corners rounded.
pub(super) fn rounded(points: &[Point]) -> String {
    let mut path = String::new();
    for (index, &(x, y)) in points.iter().enumerate() {
        if index == 0 {
            let _ = write!(path, "M{x} {y}");
            continue;
        }
        let Some(&after) = points.get(index + 1) else {
            let _ = write!(path, "L{x} {y}");
            continue;
        };
        let (into, out) = (towards((x, y), points[index - 1]), towards((x, y), after));
        let _ = write!(path, "L{} {}Q{x} {y} {} {}", into.0, into.1, out.0, out.1);
    }
    path
}

/// Returns the point that lies a bend's radius from `corner` on the way to `other`.
fn towards(corner: Point, other: Point) -> Point {
    let (dx, dy) = (other.0 - corner.0, other.1 - corner.1);
    let near = |delta: i32| delta.signum() * BEND.min(delta.abs() / 2);
    (corner.0 + near(dx), corner.1 + near(dy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_corner_is_rounded() {
        assert_eq!(
            rounded(&[(0, 0), (100, 0), (100, 50)]),
            "M0 0L86 0Q100 0 100 14L100 50"
        );
    }

    #[test]
    fn a_corner_near_the_end_has_a_smaller_radius() {
        assert_eq!(rounded(&[(0, 0), (9, 0), (9, 4)]), "M0 0L5 0Q9 0 9 2L9 4");
    }
}
