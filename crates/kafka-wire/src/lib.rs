//! Every Kafka request and response of the 3.9 era, in all versions.
