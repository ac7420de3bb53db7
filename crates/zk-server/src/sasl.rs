//! SASL: who may log in (a JAAS file says it), and the exchange with a client.
//!
//! The mechanism is DIGEST-MD5. Apache's server takes GSSAPI instead when its login has a Kerberos principal; without
//! one it answers a token of Kerberos with DIGEST-MD5's challenge, and refuses the next one.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use properties::grammar::{JaasSection, jaas};
use sasl::{DigestMd5Server, Mechanism};
use thiserror::Error;
use vfs::Vfs;
use zk_proto::Id;

use crate::config::SaslSettings;

const LOGIN_MODULE: &str = "org.apache.zookeeper.server.auth.DigestLoginModule";
/// The section when none is named.
const SECTION: &str = "Server";
/// The user that may everything under SASL's ids.
const SUPER: &str = "super";

/// Why nobody can log in.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LoginError {
    /// The file cannot be read, or is none.
    #[error("java.lang.SecurityException: java.io.IOException: {file}: {reason}")]
    File {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// The section that was named is not in it.
    #[error("No JAAS configuration section named '{section}' was found in '{file}'.{hint}")]
    Section {
        /// The section.
        section: String,
        /// The file.
        file: String,
        /// What was set.
        hint: &'static str,
    },
    /// Another way to log in.
    #[error(
        "javax.security.auth.login.LoginException: {file}: the login module {class} is not there, {LOGIN_MODULE} is"
    )]
    Module {
        /// The file.
        file: String,
        /// Its class.
        class: String,
    },
}

/// Who may log in.
#[derive(Default)]
pub(crate) struct Users {
    passwords: HashMap<String, String>,
    settings: SaslSettings,
}

impl std::fmt::Debug for Users {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Users").field("names", &self.passwords.keys()).finish_non_exhaustive()
    }
}

impl Users {
    /// Reads the JAAS file; `None` if there is none, or nothing in it for a server.
    pub(crate) fn load(settings: &SaslSettings, vfs: &dyn Vfs) -> Result<Option<Users>, LoginError> {
        let Some(path) = &settings.file else { return Ok(None) };
        let file = path.display().to_string();
        let failed = |reason: String| LoginError::File { file: file.clone(), reason };
        let bytes = vfs.read(path).map_err(|error| failed(error.to_string()))?;
        let text = String::from_utf8_lossy(&bytes);
        let jaas = jaas(&text).map_err(|error| failed(error.to_string()))?;
        match (jaas.section(settings.section.as_deref().unwrap_or(SECTION)), &settings.section) {
            (Some(section), _) => Users::of(section, settings, file).map(Some),
            (None, None) => Ok(None),
            (None, Some(section)) => Err(LoginError::Section {
                section: section.clone(),
                file,
                hint: " But zookeeper.sasl.serverconfig was set.",
            }),
        }
    }

    fn of(section: &JaasSection, settings: &SaslSettings, file: String) -> Result<Users, LoginError> {
        let mut users = Users { settings: settings.clone(), ..Users::default() };
        for entry in &section.entries {
            if entry.module != LOGIN_MODULE {
                return Err(LoginError::Module { file, class: entry.module.clone() });
            }
            for (key, value) in &entry.options {
                if let Some(user) = key.strip_prefix("user_") {
                    users.passwords.insert(user.to_owned(), value.clone());
                }
            }
        }
        Ok(users)
    }

    fn password(&self, user: &str) -> Option<&str> {
        let known = self.passwords.get(user)?;
        Some(self.settings.super_password.as_ref().filter(|_| user == SUPER).unwrap_or(known))
    }

    /// The ids of a user that has logged in.
    fn ids(&self, user: &str) -> Vec<Id> {
        let mut ids = vec![Id::new("sasl", user)];
        if !user.is_empty() && self.settings.superusers.iter().any(|name| name == user) {
            ids.push(Id::new("super", ""));
        }
        ids
    }
}

/// What a token of a client leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The exchange goes on.
    Answer(Bytes),
    /// The client has these ids now; the answer tells it so.
    LoggedIn(Bytes, Vec<Id>),
    /// The client has failed and stays nobody.
    Kept,
    /// The client has failed; `true`: because nobody is served without SASL.
    Refused(bool),
}

/// Takes a token of a client whose exchange this is; `address` is for the log.
pub(crate) fn step(exchange: &mut DigestMd5Server, users: &Users, token: &[u8], address: &str) -> Step {
    const SERVER: &str = "org.apache.zookeeper.server.ZooKeeperServer";
    match exchange.step(token, |user| users.password(user)) {
        Ok(answer) => match exchange.user() {
            None => Step::Answer(answer.into()),
            Some(user) => {
                tracing::info!(
                    target: "org.apache.zookeeper.server.auth.SaslServerCallbackHandler",
                    "Successfully authenticated client: authenticationID={user};  authorizationID={user}."
                );
                Step::LoggedIn(answer.into(), users.ids(user))
            }
        },
        Err(error) => {
            tracing::warn!(target: SERVER, "Client {address} failed to SASL authenticate: {error}");
            if users.settings.required {
                Step::Refused(true)
            } else if users.settings.keep_failed {
                tracing::warn!(target: SERVER, "Maintaining client connection despite SASL authentication failure.");
                Step::Kept
            } else {
                tracing::warn!(target: SERVER, "Closing client connection due to SASL authentication failure.");
                Step::Refused(false)
            }
        }
    }
}

/// An exchange with a nonce of its own, 144 random bits; `None` where the system has no random numbers to give.
pub(crate) fn begin() -> Option<DigestMd5Server> {
    let mut bytes = [0; 18];
    getrandom::fill(&mut bytes).ok()?;
    Some(DigestMd5Server::new(Mechanism::ZOOKEEPER, STANDARD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sasl::DigestMd5Client;
    use vfs::MemoryVfs;

    use super::*;

    fn load(text: &str, settings: SaslSettings) -> Result<Option<Users>, LoginError> {
        let vfs = MemoryVfs::with_dirs(["/c"]);
        vfs::durable::write_file(&vfs, Path::new("/c/jaas"), text.as_bytes()).unwrap();
        Users::load(&SaslSettings { file: Some("/c/jaas".into()), ..settings }, &vfs)
    }

    fn file() -> String {
        format!("Server {{ {LOGIN_MODULE} required user_super=\"s\" user_bob=\"b\"; }};")
    }

    fn login(users: &Users, user: &str, password: &str) -> Step {
        let mut server = begin().unwrap();
        let mut client = DigestMd5Client::new(Mechanism::ZOOKEEPER, user, password, "cnonce".into());
        let Step::Answer(challenge) = step(&mut server, users, b"", "") else { panic!("a challenge") };
        let response = client.step(&challenge).unwrap().unwrap();
        step(&mut server, users, &response, "")
    }

    #[test]
    fn users_log_in() {
        let users = load(&file(), SaslSettings { superusers: vec!["bob".into()], ..SaslSettings::default() });
        let users = users.unwrap().unwrap();
        let Step::LoggedIn(_, ids) = login(&users, "super", "s") else { panic!("in") };
        assert_eq!(ids, [Id::new("sasl", "super")]);
        let Step::LoggedIn(_, ids) = login(&users, "bob", "b") else { panic!("in") };
        assert_eq!(ids, [Id::new("sasl", "bob"), Id::new("super", "")]);
        assert_eq!(login(&users, "bob", "x"), Step::Refused(false));
        assert_eq!(login(&users, "eve", "x"), Step::Refused(false));
        let mut kerberos = begin().unwrap();
        assert!(matches!(step(&mut kerberos, &users, b"\x60\x82", ""), Step::Answer(_)));
        assert_eq!(step(&mut kerberos, &users, b"\x60\x82", ""), Step::Refused(false));
    }

    #[test]
    fn settings_change_what_a_failure_is() {
        let with = |settings| load(&file(), settings).unwrap().unwrap();
        let kept = with(SaslSettings { keep_failed: true, ..SaslSettings::default() });
        assert_eq!(login(&kept, "bob", "x"), Step::Kept);
        let required = with(SaslSettings { keep_failed: true, required: true, ..SaslSettings::default() });
        assert_eq!(login(&required, "bob", "x"), Step::Refused(true));
        let other = with(SaslSettings { super_password: Some("t".into()), ..SaslSettings::default() });
        assert_eq!(login(&other, "super", "s"), Step::Refused(false));
        assert!(matches!(login(&other, "super", "t"), Step::LoggedIn(..)));
    }

    #[test]
    fn files_that_do_not_do() {
        assert!(load("Client { x required; };", SaslSettings::default()).unwrap().is_none());
        let named = SaslSettings { section: Some("Zk".into()), ..SaslSettings::default() };
        let error = load(&file(), named).unwrap_err().to_string();
        assert_eq!(
            error,
            "No JAAS configuration section named 'Zk' was found in '/c/jaas'. But zookeeper.sasl.serverconfig was set."
        );
        let error = load("Server { x.Krb5 required; };", SaslSettings::default()).unwrap_err().to_string();
        assert!(error.contains("the login module x.Krb5 is not there"), "{error}");
        let error = load("Server {", SaslSettings::default()).unwrap_err().to_string();
        assert!(error.contains("read [end of file]"), "{error}");
        let missing = SaslSettings { file: Some("/none".into()), ..SaslSettings::default() };
        assert!(Users::load(&missing, &MemoryVfs::new()).is_err());
    }
}
