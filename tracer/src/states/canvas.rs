//! A grid of characters to draw boxes, arrows and labels on.
//!
//! Rows count downwards and columns to the right, both from 0. What is drawn later covers what was
//! drawn before; drawing beyond the edge panics, as the drawings are constants of this program.

/// A place: column, row.
pub(super) type Point = (usize, usize);

/// Terminal colour, as the number in its escape sequence.
pub(super) type Ink = &'static str;

pub(super) struct Canvas {
    cells: Vec<Vec<(char, Ink)>>,
}

/// Height of a box in rows.
const BOX_ROWS: usize = 3;

impl Canvas {
    pub(super) fn new(columns: usize, rows: usize) -> Self {
        Self {
            cells: vec![vec![(' ', ""); columns]; rows],
        }
    }

    pub(super) fn text(&mut self, (x, y): Point, text: &str, ink: Ink) {
        for (offset, character) in text.chars().enumerate() {
            self.cells[y][x + offset] = (character, ink);
        }
    }

    /// Draws a box of `columns` with its upper left corner at the point, and a text in its middle.
    pub(super) fn boxed(&mut self, (x, y): Point, columns: usize, text: &str, ink: Ink) {
        let inside = columns - 2;
        let bar = "─".repeat(inside);
        self.text((x, y), &format!("┌{bar}┐"), "");
        self.text((x, y + 1), "│", "");
        self.text((x + 1, y + 1), &format!("{text:^inside$}"), ink);
        self.text((x + columns - 1, y + 1), "│", "");
        self.text((x, y + BOX_ROWS - 1), &format!("└{bar}┘"), "");
    }

    /// Draws an arrow along `points`, each straight above, below or beside the one before.
    ///
    /// The first lies on the border of a box, the last beside the box that the arrow points to.
    pub(super) fn arrow(&mut self, points: &[Point], dashed: bool, ink: Ink) {
        let mut came: Option<Step> = None;
        for pair in points.windows(2) {
            let (mut at, end) = (pair[0], pair[1]);
            let step = Step::towards(at, end);
            let joint = match came {
                None => step.leaves_border(),
                Some(before) => before.turns(step),
            };
            self.cells[at.1][at.0] = (joint, if came.is_none() { "" } else { ink });
            while at != end {
                at = step.next(at);
                self.cells[at.1][at.0] = (step.line(dashed), ink);
            }
            came = Some(step);
        }
        if let (Some(step), Some(&(x, y))) = (came, points.last()) {
            self.cells[y][x] = (step.head(), ink);
        }
    }

    /// Returns the picture, a line for each row; without colours if so asked.
    pub(super) fn print(&self, color: bool) -> String {
        let mut page = String::new();
        for row in &self.cells {
            let end = row.iter().rposition(|(character, _)| *character != ' ');
            let row = &row[..end.map_or(0, |last| last + 1)];
            for run in row.chunk_by(|one, next| one.1 == next.1) {
                let ink = run[0].1;
                let text = run.iter().map(|(character, _)| character);
                if ink.is_empty() || !color {
                    page.extend(text);
                    continue;
                }
                page.push_str(&format!("\x1b[{ink}m"));
                page.extend(text);
                page.push_str("\x1b[0m");
            }
            page.push('\n');
        }
        page
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Up,
    Down,
    Left,
    Right,
}

impl Step {
    fn towards(from: Point, to: Point) -> Self {
        match (to.0.cmp(&from.0), to.1 < from.1) {
            (std::cmp::Ordering::Less, _) => Self::Left,
            (std::cmp::Ordering::Greater, _) => Self::Right,
            (std::cmp::Ordering::Equal, true) => Self::Up,
            (std::cmp::Ordering::Equal, false) => Self::Down,
        }
    }

    fn next(self, (x, y): Point) -> Point {
        match self {
            Self::Up => (x, y - 1),
            Self::Down => (x, y + 1),
            Self::Left => (x - 1, y),
            Self::Right => (x + 1, y),
        }
    }

    fn line(self, dashed: bool) -> char {
        match (self, dashed) {
            (Self::Up | Self::Down, false) => '│',
            (Self::Up | Self::Down, true) => '┊',
            (Self::Left | Self::Right, false) => '─',
            (Self::Left | Self::Right, true) => '┈',
        }
    }

    fn head(self) -> char {
        match self {
            Self::Up => '▲',
            Self::Down => '▼',
            Self::Left => '◀',
            Self::Right => '▶',
        }
    }

    fn leaves_border(self) -> char {
        match self {
            Self::Up => '┴',
            Self::Down => '┬',
            Self::Left => '┤',
            Self::Right => '├',
        }
    }

    fn turns(self, into: Self) -> char {
        match (self, into) {
            (Self::Up, Self::Right) | (Self::Left, Self::Down) => '┌',
            (Self::Up, Self::Left) | (Self::Right, Self::Down) => '┐',
            (Self::Down, Self::Right) | (Self::Left, Self::Up) => '└',
            (Self::Down, Self::Left) | (Self::Right, Self::Up) => '┘',
            (Self::Up | Self::Down, _) => '│',
            (Self::Left | Self::Right, _) => '─',
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrow_leaves_a_box_turns_and_ends_in_a_head() {
        let mut canvas = Canvas::new(12, 5);
        canvas.boxed((0, 0), 5, "a", "");
        canvas.arrow(&[(2, 2), (2, 4), (8, 4), (8, 3)], false, "");
        canvas.text((4, 3), "x", "");
        assert_eq!(
            canvas.print(false),
            "┌───┐\n│ a │\n└─┬─┘\n  │ x   ▲\n  └─────┘\n"
        );
    }

    #[test]
    fn ink_is_left_out_without_colour() {
        let mut canvas = Canvas::new(4, 1);
        canvas.text((0, 0), "ab", "31");
        assert_eq!(canvas.print(false), "ab\n");
        assert_eq!(canvas.print(true), "\x1b[31mab\x1b[0m\n");
    }
}
