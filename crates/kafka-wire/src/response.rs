//! From a response to its frame, and from a frame to the response's header (the body follows in the same decoder).

use crate::api::ApiKey;
use crate::error::{DecodeError, EncodeError};
use crate::error_counts::ErrorCounts;
use crate::primitives::{Decoder, Encoder, Piece};
use crate::schema::Message;

/// The whole frame of a response, its four bytes of length included.
pub fn encode_response<M: Message>(
    api_key: ApiKey,
    version: i16,
    correlation_id: i32,
    body: &M,
) -> Result<Vec<Piece>, EncodeError> {
    encode_counted_response(api_key, version, correlation_id, body).map(|(pieces, _)| pieces)
}

/// The same, with the error codes that the response tells.
pub fn encode_counted_response<M: Message>(
    api_key: ApiKey,
    version: i16,
    correlation_id: i32,
    body: &M,
) -> Result<(Vec<Piece>, ErrorCounts), EncodeError> {
    let mut encoder = Encoder::with_capacity(256);
    encoder.i32(0);
    encoder.i32(correlation_id);
    if api_key.response_header_version(version) >= 1 {
        encoder.unsigned_varint(0);
    }
    body.encode(&mut encoder, version)?;
    encoder.set_frame_length().map_err(|len| EncodeError::TooLong { field: "frame", len })?;
    let errors = std::mem::take(&mut encoder.errors);
    Ok((encoder.finish(), errors))
}

/// Reads the header of the response to a request of this API and version: its correlation id. The body follows in
/// `decoder`.
pub fn decode_response_header(decoder: &mut Decoder, api_key: ApiKey, version: i16) -> Result<i32, DecodeError> {
    let correlation_id = decoder.i32()?;
    if api_key.response_header_version(version) >= 1 {
        decoder.skip_tagged_fields()?;
    }
    Ok(correlation_id)
}
