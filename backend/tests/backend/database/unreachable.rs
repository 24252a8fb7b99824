//! An unreachable database is reported with host, port and cause, and without the password.

use archety_backend::config::DatabaseKind;

use super::*;

const PASSWORD: &str = "hunter2";

fn config_of(url: &str) -> DatabaseConfig {
    DatabaseConfig::from(DatabaseKind::Postgres { url: url.into() })
}

/// The error in the form in which a command prints it.
fn printed_error(error: OpenError) -> String {
    assert!(matches!(error, OpenError::Unreachable { .. }), "{error:?}");
    format!("{:#}", anyhow::Error::from(error))
}

/// The error of `migrate` and `serve`, which is the same and hides the password.
async fn unreachable_error(url: &str) -> String {
    let on_migrate = printed_error(
        migrate(&config_of(url))
            .await
            .expect_err("no server answers"),
    );
    let on_serve = printed_error(
        open(&config_of(url))
            .await
            .err()
            .expect("no server answers"),
    );
    assert_eq!(on_migrate, on_serve);
    assert!(
        !on_serve.contains(PASSWORD) && !on_serve.contains("timed out while"),
        "{on_serve}"
    );
    on_serve
}

#[tokio::test]
async fn a_closed_port_an_unknown_host_and_a_missing_socket_are_named() {
    let closed = unreachable_error("postgres://bob:hunter2@127.0.0.1:1/a").await;
    assert!(
        closed.contains("127.0.0.1:1") && closed.contains("refused"),
        "{closed}"
    );
    let unknown_host = unreachable_error("postgres://bob:hunter2@db.invalid:6000/a").await;
    assert!(
        unknown_host.contains("db.invalid:6000") && unknown_host.contains("lookup"),
        "{unknown_host}"
    );
    let socket = unreachable_error("postgres://bob:hunter2@localhost/a?host=/nowhere/at/all").await;
    assert!(socket.contains("/nowhere/at/all:5432"), "{socket}");
    assert!(socket.contains("No such file"), "{socket}");
}

#[tokio::test]
async fn a_refusal_of_the_server_is_reported_in_its_words() {
    let database = TestDatabase::empty().await;
    if !database.accepts_any_password() {
        return;
    }
    let url = database.url();
    let unknown = unreachable_error(&url.replace(database.name(), "no_such_database")).await;
    assert!(
        unknown.contains("\"no_such_database\" does not exist"),
        "{unknown}"
    );
    let login = unreachable_error(&url.replace("postgres@", "no_such_login:hunter2@")).await;
    assert!(
        login.contains("\"no_such_login\" does not exist"),
        "{login}"
    );
    database
        .run("create role limited login connection limit 0")
        .await;
    let limited = unreachable_error(&url.replace("postgres@", "limited:hunter2@")).await;
    assert!(limited.contains("too many connections"), "{limited}");
    database.run("drop role limited").await;
}

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
            // The answer does not depend on what is read.
            let _ = client.read(&mut greeting).await;
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    for mode in ["disable", "prefer", "require", "verify-full"] {
        let error = unreachable_error(&format!(
            "postgres://bob:hunter2@{address}/a?sslmode={mode}"
        ))
        .await;
        assert!(error.contains(&address.to_string()), "{mode}: {error}");
    }
    serving.abort();
}
