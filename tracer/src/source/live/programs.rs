//! The programs of a loaded object, each to be had by itself, so that several can be loaded at the same time.

use std::collections::BTreeMap;

use aya::Ebpf;
use aya::programs::Program;

/// Programs by name.
pub(super) struct Programs<'a>(BTreeMap<&'a str, &'a mut Program>);

impl<'a> Programs<'a> {
    /// Those of an object.
    pub(super) fn of(object: &'a mut Ebpf) -> Self {
        Self(object.programs_mut().collect())
    }

    /// Returns a program.
    pub(super) fn program_mut(&mut self, name: &str) -> Option<&mut Program> {
        self.0.get_mut(name).map(|program| &mut **program)
    }

    /// Takes a program away from the others.
    pub(super) fn take(&mut self, name: &str) -> Option<&'a mut Program> {
        self.0.remove(name)
    }
}
