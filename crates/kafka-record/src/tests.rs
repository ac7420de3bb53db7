//! Tests of the crate as a whole: Apache's files, Apache's clients' requests, hostile bytes, random records.

mod golden;
mod hostile;
mod round_trip;
mod rules;

use bytes::Bytes;
use kafka_types::{LeaderEpoch, TopicPartition};

use crate::batch::TimestampType;
use crate::builder::{BatchBuilder, BatchOptions};
use crate::compression::{Codec, Compression};
use crate::record::Header;
use crate::validate::{Origin, Rules, TargetCompression};

/// The rules of a topic with Kafka's defaults.
fn rules(partition: &TopicPartition) -> Rules<'_> {
    Rules {
        partition,
        origin: Origin::Client,
        leader_epoch: LeaderEpoch(7),
        compacted: false,
        timestamp_type: TimestampType::CreateTime,
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: i64::MAX,
        compression: TargetCompression::Producer,
        max_message_bytes: 1_048_588,
        segment_bytes: 1 << 30,
        decompressed_max: 1 << 20,
    }
}

/// Three records: with key, value and headers; without both; with an empty key and a large value.
fn sample(codec: impl Into<Codec>) -> Bytes {
    let mut builder = BatchBuilder::new(BatchOptions { codec: codec.into(), ..BatchOptions::default() });
    let headers = [
        Header { key: "h".into(), value: Some(Bytes::from_static(b"1")) },
        Header { key: "h".into(), value: None },
        Header { key: String::new(), value: Some(Bytes::new()) },
    ];
    builder.append(1_700_000_000_000, Some(b"key"), Some(b"value"), &headers).unwrap();
    builder.append(1_700_000_000_005, None, None, &[]).unwrap();
    builder.append(1_700_000_000_003, Some(b""), Some(&[b'x'; 3000]), &[]).unwrap();
    builder.finish()
}

const CODECS: [Compression; 5] = Compression::ALL;
