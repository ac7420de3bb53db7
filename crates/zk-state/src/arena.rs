//! Memory for millions of small records of any length, with four bytes to name each.
//!
//! Pages hold slots of one size; sizes lie four or eight bytes apart for small records and an eighth apart for larger
//! ones, and a record too large for that has a page of its own. So a record costs its bytes and some four on top, where the
//! system's allocator takes twelve and a pointer eight. A page without records is given back, which keeps a server that
//! was full once from staying large.

/// Names a record until it is freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Handle(u32);

/// Bits of a handle that name the slot in its page.
const SLOT_BITS: u32 = 12;
const SLOT_MASK: u32 = (1 << SLOT_BITS) - 1;
/// A page has about so many bytes.
const PAGE: usize = 64 << 10;
/// The smallest slot: with it a page has less than 4096 slots.
const SMALLEST: usize = 24;
/// Up to here sizes lie four bytes apart.
const FINEST: usize = 256;
/// Up to here sizes lie eight bytes apart.
const FINE: usize = 1 << 10;
/// Above this a record has a page of its own.
const LARGEST: usize = 16 << 10;
/// A page has at least so many slots, whatever their size.
const SLOTS_MIN: usize = 8;
/// No slot: the end of a list of free ones.
const END: u32 = u32::MAX;

#[derive(Debug)]
struct Page {
    bytes: Box<[u8]>,
    slot: u32,
    class: u32,
    live: u32,
    /// Slots from here on were never used.
    fresh: u32,
    /// The first free one; each holds the number of the next.
    free: u32,
}

impl Page {
    fn new(class: u32, slot: usize, slots: usize) -> Page {
        let bytes = vec![0; slot * slots].into_boxed_slice();
        Page { bytes, slot: slot as u32, class, live: 0, fresh: 0, free: END }
    }

    fn slots(&self) -> u32 {
        self.bytes.len() as u32 / self.slot.max(1)
    }

    fn is_full(&self) -> bool {
        self.live == self.slots()
    }

    fn take(&mut self) -> u32 {
        self.live += 1;
        if self.free == END {
            self.fresh += 1;
            return self.fresh - 1;
        }
        let slot = self.free;
        let start = self.start(slot);
        self.free = self.bytes[start..].first_chunk().map_or(END, |next| u32::from_le_bytes(*next));
        slot
    }

    fn give_back(&mut self, slot: u32) {
        self.live -= 1;
        let start = self.start(slot);
        let next = self.free.to_le_bytes();
        self.bytes[start..start + next.len()].copy_from_slice(&next);
        self.free = slot;
    }

    fn start(&self, slot: u32) -> usize {
        slot as usize * self.slot as usize
    }
}

/// The class of a record that has a page of its own.
const ALONE: u32 = u32::MAX;

/// The class for records of `len` bytes and how long its slots are.
fn class_of(len: usize) -> (u32, usize) {
    if len > LARGEST {
        return (ALONE, len);
    }
    let len = len.max(SMALLEST);
    if len <= FINEST {
        let class = len.div_ceil(4);
        return (class as u32, class * 4);
    }
    if len <= FINE {
        let eights = len.div_ceil(8);
        return ((FINEST / 8 + eights) as u32, eights * 8);
    }
    // Eight sizes between a power of two and the next.
    let power = (len - 1).ilog2();
    let step = 1usize << (power - 3);
    let eighth = (len - (1 << power)).div_ceil(step);
    let class = (FINEST + FINE) / 8 + (power as usize - 10) * 8 + eighth;
    (class as u32, (1 << power) + eighth * step)
}

/// The pages.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    pages: Vec<Page>,
    /// Numbers of pages that were given back.
    vacant: Vec<u32>,
    /// By class, pages with room; the last one is used first.
    open: Vec<Vec<u32>>,
}

impl Arena {
    /// A slot for `len` bytes, perhaps some more; what is in it is anything.
    ///
    /// # Panics
    /// With more than a million pages: 64 GiB of small records, or a million of more than 16 KiB.
    pub(crate) fn allocate(&mut self, len: usize) -> Handle {
        let (class, slot_len) = class_of(len);
        if class == ALONE {
            let page = self.add_page(Page::new(class, slot_len, 1));
            return self.take(page);
        }
        let index = class as usize;
        if self.open.len() <= index {
            self.open.resize_with(index + 1, Vec::new);
        }
        let page = if let Some(page) = self.open[index].last() {
            *page
        } else {
            let page = self.add_page(Page::new(class, slot_len, (PAGE / slot_len).max(SLOTS_MIN)));
            self.open[index].push(page);
            page
        };
        let handle = self.take(page);
        if self.pages[page as usize].is_full() {
            self.open[index].pop();
        }
        handle
    }

    /// The whole slot.
    pub(crate) fn get(&self, handle: Handle) -> &[u8] {
        let page = &self.pages[(handle.0 >> SLOT_BITS) as usize];
        let start = page.start(handle.0 & SLOT_MASK);
        &page.bytes[start..start + page.slot as usize]
    }

    /// The whole slot.
    pub(crate) fn get_mut(&mut self, handle: Handle) -> &mut [u8] {
        let page = &mut self.pages[(handle.0 >> SLOT_BITS) as usize];
        let start = page.start(handle.0 & SLOT_MASK);
        &mut page.bytes[start..start + page.slot as usize]
    }

    /// Is its slot the right one for `len` bytes?
    pub(crate) fn fits(&self, handle: Handle, len: usize) -> bool {
        let page = &self.pages[(handle.0 >> SLOT_BITS) as usize];
        let (class, slot_len) = class_of(len);
        class == page.class && slot_len <= page.slot as usize && slot_len > page.slot as usize / 2
    }

    /// Gives the slot back.
    pub(crate) fn free(&mut self, handle: Handle) {
        let number = handle.0 >> SLOT_BITS;
        let page = &mut self.pages[number as usize];
        if page.class == ALONE {
            return self.remove_page(number);
        }
        let was_full = page.is_full();
        page.give_back(handle.0 & SLOT_MASK);
        let is_empty = page.live == 0;
        let open = &mut self.open[page.class as usize];
        if was_full {
            open.push(number);
        }
        // One page with room stays, or a record that comes and goes would make a page each time.
        if is_empty && open.len() > 1 {
            open.retain(|other| *other != number);
            self.remove_page(number);
        }
    }

    /// Two records, the first to be read and the second to be written; they must not be the same.
    pub(crate) fn copy(&mut self, from: Handle, range: std::ops::Range<usize>, to: Handle, at: usize) {
        let len = range.len();
        let (from_page, to_page) = ((from.0 >> SLOT_BITS) as usize, (to.0 >> SLOT_BITS) as usize);
        if from_page == to_page {
            let page = &mut self.pages[from_page];
            let source = page.start(from.0 & SLOT_MASK) + range.start;
            let target = page.start(to.0 & SLOT_MASK) + at;
            page.bytes.copy_within(source..source + len, target);
        } else if let Ok([source, target]) = self.pages.get_disjoint_mut([from_page, to_page]) {
            let start = source.start(from.0 & SLOT_MASK) + range.start;
            let end = target.start(to.0 & SLOT_MASK) + at;
            target.bytes[end..end + len].copy_from_slice(&source.bytes[start..start + len]);
        }
    }

    fn take(&mut self, page: u32) -> Handle {
        Handle((page << SLOT_BITS) | self.pages[page as usize].take())
    }

    fn add_page(&mut self, page: Page) -> u32 {
        if let Some(number) = self.vacant.pop() {
            self.pages[number as usize] = page;
            return number;
        }
        let number = self.pages.len() as u32;
        assert!(number < 1 << (32 - SLOT_BITS), "the znodes need more pages than there can be");
        self.pages.push(page);
        number
    }

    fn remove_page(&mut self, number: u32) {
        self.pages[number as usize] = Page::new(ALONE, 0, 0);
        self.vacant.push(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn classes_are_near_and_in_order() {
        let mut before = (0, 0);
        for len in 1..=LARGEST {
            let (class, slot) = class_of(len);
            assert!(slot >= len && slot <= len.max(SMALLEST) + 7.max(len / 8), "{len} in {slot}");
            assert!(class == before.0 && slot == before.1 || class > before.0 && slot > before.1, "{len}");
            assert!((PAGE / slot).max(SLOTS_MIN) <= 1 << SLOT_BITS);
            before = (class, slot);
        }
        assert_eq!(class_of(LARGEST + 1), (ALONE, LARGEST + 1));
    }

    #[test]
    fn empty_pages_are_given_back() {
        let mut arena = Arena::default();
        let handles: Vec<Handle> = (0..10_000).map(|_| arena.allocate(100)).collect();
        let large = arena.allocate(1 << 20);
        for handle in handles {
            arena.free(handle);
        }
        arena.free(large);
        let held: usize = arena.pages.iter().map(|page| page.bytes.len()).sum();
        assert!(held <= PAGE, "{held}");
        let again: Vec<Handle> = (0..10_000).map(|_| arena.allocate(50)).collect();
        assert!(arena.pages.len() <= 17, "numbers of pages are used again: {}", arena.pages.len());
        assert_eq!(again.len(), 10_000);
    }

    proptest! {
        #[test]
        fn every_record_keeps_its_bytes(steps in proptest::collection::vec((any::<u8>(), 0..40_000usize), 1..300)) {
            let mut arena = Arena::default();
            let mut live: Vec<(Handle, u8, usize)> = Vec::new();
            for (byte, len) in steps {
                if byte % 3 == 0 && !live.is_empty() {
                    let (handle, ..) = live.swap_remove(len % live.len());
                    arena.free(handle);
                    continue;
                }
                // Mostly small ones.
                let len = if byte % 5 == 0 { len } else { len % 200 };
                let handle = arena.allocate(len);
                arena.get_mut(handle)[..len].fill(byte);
                prop_assert!(arena.fits(handle, len));
                live.push((handle, byte, len));
            }
            for (handle, byte, len) in live {
                prop_assert!(arena.get(handle)[..len].iter().all(|found| *found == byte));
            }
        }
    }
}
