//! The maps of the tracker: looked up, and never iterated where their order would show.

use std::collections::HashMap;

/// A map whose hashes are seeded anew in each process, and cost a few nanoseconds.
///
/// Other hosts choose the ends of connections, so nobody may know which of them collide; what the standard library's
/// hasher does beyond that is of no use here, and would be most of what a change costs.
pub(super) type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;
