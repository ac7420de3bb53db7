//! Variable-length integers (KIP-98 for records, KIP-482 for the wire): 7 bits a byte, lowest first; the top bit says
//! that more follow. Signed ones are zig-zagged first, so that small negative numbers stay short.

/// Why a variable-length integer could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VarintError {
    /// The bytes end inside the number.
    Truncated,
    /// More bytes than the type can hold (5 for 32 bits, 10 for 64).
    TooLong,
}

/// Bytes that a 32-bit number takes at the most.
pub const MAX_LEN_32: usize = 5;
/// Bytes that a 64-bit number takes at the most.
pub const MAX_LEN_64: usize = 10;

/// Reads an unsigned 32-bit number from the front of `bytes`; returns it and how many bytes it took.
#[inline]
pub fn read_u32(bytes: &[u8]) -> Result<(u32, usize), VarintError> {
    let (value, len) = read(bytes, MAX_LEN_32)?;
    // Java's reader drops what does not fit into 32 bits, but refuses a fifth byte above 0x0f's range only by length.
    Ok((value as u32, len))
}

/// Reads an unsigned 64-bit number from the front of `bytes`; returns it and how many bytes it took.
#[inline]
pub fn read_u64(bytes: &[u8]) -> Result<(u64, usize), VarintError> {
    read(bytes, MAX_LEN_64)
}

/// Reads a zig-zag 32-bit number (*varint*) from the front of `bytes`; returns it and how many bytes it took.
#[inline]
pub fn read_i32(bytes: &[u8]) -> Result<(i32, usize), VarintError> {
    let (raw, len) = read_u32(bytes)?;
    Ok(((raw >> 1) as i32 ^ -((raw & 1) as i32), len))
}

/// Reads a zig-zag 64-bit number (*varlong*) from the front of `bytes`; returns it and how many bytes it took.
#[inline]
pub fn read_i64(bytes: &[u8]) -> Result<(i64, usize), VarintError> {
    let (raw, len) = read_u64(bytes)?;
    Ok(((raw >> 1) as i64 ^ -((raw & 1) as i64), len))
}

/// Most numbers in records are lengths and deltas of one or two bytes.
#[inline]
fn read(bytes: &[u8], longest: usize) -> Result<(u64, usize), VarintError> {
    match *bytes {
        [only, ..] if only < 0x80 => Ok((u64::from(only), 1)),
        [first, last, ..] if last < 0x80 => Ok((u64::from(first & 0x7f) | u64::from(last) << 7, 2)),
        _ => read_long(bytes, longest),
    }
}

fn read_long(bytes: &[u8], longest: usize) -> Result<(u64, usize), VarintError> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().take(longest).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok((value, index + 1));
        }
    }
    Err(if bytes.len() < longest { VarintError::Truncated } else { VarintError::TooLong })
}

/// Appends an unsigned number.
#[inline]
pub fn write_u64(mut value: u64, out: &mut impl Extend<u8>) {
    while value >= 0x80 {
        out.extend(Some((value as u8) | 0x80));
        value >>= 7;
    }
    out.extend(Some(value as u8));
}

/// Appends an unsigned 32-bit number.
#[inline]
pub fn write_u32(value: u32, out: &mut impl Extend<u8>) {
    write_u64(u64::from(value), out);
}

/// Appends a zig-zag 32-bit number (*varint*).
#[inline]
pub fn write_i32(value: i32, out: &mut impl Extend<u8>) {
    write_u32(zigzag_32(value), out);
}

/// Appends a zig-zag 64-bit number (*varlong*).
#[inline]
pub fn write_i64(value: i64, out: &mut impl Extend<u8>) {
    write_u64(zigzag_64(value), out);
}

/// How many bytes an unsigned number takes.
#[inline]
pub fn len_u64(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// How many bytes a zig-zag 32-bit number takes.
#[inline]
pub fn len_i32(value: i32) -> usize {
    len_u64(u64::from(zigzag_32(value)))
}

/// How many bytes a zig-zag 64-bit number takes.
#[inline]
pub fn len_i64(value: i64) -> usize {
    len_u64(zigzag_64(value))
}

#[inline]
fn zigzag_32(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)) as u32
}

#[inline]
fn zigzag_64(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back_with_their_length() {
        for value in [0, 1, -1, 63, 64, -64, -65, 8191, 8192, i32::MAX, i32::MIN] {
            let mut bytes = Vec::new();
            write_i32(value, &mut bytes);
            assert_eq!(read_i32(&bytes), Ok((value, bytes.len())));
            assert_eq!(len_i32(value), bytes.len());
        }
        for value in [0, -1, i64::MAX, i64::MIN, 1 << 35] {
            let mut bytes = Vec::new();
            write_i64(value, &mut bytes);
            assert_eq!(read_i64(&bytes), Ok((value, bytes.len())));
            assert_eq!(len_i64(value), bytes.len());
        }
    }

    #[test]
    fn cut_and_endless_numbers_are_refused() {
        assert_eq!(read_i32(&[0x80, 0x80]), Err(VarintError::Truncated));
        assert_eq!(read_i32(&[0xff; 6]), Err(VarintError::TooLong));
        assert_eq!(read_i64(&[0xff; 11]), Err(VarintError::TooLong));
    }
}
