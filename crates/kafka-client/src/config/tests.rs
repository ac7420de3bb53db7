//! Values and texts as `kafka-console-producer` of 3.9.1 gives them (golden/cli), and Java's defaults.

use super::*;
use kafka_record::Compression;
use kafka_types::Acks;

const SERVER: (&str, &str) = ("bootstrap.servers", "localhost:9092");

fn producer(pairs: &[(&'static str, &'static str)]) -> Result<ProducerConfig, Error> {
    ProducerConfig::parse(std::iter::once(SERVER).chain(pairs.iter().copied()))
}

#[test]
fn defaults_are_javas() {
    let config = producer(&[]).unwrap();
    assert_eq!((config.acks, config.idempotent, config.max_in_flight), (Acks::All, true, 5));
    assert_eq!((config.batch_size, config.linger_ms, config.buffer_memory), (16384, 0, 32 << 20));
    assert_eq!((config.delivery_timeout_ms, config.max_block_ms), (120_000, 60_000));
    assert_eq!((config.codec.compression, config.partitioner), (Compression::None, Partitioner::Default));
    assert!(config.common.client_id.starts_with("producer-"));
    let config = AdminConfig::parse([SERVER]).unwrap();
    assert_eq!((config.api_timeout_ms, config.common.request_timeout_ms), (60_000, 30_000));
    for definitions in [ProducerConfig::definitions(), AdminConfig::definitions()] {
        definitions.defaults().unwrap();
    }
}

#[test]
fn wrong_values_have_apaches_texts() {
    let text = |pair| producer(&[pair]).unwrap_err().to_string();
    assert_eq!(text(("acks", "7")), "Invalid value 7 for configuration acks: String must be one of: all, -1, 0, 1");
    assert_eq!(text(("batch.size", "-5")), "Invalid value -5 for configuration batch.size: Value must be at least 0");
    assert_eq!(text(("linger.ms", "abc")), "Invalid value abc for configuration linger.ms: Not a number of type LONG");
    assert_eq!(
        text(("compression.type", "rar")),
        "Invalid value rar for configuration compression.type: String must be one of: none, gzip, snappy, lz4, zstd"
    );
    assert!(text(("security.protocol", "SSL")).contains("security.protocol"));
    assert!(text(("transactional.id", "t")).contains("transactional.id"));
    assert!(text(("partitioner.availability.timeout.ms", "5")).contains("does not leave slow brokers out"));
    assert!(text(("partitioner.class", "a.B")).contains("Class a.B could not be found."));
}

#[test]
fn idempotence_yields_unless_it_was_asked_for() {
    assert!(!producer(&[("acks", "1")]).unwrap().idempotent);
    assert!(!producer(&[("retries", "0")]).unwrap().idempotent);
    assert_eq!(
        producer(&[("acks", "1"), ("enable.idempotence", "true")]).unwrap_err().to_string(),
        "Must set acks to all in order to use the idempotent producer. Otherwise we cannot guarantee idempotence."
    );
    assert!(producer(&[("max.in.flight.requests.per.connection", "6")]).is_err());
    assert!(producer(&[("max.in.flight.requests.per.connection", "6"), ("enable.idempotence", "false")]).is_ok());
}

#[test]
fn the_delivery_timeout_covers_linger_and_request() {
    assert_eq!(producer(&[("linger.ms", "200000")]).unwrap().delivery_timeout_ms, 230_000);
    assert_eq!(
        producer(&[("delivery.timeout.ms", "1000")]).unwrap_err().to_string(),
        "delivery.timeout.ms should be equal to or larger than linger.ms + request.timeout.ms"
    );
}
