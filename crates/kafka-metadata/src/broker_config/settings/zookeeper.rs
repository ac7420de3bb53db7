//! Settings of the session with the coordination server.

use properties::{Check, Kind, Setting};

pub(super) const SETTINGS: &[Setting] = &[
    Setting::optional("zookeeper.connect", Kind::String, "Coordination servers as host:port,host:port, and a /path behind them if the cluster's data is not at the root.").high(),
    Setting::new("zookeeper.session.timeout.ms", Kind::Int, "18000", "How long the coordination server keeps this broker's registration after it last heard from it.").high(),
    Setting::optional("zookeeper.connection.timeout.ms", Kind::Int, "Longest wait for the first connection to a coordination server; the session timeout if it is not set.").high(),
    Setting::new("zookeeper.set.acl", Kind::Boolean, "false", "Let only this broker's user change what it writes to the coordination server.").high(),
    Setting::new("zookeeper.max.in.flight.requests", Kind::Int, "10", "Requests to the coordination server that may be unanswered at one time.").check(Check::at_least(1)).high(),
    Setting::new("zookeeper.ssl.client.enable", Kind::Boolean, "false", "Use TLS to the coordination server."),
    Setting::optional("zookeeper.clientCnxnSocket", Kind::String, "Class of the socket that Java's client uses to the coordination server; TLS needs another there."),
    Setting::optional("zookeeper.ssl.keystore.location", Kind::String, "File with this broker's certificate and key for TLS to the coordination server."),
    Setting::optional("zookeeper.ssl.keystore.password", Kind::Password, "Password of that key store."),
    Setting::optional("zookeeper.ssl.keystore.type", Kind::String, "Format of that key store: JKS, PKCS12, PEM."),
    Setting::optional("zookeeper.ssl.truststore.location", Kind::String, "File with the certificates that a coordination server's must come from."),
    Setting::optional("zookeeper.ssl.truststore.password", Kind::Password, "Password of that trust store."),
    Setting::optional("zookeeper.ssl.truststore.type", Kind::String, "Format of that trust store."),
    Setting::new("zookeeper.ssl.protocol", Kind::String, "TLSv1.2", "TLS version for negotiation with the coordination server.").low(),
    Setting::optional("zookeeper.ssl.enabled.protocols", Kind::List, "TLS versions allowed with the coordination server.").low(),
    Setting::optional("zookeeper.ssl.cipher.suites", Kind::List, "Cipher suites allowed with the coordination server.").low(),
    Setting::new("zookeeper.ssl.endpoint.identification.algorithm", Kind::String, "HTTPS", "How a coordination server's name is checked against its certificate; empty for not at all.").low(),
    Setting::new("zookeeper.ssl.crl.enable", Kind::Boolean, "false", "Check revocation lists for the coordination server's certificate.").low(),
    Setting::new("zookeeper.ssl.ocsp.enable", Kind::Boolean, "false", "Ask a revocation service about the coordination server's certificate.").low(),
];
