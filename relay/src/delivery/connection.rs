//! Why a request got no answer, by what the sources of the client's error say.
//!
//! The client's own words name the whole address, whose path may hold a token, so only the causes
//! below them are told.

use std::error::Error;
use std::io;

use super::Trouble;

/// The trouble behind `error`; `backend` is the address as it may be shown.
pub(super) fn trouble_of(error: &reqwest::Error, backend: String) -> Trouble {
    if error.is_timeout() && !error.is_connect() {
        Trouble::Timeout { backend }
    } else if error.is_body() || error.is_decode() {
        Trouble::BrokenAnswer
    } else {
        let cause = if error.is_timeout() {
            "no connection came about in time".to_owned()
        } else {
            cause_of(error)
        };
        Trouble::Unreachable { backend, cause }
    }
}

/// The deepest cause, and what the client was doing when it met it.
fn cause_of(error: &reqwest::Error) -> String {
    let causes = || std::iter::successors(error.source(), |cause| (*cause).source());
    let Some(deepest) = causes().last() else {
        return "the request could not be sent".to_owned();
    };
    if causes().any(|cause| cause.to_string() == "dns error") {
        return format!("its name cannot be looked up ({deepest})");
    }
    if let Some(tunnel) = causes().find(|cause| cause.to_string().starts_with("tunnel error")) {
        return format!("the proxy on the way does not let it through ({tunnel})");
    }
    match deepest.downcast_ref::<io::Error>() {
        // The kind reads the same on every system, and the number stands in no error of a person.
        Some(io) if io.raw_os_error().is_some() => io.kind().to_string(),
        // An error of another kind in the clothes of one of I/O: here only the handshake has those.
        Some(io) if io.get_ref().is_some() => format!("TLS: {io}"),
        _ => deepest.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn cause(address: &str) -> String {
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(20))
            .build()
            .expect("a client");
        let error = client.post(address).send().await.expect_err("no answer");
        match trouble_of(&error, "the backend".to_owned()) {
            Trouble::Unreachable { cause, .. } => cause,
            other => panic!("{other:?}"),
        }
    }

    /// An address at which `serve` deals with one connection.
    fn listener(serve: fn(std::net::TcpStream)) -> std::net::SocketAddr {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        std::thread::spawn(move || listener.accept().map(|(stream, _)| serve(stream)));
        address
    }

    #[tokio::test]
    async fn each_cause_is_told_and_never_the_path() {
        let free = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            listener.local_addr().expect("bound")
        };
        let refused = cause(&format!("http://{free}/a-token")).await;
        assert_eq!(refused, "connection refused");

        let unknown = cause("http://no-such-host.invalid/a-token").await;
        assert!(
            unknown.starts_with("its name cannot be looked up ("),
            "{unknown}"
        );

        // Plain text where TLS is spoken.
        let plain = listener(|mut stream| {
            let _ = io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n");
        });
        let tls = cause(&format!("https://{plain}/a-token")).await;
        assert!(tls.starts_with("TLS: "), "{tls}");

        // Taken, and closed before a word.
        let closed = listener(drop);
        let closed = cause(&format!("http://{closed}/a-token")).await;
        for told in [refused, unknown, tls, closed] {
            assert!(!told.contains("a-token"), "{told}");
            assert!(!told.is_empty() && !told.contains("os error"), "{told}");
        }
    }
}
