//! Signed answers: each belongs to one request and is signed with the key of the relay.

use shared_protocol::{
    AnswerRefusal, SignatureHeaders, SignatureRefusal, WebhookId, verify_answer,
};

use crate::signed::{NOW, OTHER_SECRET, SECRET, Signed, key, message_id};

const BODY: &[u8] = br#"{"status":"accepted"}"#;

fn refusal(
    request: &WebhookId,
    headers: SignatureHeaders<'_>,
    body: &[u8],
) -> Option<AnswerRefusal> {
    verify_answer(&key(SECRET), request, headers, body, NOW).err()
}

fn answer_to(request: &WebhookId) -> Signed {
    Signed::by(SECRET, &request.answer(), NOW, BODY)
}

#[test]
fn the_answer_to_a_request_passes() {
    for request in [message_id("msg_1"), WebhookId::pull([1; 16])] {
        let answer = answer_to(&request);
        assert_eq!(refusal(&request, answer.headers(), BODY), None);
    }
}

#[test]
fn the_answer_to_another_request_is_refused() {
    let answer = answer_to(&message_id("msg_1"));
    assert_eq!(
        refusal(&message_id("msg_2"), answer.headers(), BODY),
        Some(AnswerRefusal::OtherRequest)
    );
    // A request does not count as its own answer, though the same key has signed it.
    let request = message_id("msg_1");
    let echoed = Signed::by(SECRET, &request, NOW, BODY);
    assert_eq!(
        refusal(&request, echoed.headers(), BODY),
        Some(AnswerRefusal::OtherRequest)
    );
}

#[test]
fn only_an_answer_without_any_signature_header_is_unsigned() {
    let request = message_id("msg_1");
    let unsigned = SignatureHeaders::default();
    assert_eq!(
        refusal(&request, unsigned, BODY),
        Some(AnswerRefusal::Unsigned)
    );
    // With only some of the headers, the answer counts as signed, and its signature is refused.
    let answer = answer_to(&request);
    let incomplete = [
        (
            SignatureHeaders {
                id: None,
                ..answer.headers()
            },
            AnswerRefusal::OtherRequest,
        ),
        (
            SignatureHeaders {
                signature: None,
                ..answer.headers()
            },
            AnswerRefusal::Signature(SignatureRefusal::Malformed),
        ),
        (
            SignatureHeaders {
                timestamp: None,
                ..answer.headers()
            },
            AnswerRefusal::Signature(SignatureRefusal::Malformed),
        ),
    ];
    for (headers, expected) in incomplete {
        assert_eq!(refusal(&request, headers, BODY), Some(expected));
    }
}

#[test]
fn a_tampered_or_foreign_answer_is_refused() {
    let request = message_id("msg_1");
    let mismatch = Some(AnswerRefusal::Signature(SignatureRefusal::Mismatch));
    let answer = answer_to(&request);
    let tampered = br#"{"status":"duplicate"}"#;
    assert_eq!(refusal(&request, answer.headers(), tampered), mismatch);
    assert_eq!(refusal(&request, answer.headers(), b""), mismatch);
    let foreign = Signed::by(OTHER_SECRET, &request.answer(), NOW, BODY);
    assert_eq!(refusal(&request, foreign.headers(), BODY), mismatch);
}

#[test]
fn an_answer_more_than_five_minutes_off_is_refused() {
    let request = message_id("msg_1");
    for (skew_secs, passes) in [(-300, true), (300, true), (-301, false), (301, false)] {
        let answer = Signed::by(SECRET, &request.answer(), NOW + skew_secs, BODY);
        let stale = AnswerRefusal::Signature(SignatureRefusal::Stale { skew_secs });
        let expected = (!passes).then_some(stale);
        assert_eq!(refusal(&request, answer.headers(), BODY), expected);
    }
}
