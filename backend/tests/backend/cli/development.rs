//! A backend in development answers only requests that come from its own machine, also if a proxy on that machine
//! forwards them.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::*;

/// Sends a GET with one more header line, unless `header` is empty. Returns the answer's status line and body.
fn get(serving: &Serving, path: &str, header: &str) -> (String, String) {
    let mut stream = TcpStream::connect(&serving.address).expect("the server listens");
    let header = if header.is_empty() {
        String::new()
    } else {
        format!("{header}\r\n")
    };
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n{header}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.lines().next().expect("a line");
    (status.to_owned(), body.to_owned())
}

#[test]
fn forwarded_requests_from_other_machines_are_refused_with_the_reason_and_local_ones_answered() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let serving = Serving::start(folder.path(), &[]);
    for path in [
        "/healthz",
        "/metrics",
        "/auth/session",
        "/.well-known/jwks.json",
    ] {
        for header in [
            "X-Forwarded-For: 203.0.113.9",
            "X-Forwarded-For: 203.0.113.9, 127.0.0.1",
            "X-Real-IP: 2001:db8::9",
            "Forwarded: for=\"[2001:db8::9]:4711\";proto=https",
            "Forwarded: for=_hidden",
        ] {
            let (status, body) = get(&serving, path, header);
            assert_eq!(status, "HTTP/1.1 403 Forbidden", "{path} with {header}");
            assert!(
                body.contains("development_only") && body.contains("APP_ENV"),
                "{body}"
            );
        }
        // The development server of a web page forwards requests from this machine.
        for header in [
            "",
            "X-Forwarded-For: 127.0.0.1",
            "Forwarded: for=\"[::1]\"",
            "X-Real-IP: ::1",
        ] {
            let (status, _) = get(&serving, path, header);
            assert_eq!(status, "HTTP/1.1 200 OK", "{path} with {header}");
        }
    }
}
