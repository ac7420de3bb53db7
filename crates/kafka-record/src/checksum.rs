//! The two checksums: CRC-32C of v2 batches, CRC-32 (IEEE) of message formats 0 and 1.

/// CRC-32C (Castagnoli), as v2 batches and producer snapshots carry it.
pub fn crc32c(bytes: &[u8]) -> u32 {
    ::crc32c::crc32c(bytes)
}

/// CRC-32C of bytes that lie in two places, as if they were one.
pub fn crc32c_of_two(front: &[u8], back: &[u8]) -> u32 {
    ::crc32c::crc32c_append(::crc32c::crc32c(front), back)
}

/// CRC-32 (IEEE), as message formats 0 and 1 carry it.
pub fn crc32(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_values_of_the_two_polynomials() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c_of_two(b"1234", b"56789"), 0xe306_9283);
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
