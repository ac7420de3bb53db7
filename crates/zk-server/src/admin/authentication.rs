//! Who asks the admin server for what is not for everybody. As in ZooKeeper 3.9 the header `Authorization` names a scheme
//! and, behind a blank, what proves it. Two schemes take their proof from the connection instead: `ip` its address,
//! `x509` the certificate that the client has shown.

use std::sync::Arc;

use hyper::Request;
use hyper::header::{AUTHORIZATION, HeaderValue};
use key_store::CertificateDer;
use net::tls::ClientTrust;
use vfs::Vfs;
use zk_proto::Id;
use zk_state::auth::Authenticator;

use super::ADMIN;
use super::door::Guest;
use crate::client::java_host;
use crate::config::Security;
use crate::secure::Identifier;

/// What proxies say for whom they ask.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Who asks.
#[derive(Debug)]
pub(crate) struct Asker {
    /// The header, as it came.
    authorization: Option<String>,
    /// Where it asks from; `None`: a proxy that is believed does not say.
    address: Option<String>,
    /// Of the certificate, if that is what is to be looked at; none without one that is trusted.
    certified: Vec<Id>,
}

/// Whose certificates count, and as whom. The stores are those of clients (`ssl.trustStore.location` ..), whoever is let
/// through the door: so it is with Apache's.
#[derive(Debug)]
pub(crate) struct Certificates {
    trust: Option<ClientTrust>,
    identifier: Identifier,
}

impl Certificates {
    /// `None`: nobody looks at certificates here. A store that cannot be read trusts nobody, and that is logged.
    pub(crate) fn load(security: &Security, vfs: &dyn Vfs) -> Option<Certificates> {
        let stores = security.x509_stores.as_ref()?;
        let trust = ClientTrust::load(stores, vfs).unwrap_or_else(|error| {
            tracing::error!(target: ADMIN, "Nobody is known by a certificate: {error}");
            None
        });
        Some(Certificates { trust, identifier: Identifier::read(security) })
    }

    fn ids(&self, chain: &[CertificateDer<'static>]) -> Vec<Id> {
        let (Some(own), Some(trust)) = (chain.first(), &self.trust) else { return Vec::new() };
        match trust.check(chain) {
            Ok(()) => self.identifier.of(own),
            Err(error) => {
                tracing::warn!(target: ADMIN, "Failed to trust certificate: {error}");
                Vec::new()
            }
        }
    }
}

impl Asker {
    /// Who has come through the door with this request. A proxy may be believed that says for whom it asks.
    pub(crate) fn of<B>(
        guest: &Guest,
        request: &Request<B>,
        certificates: Option<&Certificates>,
        believe_proxy: bool,
    ) -> Asker {
        let forwarded = request.headers().get(FORWARDED_FOR).filter(|_| believe_proxy);
        let address = match forwarded {
            Some(value) => first_of(&latin_1(value)).map(str::to_owned),
            None => Some(java_host(guest.address)),
        };
        let authorization = request.headers().get(AUTHORIZATION).map(latin_1);
        let by_certificate =
            authorization.as_deref().and_then(scheme_and_proof).is_some_and(|(scheme, _)| scheme == "x509");
        let certified = match (certificates, &guest.certificates) {
            (Some(certificates), Some(chain)) if by_certificate => certificates.ids(chain),
            _ => Vec::new(),
        };
        Asker { authorization, address, certified }
    }

    /// Does it say at all who it is?
    pub(crate) fn shows_something(&self) -> bool {
        self.authorization.is_some()
    }

    /// Its ids, at least one; `None`: it is not who it says it is.
    pub(crate) fn ids(&self, authenticator: &Authenticator) -> Option<Vec<Id>> {
        let (scheme, proof) = scheme_and_proof(self.authorization.as_deref()?)?;
        let ids = match (scheme, proof) {
            ("x509", _) => self.certified.clone(),
            ("ip", _) => vec![Id::new("ip", self.address.as_deref()?)],
            // Apache's server has no answer to a digest of nothing but this.
            ("digest", None) => return None,
            (_, proof) => authenticator.authenticate(scheme, proof.unwrap_or_default().as_bytes(), "").ok()?,
        };
        // Of some schemes nobody becomes anybody here.
        (!ids.is_empty()).then_some(ids)
    }
}

/// Bytes are characters to Java's web server.
fn latin_1(value: &HeaderValue) -> String {
    value.as_bytes().iter().copied().map(char::from).collect()
}

/// `client, proxy, proxy ..`: the client.
fn first_of(forwarded: &str) -> Option<&str> {
    forwarded.split(',').find(|one| !one.is_empty()).map(str::trim)
}

/// One or two words with one blank between them, as Java's `split` sees them: blanks at the end do not count.
fn scheme_and_proof(header: &str) -> Option<(&str, Option<&str>)> {
    let mut words = header.trim_end_matches(' ').split(' ');
    match (words.next(), words.next(), words.next()) {
        (Some(scheme), proof, None) => Some((scheme, proof)),
        _ => None,
    }
}

/// A chain that a client has shown.
pub(crate) type Chain = Arc<[CertificateDer<'static>]>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_believed_if_it_is_said_so() {
        let guest = Guest { address: [10, 0, 0, 1].into(), secure: false, certificates: None };
        let asked = |forwarded: &str, believe| {
            let request =
                Request::builder().header(AUTHORIZATION, "ip").header(FORWARDED_FOR, forwarded).body(()).unwrap();
            let asker = Asker::of(&guest, &request, None, believe);
            asker.ids(&Authenticator::default()).map(|ids| ids.into_iter().map(|id| id.id.clone()).collect::<Vec<_>>())
        };
        assert_eq!(asked("1.2.3.4, 10.0.0.9", false), Some(vec!["10.0.0.1".to_owned()]));
        assert_eq!(asked("1.2.3.4, 10.0.0.9", true), Some(vec!["1.2.3.4".to_owned()]));
        assert_eq!(asked(",", true), None);
        let request = Request::builder().header(AUTHORIZATION, "ip").body(()).unwrap();
        assert!(Asker::of(&guest, &request, None, true).ids(&Authenticator::default()).is_some());
    }

    #[test]
    fn a_header_is_one_word_or_two() {
        assert_eq!(scheme_and_proof("ip"), Some(("ip", None)));
        assert_eq!(scheme_and_proof("ip  "), Some(("ip", None)));
        assert_eq!(scheme_and_proof("digest a:b"), Some(("digest", Some("a:b"))));
        assert_eq!(scheme_and_proof(""), Some(("", None)));
        for wrong in ["digest  a:b", "digest a b", " digest a"] {
            assert_eq!(scheme_and_proof(wrong), None, "{wrong}");
        }
    }
}
