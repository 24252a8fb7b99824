//! Benchmark of decoding.
//!
//! The performance targets are set for recorded archives. If those are missing, only generated archives are
//! measured.

#[expect(
    dead_code,
    reason = "the benchmark uses a part of the archiver that the tests share with it"
)]
#[path = "../tests/decoder/archiver.rs"]
mod archiver;

use std::fs;
use std::hint::black_box;
use std::path::Path;

use archiver::{Body, PART, Value, text};
use attributed_body::{decode, decode_text};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn decoding(criterion: &mut Criterion) {
    let mut archives = vec![
        ("hello", Body::plain("Hello").archive()),
        (
            "4 KB",
            Body::plain(&"A line of text.\n".repeat(256)).archive(),
        ),
        ("40 attachments", attachments(40)),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/typedstream");
    for name in ["regular-text.bin", "tweet.bin"] {
        match fs::read(folder.join(name)) {
            Ok(archive) => archives.push((name, archive)),
            Err(_) => eprintln!(
                "SKIPPED: no recorded archive {}",
                folder.join(name).display()
            ),
        }
    }
    for (name, archive) in &archives {
        let mut group = criterion.benchmark_group(*name);
        group.throughput(Throughput::Bytes(archive.len() as u64));
        group.bench_function("decode", |b| b.iter(|| decode(black_box(archive))));
        group.bench_function("decode_text", |b| {
            b.iter(|| decode_text(black_box(archive)));
        });
    }
}

/// An archive with `count` attachments and no other text.
fn attachments(count: i64) -> Vec<u8> {
    let guids: Vec<_> = (0..count).map(|n| format!("at_{n}_EXAMPLE")).collect();
    let attributes: Vec<_> = guids
        .iter()
        .zip(0..)
        .map(|(guid, part)| {
            [
                ("__kIMFileTransferGUIDAttributeName", text(guid)),
                (PART, Value::Number('i', part)),
            ]
        })
        .collect();
    let pieces: Vec<_> = attributes.iter().map(|a| ("\u{FFFC}", &a[..])).collect();
    Body::of(&pieces).archive()
}

criterion_group!(benches, decoding);
criterion_main!(benches);
