//! The backend's answers to messages, and its problems.

use shared_protocol::{Answer, AnswerStatus, Problem, ProblemCode, SignatureReason, Violation};

use super::assert_golden;

#[test]
fn the_json_of_answers_is_stable() {
    let accepted = Answer {
        status: AnswerStatus::Accepted,
        message_id: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
        should_respond: true,
        reply_text: None,
        reply_bubbles: vec![],
        reflex_message: None,
        burst_messages: vec![],
        burst_delay_ms: None,
        cancel_replies: false,
        version: "0.1.0".to_owned(),
        environment: "production".to_owned(),
    };
    assert_golden("answer_accepted", &accepted);
    assert_golden(
        "answer_duplicate_inline",
        &Answer {
            status: AnswerStatus::Duplicate,
            reply_text: Some("Hi! How are you?".to_owned()),
            reply_bubbles: vec!["Hi!".to_owned(), "How are you?".to_owned()],
            reflex_message: Some("Hi!".to_owned()),
            burst_messages: vec!["How are you?".to_owned()],
            burst_delay_ms: Some(1_500),
            ..accepted.clone()
        },
    );
    assert_golden(
        "answer_cancel_replies",
        &Answer {
            should_respond: false,
            cancel_replies: true,
            ..accepted
        },
    );
}

#[test]
fn the_json_of_problems_is_stable() {
    let refused = Problem {
        kind: "about:blank".to_owned(),
        title: "Unauthorized".to_owned(),
        status: 401,
        detail: "Invalid signature".to_owned(),
        code: ProblemCode::InvalidSignature,
        request_id: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
        reason: Some(SignatureReason::StaleTimestamp),
        violations: vec![],
        message_id: None,
        attempts_left: None,
        retry_after: None,
        server_time: Some(1_700_000_000),
        version: None,
        environment: None,
    };
    assert_golden("problem_stale_timestamp", &refused);
    let signed = Problem {
        reason: None,
        server_time: None,
        version: Some("0.1.0".to_owned()),
        environment: Some("production".to_owned()),
        ..refused
    };
    assert_golden(
        "problem_invalid_fields",
        &Problem {
            title: "Unprocessable Content".to_owned(),
            status: 422,
            detail: "2 fields break a rule".to_owned(),
            code: ProblemCode::InvalidFields,
            violations: [
                ("mode", "must be \"direct\" or \"group\""),
                ("text", "is required"),
            ]
            .map(|(field, message)| Violation {
                field: field.to_owned(),
                message: message.to_owned(),
            })
            .to_vec(),
            ..signed.clone()
        },
    );
    assert_golden(
        "problem_id_conflict",
        &Problem {
            title: "Conflict".to_owned(),
            status: 409,
            detail: "This message is stored with other content".to_owned(),
            code: ProblemCode::IdConflict,
            message_id: Some("01890a5d-ac96-774b-bcce-b302099a8057".to_owned()),
            ..signed.clone()
        },
    );
    assert_golden(
        "problem_answer_pending",
        &Problem {
            title: "Service Unavailable".to_owned(),
            status: 503,
            detail: "The first request for this message is still being answered".to_owned(),
            code: ProblemCode::AnswerPending,
            retry_after: Some(1),
            ..signed
        },
    );
}

#[test]
fn the_codes_on_the_wire_are_stable() {
    let codes: Vec<_> = ProblemCode::ALL.iter().map(|code| code.as_str()).collect();
    let reasons: Vec<_> = SignatureReason::ALL
        .iter()
        .map(|code| code.as_str())
        .collect();
    insta::assert_snapshot!("problem_codes", codes.join("\n"));
    insta::assert_snapshot!("signature_reasons", reasons.join("\n"));
}

#[test]
fn a_code_of_a_newer_version_is_read() {
    let body = r#"{
        "type": "about:blank", "title": "Forbidden", "status": 403, "detail": "d",
        "code": "not_yet_invented", "reason": "too_loud", "request_id": "r"
    }"#;
    let problem: Problem = serde_json::from_str(body).expect("still a problem");
    assert_eq!(problem.code, ProblemCode::Unknown);
    assert_eq!(problem.reason, Some(SignatureReason::Unknown));
    // A number as the code is not read: no backend writes one, but a proxy may.
    let number_as_code = body.replace("\"not_yet_invented\"", "404");
    assert!(serde_json::from_str::<Problem>(&number_as_code).is_err());
}
