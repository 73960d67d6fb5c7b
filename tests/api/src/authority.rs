//! A certificate authority of a test's own, and TLS with a certificate that it has given to this machine's name.

use std::{net::SocketAddr, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// Whom programs trust that are started with `SSL_CERT_FILE` at its certificate.
pub struct Authority {
    /// Its certificate.
    pub pem: String,
    config: Arc<ServerConfig>,
}

impl Authority {
    /// A new one, whom nobody trusts yet.
    #[expect(clippy::new_without_default, reason = "making keys is no default")]
    pub fn new() -> Self {
        let key = || KeyPair::generate().expect("there is randomness");
        let mut own = CertificateParams::default();
        own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        own.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let issuer = CertifiedIssuer::self_signed(own, key()).expect("the parameters are good");
        let named = CertificateParams::new(["localhost".to_owned()]).expect("this is a name");
        let server_key = key();
        let certificate = named.signed_by(&server_key, &issuer).expect("the parameters are good");
        let server_key =
            PrivateKeyDer::try_from(server_key.serialize_der()).expect("a key that was just made");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("there are versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], server_key);
        Self { pem: issuer.pem(), config: Arc::new(config.expect("the key is the certificate's")) }
    }

    /// How a server speaks TLS that is called `localhost`.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

/// Accepts connections and speaks TLS with those who trust it.
pub(crate) struct TlsListener {
    pub(crate) listener: TcpListener,
    pub(crate) acceptor: TlsAcceptor,
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((stream, address)) = self.listener.accept().await else { continue };
            // Who does not trust the certificate breaks off.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}
