//! `.snapshot`: the producers as they were at the offset in the file's name.
//!
//! Big-endian: version 1 (i16), CRC-32C of everything behind it (u32), count (i32), then per producer 46 bytes: id
//! (i64), epoch (i16), last sequence (i32), last offset (i64), offset delta of the last batch (i32), last timestamp
//! (i64), coordinator epoch (i32), first offset of the open transaction or -1 (i64). Only the last batch of each
//! producer is kept, so after a restart only that one is recognised as a retry.

use kafka_types::{Offset, ProducerEpoch, ProducerId};

use crate::producer_state::{BatchMark, Producer};

const VERSION: i16 = 1;
/// Version and CRC.
const BEFORE_CHECKED: usize = 6;
const HEADER: usize = 10;
const ENTRY: usize = 46;

/// The bytes of a snapshot.
pub(crate) fn encode<'a>(producers: impl ExactSizeIterator<Item = &'a Producer>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + producers.len() * ENTRY);
    bytes.extend(VERSION.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend((producers.len() as i32).to_be_bytes());
    for producer in producers {
        let last = producer.batches.last();
        bytes.extend(producer.id.0.to_be_bytes());
        bytes.extend(producer.epoch.0.to_be_bytes());
        bytes.extend(producer.last_sequence().to_be_bytes());
        bytes.extend(last.map_or(-1, |batch| batch.last_offset.0).to_be_bytes());
        bytes.extend(last.map_or(0, |batch| batch.offset_delta).to_be_bytes());
        bytes.extend(producer.last_timestamp.to_be_bytes());
        bytes.extend(producer.coordinator_epoch.to_be_bytes());
        bytes.extend(producer.transaction.unwrap_or(Offset::NONE).0.to_be_bytes());
    }
    let crc = crc32c::crc32c(&bytes[BEFORE_CHECKED..]);
    bytes[2..BEFORE_CHECKED].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// Reads a snapshot; the error says what is wrong with it.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<Producer>, String> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else {
        return Err(format!("Snapshot contained only {} bytes", bytes.len()));
    };
    let version = i16::from_be_bytes([header[0], header[1]]);
    if version != VERSION {
        return Err(format!("Snapshot contained an unknown file version {version}"));
    }
    let stored = u32::from_be_bytes([header[2], header[3], header[4], header[5]]);
    let computed = crc32c::crc32c(&bytes[BEFORE_CHECKED..]);
    if stored != computed {
        return Err(format!(
            "Snapshot is corrupt (CRC is no longer valid). Stored crc: {stored}. Computed crc: {computed}"
        ));
    }
    let count = i32::from_be_bytes([header[6], header[7], header[8], header[9]]);
    let (entries, left) = rest.as_chunks::<ENTRY>();
    if usize::try_from(count) != Ok(entries.len()) || !left.is_empty() {
        return Err(format!("Snapshot says {count} producers and has {} bytes of them", rest.len()));
    }
    Ok(entries.iter().map(decode_entry).collect())
}

fn decode_entry(entry: &[u8; ENTRY]) -> Producer {
    let long = |at: usize| i64::from_be_bytes(entry[at..at + 8].try_into().expect("eight bytes"));
    let int = |at: usize| i32::from_be_bytes(entry[at..at + 4].try_into().expect("four bytes"));
    let mark =
        BatchMark { last_sequence: int(10), last_offset: Offset(long(14)), offset_delta: int(22), timestamp: long(26) };
    let transaction = Offset(long(38));
    Producer {
        id: ProducerId(long(0)),
        epoch: ProducerEpoch(i16::from_be_bytes([entry[8], entry[9]])),
        batches: if mark.last_offset >= Offset(0) { vec![mark] } else { Vec::new() },
        coordinator_epoch: int(34),
        last_timestamp: mark.timestamp,
        transaction: (transaction >= Offset(0)).then_some(transaction),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn producers() -> Vec<Producer> {
        let batch =
            BatchMark { last_sequence: 5, last_offset: Offset(41), offset_delta: 2, timestamp: 1_700_000_000_000 };
        let with_batch = Producer {
            id: ProducerId(1000),
            epoch: ProducerEpoch(3),
            batches: vec![batch],
            coordinator_epoch: 2,
            last_timestamp: 1_700_000_000_000,
            transaction: Some(Offset(39)),
        };
        let without = Producer {
            id: ProducerId(8),
            epoch: ProducerEpoch(0),
            batches: Vec::new(),
            coordinator_epoch: 0,
            last_timestamp: 5,
            transaction: None,
        };
        vec![with_batch, without]
    }

    #[test]
    fn bytes_read_back() {
        let bytes = encode(producers().iter());
        assert_eq!(bytes.len(), 10 + 2 * 46);
        assert_eq!(decode(&bytes), Ok(producers()));
        assert_eq!(encode([].iter()).len(), 10);
    }

    #[test]
    fn every_damaged_byte_is_noticed() {
        let bytes = encode(producers().iter());
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(decode(&damaged).is_err(), "byte {at}");
            assert!(decode(&bytes[..at]).is_err(), "cut at {at}");
        }
    }
}
