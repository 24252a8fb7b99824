//! Decodes any bytes: no input may cause a panic, and the parts of a result must agree with one another.

#![no_main]

use attributed_body::{decode, decode_text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|archive: &[u8]| {
    let text = decode_text(archive);
    if let Ok(body) = decode(archive) {
        assert_eq!(text, Ok(body.text));
        let joined: String = body.runs.iter().map(|run| run.text).collect();
        assert_eq!(joined, body.text);
        for run in &body.runs {
            assert_eq!(run.utf16_len as usize, run.text.encode_utf16().count());
        }
        assert!(!body.plain_text().contains(['\u{FFFC}', '\u{FFFD}']));
    }
});
