//! Who may come in and as whom: the secure port, certificates, SASL, providers of schemes.

use std::net::IpAddr;
use std::path::PathBuf;

use net::tls::TlsSettings;
use properties::Entry;

use super::read::{port, resolve};
use super::settings::{Settings, bad};
use super::{AuthProvider, ConfigError, ServerConfig};

/// The settings of security.
#[derive(Debug, Clone, Default)]
pub struct Security {
    /// Port for TLS; `None`: there is none. 0 takes a free one.
    pub secure_port: Option<u16>,
    /// Its address; `None`: all.
    pub secure_address: Option<IpAddr>,
    /// TLS is spoken on the plain port, too, by whoever begins with it (`client.portUnification`).
    pub port_unification: bool,
    /// There with either of them.
    pub tls: Option<TlsSettings>,
    /// Handshakes at once, above which connections are closed; `None`: they wait above some.
    pub handshake_limit: Option<usize>,
    /// Changed stores are read again (`client.certReload`).
    pub reload: bool,
    /// Whose certificates are ids (the scheme `x509`), wherever they are shown; `None`: nobody's.
    pub x509_stores: Option<TlsSettings>,
    /// The subject that is the superuser (`X509AuthenticationProvider.superUser`).
    pub x509_superuser: Option<String>,
    /// What of a certificate becomes the id.
    pub certificate_id: CertificateId,
    /// Who logs in by SASL.
    pub sasl: SaslSettings,
}

/// What of a certificate becomes the id (`X509AuthenticationProvider.clientCertIdType`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum CertificateId {
    /// Its subject.
    #[default]
    Subject,
    /// A part of one of its alternative names.
    AlternativeName {
        /// The kind of name, 0 to 8 (RFC 5280, `GeneralName`).
        kind: u8,
        /// Which of them.
        pick: String,
        /// Which part of it.
        extract: String,
        /// The number of the group in `extract`; 0: all of it.
        group: usize,
    },
}

/// The settings of SASL.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SaslSettings {
    /// The JAAS file (`java.security.auth.login.config`).
    pub file: Option<PathBuf>,
    /// The section in it, if one is named (`sasl.serverconfig`); else `Server`, which may be missing.
    pub section: Option<String>,
    /// Users that get the id `super` (`superUser`, `superUser.1` ..).
    pub superusers: Vec<String>,
    /// The password of the user `super`, wherever the file says something else.
    pub super_password: Option<String>,
    /// Who fails stays connected, as nobody (`allowSaslFailedClients`).
    pub keep_failed: bool,
    /// Nothing is answered to who has not logged in by SASL, so a failure is told by another code.
    pub required: bool,
}

/// Takes the settings of security.
pub(super) fn read(config: &mut ServerConfig, settings: &mut Settings) -> Result<(), ConfigError> {
    let mut security = Security { secure_port: port(settings, "secureClientPort")?, ..Security::default() };
    if let Some(entry) = settings.entry("secureClientPortAddress") {
        if security.secure_port.is_none() {
            let text = "secureClientPortAddress is set but secureClientPort is not set";
            return Err(ConfigError::Illegal(text.into()));
        }
        security.secure_address = Some(resolve(&entry)?);
    }
    security.port_unification = settings.flag("zookeeper.client.portUnification").unwrap_or(false);
    let mut tls = TlsSettings::read("zookeeper.ssl.", &mut |name| settings.text(name))
        .map_err(|error| ConfigError::Illegal(error.to_string()))?;
    // Another provider could trust others than the stores say.
    let provider = settings.text("zookeeper.ssl.authProvider");
    if let Some(other) = provider.filter(|provider| provider != "x509") {
        return Err(ConfigError::Illegal(format!(
            "No auth provider configured for the SSL authentication scheme '{other}'."
        )));
    }
    if settings.flag("zookeeper.fips-mode").unwrap_or(false) {
        let text = "fips-mode=true: the cryptography of this server (ring) has no FIPS certificate";
        return Err(ConfigError::Illegal(text.into()));
    }
    if security.secure_port.is_some() || security.port_unification {
        if !config.auth_providers.contains(&AuthProvider::X509) {
            config.auth_providers.push(AuthProvider::X509);
        }
        tls.prefix = "ssl.".into();
        security.tls = Some(tls.clone());
    }
    security.x509_stores = config.auth_providers.contains(&AuthProvider::X509).then_some(tls);
    if let Some(limit) = settings.int("zookeeper.netty.server.outstandingHandshake.limit")? {
        security.handshake_limit = usize::try_from(limit).ok().filter(|limit| *limit > 0);
    }
    security.reload = settings.flag("zookeeper.client.certReload").unwrap_or(false);
    security.x509_superuser = settings.text("zookeeper.X509AuthenticationProvider.superUser");
    security.certificate_id = certificate_id(settings)?;
    security.sasl = sasl(config, settings);
    config.security = security;
    Ok(())
}

fn certificate_id(settings: &mut Settings) -> Result<CertificateId, ConfigError> {
    let mut take = |name: &str| settings.entry(&format!("zookeeper.X509AuthenticationProvider.clientCertId{name}"));
    let (kind, san) = (take("Type"), take("SanMatchType"));
    let (pick, extract, group) = (take("SanMatchRegex"), take("SanExtractRegex"), take("SanExtractMatcherGroupIndex"));
    let Some(kind) = kind else { return Ok(CertificateId::Subject) };
    if !kind.value.eq_ignore_ascii_case("SAN") {
        return Ok(CertificateId::Subject);
    }
    let number = |entry: &Entry| -> Result<u8, ConfigError> {
        let text = format!("java.lang.NumberFormatException: For input string: \"{}\"", entry.value);
        entry.value.parse().map_err(|_| bad(entry, text))
    };
    let san = match &san {
        Some(entry) => number(entry)?,
        None => u8::MAX,
    };
    if san > 8 {
        let text = "Client cert ID type 'SAN' was provided but matchType or matchRegex given is invalid!";
        return Err(bad(&kind, format!("java.lang.IllegalArgumentException: {text} matchType: {san}")));
    }
    for entry in [&pick, &extract].into_iter().flatten() {
        regex_lite::Regex::new(&entry.value)
            .map_err(|error| bad(entry, format!("java.util.regex.PatternSyntaxException: {error}")))?;
    }
    let text = |entry: Option<Entry>| entry.map_or_else(|| ".*".to_owned(), |entry| entry.value);
    let group = group.as_ref().map(number).transpose()?.unwrap_or(0);
    Ok(CertificateId::AlternativeName { kind: san, pick: text(pick), extract: text(extract), group: group.into() })
}

fn sasl(config: &ServerConfig, settings: &mut Settings) -> SaslSettings {
    let superusers = settings.starting_with("zookeeper.superUser").into_iter();
    let required = config.required_schemes.iter().flatten().any(|scheme| scheme == "sasl");
    SaslSettings {
        superusers: superusers.map(|(_, entry)| entry.value).collect(),
        required,
        file: settings.text("java.security.auth.login.config").filter(|file| !file.is_empty()).map(PathBuf::from),
        section: settings.text("zookeeper.sasl.serverconfig"),
        super_password: settings.text("zookeeper.SASLAuthenticationProvider.superPassword"),
        keep_failed: settings.flag("zookeeper.allowSaslFailedClients").unwrap_or(false),
    }
}

#[cfg(test)]
mod tests {
    use properties::Properties;

    use super::*;

    fn parsed(text: &str) -> Result<Security, ConfigError> {
        let file = Properties::parse("zoo.cfg", format!("dataDir=/d\n{text}\n").as_bytes()).unwrap();
        let config = super::super::parse(&file, &Properties::new())?;
        assert_eq!(config.warnings, [""; 0]);
        Ok(config.security)
    }

    #[test]
    fn nothing_is_there_unless_it_is_set() {
        let security = parsed("").unwrap();
        assert!(security.tls.is_none() && security.sasl == SaslSettings::default());
        assert!(parsed("ssl.keyStore.location=/k.jks").unwrap().tls.is_none());
    }

    #[test]
    fn tls_brings_x509() {
        let security =
            parsed("secureClientPort=2281\nsecureClientPortAddress=127.0.0.1\nssl.keyStore.location=/k.jks").unwrap();
        assert_eq!(security.secure_port, Some(2281));
        assert!(security.tls.unwrap().key_store.is_some());
        assert!(parsed("client.portUnification=true").unwrap().tls.is_some());
        assert!(parsed("secureClientPortAddress=127.0.0.1").is_err());
        let provider = "authProvider.1=org.apache.zookeeper.server.auth.X509AuthenticationProvider";
        for (text, trusts) in [
            ("ssl.trustStore.location=/t.jks".to_owned(), None),
            ("client.portUnification=true".to_owned(), Some(false)),
            (provider.to_owned(), Some(false)),
            (format!("{provider}\nssl.trustStore.location=/t.jks"), Some(true)),
        ] {
            let stores = parsed(&text).unwrap().x509_stores;
            assert_eq!(stores.map(|stores| stores.trust_store.is_some()), trusts, "{text}");
        }
    }

    #[test]
    fn who_logs_in() {
        let security = parsed(
            "java.security.auth.login.config=/j.conf\nsasl.serverconfig=Zk\nsuperUser=root\nsuperUser.1=admin\nallowSaslFailedClients=true",
        )
        .unwrap();
        assert_eq!(security.sasl.file, Some("/j.conf".into()));
        assert_eq!((security.sasl.section.as_deref(), security.sasl.superusers.len()), (Some("Zk"), 2));
        assert!(security.sasl.keep_failed && !security.sasl.required);
    }

    #[test]
    fn a_part_of_the_certificate() {
        let prefix = "X509AuthenticationProvider.clientCertId";
        let text = format!(
            "{prefix}Type=SAN\n{prefix}SanMatchType=6\n{prefix}SanExtractRegex=^spiffe://(.+)$\n{prefix}SanExtractMatcherGroupIndex=1"
        );
        let CertificateId::AlternativeName { kind: 6, pick, group: 1, .. } = parsed(&text).unwrap().certificate_id
        else {
            panic!("an alternative name")
        };
        assert_eq!(pick, ".*");
        assert!(parsed(&format!("{prefix}Type=SAN\n{prefix}SanMatchType=9")).is_err());
        assert!(parsed(&format!("{prefix}Type=SAN\n{prefix}SanMatchType=6\n{prefix}SanMatchRegex=(")).is_err());
    }
}
