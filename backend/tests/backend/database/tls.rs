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

/// Signed by `AUTHORITY`, for the host `localhost`, until the year 2126.
const CERTIFICATE: &str = include_str!("tls/server.pem");
const KEY: &str = include_str!("tls/server-key.pem");
const AUTHORITY: &str = include_str!("tls/authority.pem");

/// How a server answers a client that asks to encrypt.
#[derive(Clone, Copy)]
enum Answer {
    Encrypts,
    Declines,
}

/// A port in front of the database's socket, which takes no TLS itself.
async fn front(database: &TestDatabase, answer: Answer) -> SocketAddr {
    let certificate =
        CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).expect("a key");
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key);
    let acceptor = TlsAcceptor::from(Arc::new(config.expect("they belong together")));
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
                if let Answer::Declines = answer {
                    return copy_bidirectional(&mut client, &mut server).await;
                }
                let mut request = [0; 8];
                client.read_exact(&mut request).await?;
                client.write_all(b"S").await?;
                let mut client = acceptor.accept(client).await?;
                copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    address
}

fn at(
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

/// The error that a command prints for the database.
async fn refusal(config: &DatabaseConfig) -> String {
    let error = open(config).await.err().expect("refused");
    assert!(matches!(error, OpenError::Unreachable { .. }), "{error:?}");
    format!("{:#}", anyhow::Error::from(error))
}

#[tokio::test]
async fn a_verified_connection_needs_a_trusted_certificate_for_the_name_of_the_server() {
    let database = TestDatabase::migrated().await;
    if !database.trusts() {
        return;
    }
    let encrypts = front(&database, Answer::Encrypts).await;
    let ours = at(&database, "localhost", encrypts, Some(AUTHORITY));
    open(&ours).await.expect("it proves that it is localhost");
    let unknown = refusal(&at(&database, "localhost", encrypts, None)).await;
    assert!(unknown.contains("DATABASE_CA"), "{unknown}");
    let elsewhere = refusal(&at(&database, "127.0.0.1", encrypts, Some(AUTHORITY))).await;
    assert!(elsewhere.contains("another host"), "{elsewhere}");
    // Other than the driver by itself, which would go on in plain text.
    let declines = front(&database, Answer::Declines).await;
    let plain = refusal(&at(&database, "localhost", declines, Some(AUTHORITY))).await;
    assert!(plain.contains("encrypt"), "{plain}");
    let mut unverified = at(&database, "localhost", declines, None);
    unverified.tls = DatabaseTls::default();
    open(&unverified).await.expect("the driver's default");
}

/// `sslmode=disable` in the URL allows no connection in plain text.
#[tokio::test]
async fn the_url_cannot_switch_encryption_off() {
    let database = TestDatabase::migrated().await;
    if !database.trusts() {
        return;
    }
    let declines = front(&database, Answer::Declines).await;
    let mut config = at(&database, "localhost", declines, Some(AUTHORITY));
    let url = format!(
        "postgres://postgres@{declines}/{}?sslmode=disable",
        database.name()
    );
    config.kind = DatabaseKind::Postgres { url: url.into() };
    refusal(&config).await;
}
