//! LZ4 frames of message format 0, which made the checksum of the frame descriptor over the frame's magic as well;
//! every other reader wants it over the descriptor alone.

const MAGIC_LEN: usize = 4;

/// Where the checksum of the descriptor lies; `None` if the frame ends before it.
fn checksum_at(frame: &[u8]) -> Option<usize> {
    let flags = *frame.get(MAGIC_LEN)?;
    let content_size = if flags & 0b1000 == 0 { 0 } else { 8 };
    let dictionary = if flags & 0b1 == 0 { 0 } else { 4 };
    let at = MAGIC_LEN + 2 + content_size + dictionary;
    (at < frame.len()).then_some(at)
}

/// The frame with the checksum that LZ4 asks for.
pub(super) fn with_right_checksum(frame: &[u8]) -> Vec<u8> {
    rewritten(frame, MAGIC_LEN)
}

/// The frame with the checksum that format 0 has.
pub(super) fn with_format_0_checksum(frame: &[u8]) -> Vec<u8> {
    rewritten(frame, 0)
}

fn rewritten(frame: &[u8], from: usize) -> Vec<u8> {
    let mut frame = frame.to_vec();
    if let Some(at) = checksum_at(&frame) {
        frame[at] = (xxh32(&frame[from..at]) >> 8) as u8;
    }
    frame
}

/// xxHash-32 with seed 0, of fewer than 16 bytes or more; a descriptor has at most 18.
fn xxh32(input: &[u8]) -> u32 {
    const P: [u32; 5] = [0x9e37_79b1, 0x85eb_ca77, 0xc2b2_ae3d, 0x27d4_eb2f, 0x1656_67b1];
    let word = |bytes: &[u8]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let mut rest = input;
    let mut hash = if input.len() < 16 {
        P[4]
    } else {
        let mut lanes = [P[0].wrapping_add(P[1]), P[1], 0, 0u32.wrapping_sub(P[0])];
        while rest.len() >= 16 {
            for (lane, bytes) in lanes.iter_mut().zip(rest.chunks(4)) {
                *lane = lane.wrapping_add(word(bytes).wrapping_mul(P[1])).rotate_left(13).wrapping_mul(P[0]);
            }
            rest = &rest[16..];
        }
        [1, 7, 12, 18].iter().zip(lanes).fold(0u32, |sum, (&by, lane)| sum.wrapping_add(lane.rotate_left(by)))
    };
    hash = hash.wrapping_add(input.len() as u32);
    while rest.len() >= 4 {
        hash = hash.wrapping_add(word(rest).wrapping_mul(P[2])).rotate_left(17).wrapping_mul(P[3]);
        rest = &rest[4..];
    }
    for &byte in rest {
        hash = hash.wrapping_add(u32::from(byte).wrapping_mul(P[4])).rotate_left(11).wrapping_mul(P[0]);
    }
    hash = (hash ^ (hash >> 15)).wrapping_mul(P[1]);
    hash = (hash ^ (hash >> 13)).wrapping_mul(P[2]);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    #[test]
    fn xxh32_check_values() {
        assert_eq!(super::xxh32(b""), 0x02cc_5d05);
        assert_eq!(super::xxh32(b"abc"), 0x32d1_53ff);
        assert_eq!(super::xxh32(b"Nobody inspects the spammish repetition"), 0xe229_3b2f);
    }
}
