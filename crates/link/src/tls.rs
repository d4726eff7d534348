//! The inner TLS 1.3: Ed25519 raw public keys on both sides (RFC 7250), no names, no certificates, no sessions.
//!
//! Core is always the client and the agent always the server, whoever dialled. Core accepts any key that is proven and
//! decides afterwards who that is; the agent accepts pinned keys only.

use std::{io, sync::Arc};

use rustls::{
    CertificateError, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{
        CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls13_signature_with_raw_key,
    },
    pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime},
};

use crate::{PublicKey, wire::ALPN};

/// The crypto of the inner TLS: TLS 1.3 suites, the post-quantum hybrid first.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        kx_groups: vec![
            aws_lc_rs::kx_group::X25519MLKEM768,
            aws_lc_rs::kx_group::X25519,
        ],
        cipher_suites: vec![
            aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384,
            aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256,
            aws_lc_rs::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        ..aws_lc_rs::default_provider()
    })
}

/// Fails unless both ends agreed on our protocol; a peer may leave ALPN out altogether.
pub(crate) fn require_alpn(negotiated: Option<&[u8]>) -> io::Result<()> {
    match negotiated {
        Some(ALPN) => Ok(()),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the peer does not speak komodo-link/1",
        )),
    }
}

/// The key that the peer proved in the handshake.
pub(crate) fn proven_key(certificates: Option<&[CertificateDer<'_>]>) -> io::Result<PublicKey> {
    certificates
        .and_then(<[_]>::first)
        .and_then(|der| PublicKey::from_spki(der).ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the peer showed no Ed25519 key"))
}

/// The rustls error inside an I/O error, if that is what it is.
#[cfg(feature = "core")]
pub(crate) fn cause(error: &io::Error) -> Option<&Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

fn check_signature(
    message: &[u8],
    key: &CertificateDer<'_>,
    signature: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    verify_tls13_signature_with_raw_key(
        message,
        &SubjectPublicKeyInfoDer::from(key.as_ref()),
        signature,
        algorithms,
    )
}

fn only_tls13() -> Error {
    Error::General("the link speaks TLS 1.3 only".to_owned())
}

#[cfg(feature = "core")]
mod client {
    use rustls::{
        ClientConfig,
        client::{
            AlwaysResolvesClientRawPublicKeys, Resumption,
            danger::{ServerCertVerified, ServerCertVerifier},
        },
        pki_types::ServerName,
    };

    use super::*;
    use crate::Identity;

    /// TLS settings of Core's end.
    pub(crate) fn client_config(identity: &Identity) -> Result<ClientConfig, Error> {
        let provider = provider();
        let verifier = AnyProvenKey {
            algorithms: provider.signature_verification_algorithms,
        };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(
                identity.certified_key(),
            )));
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.enable_sni = false;
        config.resumption = Resumption::disabled();
        Ok(config)
    }

    /// The name that rustls wants to hear; it is neither sent nor checked.
    pub(crate) fn server_name() -> ServerName<'static> {
        ServerName::try_from("agent").expect("a valid DNS label")
    }

    /// Accepts every Ed25519 key whose owner proves it. Who that is gets decided after the handshake.
    #[derive(Debug)]
    struct AnyProvenKey {
        algorithms: WebPkiSupportedAlgorithms,
    }

    impl ServerCertVerifier for AnyProvenKey {
        fn verify_server_cert(
            &self,
            end_entity: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            match PublicKey::from_spki(end_entity) {
                Ok(_) => Ok(ServerCertVerified::assertion()),
                Err(_) => Err(CertificateError::BadEncoding.into()),
            }
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Err(only_tls13())
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            key: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            check_signature(message, key, signature, &self.algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ED25519]
        }

        fn requires_raw_public_keys(&self) -> bool {
            true
        }
    }
}
#[cfg(feature = "core")]
pub(crate) use client::{client_config, server_name};

#[cfg(feature = "agent")]
mod server {
    use std::sync::OnceLock;

    use rustls::{
        DistinguishedName, ServerConfig,
        server::{
            AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage,
            danger::{ClientCertVerified, ClientCertVerifier},
        },
    };

    use super::*;
    use crate::Identity;

    /// TLS settings of the agent's end. `presented` receives the key that Core showed, right or wrong.
    pub(crate) fn server_config(
        identity: &Identity,
        pinned: Arc<[PublicKey]>,
        presented: Arc<OnceLock<PublicKey>>,
    ) -> Result<ServerConfig, Error> {
        let provider = provider();
        let verifier = PinnedKeys {
            pinned,
            presented,
            algorithms: provider.signature_verification_algorithms,
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(
                identity.certified_key(),
            )));
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(config)
    }

    /// Accepts the pinned keys of Core and nothing else.
    #[derive(Debug)]
    struct PinnedKeys {
        pinned: Arc<[PublicKey]>,
        presented: Arc<OnceLock<PublicKey>>,
        algorithms: WebPkiSupportedAlgorithms,
    }

    impl ClientCertVerifier for PinnedKeys {
        fn root_hint_subjects(&self) -> &[DistinguishedName] {
            &[]
        }

        fn verify_client_cert(
            &self,
            end_entity: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: UnixTime,
        ) -> Result<ClientCertVerified, Error> {
            let key =
                PublicKey::from_spki(end_entity).map_err(|_| CertificateError::BadEncoding)?;
            // Only ever read to tell people which key it was.
            let _ = self.presented.set(key);
            match self.pinned.contains(&key) {
                true => Ok(ClientCertVerified::assertion()),
                // This error becomes the alert `access_denied`, by which Core knows what happened.
                false => Err(CertificateError::ApplicationVerificationFailure.into()),
            }
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Err(only_tls13())
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            key: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            check_signature(message, key, signature, &self.algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ED25519]
        }

        fn requires_raw_public_keys(&self) -> bool {
            true
        }
    }
}
#[cfg(feature = "agent")]
pub(crate) use server::server_config;
