//! The bytes of one file in memory: what readers see, what is durable, and the changes between the two.

use std::collections::BTreeMap;

use super::{Crash, Random};

const PAGE: u64 = 4096;
/// The smallest piece a disk writes whole.
const SECTOR: u64 = 512;
/// Stands for the length among the sectors.
const LENGTH: u64 = u64::MAX;

/// Bytes in pages, so that a file reserved to 64 MiB costs nothing until it is written.
#[derive(Debug, Clone, Default)]
struct Image {
    len: u64,
    pages: BTreeMap<u64, Box<[u8]>>,
}

impl Image {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> usize {
        let wanted = (self.len.saturating_sub(offset)).min(buffer.len() as u64) as usize;
        let mut done = 0;
        while done < wanted {
            let (page, inside) = position(offset + done as u64);
            let part = (wanted - done).min(PAGE as usize - inside);
            match self.pages.get(&page) {
                Some(bytes) => buffer[done..done + part].copy_from_slice(&bytes[inside..inside + part]),
                None => buffer[done..done + part].fill(0),
            }
            done += part;
        }
        wanted
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) {
        let mut done = 0;
        while done < bytes.len() {
            let (page, inside) = position(offset + done as u64);
            let part = (bytes.len() - done).min(PAGE as usize - inside);
            let target = self.pages.entry(page).or_insert_with(|| vec![0; PAGE as usize].into_boxed_slice());
            target[inside..inside + part].copy_from_slice(&bytes[done..done + part]);
            done += part;
        }
        self.len = self.len.max(offset + bytes.len() as u64);
    }

    fn set_len(&mut self, len: u64) {
        if len < self.len {
            let (page, inside) = position(len);
            self.pages.split_off(&(page + 1));
            if let Some(bytes) = self.pages.get_mut(&page) {
                bytes[inside..].fill(0);
            }
        }
        self.len = len;
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Write { offset, bytes } => self.write_at(bytes, *offset),
            Change::SetLen(len) => self.set_len(*len),
        }
    }
}

fn position(offset: u64) -> (u64, usize) {
    (offset / PAGE, (offset % PAGE) as usize)
}

/// One call that changed a file.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    SetLen(u64),
}

impl Change {
    /// The sectors it changes; [`LENGTH`] for the length.
    fn sectors(&self) -> impl Iterator<Item = u64> + use<> {
        match self {
            Change::SetLen(_) => LENGTH..=LENGTH,
            Change::Write { offset, bytes } => offset / SECTOR..=(offset + bytes.len() as u64 - 1) / SECTOR,
        }
    }
}

/// A file: its bytes now, its durable bytes, and what lies between them.
#[derive(Debug, Clone)]
pub(super) struct Content {
    now: Image,
    durable: Image,
    unsynced: Vec<Change>,
    pub(super) modified_ms: i64,
}

impl Content {
    pub(super) fn new(now_ms: i64) -> Content {
        Content { now: Image::default(), durable: Image::default(), unsynced: Vec::new(), modified_ms: now_ms }
    }

    pub(super) fn len(&self) -> u64 {
        self.now.len
    }

    pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64) -> usize {
        self.now.read_at(buffer, offset)
    }

    pub(super) fn change(&mut self, change: Change, now_ms: i64) {
        self.now.apply(&change);
        self.unsynced.push(change);
        self.modified_ms = now_ms;
    }

    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            self.durable.apply(&change);
        }
    }

    /// `durable` becomes what the crash left of it and of the unsynced changes.
    pub(super) fn crash(&mut self, crash: Crash, random: &mut Random) {
        let changes = std::mem::take(&mut self.unsynced);
        match crash {
            Crash::Process => unreachable!("the end of a process leaves files as they are"),
            Crash::Power => {}
            Crash::Torn { .. } => self.keep_prefix(&changes, random),
            Crash::Scattered { .. } => self.keep_any(changes, random),
        }
        self.now = self.durable.clone();
    }

    fn keep_prefix(&mut self, changes: &[Change], random: &mut Random) {
        let whole = random.below(changes.len() + 1);
        changes[..whole].iter().for_each(|change| self.durable.apply(change));
        if let Some(Change::Write { offset, bytes }) = changes.get(whole) {
            let kept = random.below(bytes.len() + 1);
            self.durable.write_at(&bytes[..kept], *offset);
        }
    }

    /// A disk keeps, of each sector, the content of some moment: a later write never stays where an earlier one to the
    /// same sector is lost.
    fn keep_any(&mut self, changes: Vec<Change>, random: &mut Random) {
        let mut kept: BTreeMap<u64, usize> = BTreeMap::new();
        for sector in changes.iter().flat_map(Change::sectors) {
            *kept.entry(sector).or_default() += 1;
        }
        for count in kept.values_mut() {
            *count = random.below(*count + 1);
        }
        for change in changes {
            for sector in change.sectors() {
                let Some(left) = kept.get_mut(&sector).filter(|left| **left > 0) else { continue };
                *left -= 1;
                match &change {
                    Change::SetLen(len) => self.durable.set_len(*len),
                    Change::Write { offset, bytes } => {
                        let start = (sector * SECTOR).max(*offset);
                        let end = ((sector + 1) * SECTOR).min(offset + bytes.len() as u64);
                        self.durable.write_at(&bytes[(start - offset) as usize..(end - offset) as usize], start);
                    }
                }
            }
        }
    }
}
