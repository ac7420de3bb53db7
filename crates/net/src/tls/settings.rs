//! TLS settings as ZooKeeper's servers and clients name them (`X509Util`): `ssl.keyStore.location`, ...

use std::path::PathBuf;

use key_store::StoreType;

use super::TlsError;

/// Gives the value of a setting by its whole name. It is asked once for each.
pub type Lookup<'a> = dyn FnMut(&str) -> Option<String> + 'a;

/// What a server asks of a client's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientAuth {
    /// It is not asked for.
    None,
    /// It is asked for; without one a client is let in.
    Want,
    /// Without one nobody is let in.
    #[default]
    Need,
}

/// Versions of TLS that exist here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `TLSv1.2`
    Tls12,
    /// `TLSv1.3`
    Tls13,
}

/// A store's place.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreSettings {
    /// The setting that names the file, for messages.
    pub setting: String,
    /// The file.
    pub file: PathBuf,
    /// Its kind.
    pub kind: StoreType,
    /// The password as it was set.
    pub password: String,
    /// A file with the password, which wins.
    pub password_file: Option<PathBuf>,
}

impl std::fmt::Debug for StoreSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreSettings").field("file", &self.file).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Everything about TLS on one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// What all names begin with, for messages: `zookeeper.ssl.`
    pub prefix: String,
    /// This side's key and certificates.
    pub key_store: Option<StoreSettings>,
    /// Whom this side trusts.
    pub trust_store: Option<StoreSettings>,
    /// Servers only.
    pub client_auth: ClientAuth,
    /// Versions that are spoken.
    pub protocols: Vec<Protocol>,
    /// Cipher suites by their IANA names; `None`: all that rustls has.
    pub cipher_suites: Option<Vec<String>>,
    /// Has a server's certificate to be for the host that was connected to?
    pub hostname_verification: bool,
    /// Has a client's certificate to be for the address that it comes from?
    pub client_hostname_verification: bool,
    /// Are revocation lists looked at?
    pub crl: bool,
}

impl TlsSettings {
    /// Takes the settings that begin with `prefix` (`zookeeper.ssl.`).
    ///
    /// # Errors
    /// [`TlsError::Setting`] for a value that is not legal, or names something that rustls does not have.
    pub fn read(prefix: &str, lookup: &mut Lookup<'_>) -> Result<TlsSettings, TlsError> {
        let mut get = |name: &str| lookup(&format!("{prefix}{name}")).filter(|value| !value.is_empty());
        let setting = |name: &str, value: &str, reason: &str| TlsError::Setting {
            name: format!("{prefix}{name}"),
            value: value.to_owned(),
            reason: reason.to_owned(),
        };
        for (name, reason) in ABSENT {
            if let Some(value) = get(name)
                && !value.eq_ignore_ascii_case("false")
            {
                return Err(setting(name, &value, reason));
            }
        }
        let key_store = store(prefix, "keyStore", &mut get)?;
        let trust_store = store(prefix, "trustStore", &mut get)?;
        let client_auth = match get("clientAuth") {
            None => ClientAuth::Need,
            Some(value) => match value.to_ascii_lowercase().as_str() {
                "none" => ClientAuth::None,
                "want" => ClientAuth::Want,
                "need" => ClientAuth::Need,
                _ => return Err(setting("clientAuth", &value, "none, want and need are known")),
            },
        };
        let protocol = get("protocol");
        let mut protocols = Vec::new();
        let (name, list) = match get("enabledProtocols") {
            Some(list) => ("enabledProtocols", Some(list)),
            None => ("protocol", protocol),
        };
        for value in list.as_deref().unwrap_or("TLS").split(',') {
            let found = match value.trim() {
                "TLSv1.2" => vec![Protocol::Tls12],
                "TLSv1.3" => vec![Protocol::Tls13],
                "TLS" => vec![Protocol::Tls12, Protocol::Tls13],
                other => return Err(setting(name, other, "TLSv1.2 and TLSv1.3 are there")),
            };
            protocols.extend(found);
        }
        let mut flag = |name: &str, unset: bool| get(name).map_or(unset, |value| value.eq_ignore_ascii_case("true"));
        let (hostname_verification, client_hostname_verification, crl) =
            (flag("hostnameVerification", true), flag("clientHostnameVerification", false), flag("crl", false));
        let cipher_suites =
            get("ciphersuites").map(|list| list.split(',').map(|suite| suite.trim().to_owned()).collect());
        Ok(TlsSettings {
            prefix: prefix.to_owned(),
            key_store,
            trust_store,
            client_auth,
            protocols,
            cipher_suites,
            hostname_verification,
            // As Apache's server has it: without the one the other is off, too.
            client_hostname_verification: hostname_verification && client_hostname_verification,
            crl,
        })
    }
}

/// What `X509Util` knows and rustls does not have, and what to do instead.
const ABSENT: &[(&str, &str)] = &[
    ("ocsp", "OCSP is not spoken; use lists of revoked certificates (crl)"),
    ("context.supplier.class", "classes of a Java program are not loaded"),
    ("sslProvider", "there is one provider of TLS, rustls"),
];

fn store(
    prefix: &str,
    kind: &str,
    get: &mut impl FnMut(&str) -> Option<String>,
) -> Result<Option<StoreSettings>, TlsError> {
    let (file, password) = (get(&format!("{kind}.location")), get(&format!("{kind}.password")));
    let (password_file, kind_set) = (get(&format!("{kind}.passwordPath")), get(&format!("{kind}.type")));
    let Some(file) = file else { return Ok(None) };
    let found = StoreType::of(kind_set.as_deref(), &file).map_err(|error| TlsError::Setting {
        name: format!("{prefix}{kind}.type"),
        value: kind_set.unwrap_or_default(),
        reason: error.to_string(),
    })?;
    Ok(Some(StoreSettings {
        setting: format!("{prefix}{kind}.location"),
        file: file.into(),
        kind: found,
        password: password.unwrap_or_default(),
        password_file: password_file.map(PathBuf::from),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &[(&str, &str)]) -> Result<TlsSettings, TlsError> {
        TlsSettings::read("zookeeper.ssl.", &mut |name| {
            let name = name.strip_prefix("zookeeper.ssl.")?;
            settings.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn defaults_are_apaches() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.client_auth, ClientAuth::Need);
        assert_eq!(settings.protocols, [Protocol::Tls12, Protocol::Tls13]);
        assert!(settings.hostname_verification && !settings.client_hostname_verification && !settings.crl);
        assert!(settings.key_store.is_none() && settings.cipher_suites.is_none());
    }

    #[test]
    fn stores_and_rules() {
        let settings = read(&[
            ("keyStore.location", "/etc/server.jks"),
            ("keyStore.password", "secret"),
            ("trustStore.location", "/etc/trust"),
            ("trustStore.type", "PEM"),
            ("trustStore.passwordPath", "/etc/password"),
            ("clientAuth", "WANT"),
            ("enabledProtocols", "TLSv1.3, TLSv1.2"),
            ("ciphersuites", "TLS_AES_128_GCM_SHA256,x"),
            ("hostnameVerification", "false"),
            ("clientHostnameVerification", "true"),
        ])
        .unwrap();
        let key_store = settings.key_store.unwrap();
        assert_eq!((key_store.kind, key_store.password.as_str()), (StoreType::Jks, "secret"));
        assert!(!format!("{key_store:?}").contains("secret"));
        let trust_store = settings.trust_store.unwrap();
        assert_eq!((trust_store.kind, trust_store.password_file), (StoreType::Pem, Some("/etc/password".into())));
        assert_eq!((settings.client_auth, settings.client_hostname_verification), (ClientAuth::Want, false));
        assert_eq!(settings.protocols, [Protocol::Tls13, Protocol::Tls12]);
        assert_eq!(settings.cipher_suites.unwrap(), ["TLS_AES_128_GCM_SHA256", "x"]);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let error = |settings: &[(&str, &str)]| read(settings).unwrap_err().to_string();
        assert_eq!(
            error(&[("protocol", "TLSv1.1")]),
            "Bad value for zookeeper.ssl.protocol: TLSv1.1: TLSv1.2 and TLSv1.3 are there"
        );
        assert!(error(&[("clientAuth", "maybe")]).contains("none, want and need"));
        assert!(error(&[("ocsp", "true")]).contains("OCSP is not spoken"));
        assert!(read(&[("ocsp", "false")]).is_ok());
        assert!(error(&[("keyStore.location", "/a/keys")]).contains("Unable to auto-detect store type"));
        assert!(error(&[("keyStore.location", "/a/keys.bcfks")]).contains("BCFKS stores are not read"));
    }
}
