//! Every Kafka request and response of the 3.9 era, in all versions, as declarations.
//!
//! One module per API ([`fetch`], [`join_group`], ..), each with a `Request`, a `Response`, their parts, and a unit
//! struct that stands for the API. Bytes are read with a [`Decoder`] that trusts no length of the peer, and written
//! with an [`Encoder`] that leaves long byte strings where they are and gives out [`Piece`]s. No number of a version
//! is needed outside of this crate: modules have named questions (`fetch::Version`) and named constants for what
//! brokers send each other.
#![deny(missing_docs)]

#[macro_use]
pub mod schema;

mod api;
mod error;
mod error_counts;
mod fields;
mod messages;
mod primitives;
pub mod records;
mod request;
mod response;

#[cfg(test)]
mod tests;

pub use api::{ApiKey, UNSERVED};
pub use error::{DecodeError, EncodeError, Problem};
pub use error_counts::ErrorCounts;
pub use fields::Records;
pub use messages::*;
pub use primitives::{Decoder, Encoder, Form, Piece};
pub use request::{RequestError, RequestHeader, encode_request};
pub use response::{decode_response_header, encode_counted_response, encode_response};
pub use schema::{Api, Message, set_throttle_time};
