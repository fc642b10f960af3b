use std::cell::RefCell;

/// How much one read may bring. One such buffer exists per core, not per connection, so its size costs nothing: a small
/// message touches little of it, and a streaming result moves in large writes.
pub const READ_BUFFER: usize = 64 * 1024;

/// Buffers above this capacity are given back to the allocator, so that one large message does not stay resident.
const KEPT_CAPACITY: usize = 64 * 1024;

/// A core's stock of buffers. A connection owns one only while bytes are pending; an idle connection owns none.
#[derive(Debug)]
pub struct Buffers {
    free: RefCell<Vec<Vec<u8>>>,
    keep: usize,
}

impl Buffers {
    /// A stock that keeps at most `keep` unused buffers.
    pub fn new(keep: usize) -> Self {
        Self {
            free: RefCell::new(Vec::with_capacity(keep)),
            keep,
        }
    }

    /// An empty buffer, possibly with capacity.
    pub fn take(&self) -> Vec<u8> {
        self.free.borrow_mut().pop().unwrap_or_default()
    }

    /// Gives a buffer back; `buffer` is left without capacity.
    pub fn give_back(&self, buffer: &mut Vec<u8>) {
        let mut buffer = std::mem::take(buffer);
        if buffer.capacity() == 0 || buffer.capacity() > KEPT_CAPACITY {
            return;
        }
        let mut free = self.free.borrow_mut();
        if free.len() < self.keep {
            buffer.clear();
            free.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reuses_small_buffers_and_lets_large_ones_go() {
        let stock = Buffers::new(1);
        let mut small = Vec::with_capacity(100);
        small.push(1);
        stock.give_back(&mut small);
        assert_eq!(small.capacity(), 0);
        let again = stock.take();
        assert!(again.is_empty() && again.capacity() >= 100);

        stock.give_back(&mut Vec::with_capacity(KEPT_CAPACITY + 1));
        assert_eq!(stock.take().capacity(), 0);

        stock.give_back(&mut Vec::with_capacity(8));
        stock.give_back(&mut Vec::with_capacity(8));
        assert_eq!(stock.free.borrow().len(), 1);
    }
}
