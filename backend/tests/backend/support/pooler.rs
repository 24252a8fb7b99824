//! A connection pooler in front of Postgres that behaves like common poolers: it takes no settings at the start of
//! a session, and in transaction mode its clients share sessions.

use std::net::SocketAddr;
use std::sync::Arc;

use archety_backend::config::DatabaseConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::TestDatabase;
use super::postgres::config;

/// When the pooler gives a client's server session to another client: after each transaction, or when the
/// client disconnects.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum PoolMode {
    Transaction,
    Session,
}

/// A running pooler. It stops when this value is dropped.
pub(crate) struct Pooler {
    address: SocketAddr,
    database: String,
    task: JoinHandle<()>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

type Server = Box<dyn Stream>;

const SSL_REQUEST: u32 = 80_877_103;
const REFUSED_SETTINGS: [&str; 2] = ["options", "extra_float_digits"];

impl Pooler {
    pub(crate) async fn in_front_of(database: &TestDatabase, mode: PoolMode) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let url = database.url();
        let shared = Arc::new(Mutex::new(None));
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (url, shared) = (url.clone(), Arc::clone(&shared));
                tokio::spawn(async move {
                    // An error means that the client has disconnected.
                    let _ = serve(client, &url, mode, &shared).await;
                });
            }
        });
        Self {
            address,
            database: database.name().to_owned(),
            task,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!(
            "postgres://postgres@{}/{}?sslmode=disable",
            self.address, self.database
        )
    }

    pub(crate) fn config(&self) -> DatabaseConfig {
        config(&self.url())
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A session on the server, and the server's messages at its start.
struct Shared {
    server: Server,
    greeting: Vec<u8>,
}

async fn serve(
    mut client: TcpStream,
    url: &str,
    mode: PoolMode,
    shared: &Mutex<Option<Shared>>,
) -> std::io::Result<()> {
    let startup = loop {
        let length = client.read_u32().await?;
        let mut body = vec![0; length as usize - 4];
        client.read_exact(&mut body).await?;
        if body[..4] == SSL_REQUEST.to_be_bytes() {
            client.write_all(b"N").await?;
            continue;
        }
        break [&length.to_be_bytes()[..], &body].concat();
    };
    let text = String::from_utf8_lossy(&startup[8..]).into_owned();
    if let Some(refused) = text
        .split('\0')
        .step_by(2)
        .find(|key| REFUSED_SETTINGS.contains(key))
    {
        let fields = format!("SFATAL\0C08P01\0Munsupported startup parameter: {refused}\0\0");
        client.write_u8(b'E').await?;
        client.write_all(&length_of(fields.as_bytes())).await?;
        return client.write_all(fields.as_bytes()).await;
    }
    if mode == PoolMode::Session {
        let mut server = connect(url).await?;
        server.write_all(&startup).await?;
        return copy_bidirectional(&mut client, &mut server).await.map(drop);
    }
    {
        let mut shared = shared.lock().await;
        if shared.is_none() {
            let mut server = connect(url).await?;
            server.write_all(&startup).await?;
            let mut greeting = Vec::new();
            read_until_ready(&mut server, &mut greeting).await?;
            *shared = Some(Shared { server, greeting });
        }
        let greeting = &shared.as_ref().expect("a shared session").greeting;
        client.write_all(greeting).await?;
    }
    loop {
        let mut message = read_message(&mut client).await?;
        // The client holds the session until the end of its transaction.
        let mut shared = shared.lock().await;
        let server = &mut shared.as_mut().expect("a shared session").server;
        loop {
            if message[0] == b'X' {
                return Ok(());
            }
            server.write_all(&message).await?;
            if matches!(message[0], b'Q' | b'S') {
                let mut answer = Vec::new();
                let status = read_until_ready(server, &mut answer).await?;
                client.write_all(&answer).await?;
                if status == b'I' {
                    break;
                }
            }
            message = read_message(&mut client).await?;
        }
    }
}

fn length_of(body: &[u8]) -> [u8; 4] {
    u32::try_from(body.len() + 4).expect("short").to_be_bytes()
}

/// Reads one message with its type and length.
async fn read_message<S: AsyncRead + Unpin + ?Sized>(from: &mut S) -> std::io::Result<Vec<u8>> {
    let kind = from.read_u8().await?;
    let length = from.read_u32().await?;
    let mut message = vec![kind];
    message.extend(length.to_be_bytes());
    message.resize(1 + length as usize, 0);
    from.read_exact(&mut message[5..]).await?;
    Ok(message)
}

/// Reads up to `ReadyForQuery` into `all`. Returns the state of the transaction.
async fn read_until_ready(server: &mut Server, all: &mut Vec<u8>) -> std::io::Result<u8> {
    loop {
        let message = read_message(server).await?;
        all.extend(&message);
        if message[0] == b'Z' {
            return Ok(message[5]);
        }
    }
}

async fn connect(url: &str) -> std::io::Result<Server> {
    let url = url::Url::parse(url).expect("a URL");
    let port = url.port().unwrap_or(5432);
    let folder = url.query_pairs().find(|(key, _)| key == "host");
    Ok(match folder {
        Some((_, folder)) => {
            Box::new(UnixStream::connect(format!("{folder}/.s.PGSQL.{port}")).await?)
        }
        None => Box::new(TcpStream::connect((url.host_str().expect("a host"), port)).await?),
    })
}
