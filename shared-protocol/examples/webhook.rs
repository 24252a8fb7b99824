//! Signs and verifies on the command line: to compare this crate with other Standard Webhooks libraries,
//! and to find out why a signature is refused.
//!
//! ```text
//! webhook sign ID TIMESTAMP                  prints the signature
//! webhook verify ID TIMESTAMP SIGNATURE      exit code 0 for a valid signature, else 1 with the reason
//! webhook whsec                              prints the secret in its whsec_ form
//! ```
//!
//! Standard input is the secret, a line feed, and the body. The secret is not an argument, because other
//! users of the machine can read the arguments of a process.

use std::io::Read;
use std::process::ExitCode;

use shared_protocol::{Purpose, RelaySecrets, SignatureHeaders, SigningKey, WebhookId, verify};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(output) => {
            println!("{output}");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("webhook: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<String, Box<dyn std::error::Error>> {
    let mut input = Vec::new();
    std::io::stdin().read_to_end(&mut input)?;
    let end = input
        .iter()
        .position(|&byte| byte == b'\n')
        .unwrap_or(input.len());
    let secret = std::str::from_utf8(&input[..end])?;
    let body = input.get(end + 1..).unwrap_or_default();
    match arguments {
        ["sign", id, timestamp] => {
            let id = WebhookId::parse(id, Purpose::Message)?;
            Ok(SigningKey::parse(secret)?.sign(&id, timestamp.parse()?, body))
        }
        ["verify", id, timestamp, signature] => {
            let headers = SignatureHeaders {
                id: Some(id.as_bytes()),
                timestamp: Some(timestamp.as_bytes()),
                signature: Some(signature.as_bytes()),
            };
            let secrets = RelaySecrets::parse(secret)?;
            // `now` is the timestamp of the signature, so that old signatures are accepted.
            verify(
                &secrets,
                Purpose::Message,
                headers,
                body,
                timestamp.parse()?,
            )?;
            Ok("the signature holds".to_owned())
        }
        ["whsec"] => Ok(SigningKey::parse(secret)?.to_whsec().to_string()),
        _ => Err("usage: webhook sign ID TIMESTAMP | verify ID TIMESTAMP SIGNATURE | whsec".into()),
    }
}
