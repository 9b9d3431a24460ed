//! Where sockets lie in the kernel's memory: other numbers, one for each.
//!
//! A Feistel network of four rounds (Luby and Rackoff), so that it is one-to-one without a table.

use std::collections::HashMap;

use super::keyed::{Key, Purpose};
use crate::model::event::Socket;

/// Pseudonyms that are remembered; they are only quicker to have.
const REMEMBERED: usize = 1 << 16;

/// Pseudonyms of kernel addresses.
pub(super) struct Sockets {
    key: Key,
    known: HashMap<Socket, Socket>,
}

impl Sockets {
    pub(super) fn new(key: Key) -> Self {
        let known = HashMap::new();
        Self { key, known }
    }

    pub(super) fn of(&mut self, socket: Socket) -> Socket {
        if let Some(&known) = self.known.get(&socket) {
            return known;
        }
        let pseudonym = Socket(self.mixed(socket.0));
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(socket, pseudonym);
        pseudonym
    }

    fn mixed(&self, number: u64) -> u64 {
        let (mut left, mut right) = ((number >> 32) as u32, number as u32);
        for round in 0..4_u8 {
            let [a, b, c, d] = right.to_be_bytes();
            let answer = self.key.ask(Purpose::Socket, &[round, a, b, c, d]);
            let mix = u32::from_be_bytes([answer[0], answer[1], answer[2], answer[3]]);
            (left, right) = (right, left ^ mix);
        }
        u64::from(left) << 32 | u64::from(right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_number_of_its_own_that_tells_nothing_of_the_place() {
        let mut sockets = Sockets::new(Key::new([7; 32]));
        let places = (0..10_000).map(|slot| Socket(0xffff_8881_0000_0000 + slot * 2240));
        let numbers: Vec<Socket> = places.map(|place| sockets.of(place)).collect();
        let distinct: std::collections::HashSet<_> = numbers.iter().collect();
        assert_eq!(distinct.len(), numbers.len());
        let looks_like_the_kernel = numbers.iter().filter(|number| number.0 >> 48 == 0xffff);
        assert!(looks_like_the_kernel.count() < 10);
        assert_eq!(
            Sockets::new(Key::new([7; 32])).of(Socket(5)),
            sockets.of(Socket(5))
        );
        assert_ne!(
            Sockets::new(Key::new([8; 32])).of(Socket(5)),
            sockets.of(Socket(5))
        );
    }
}
