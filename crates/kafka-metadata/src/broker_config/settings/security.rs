//! Settings of TLS, SASL, delegation tokens and stored passwords.

use properties::{Check, Kind, Setting};

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new(
        "connections.max.reauth.ms",
        Kind::Long,
        "0",
        "A SASL client must authenticate again within this time; 0 for never.",
    ),
    Setting::new(
        "sasl.server.max.receive.size",
        Kind::Int,
        "524288",
        "Largest message before a client is authenticated.",
    ),
    Setting::optional("security.providers", Kind::String, "Classes that bring security algorithms.").low(),
    Setting::new(
        "principal.builder.class",
        Kind::Class,
        "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder",
        "Class that says who a connection's user is.",
    )
    .per_broker(),
    Setting::new(
        "ssl.client.auth",
        Kind::String,
        "none",
        "Must a TLS client show a certificate: required, requested or none.",
    )
    .check(Check::OneOf(&["required", "requested", "none"]))
    .per_broker(),
    Setting::new(
        "ssl.principal.mapping.rules",
        Kind::String,
        "DEFAULT",
        "How the name in a client's certificate becomes a user's name.",
    )
    .low(),
    Setting::new(
        "ssl.allow.dn.changes",
        Kind::Boolean,
        "false",
        "Let a renewed certificate have another distinguished name.",
    )
    .low(),
    Setting::new(
        "ssl.allow.san.changes",
        Kind::Boolean,
        "false",
        "Let a renewed certificate have other alternative names.",
    )
    .low(),
    Setting::new("ssl.protocol", Kind::String, "TLSv1.3", "TLS version for negotiation.").per_broker(),
    Setting::optional("ssl.provider", Kind::String, "Security provider for TLS.").per_broker(),
    Setting::new("ssl.enabled.protocols", Kind::List, "TLSv1.2,TLSv1.3", "TLS versions that are allowed.").per_broker(),
    Setting::new("ssl.keystore.type", Kind::String, "JKS", "Format of the key store: JKS, PKCS12, PEM.").per_broker(),
    Setting::optional("ssl.keystore.location", Kind::String, "File with this broker's certificate and key.")
        .per_broker(),
    Setting::optional("ssl.keystore.password", Kind::Password, "Password of the key store.").per_broker(),
    Setting::optional("ssl.key.password", Kind::Password, "Password of the key in the key store.").per_broker(),
    Setting::optional("ssl.keystore.key", Kind::Password, "The private key itself, as PEM.").per_broker(),
    Setting::optional("ssl.keystore.certificate.chain", Kind::Password, "The certificate chain itself, as PEM.")
        .per_broker(),
    Setting::new("ssl.truststore.type", Kind::String, "JKS", "Format of the trust store.").per_broker(),
    Setting::optional(
        "ssl.truststore.location",
        Kind::String,
        "File with the certificates that others' must come from.",
    )
    .per_broker(),
    Setting::optional("ssl.truststore.password", Kind::Password, "Password of the trust store.").per_broker(),
    Setting::optional("ssl.truststore.certificates", Kind::Password, "The trusted certificates themselves, as PEM.")
        .per_broker(),
    Setting::new("ssl.keymanager.algorithm", Kind::String, "SunX509", "Algorithm of Java's key manager.").per_broker(),
    Setting::new("ssl.trustmanager.algorithm", Kind::String, "PKIX", "Algorithm of Java's trust manager.").per_broker(),
    Setting::new(
        "ssl.endpoint.identification.algorithm",
        Kind::String,
        "https",
        "How a server's name is checked against its certificate; empty for not at all.",
    )
    .low()
    .per_broker(),
    Setting::optional("ssl.secure.random.implementation", Kind::String, "Random generator for TLS.").low().per_broker(),
    Setting::new("ssl.cipher.suites", Kind::List, "", "Cipher suites that are allowed; all when empty.").per_broker(),
    Setting::optional("ssl.engine.factory.class", Kind::Class, "Class that makes TLS engines.").low().per_broker(),
    Setting::new("sasl.mechanism.inter.broker.protocol", Kind::String, "GSSAPI", "SASL mechanism between brokers.")
        .per_broker(),
    Setting::new("sasl.enabled.mechanisms", Kind::List, "GSSAPI", "SASL mechanisms that are offered.").per_broker(),
    Setting::optional("sasl.server.callback.handler.class", Kind::Class, "Class that checks credentials."),
    Setting::new(
        "sasl.kerberos.principal.to.local.rules",
        Kind::List,
        "DEFAULT",
        "How Kerberos names become users' names.",
    )
    .per_broker(),
    Setting::optional("sasl.jaas.config", Kind::Password, "Login modules and their options, as in a JAAS file.")
        .per_broker(),
    Setting::optional(
        "sasl.client.callback.handler.class",
        Kind::Class,
        "Class that supplies credentials between brokers.",
    ),
    Setting::optional("sasl.login.class", Kind::Class, "Class that logs in."),
    Setting::optional(
        "sasl.login.callback.handler.class",
        Kind::Class,
        "Class that supplies credentials for logging in.",
    ),
    Setting::optional("sasl.kerberos.service.name", Kind::String, "Kerberos name that brokers run as.").per_broker(),
    Setting::new("sasl.kerberos.kinit.cmd", Kind::String, "/usr/bin/kinit", "Path of kinit.").per_broker(),
    Setting::new(
        "sasl.kerberos.ticket.renew.window.factor",
        Kind::Double,
        "0.8",
        "Share of a ticket's life after which it is renewed.",
    )
    .per_broker(),
    Setting::new("sasl.kerberos.ticket.renew.jitter", Kind::Double, "0.05", "Random share added to that.").per_broker(),
    Setting::new("sasl.kerberos.min.time.before.relogin", Kind::Long, "60000", "Shortest time between two logins.")
        .per_broker(),
    Setting::new(
        "sasl.login.refresh.window.factor",
        Kind::Double,
        "0.8",
        "Share of a token's life after which it is renewed.",
    )
    .per_broker(),
    Setting::new("sasl.login.refresh.window.jitter", Kind::Double, "0.05", "Random share added to that.").per_broker(),
    Setting::new(
        "sasl.login.refresh.min.period.seconds",
        Kind::Short,
        "60",
        "Shortest time before a token is renewed.",
    )
    .per_broker(),
    Setting::new(
        "sasl.login.refresh.buffer.seconds",
        Kind::Short,
        "300",
        "Time before the end of a token's life at which it is renewed at the latest.",
    )
    .per_broker(),
    Setting::optional("sasl.login.connect.timeout.ms", Kind::Int, "Longest setup of a connection to the token server.")
        .low(),
    Setting::optional("sasl.login.read.timeout.ms", Kind::Int, "Longest wait for the token server's answer.").low(),
    Setting::new(
        "sasl.login.retry.backoff.max.ms",
        Kind::Long,
        "10000",
        "Longest wait before the token server is asked again.",
    )
    .low(),
    Setting::new(
        "sasl.login.retry.backoff.ms",
        Kind::Long,
        "100",
        "First wait before the token server is asked again.",
    )
    .low(),
    Setting::new("sasl.oauthbearer.scope.claim.name", Kind::String, "scope", "Claim that holds the scope.").low(),
    Setting::new("sasl.oauthbearer.sub.claim.name", Kind::String, "sub", "Claim that holds the user.").low(),
    Setting::optional("sasl.oauthbearer.token.endpoint.url", Kind::String, "Where tokens come from."),
    Setting::optional("sasl.oauthbearer.jwks.endpoint.url", Kind::String, "Where keys for checking tokens come from."),
    Setting::new(
        "sasl.oauthbearer.jwks.endpoint.refresh.ms",
        Kind::Long,
        "3600000",
        "How often those keys are fetched.",
    )
    .low(),
    Setting::new(
        "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms",
        Kind::Long,
        "100",
        "First wait before those keys are asked for again.",
    )
    .low(),
    Setting::new(
        "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms",
        Kind::Long,
        "10000",
        "Longest wait before those keys are asked for again.",
    )
    .low(),
    Setting::new(
        "sasl.oauthbearer.clock.skew.seconds",
        Kind::Int,
        "30",
        "How far the token server's clock may be off.",
    )
    .low(),
    Setting::optional("sasl.oauthbearer.expected.audience", Kind::List, "Audiences one of which a token must be for.")
        .low(),
    Setting::optional("sasl.oauthbearer.expected.issuer", Kind::String, "Who a token must come from.").low(),
    Setting::optional("delegation.token.master.key", Kind::Password, "Old name of delegation.token.secret.key."),
    Setting::optional(
        "delegation.token.secret.key",
        Kind::Password,
        "Key that signs delegation tokens, the same on all brokers; without it there are none.",
    ),
    Setting::new(
        "delegation.token.max.lifetime.ms",
        Kind::Long,
        "604800000",
        "Longest life of a delegation token, renewals included.",
    )
    .check(Check::at_least(1)),
    Setting::new(
        "delegation.token.expiry.time.ms",
        Kind::Long,
        "86400000",
        "Life of a delegation token until it must be renewed.",
    )
    .check(Check::at_least(1)),
    Setting::new(
        "delegation.token.expiry.check.interval.ms",
        Kind::Long,
        "3600000",
        "How often expired tokens are looked for.",
    )
    .check(Check::at_least(1))
    .low(),
    Setting::optional(
        "password.encoder.secret",
        Kind::Password,
        "Key that encrypts passwords kept in the coordination server.",
    ),
    Setting::optional("password.encoder.old.secret", Kind::Password, "The key before, while it is changed."),
    Setting::optional("password.encoder.keyfactory.algorithm", Kind::String, "How keys are made from that key.").low(),
    Setting::new(
        "password.encoder.cipher.algorithm",
        Kind::String,
        "AES/CBC/PKCS5Padding",
        "Cipher for those passwords.",
    )
    .low(),
    Setting::new("password.encoder.key.length", Kind::Int, "128", "Bits of the key.").check(Check::at_least(8)).low(),
    Setting::new("password.encoder.iterations", Kind::Int, "4096", "Rounds when the key is made.")
        .check(Check::at_least(1024))
        .low(),
];
