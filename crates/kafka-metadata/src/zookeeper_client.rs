//! How Kafka names the settings of ZooKeeper's client (KIP-515): in `server.properties`, and in the file that tools take
//! with `-zk-tls-config-file`.

/// The property of ZooKeeper's client, and Kafka's name for it.
const NAMES: &[(&str, &str)] = &[
    ("zookeeper.client.secure", "zookeeper.ssl.client.enable"),
    ("zookeeper.clientCnxnSocket", "zookeeper.clientCnxnSocket"),
    ("zookeeper.ssl.keyStore.location", "zookeeper.ssl.keystore.location"),
    ("zookeeper.ssl.keyStore.password", "zookeeper.ssl.keystore.password"),
    ("zookeeper.ssl.keyStore.type", "zookeeper.ssl.keystore.type"),
    ("zookeeper.ssl.trustStore.location", "zookeeper.ssl.truststore.location"),
    ("zookeeper.ssl.trustStore.password", "zookeeper.ssl.truststore.password"),
    ("zookeeper.ssl.trustStore.type", "zookeeper.ssl.truststore.type"),
    ("zookeeper.ssl.protocol", "zookeeper.ssl.protocol"),
    ("zookeeper.ssl.enabledProtocols", "zookeeper.ssl.enabled.protocols"),
    ("zookeeper.ssl.ciphersuites", "zookeeper.ssl.cipher.suites"),
    (HOSTNAME_VERIFICATION, "zookeeper.ssl.endpoint.identification.algorithm"),
    ("zookeeper.ssl.crl", "zookeeper.ssl.crl.enable"),
    ("zookeeper.ssl.ocsp", "zookeeper.ssl.ocsp.enable"),
];

const HOSTNAME_VERIFICATION: &str = "zookeeper.ssl.hostnameVerification";

/// The value of a property of ZooKeeper's client: of Kafka's setting for it (`setting`), or else of the Java system
/// property (`system`).
pub fn client_property<'a>(
    property: &str,
    setting: impl Fn(&str) -> Option<&'a str>,
    system: impl Fn(&str) -> Option<&'a str>,
) -> Option<String> {
    let name = NAMES.iter().find(|(known, _)| *known == property).map(|(_, name)| *name);
    match name.and_then(setting) {
        // The one whose values differ: an algorithm, or nothing.
        Some(algorithm) if property == HOSTNAME_VERIFICATION => {
            Some(algorithm.trim().eq_ignore_ascii_case("https").to_string())
        }
        Some(value) => Some(value.trim().to_owned()),
        None => system(property).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafkas_names_win_over_system_properties() {
        let of = |property: &str| {
            client_property(
                property,
                |name| match name {
                    "zookeeper.ssl.keystore.location" => Some("/k.jks "),
                    "zookeeper.ssl.endpoint.identification.algorithm" => Some(""),
                    _ => None,
                },
                |name| (name != "zookeeper.ssl.crl").then_some("system"),
            )
        };
        assert_eq!(of("zookeeper.ssl.keyStore.location").as_deref(), Some("/k.jks"));
        assert_eq!(of(HOSTNAME_VERIFICATION).as_deref(), Some("false"));
        assert_eq!(of("zookeeper.sasl.client").as_deref(), Some("system"));
        assert_eq!(of("zookeeper.ssl.crl"), None);
        let https = client_property(HOSTNAME_VERIFICATION, |_| Some("HTTPS"), |_| None);
        assert_eq!(https.as_deref(), Some("true"));
    }
}
