//! TLS and SASL of a client, from the Java system properties and files that Apache's client reads.

use std::path::Path;
use std::sync::Arc;

use net::tls::{ClientTls, Lookup, TlsError, TlsSettings};
use properties::grammar::jaas;
use sasl::{DigestMd5Client, Mechanism};
use thiserror::Error;
use vfs::Vfs;

/// Java's classes of sockets; both mean the one socket there is here.
const SOCKETS: [&str; 2] = ["org.apache.zookeeper.ClientCnxnSocketNetty", "org.apache.zookeeper.ClientCnxnSocketNIO"];
const LOGIN_MODULE: &str = "org.apache.zookeeper.server.auth.DigestLoginModule";

/// How a client makes itself known, beside what it says with `add_auth`.
#[derive(Debug, Clone, Default)]
pub struct Security {
    /// TLS to every server; `None`: plain connections.
    pub tls: Option<ClientTls>,
    /// Who logs in by SASL at every server.
    pub login: Option<Arc<Login>>,
}

/// A user of SASL DIGEST-MD5.
pub struct Login {
    user: String,
    password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Why a client has no security.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SecurityError {
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A setting has a value that means nothing here.
    #[error("{0}")]
    Setting(String),
    /// The JAAS file does not do.
    #[error("javax.security.auth.login.LoginException: {0}")]
    Login(String),
}

impl Login {
    /// This user.
    pub fn new(user: &str, password: &str) -> Login {
        Login { user: user.to_owned(), password: password.to_owned() }
    }

    /// An exchange with one server; `None` where the system has no random numbers to give.
    pub(crate) fn begin(&self) -> Option<DigestMd5Client> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).ok()?;
        let nonce = format!("{:032x}", u128::from_be_bytes(bytes));
        Some(DigestMd5Client::new(Mechanism::ZOOKEEPER, &self.user, &self.password, nonce))
    }
}

impl Security {
    /// Takes `zookeeper.client.secure`, `zookeeper.ssl.*`, `java.security.auth.login.config`, `zookeeper.sasl.client` and
    /// `zookeeper.sasl.clientconfig`, and reads the files that they name.
    ///
    /// # Errors
    /// [`SecurityError`] with the setting that is wrong.
    pub fn load(lookup: &mut Lookup<'_>, vfs: &dyn Vfs) -> Result<Security, SecurityError> {
        let socket = lookup("zookeeper.clientCnxnSocket").filter(|class| !class.is_empty());
        if let Some(class) = socket.filter(|class| !SOCKETS.contains(&class.as_str())) {
            return Err(SecurityError::Setting(format!(
                "Couldn't instantiate {class}: there are {}",
                SOCKETS.join(" and ")
            )));
        }
        let mut flag = |name: &str, unset: bool| lookup(name).map_or(unset, |value| value.eq_ignore_ascii_case("true"));
        let (secure, with_sasl) = (flag("zookeeper.client.secure", false), flag("zookeeper.sasl.client", true));
        let settings = TlsSettings::read("zookeeper.ssl.", lookup)?;
        let tls = if secure { Some(ClientTls::load(&settings, vfs)?) } else { None };
        let file = lookup("java.security.auth.login.config").filter(|file| !file.is_empty());
        let section = lookup("zookeeper.sasl.clientconfig");
        let login = match file {
            Some(file) if with_sasl => Some(Arc::new(login(&file, section.as_deref(), vfs)?)),
            _ => None,
        };
        Ok(Security { tls, login })
    }
}

fn login(file: &str, section: Option<&str>, vfs: &dyn Vfs) -> Result<Login, SecurityError> {
    let failed = |reason: String| SecurityError::Login(reason);
    let section = section.unwrap_or("Client");
    let bytes = vfs.read(Path::new(file)).map_err(|error| failed(format!("{file}: {error}")))?;
    let jaas = jaas(&String::from_utf8_lossy(&bytes)).map_err(|error| failed(format!("{file}: {error}")))?;
    let found = jaas.section(section).ok_or_else(|| {
        let text = "No JAAS configuration section named";
        failed(format!("{text} '{section}' was found in specified JAAS configuration file: '{file}'."))
    })?;
    let entry = match found.entries.as_slice() {
        [entry] if entry.module == LOGIN_MODULE => entry,
        [entry, ..] => {
            return Err(failed(format!("{file}: the login module {} is not there, {LOGIN_MODULE} is", entry.module)));
        }
        [] => return Err(failed(format!("No LoginModules configured for {section}"))),
    };
    let option = |name: &str| {
        entry.option(name).ok_or_else(|| failed(format!("{file}: the option {name} of {section} is missing")))
    };
    Ok(Login::new(option("username")?, option("password")?))
}

#[cfg(test)]
mod tests {
    use vfs::MemoryVfs;

    use super::*;

    fn load(settings: &[(&str, &str)], file: &str) -> Result<Security, SecurityError> {
        let vfs = MemoryVfs::with_dirs(["/c"]);
        vfs::durable::write_file(&vfs, Path::new("/c/jaas"), file.as_bytes()).unwrap();
        let mut lookup =
            |name: &str| settings.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Security::load(&mut lookup, &vfs)
    }

    const JAAS: (&str, &str) = ("java.security.auth.login.config", "/c/jaas");

    #[test]
    fn nothing_set_is_nothing_done() {
        let security = load(&[("zookeeper.clientCnxnSocket", SOCKETS[0])], "").unwrap();
        assert!(security.tls.is_none() && security.login.is_none());
        let off = load(&[JAAS, ("zookeeper.sasl.client", "false")], "").unwrap();
        assert!(off.login.is_none());
    }

    #[test]
    fn users_stand_in_the_jaas_file() {
        let file = format!("Client {{ {LOGIN_MODULE} required username=\"bob\" password=\"secret\"; }};");
        let login = load(&[JAAS], &file).unwrap().login.unwrap();
        assert_eq!((login.user.as_str(), login.password.as_str()), ("bob", "secret"));
        assert!(!format!("{login:?}").contains("secret"));
        let error = |settings: &[(&str, &str)], file: &str| load(settings, file).unwrap_err().to_string();
        assert!(error(&[JAAS, ("zookeeper.sasl.clientconfig", "Zk")], &file).contains("section named 'Zk'"));
        assert!(error(&[JAAS], &file.replace("username", "user")).contains("the option username of Client is missing"));
        assert!(error(&[JAAS], "Client { x.Krb5 required; };").contains("the login module x.Krb5 is not there"));
    }

    #[test]
    fn tls_has_to_trust_somebody() {
        let error = load(&[("zookeeper.client.secure", "true")], "").unwrap_err().to_string();
        assert_eq!(error, "zookeeper.ssl.trustStore.location not specified: no server would be trusted");
        assert!(load(&[("zookeeper.clientCnxnSocket", "x.Y")], "").unwrap_err().to_string().contains("x.Y"));
    }
}
