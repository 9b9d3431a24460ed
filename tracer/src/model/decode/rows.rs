//! Records of one size, close together.

/// Records of one size, in order, each filled up with zeros to a multiple of [`Rows::FILL`] bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    size: usize,
    count: usize,
    bytes: Vec<u8>,
}

impl Rows {
    /// The size of each, filled up, is a multiple of this.
    pub(crate) const FILL: usize = 8;

    /// Makes one without records, for those of this size.
    pub(crate) fn new(size: usize) -> Self {
        Self {
            size,
            ..Self::default()
        }
    }

    /// Empties it, for records of this size, and keeps its memory.
    pub(crate) fn begin(&mut self, size: usize) {
        self.size = size;
        self.count = 0;
        self.bytes.clear();
    }

    /// Size of each record, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// All of them, with what fills them up.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes from the begin of one to that of the next.
    fn step(&self) -> usize {
        self.size.next_multiple_of(Self::FILL)
    }

    /// Appends a record of this size.
    pub(crate) fn push(&mut self, record: &[u8]) {
        debug_assert_eq!(record.len(), self.size);
        self.bytes.extend_from_slice(record);
        if !self.size.is_multiple_of(Self::FILL) {
            self.bytes
                .resize(self.bytes.len() + self.step() - self.size, 0);
        }
        self.count += 1;
    }

    /// Appends all records of another one of the same size.
    pub(crate) fn append(&mut self, other: &Self) {
        debug_assert_eq!(other.size, self.size);
        self.bytes.extend_from_slice(&other.bytes);
        self.count += other.count;
    }

    /// Returns a record.
    ///
    /// # Panics
    ///
    /// Panics if there are no more than `index`.
    pub(crate) fn get(&self, index: usize) -> &[u8] {
        &self.bytes[index * self.step()..][..self.size]
    }

    /// Returns a record, to be changed; as [`get`](Self::get) does.
    pub(super) fn get_mut(&mut self, index: usize) -> &mut [u8] {
        let at = index * self.step();
        &mut self.bytes[at..][..self.size]
    }

    /// Copies a record to an earlier place.
    pub(super) fn move_back(&mut self, from: usize, to: usize) {
        let step = self.step();
        self.bytes
            .copy_within(from * step..(from + 1) * step, to * step);
    }

    /// Keeps the first `count`.
    pub(super) fn truncate(&mut self, count: usize) {
        self.bytes.truncate(count * self.step());
        self.count = self.count.min(count);
    }
}
