//! Finds the state that somebody named, or says which ones there are.

use std::fmt;

use crate::model::{Naming, TcpState};

const NAMINGS: [Naming; 3] = [Naming::Netstat, Naming::Ss, Naming::Rfc];

/// What was typed is no state's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownState {
    /// What was typed.
    pub typed: String,
    /// States that may have been meant: one, or two that are equally near; else empty.
    pub nearest: Vec<TcpState>,
}

impl std::error::Error for UnknownState {}

impl fmt::Display for UnknownState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no TCP state is called {:?}", self.typed)?;
        let list = |states: &[TcpState], between: &str| {
            let names: Vec<String> = states.iter().map(ToString::to_string).collect();
            names.join(between)
        };
        if !self.nearest.is_empty() {
            write!(f, "; did you mean {}?", list(&self.nearest, " or "))?;
        }
        write!(f, "\nthe states are {}", list(&TcpState::ALL, ", "))?;
        f.write_str("\n(names as ss or RFC 9293 write them are understood too, in any case)")
    }
}

/// Finds a state by any of its three names, whatever the case.
///
/// # Errors
///
/// [`UnknownState`], with the nearest names if any is near.
pub fn find(typed: &str) -> Result<TcpState, UnknownState> {
    TcpState::parse(typed).ok_or_else(|| UnknownState {
        typed: typed.to_owned(),
        nearest: nearest(typed),
    })
}

fn plain(name: &str) -> String {
    let letters = name.chars().filter(|letter| letter.is_alphanumeric());
    letters.flat_map(char::to_uppercase).collect()
}

/// Returns the states whose names are as near as the nearest, if that is near and no more than two.
fn nearest(typed: &str) -> Vec<TcpState> {
    /// Edits that may still be a slip of the fingers.
    const NEAR: usize = 2;
    let typed = plain(typed);
    // Shorter words are near to everything.
    if typed.chars().count() < 4 {
        return Vec::new();
    }
    let distance = |state: TcpState| {
        let names = NAMINGS
            .iter()
            .filter_map(|&naming| state.known_name(naming));
        let each = names.map(|name| {
            let name = plain(name);
            if name.starts_with(&typed) || typed.starts_with(&name) {
                return 0;
            }
            edits(&name, &typed)
        });
        each.min().unwrap_or(usize::MAX)
    };
    let Some(least) = TcpState::ALL.into_iter().map(distance).min() else {
        return Vec::new();
    };
    let near = TcpState::ALL
        .into_iter()
        .filter(|&state| distance(state) == least);
    let near: Vec<TcpState> = near.collect();
    if least > NEAR || near.len() > 2 {
        return Vec::new();
    }
    near
}

/// Counts the letters to insert, delete or replace to make one word of the other.
fn edits(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &against) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != against);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TcpState::{Close, FinWait1, FinWait2, Listen, SynRecv, TimeWait};

    #[test]
    fn a_slip_of_the_fingers_gets_a_suggestion() {
        let nearest = |typed: &str| find(typed).map_err(|error| error.nearest);
        assert_eq!(nearest("time-wait"), Ok(TimeWait));
        assert_eq!(nearest("TIME_WIAT"), Err(vec![TimeWait]));
        assert_eq!(nearest("SYN_RCVD"), Err(vec![SynRecv]));
        assert_eq!(nearest("listening"), Err(vec![Listen]));
        assert_eq!(nearest("fin_wait"), Err(vec![FinWait1, FinWait2]));
        assert_eq!(nearest("closd"), Err(vec![Close]));
        assert_eq!(nearest("OPEN"), Err(vec![]));
        assert_eq!(nearest(""), Err(vec![]));
    }

    #[test]
    fn the_error_lists_every_state_and_repeats_no_control_character() {
        let text = find("time\x1b[2Jwait").expect_err("no state").to_string();
        assert!(!text.contains('\x1b'), "{text}");
        for state in TcpState::ALL {
            assert!(text.contains(&state.to_string()), "{text}");
        }
    }
}
