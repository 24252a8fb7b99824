//! Signed requests: which are accepted, and why others are refused.

use shared_protocol::{
    Purpose, SignatureHeaders, SignatureReason, SignatureRefusal, TOLERANCE_SECS, WebhookId, verify,
};

use crate::signed::{BODY, NOW, OTHER_SECRET, SECRET, Signed, key, message_id, secrets};

fn refusal(signed: &Signed) -> Option<SignatureRefusal> {
    let backend_secrets = secrets(SECRET);
    verify(
        &backend_secrets,
        Purpose::Message,
        signed.headers(),
        &signed.body,
        NOW,
    )
    .err()
}

#[track_caller]
fn assert_refused(signed: &Signed, expected: SignatureRefusal) {
    assert_eq!(refusal(signed), Some(expected), "{signed:?}");
}

#[test]
fn a_valid_request_is_accepted_and_names_its_relay() {
    let backend_secrets = secrets(&format!("{OTHER_SECRET},mini-2:{SECRET}"));
    let signed = Signed::request();
    let verified = verify(
        &backend_secrets,
        Purpose::Message,
        signed.headers(),
        BODY,
        NOW,
    )
    .expect("good");
    assert_eq!(verified.id.as_str(), "msg_1");
    assert_eq!(verified.timestamp, NOW);
    assert_eq!(verified.secret.relay().as_str(), "mini-2");
}

#[test]
fn an_id_of_another_purpose_is_refused() {
    let pull = WebhookId::pull([7; 16]);
    assert_refused(
        &Signed::by(SECRET, &pull, NOW, BODY),
        SignatureRefusal::WrongPurpose,
    );
    let answer = message_id("msg_1").answer();
    assert_refused(
        &Signed::by(SECRET, &answer, NOW, BODY),
        SignatureRefusal::WrongPurpose,
    );

    let backend_secrets = secrets(SECRET);
    let message = Signed::request();
    for purpose in [Purpose::Pull, Purpose::Answer] {
        let refused = verify(&backend_secrets, purpose, message.headers(), BODY, NOW).err();
        assert_eq!(refused, Some(SignatureRefusal::WrongPurpose));
    }
}

#[test]
fn the_tolerance_is_exact_for_early_and_late_timestamps() {
    for skew in [-TOLERANCE_SECS, -299, 0, 299, TOLERANCE_SECS] {
        let signed = Signed::by(SECRET, &message_id("msg_1"), NOW + skew, BODY);
        assert_eq!(refusal(&signed), None, "{skew}");
    }
    let five_years = 5 * 365 * 86_400;
    for skew_secs in [-five_years, -301, 301, five_years] {
        let signed = Signed::by(SECRET, &message_id("msg_1"), NOW + skew_secs, BODY);
        assert_refused(&signed, SignatureRefusal::Stale { skew_secs });
    }
}

#[test]
fn extreme_clocks_cause_no_overflow() {
    let backend_secrets = secrets(SECRET);
    let signed = Signed::request();
    for now in [i64::MIN, -1, 0, i64::MAX] {
        let refused = verify(
            &backend_secrets,
            Purpose::Message,
            signed.headers(),
            BODY,
            now,
        )
        .err();
        assert!(
            matches!(refused, Some(SignatureRefusal::Stale { .. })),
            "{now}"
        );
    }
}

#[test]
fn a_timestamp_has_one_spelling() {
    // A lenient parser reads some of these as the signed number, although another text was signed.
    for spelling in [
        "+1700000000",
        "01700000000",
        " 1700000000",
        "1700000000 ",
        "1700000000.0",
        "1.7e9",
        "-1700000000",
        "17000000001700000000",
        "１７０００００００００",
        "0x6553f100",
        "",
        "now",
    ] {
        let mut signed = Signed::request();
        signed.timestamp = spelling.into();
        assert_refused(&signed, SignatureRefusal::Malformed);
    }
}

#[test]
fn an_id_with_a_dot_or_other_special_character_is_refused() {
    let huge = format!("msg_{}", "a".repeat(100_000));
    for id in [
        "",
        "msg_",
        "msg_a.1700000000",
        "msg a",
        "msg_é",
        "msg_1\n",
        &huge,
    ] {
        let mut signed = Signed::request();
        signed.id = id.into();
        assert_refused(&signed, SignatureRefusal::Malformed);
    }
    let mut signed = Signed::request();
    signed.id = b"msg_\xff".to_vec();
    assert_refused(&signed, SignatureRefusal::Malformed);
}

#[test]
fn a_malformed_signature_is_refused() {
    let good = String::from_utf8(Signed::request().signature).expect("ASCII");
    let unpadded = good.trim_end_matches('=').to_owned();
    assert_ne!(unpadded, good);
    let five = [good.as_str(); 5].join(" ");
    let huge = format!("v1,{}", "A".repeat(100_000));
    for signature in [
        "",
        " ",
        "v1",
        "v1,***",
        "v2,",
        "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==",
        "v1,é",
        &unpadded,
        &five,
        &huge,
        &good.replace("v1,", "V1,"),
        &good.replace("v1,", ""),
        &format!("{good} "),
        &format!(" {good}"),
        &good.replace(',', ", "),
        &format!("{good},{good}"),
    ] {
        let mut signed = Signed::request();
        signed.signature = signature.into();
        assert_refused(&signed, SignatureRefusal::Malformed);
    }
    let mut signed = Signed::request();
    signed.signature.push(0xFF);
    assert_refused(&signed, SignatureRefusal::Malformed);
}

#[test]
fn a_missing_or_doubled_header_is_refused() {
    // The caller passes `None` for a missing header and for one that comes twice.
    let signed = Signed::request();
    let all = signed.headers();
    let backend_secrets = secrets(SECRET);
    for headers in [
        SignatureHeaders { id: None, ..all },
        SignatureHeaders {
            timestamp: None,
            ..all
        },
        SignatureHeaders {
            signature: None,
            ..all
        },
        SignatureHeaders::default(),
    ] {
        let refused = verify(&backend_secrets, Purpose::Message, headers, BODY, NOW).err();
        assert_eq!(refused, Some(SignatureRefusal::Malformed), "{headers:?}");
    }
}

#[test]
fn a_signature_that_was_not_made_for_the_request_is_a_mismatch() {
    let by_stranger = Signed::by(OTHER_SECRET, &message_id("msg_1"), NOW, BODY);
    assert_refused(&by_stranger, SignatureRefusal::Mismatch);
    for short in [
        "v1,",
        "v1,AAAA",
        "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    ] {
        let mut signed = Signed::request();
        signed.signature = short.into();
        assert_refused(&signed, SignatureRefusal::Mismatch);
    }
    let mut compressed = Signed::request();
    compressed.body = b"\x1f\x8b\x08\x00compressed on the way".to_vec();
    assert_refused(&compressed, SignatureRefusal::Mismatch);
    let mut other_id = Signed::request();
    other_id.id = b"msg_2".to_vec();
    assert_refused(&other_id, SignatureRefusal::Mismatch);
    let mut other_time = Signed::request();
    other_time.timestamp = (NOW + 1).to_string().into();
    assert_refused(&other_time, SignatureRefusal::Mismatch);
}

#[test]
fn a_rotation_refuses_no_request() {
    let id = message_id("msg_1");
    let by = |secret| Signed::by(secret, &id, NOW, BODY);
    let passes = |backend_secrets: &str, signed: &Signed| {
        verify(
            &secrets(backend_secrets),
            Purpose::Message,
            signed.headers(),
            BODY,
            NOW,
        )
        .is_ok()
    };
    let (old, new) = (SECRET, OTHER_SECRET);
    let both = format!("{old},{new}");
    // The documented order: the backend gets the new secret beside the old one, then the relay signs with the
    // new one, then the backend drops the old one.
    assert!(passes(old, &by(old)));
    assert!(passes(&both, &by(old)));
    assert!(passes(&both, &by(new)));
    assert!(passes(new, &by(new)));
    assert!(!passes(new, &by(old)));

    // A request with both signatures is accepted by a backend with either secret.
    let mut signed = by(old);
    signed.signature.push(b' ');
    signed
        .signature
        .extend(key(new).sign(&id, NOW, BODY).bytes());
    assert!(passes(old, &signed) && passes(new, &signed));
    // Signatures of later versions beside `v1` are ignored.
    let mut signed = by(old);
    signed.signature.splice(0..0, *b"v9,future v1a,AAAA ");
    assert!(passes(old, &signed));
}

#[test]
fn every_refusal_has_a_reason_on_the_wire() {
    for (refusal, reason) in [
        (
            SignatureRefusal::Malformed,
            SignatureReason::MalformedHeader,
        ),
        (
            SignatureRefusal::WrongPurpose,
            SignatureReason::WrongPurpose,
        ),
        (
            SignatureRefusal::Stale { skew_secs: 301 },
            SignatureReason::StaleTimestamp,
        ),
        (SignatureRefusal::Mismatch, SignatureReason::Mismatch),
    ] {
        assert_eq!(SignatureReason::from(refusal), reason);
    }
}
