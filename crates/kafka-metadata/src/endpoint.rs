//! Where a broker is reached, and how.

use std::fmt;

/// What is spoken below Kafka's protocol on a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecurityProtocol {
    /// Neither encryption nor authentication.
    Plaintext,
    /// TLS.
    Ssl,
    /// SASL in the clear.
    SaslPlaintext,
    /// SASL over TLS.
    SaslSsl,
}

impl SecurityProtocol {
    /// All four, in the order of their numbers.
    pub const ALL: [SecurityProtocol; 4] = [
        SecurityProtocol::Plaintext,
        SecurityProtocol::Ssl,
        SecurityProtocol::SaslPlaintext,
        SecurityProtocol::SaslSsl,
    ];

    /// The name in settings and znodes.
    pub fn name(self) -> &'static str {
        match self {
            SecurityProtocol::Plaintext => "PLAINTEXT",
            SecurityProtocol::Ssl => "SSL",
            SecurityProtocol::SaslPlaintext => "SASL_PLAINTEXT",
            SecurityProtocol::SaslSsl => "SASL_SSL",
        }
    }

    /// From its name, in any case.
    pub fn from_name(name: &str) -> Option<SecurityProtocol> {
        SecurityProtocol::ALL.into_iter().find(|protocol| protocol.name().eq_ignore_ascii_case(name))
    }

    /// The number in UpdateMetadata.
    pub fn wire_number(self) -> i16 {
        self as i16
    }

    /// From the number in UpdateMetadata.
    pub fn from_wire(number: i16) -> Option<SecurityProtocol> {
        SecurityProtocol::ALL.into_iter().find(|protocol| protocol.wire_number() == number)
    }

    /// Does a client authenticate by SASL there?
    pub fn uses_sasl(self) -> bool {
        matches!(self, SecurityProtocol::SaslPlaintext | SecurityProtocol::SaslSsl)
    }
}

impl fmt::Display for SecurityProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One listener of a broker as others reach it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The listener's name in capitals.
    pub listener: String,
    /// What is spoken there.
    pub protocol: SecurityProtocol,
    /// Name or address, IPv6 without brackets; empty for "all interfaces" of a listener that is not advertised.
    pub host: String,
    /// The port.
    pub port: i32,
}

impl Endpoint {
    /// `NAME://host:port`, IPv6 in brackets: the form in znodes and logs.
    pub fn connection_string(&self) -> String {
        if self.host.contains(':') {
            format!("{}://[{}]:{}", self.listener, self.host, self.port)
        } else {
            format!("{}://{}:{}", self.listener, self.host, self.port)
        }
    }
}
