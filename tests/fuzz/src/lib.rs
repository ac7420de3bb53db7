//! What the fuzz targets share: memory that is counted, and checksums put right, which no fuzzer finds.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, with the bytes counted that it has given out.
pub struct Counted;

// SAFETY: every call goes to the system's allocator as it came; only numbers are kept beside it.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(now, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Runs `work`; its result, and how many bytes it had at most at a time beyond what was there before.
pub fn bytes_taken<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = NOW.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    let result = work();
    (result, MOST.load(Ordering::Relaxed).saturating_sub(before))
}

/// Puts the checksum of every whole entry right, whatever its format.
pub fn fix_checksums(set: &mut [u8]) {
    let mut at = 0;
    while let Some(entry) = set.get_mut(at..).filter(|rest| rest.len() > 21) {
        let size = u32::from_be_bytes([entry[8], entry[9], entry[10], entry[11]]) as usize + 12;
        let Some(entry) = entry.get_mut(..size).filter(|entry| entry.len() > 21) else { return };
        match entry[16] {
            2 => {
                let crc = kafka_record::checksum::crc32c(&entry[21..]).to_be_bytes();
                entry[17..21].copy_from_slice(&crc);
            }
            _ => {
                let crc = kafka_record::checksum::crc32(&entry[16..]).to_be_bytes();
                entry[12..16].copy_from_slice(&crc);
            }
        }
        at += size;
    }
}
