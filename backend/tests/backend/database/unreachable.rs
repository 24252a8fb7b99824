//! An unreachable database is reported with host, port and cause, and without the password.

use archety_backend::config::DatabaseKind;

use super::*;

const PASSWORD: &str = "hunter2";

fn at(url: &str) -> DatabaseConfig {
    DatabaseConfig::from(DatabaseKind::Postgres { url: url.into() })
}

/// The error in the form in which a command prints it.
fn printed(error: OpenError) -> String {
    assert!(matches!(error, OpenError::Unreachable { .. }), "{error:?}");
    format!("{:#}", anyhow::Error::from(error))
}

async fn report(url: &str) -> String {
    let migrated = printed(migrate(&at(url)).await.expect_err("no server is there"));
    let served = printed(open(&at(url)).await.err().expect("no server is there"));
    assert_eq!(migrated, served);
    assert!(
        !served.contains(PASSWORD) && !served.contains("timed out while"),
        "{served}"
    );
    served
}

#[tokio::test]
async fn a_closed_port_and_a_wrong_host_are_named() {
    let closed = report("postgres://bob:hunter2@127.0.0.1:1/a").await;
    assert!(
        closed.contains("127.0.0.1:1") && closed.contains("refused"),
        "{closed}"
    );
    let nowhere = report("postgres://bob:hunter2@db.invalid:6000/a").await;
    assert!(
        nowhere.contains("db.invalid:6000") && nowhere.contains("lookup"),
        "{nowhere}"
    );
    let socket = report("postgres://bob:hunter2@localhost/a?host=/nowhere/at/all").await;
    assert!(socket.contains("/nowhere/at/all:5432"), "{socket}");
    assert!(socket.contains("No such file"), "{socket}");
}

#[tokio::test]
async fn a_refusal_of_the_server_is_reported_in_its_words() {
    let database = TestDatabase::empty().await;
    if !database.trusts() {
        return;
    }
    let url = database.url();
    let unknown = report(&url.replace(database.name(), "no_such_database")).await;
    assert!(
        unknown.contains("\"no_such_database\" does not exist"),
        "{unknown}"
    );
    let login = report(&url.replace("postgres@", "no_such_login:hunter2@")).await;
    assert!(
        login.contains("\"no_such_login\" does not exist"),
        "{login}"
    );
    database
        .run("create role limited login connection limit 0")
        .await;
    let limited = report(&url.replace("postgres@", "limited:hunter2@")).await;
    assert!(limited.contains("too many connections"), "{limited}");
    database.run("drop role limited").await;
}

/// Another program listens on the port, and does not answer like Postgres.
#[tokio::test]
async fn the_error_names_the_address_if_another_service_has_the_port() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    let serving = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        while let Ok((mut client, _)) = listener.accept().await {
            let mut greeting = [0; 8];
            // Whether it is read or not, the answer is the same.
            let _ = client.read(&mut greeting).await;
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    for mode in ["disable", "prefer", "require", "verify-full"] {
        let report = report(&format!(
            "postgres://bob:hunter2@{address}/a?sslmode={mode}"
        ))
        .await;
        assert!(report.contains(&address.to_string()), "{mode}: {report}");
    }
    serving.abort();
}
