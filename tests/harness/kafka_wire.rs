//! Kafka's wire, written anew for the tests: frames, headers, the few types of which requests and replies are made, and
//! record batches. What judges the broker shares no code with it.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::Duration;

/// Builds a request's body, in the encoding of flexible versions or of those before.
#[derive(Debug, Clone)]
pub struct KafkaBody {
    /// What is there so far.
    pub bytes: Vec<u8>,
    flexible: bool,
}

impl KafkaBody {
    /// Nothing yet.
    pub fn new(flexible: bool) -> KafkaBody {
        KafkaBody { bytes: Vec::new(), flexible }
    }

    /// One byte.
    pub fn i8(&mut self, value: i8) -> &mut KafkaBody {
        self.raw(&value.to_be_bytes())
    }

    /// Two bytes.
    pub fn i16(&mut self, value: i16) -> &mut KafkaBody {
        self.raw(&value.to_be_bytes())
    }

    /// Four bytes.
    pub fn i32(&mut self, value: i32) -> &mut KafkaBody {
        self.raw(&value.to_be_bytes())
    }

    /// Eight bytes.
    pub fn i64(&mut self, value: i64) -> &mut KafkaBody {
        self.raw(&value.to_be_bytes())
    }

    /// Bytes as they are, such as an id.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut KafkaBody {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// A text.
    pub fn text(&mut self, text: &str) -> &mut KafkaBody {
        if self.flexible {
            self.varint(text.len() + 1);
        } else {
            self.i16(text.len() as i16);
        }
        self.raw(text.as_bytes())
    }

    /// No text.
    pub fn no_text(&mut self) -> &mut KafkaBody {
        if self.flexible { self.varint(0) } else { self.i16(-1) }
    }

    /// The number of elements of an array.
    pub fn array(&mut self, len: usize) -> &mut KafkaBody {
        if self.flexible { self.varint(len + 1) } else { self.i32(len as i32) }
    }

    /// Bytes with their length.
    pub fn data(&mut self, bytes: &[u8]) -> &mut KafkaBody {
        self.array(bytes.len()).raw(bytes)
    }

    /// No tagged fields, in versions that may have some.
    pub fn no_tags(&mut self) -> &mut KafkaBody {
        if self.flexible { self.varint(0) } else { self }
    }

    /// A number of as many bytes as it needs.
    pub fn varint(&mut self, mut value: usize) -> &mut KafkaBody {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
        self
    }
}

/// Reads a reply's body.
#[derive(Debug)]
pub struct KafkaReply<'a> {
    rest: &'a [u8],
    flexible: bool,
}

impl<'a> KafkaReply<'a> {
    /// All of it.
    pub fn new(bytes: &'a [u8], flexible: bool) -> KafkaReply<'a> {
        KafkaReply { rest: bytes, flexible }
    }

    /// The next bytes.
    ///
    /// # Panics
    /// When there are fewer; as all that follows.
    pub fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at_checked(len).expect("a whole reply");
        self.rest = rest;
        taken
    }

    /// Is nothing left?
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Two bytes.
    pub fn i16(&mut self) -> i16 {
        i16::from_be_bytes(self.take(2).try_into().expect("two bytes"))
    }

    /// Four bytes.
    pub fn i32(&mut self) -> i32 {
        i32::from_be_bytes(self.take(4).try_into().expect("four bytes"))
    }

    /// Eight bytes.
    pub fn i64(&mut self) -> i64 {
        i64::from_be_bytes(self.take(8).try_into().expect("eight bytes"))
    }

    /// The number of elements of an array; `None` for none at all.
    pub fn array(&mut self) -> Option<usize> {
        if self.flexible { self.varint().checked_sub(1) } else { usize::try_from(self.i32()).ok() }
    }

    /// A text.
    pub fn text(&mut self) -> Option<String> {
        let len = if self.flexible { self.varint().checked_sub(1) } else { usize::try_from(self.i16()).ok() };
        len.map(|len| String::from_utf8_lossy(self.take(len)).into_owned())
    }

    /// Bytes with their length.
    pub fn data(&mut self) -> Option<&'a [u8]> {
        self.array().map(|len| self.take(len))
    }

    /// The tagged fields with their tags.
    pub fn tags(&mut self) -> Vec<(usize, &'a [u8])> {
        let count = if self.flexible { self.varint() } else { 0 };
        (0..count)
            .map(|_| {
                let (tag, len) = (self.varint(), self.varint());
                (tag, self.take(len))
            })
            .collect()
    }

    fn varint(&mut self) -> usize {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.take(1)[0];
            value |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return value;
            }
            shift += 7;
        }
    }
}

/// A connection to a broker.
#[derive(Debug)]
pub struct KafkaWire {
    stream: TcpStream,
    correlation: i32,
}

impl KafkaWire {
    /// Connects; what is read has to come within half a minute.
    pub fn connect(port: u16) -> io::Result<KafkaWire> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(KafkaWire { stream, correlation: 0 })
    }

    /// The same from another of this machine's own addresses, such as 127.0.0.2.
    pub fn connect_from(own: Ipv4Addr, port: u16) -> io::Result<KafkaWire> {
        use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        bind(&socket, &SocketAddrV4::new(own, 0))?;
        connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(KafkaWire { stream, correlation: 0 })
    }

    /// Sends a request and reads the body of its reply.
    pub fn ask(&mut self, api: i16, version: i16, body: &KafkaBody) -> io::Result<Vec<u8>> {
        self.send(api, version, body)?;
        self.receive(body.flexible)
    }

    /// Sends a request.
    pub fn send(&mut self, api: i16, version: i16, body: &KafkaBody) -> io::Result<()> {
        self.correlation += 1;
        let mut frame = KafkaBody::new(body.flexible);
        frame.i16(api).i16(version).i32(self.correlation).i16(5).raw(b"tests").no_tags().raw(&body.bytes);
        self.stream.write_all(&(frame.bytes.len() as u32).to_be_bytes())?;
        self.stream.write_all(&frame.bytes)
    }

    /// Reads the body of the reply to what was sent last.
    ///
    /// # Panics
    /// When it is the reply to something else.
    pub fn receive(&mut self, flexible: bool) -> io::Result<Vec<u8>> {
        let mut len = [0; 4];
        self.stream.read_exact(&mut len)?;
        let mut frame = vec![0; u32::from_be_bytes(len) as usize];
        self.stream.read_exact(&mut frame)?;
        assert_eq!(frame[..4], self.correlation.to_be_bytes(), "the reply to another request");
        Ok(frame.split_off(if flexible { 5 } else { 4 }))
    }
}

/// Who writes a batch: id, epoch and first sequence; (-1, -1, -1) is nobody.
pub type Writer = (i64, i16, i32);

/// A batch of format 2 without compression: one record per value, no keys, all at one time.
pub fn batch(values: &[&[u8]], timestamp: i64, writer: Writer) -> Vec<u8> {
    batch_around(&records(values), values.len() as i32, 0, timestamp, writer)
}

/// The same as a part of the writer's transaction.
pub fn transactional_batch(values: &[&[u8]], timestamp: i64, writer: Writer) -> Vec<u8> {
    batch_around(&records(values), values.len() as i32, 0x10, timestamp, writer)
}

/// The same with gzip, outside of transactions and by nobody.
pub fn compressed_batch(values: &[&[u8]], timestamp: i64) -> Vec<u8> {
    batch_around(&stored_gzip(&records(values)), values.len() as i32, 1, timestamp, (-1, -1, -1))
}

/// What gzip makes of bytes that it cannot make smaller: its size tells theirs.
///
/// # Panics
/// When there are more than one block holds.
pub fn stored_gzip(bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).expect("one block");
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 1];
    gzip.extend(len.to_le_bytes());
    gzip.extend((!len).to_le_bytes());
    gzip.extend(bytes);
    gzip.extend(crc(bytes, 0xedb8_8320).to_le_bytes());
    gzip.extend(u32::from(len).to_le_bytes());
    gzip
}

fn records(values: &[&[u8]]) -> Vec<u8> {
    let mut records = Vec::new();
    for (offset, value) in values.iter().enumerate() {
        let mut record = vec![0];
        for field in [0, offset as i64, -1, value.len() as i64] {
            zigzag(&mut record, field);
        }
        record.extend_from_slice(value);
        zigzag(&mut record, 0);
        zigzag(&mut records, record.len() as i64);
        records.extend(record);
    }
    records
}

/// A batch of format 2 around records that are encoded, and perhaps compressed, already.
pub fn batch_around(records: &[u8], count: i32, attributes: i16, timestamp: i64, writer: Writer) -> Vec<u8> {
    let mut covered = KafkaBody::new(false);
    covered.i16(attributes).i32(count - 1).i64(timestamp).i64(timestamp);
    covered.i64(writer.0).i16(writer.1).i32(writer.2).i32(count).raw(records);
    let mut batch = KafkaBody::new(false);
    batch.i64(0).i32(covered.bytes.len() as i32 + 9).i32(-1).i8(2);
    batch.raw(&crc(&covered.bytes, 0x82f6_3b78).to_be_bytes()).raw(&covered.bytes);
    batch.bytes
}

/// A message of format 0 or 1, without a key.
pub fn message(magic: i8, attributes: i8, timestamp: i64, value: &[u8]) -> Vec<u8> {
    let mut covered = KafkaBody::new(false);
    covered.i8(magic).i8(attributes);
    if magic > 0 {
        covered.i64(timestamp);
    }
    covered.i32(-1).data(value);
    let mut message = KafkaBody::new(false);
    message.i64(0).i32(covered.bytes.len() as i32 + 4).raw(&crc(&covered.bytes, 0xedb8_8320).to_be_bytes());
    message.raw(&covered.bytes);
    message.bytes
}

fn zigzag(bytes: &mut Vec<u8>, value: i64) {
    let mut rest = (value << 1 ^ value >> 63).cast_unsigned();
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

/// CRC-32 (0xedb88320) or CRC-32C (0x82f63b78), bit by bit.
fn crc(bytes: &[u8], polynomial: u32) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ polynomial } else { crc >> 1 };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_standards() {
        assert_eq!(crc(b"123456789", 0xedb8_8320), 0xcbf4_3926);
        assert_eq!(crc(b"123456789", 0x82f6_3b78), 0xe306_9283);
    }
}
