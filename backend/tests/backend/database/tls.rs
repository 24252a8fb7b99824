//! Connections to a database on another machine are encrypted, and the server must prove its name.

use std::net::SocketAddr;
use std::sync::Arc;

use archety_backend::config::{DatabaseKind, DatabaseTls};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, UnixStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::*;

/// The certificate of `localhost`, signed by `AUTHORITY` and valid until the year 2126.
const CERTIFICATE: &str = include_str!("tls/server.pem");
const KEY: &str = include_str!("tls/server-key.pem");
const AUTHORITY: &str = include_str!("tls/authority.pem");

/// How the server answers a client that asks for encryption.
#[derive(Clone, Copy)]
enum TlsAnswer {
    Encrypts,
    /// The database itself answers, which has no TLS.
    Declines,
}

/// Forwards a TCP port to the database's socket. Returns the port's address.
async fn forward_port(database: &TestDatabase, answer: TlsAnswer) -> SocketAddr {
    let certificate =
        CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).expect("a key");
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key);
    let acceptor = TlsAcceptor::from(Arc::new(config.expect("the key of the certificate")));
    let url = url::Url::parse(&database.url()).expect("a URL");
    let folder = url.query_pairs().find(|(key, _)| key == "host");
    let socket = format!("{}/.s.PGSQL.5432", folder.expect("a socket").1);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (acceptor, socket) = (acceptor.clone(), socket.clone());
            tokio::spawn(async move {
                let mut server = UnixStream::connect(socket).await?;
                if let TlsAnswer::Declines = answer {
                    return copy_bidirectional(&mut client, &mut server).await;
                }
                let mut ssl_request = [0; 8];
                client.read_exact(&mut ssl_request).await?;
                client.write_all(b"S").await?;
                let mut client = acceptor.accept(client).await?;
                copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    address
}

fn config_at(
    database: &TestDatabase,
    host: &str,
    address: SocketAddr,
    authority: Option<&str>,
) -> DatabaseConfig {
    let (name, port) = (database.name(), address.port());
    let url = format!("postgres://postgres@{host}:{port}/{name}");
    DatabaseConfig {
        tls: DatabaseTls {
            is_verified: true,
            authority: authority.map(|pem| pem.as_bytes().to_vec()),
        },
        ..DatabaseConfig::from(DatabaseKind::Postgres { url: url.into() })
    }
}

/// The error that a command would print because the store cannot be opened.
async fn refusal(config: &DatabaseConfig) -> String {
    let error = open(config).await.err().expect("refused");
    assert!(matches!(error, OpenError::Unreachable { .. }), "{error:?}");
    format!("{:#}", anyhow::Error::from(error))
}

#[tokio::test]
async fn a_verified_connection_needs_encryption_and_a_trusted_certificate_for_the_servers_name() {
    let database = TestDatabase::migrated().await;
    if !database.accepts_any_password() {
        return;
    }
    let encrypts = forward_port(&database, TlsAnswer::Encrypts).await;
    let trusted = config_at(&database, "localhost", encrypts, Some(AUTHORITY));
    open(&trusted).await.expect("the server proves its name");
    let unknown_authority = refusal(&config_at(&database, "localhost", encrypts, None)).await;
    assert!(
        unknown_authority.contains("DATABASE_CA"),
        "{unknown_authority}"
    );
    let other_name = refusal(&config_at(
        &database,
        "127.0.0.1",
        encrypts,
        Some(AUTHORITY),
    ))
    .await;
    assert!(other_name.contains("another host"), "{other_name}");
    // The driver alone would continue in plain text.
    let declines = forward_port(&database, TlsAnswer::Declines).await;
    let plain = refusal(&config_at(
        &database,
        "localhost",
        declines,
        Some(AUTHORITY),
    ))
    .await;
    assert!(plain.contains("encrypt"), "{plain}");
    let mut unverified = config_at(&database, "localhost", declines, None);
    unverified.tls = DatabaseTls::default();
    open(&unverified).await.expect("the driver's default");
}

#[tokio::test]
async fn sslmode_disable_in_the_url_does_not_allow_a_connection_in_plain_text() {
    let database = TestDatabase::migrated().await;
    if !database.accepts_any_password() {
        return;
    }
    let declines = forward_port(&database, TlsAnswer::Declines).await;
    let mut config = config_at(&database, "localhost", declines, Some(AUTHORITY));
    let url = format!(
        "postgres://postgres@{declines}/{}?sslmode=disable",
        database.name()
    );
    config.kind = DatabaseKind::Postgres { url: url.into() };
    refusal(&config).await;
}
