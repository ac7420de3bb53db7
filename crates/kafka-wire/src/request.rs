//! From a frame to a request header (the body follows in the same decoder), and from header and body to a frame.

use crate::api::ApiKey;
use crate::error::{DecodeError, EncodeError};
use crate::primitives::{Decoder, Encoder, Piece};
use crate::schema::Message;

/// What stands before every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeader {
    /// Which request.
    pub api_key: ApiKey,
    /// In which version.
    pub api_version: i16,
    /// Comes back in the response.
    pub correlation_id: i32,
    /// The name the client gave itself (quotas, logs, group member ids); ControlledShutdown version 0 has none.
    pub client_id: Option<String>,
}

/// Why a frame is not a request that is served. Apache closes the connection in all these cases.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// There is no such request, or it is not served in ZooKeeper mode.
    #[error("unknown api key {0}")]
    UnknownApiKey(i16),
    /// The request exists, the version does not.
    #[error("{api_key} has no version {api_version}")]
    UnsupportedVersion {
        /// Which request.
        api_key: ApiKey,
        /// The version the client wants.
        api_version: i16,
    },
    /// The header's bytes are wrong.
    #[error("request header: {0}")]
    Header(#[from] DecodeError),
}

impl RequestHeader {
    /// Reads the header; the body follows in `decoder`.
    ///
    /// An ApiVersions request of a version that we do not know is no error: it is answered (in version 0, with
    /// UNSUPPORTED_VERSION), so that a newer client learns what is there. Ask [`ApiKey::serves`] before reading its
    /// body.
    pub fn decode(decoder: &mut Decoder) -> Result<RequestHeader, RequestError> {
        let code = decoder.i16()?;
        let api_version = decoder.i16()?;
        let correlation_id = decoder.i32()?;
        let api_key = ApiKey::from_code(code).ok_or(RequestError::UnknownApiKey(code))?;
        if !api_key.serves(api_version) && api_key != ApiKey::ApiVersions {
            return Err(RequestError::UnsupportedVersion { api_key, api_version });
        }
        let header_version = api_key.request_header_version(api_version);
        let client_id = match header_version {
            0 => None,
            // Classic even in flexible headers, so that the header of any version can be read.
            _ => decoder.classic_nullable_string().map_err(|error| error.inside("client_id"))?,
        };
        if header_version >= 2 {
            decoder.skip_tagged_fields()?;
        }
        Ok(RequestHeader { api_key, api_version, correlation_id, client_id })
    }

    /// Appends the header.
    pub fn encode(&self, encoder: &mut Encoder) -> Result<(), EncodeError> {
        encoder.i16(self.api_key.code());
        encoder.i16(self.api_version);
        encoder.i32(self.correlation_id);
        let header_version = self.api_key.request_header_version(self.api_version);
        if header_version >= 1 && !encoder.classic_nullable_string(self.client_id.as_deref()) {
            let len = self.client_id.as_deref().map_or(0, str::len);
            return Err(EncodeError::TooLong { field: "client_id", len });
        }
        if header_version >= 2 {
            encoder.unsigned_varint(0);
        }
        Ok(())
    }
}

/// The whole frame of a request, its four bytes of length included. `body` must be the request of the header's API.
pub fn encode_request<M: Message>(header: &RequestHeader, body: &M) -> Result<Vec<Piece>, EncodeError> {
    let mut encoder = Encoder::with_capacity(256);
    encoder.i32(0);
    header.encode(&mut encoder)?;
    body.encode(&mut encoder, header.api_version)?;
    encoder.set_frame_length().map_err(|len| EncodeError::TooLong { field: "frame", len })?;
    Ok(encoder.finish())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn decode(bytes: &'static [u8]) -> Result<RequestHeader, RequestError> {
        RequestHeader::decode(&mut Decoder::new(Bytes::from_static(bytes)))
    }

    #[test]
    fn every_header_version_reads_back() {
        for (api_key, api_version, client_id) in [
            (ApiKey::ControlledShutdown, 0, None),
            (ApiKey::ControlledShutdown, 1, Some("c".to_owned())),
            (ApiKey::Fetch, 17, Some("c".to_owned())),
            (ApiKey::Fetch, 4, None),
        ] {
            let header = RequestHeader { api_key, api_version, correlation_id: 7, client_id };
            let mut encoder = Encoder::new();
            header.encode(&mut encoder).unwrap();
            let mut decoder = Decoder::new(encoder.into_bytes());
            assert_eq!(RequestHeader::decode(&mut decoder), Ok(header));
            decoder.finish().unwrap();
        }
    }

    #[test]
    fn unknown_requests_are_told_apart() {
        assert_eq!(decode(&[0, 99, 0, 0, 0, 0, 0, 1]), Err(RequestError::UnknownApiKey(99)));
        assert_eq!(
            decode(&[0, 0, 0, 99, 0, 0, 0, 1, 0xff, 0xff]),
            Err(RequestError::UnsupportedVersion { api_key: ApiKey::Produce, api_version: 99 })
        );
        let newer = decode(&[0, 18, 0, 99, 0, 0, 0, 1, 0xff, 0xff, 0]).unwrap();
        assert_eq!((newer.api_version, newer.api_key.serves(99)), (99, false));
        assert!(matches!(decode(&[0, 0, 0]), Err(RequestError::Header(_))));
    }
}
