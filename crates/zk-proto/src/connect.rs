//! The session handshake: the first frame each way, without a header in front.
//!
//! Both records end in a `readOnly` byte since 3.4. A client that leaves it out gets a response without it.

use bytes::Bytes;

use crate::ids::{SessionId, Zxid};
use crate::jute::{DecodeError, Jute, Reader, Writer};

/// Length of a session password in bytes.
pub const PASSWORD_LEN: usize = 16;

/// First frame of a client.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectRequest {
    /// Always 0.
    pub protocol_version: i32,
    /// The highest zxid the client knows; a server that is behind it must not serve the client.
    pub last_zxid_seen: Zxid,
    /// Wanted session timeout in milliseconds.
    pub timeout_ms: i32,
    /// 0 for a new session.
    pub session_id: SessionId,
    /// 16 bytes for an existing session; anything, also null, for a new one.
    pub password: Option<Bytes>,
    /// Would a read-only server do? `None`: the client is older than 3.4 and knows no such byte.
    pub read_only: Option<bool>,
}

/// First frame of the server. A timeout of 0 says that the session is not there (any more).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectResponse {
    /// Always 0.
    pub protocol_version: i32,
    /// Negotiated session timeout in milliseconds; 0: refused.
    pub timeout_ms: i32,
    /// The session; 0 if refused.
    pub session_id: SessionId,
    /// 16 bytes to come back with; zeros if refused.
    pub password: Option<Bytes>,
    /// Is the server read-only? `None` towards clients that sent no such byte.
    pub read_only: Option<bool>,
}

fn read_tail(reader: &mut Reader) -> Result<Option<bool>, DecodeError> {
    if reader.remaining() == 0 { Ok(None) } else { bool::read(reader).map(Some) }
}

impl Jute for ConnectRequest {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(ConnectRequest {
            protocol_version: i32::read(reader)?,
            last_zxid_seen: Zxid::read(reader)?,
            timeout_ms: i32::read(reader)?,
            session_id: SessionId::read(reader)?,
            password: Option::read(reader)?,
            read_only: read_tail(reader)?,
        })
    }

    fn write(&self, out: &mut Writer) {
        self.protocol_version.write(out);
        self.last_zxid_seen.write(out);
        self.timeout_ms.write(out);
        self.session_id.write(out);
        self.password.write(out);
        if let Some(read_only) = self.read_only {
            read_only.write(out);
        }
    }
}

impl Jute for ConnectResponse {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(ConnectResponse {
            protocol_version: i32::read(reader)?,
            timeout_ms: i32::read(reader)?,
            session_id: SessionId::read(reader)?,
            password: Option::read(reader)?,
            read_only: read_tail(reader)?,
        })
    }

    fn write(&self, out: &mut Writer) {
        self.protocol_version.write(out);
        self.timeout_ms.write(out);
        self.session_id.write(out);
        self.password.write(out);
        if let Some(read_only) = self.read_only {
            read_only.write(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_client_gets_36_bytes_a_new_one_37() {
        let mut response = ConnectResponse {
            timeout_ms: 6000,
            session_id: SessionId(1),
            password: Some(Bytes::from(vec![0; PASSWORD_LEN])),
            ..ConnectResponse::default()
        };
        assert_eq!(response.to_bytes().len(), 36);
        response.read_only = Some(false);
        assert_eq!(response.to_bytes().len(), 37);
        assert_eq!(ConnectResponse::from_bytes(response.to_bytes()).unwrap(), response);
    }
}
