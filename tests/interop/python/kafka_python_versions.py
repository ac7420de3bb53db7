"""Writes and reads 200 records with kafka-python as a client of a given age: server, topic, version, codec."""

import sys

from kafka import KafkaConsumer, KafkaProducer

server, topic, version, codec = sys.argv[1:]
age = tuple(int(part) for part in version.split("."))
compression = None if codec == "none" else codec

producer = KafkaProducer(bootstrap_servers=server, api_version=age, compression_type=compression, acks="all")
sent = [f"record {number}".encode() for number in range(200)]
for value in sent:
    producer.send(topic, value).get(timeout=20)
producer.close()

consumer = KafkaConsumer(
    topic,
    bootstrap_servers=server,
    api_version=age,
    auto_offset_reset="earliest",
    consumer_timeout_ms=15000,
    group_id=None,
)
read = []
for record in consumer:
    read.append(record.value)
    if len(read) == len(sent):
        break
assert sorted(read) == sorted(sent), f"{len(read)} records were read"
print(f"{len(read)} records, as they were sent")
