//! An example for each rule of `assess`.

use serde_json::{Value, json};

use super::*;

const NOW: i64 = 1_700_000_000;

/// An answer whose signature holds.
fn received(status: u16, body: &Value) -> Received {
    Received {
        status,
        trust: Ok(()),
        retry_after: None,
        body: body.to_string().into_bytes(),
    }
}

fn problem(status: u16, code: &str) -> Received {
    received(status, &problem_body(status, code))
}

fn problem_body(status: u16, code: &str) -> Value {
    json!({
        "type": "about:blank", "title": "t", "status": status, "detail": "d", "code": code,
        "request_id": "r", "version": "1.2.3", "environment": "development",
    })
}

fn decision(received: &Received) -> AnswerDecision {
    assess(received, None, NOW).decision
}

fn accepted_body() -> Value {
    json!({"status": "accepted", "message_id": "m1", "should_respond": true,
           "version": "1.2.3", "environment": "development"})
}

#[test]
fn a_signed_200_marks_the_post_as_delivered() {
    for (status, cancels_replies) in [("accepted", false), ("duplicate", true)] {
        let mut body = accepted_body();
        body["status"] = json!(status);
        body["cancel_replies"] = json!(cancels_replies);
        let assessed = assess(&received(200, &body), Some("development"), NOW);
        assert_eq!(
            assessed.decision,
            AnswerDecision::Delivered {
                message_id: Some("m1".into()),
                note: None,
                cancels_replies,
            }
        );
        assert_eq!(assessed.backend.expect("trusted").version, "1.2.3");
    }
}

#[test]
fn an_id_conflict_counts_as_delivered() {
    let mut body = problem_body(409, "id_conflict");
    body["message_id"] = json!("m7");
    assert_eq!(
        decision(&received(409, &body)),
        AnswerDecision::Delivered {
            message_id: Some("m7".into()),
            note: Some("id_conflict"),
            cancels_replies: false,
        }
    );
}

#[test]
fn only_a_signed_refusal_parks_the_post() {
    for (status, code) in [
        (400, "malformed_json"),
        (403, "relay_mismatch"),
        (413, "body_too_large"),
        (415, "unsupported_media_type"),
        (422, "invalid_fields"),
        (403, "a_code_of_a_newer_backend"),
    ] {
        let mut answer = problem(status, code);
        assert!(
            matches!(
                decision(&answer),
                AnswerDecision::Park(Trouble::Refused { .. })
            ),
            "{status}"
        );
        for refusal in [
            AnswerRefusal::Unsigned,
            AnswerRefusal::OtherRequest,
            AnswerRefusal::Signature(SignatureRefusal::Mismatch),
        ] {
            answer.trust = Err(refusal);
            let assessed = assess(&answer, None, NOW);
            assert!(
                matches!(
                    assessed.decision,
                    AnswerDecision::Retry {
                        scope: Scope::Backend,
                        ..
                    }
                ),
                "{status} {refusal:?}"
            );
            assert_eq!(assessed.backend, None, "not the backend's own answer");
        }
    }
}

#[test]
fn an_unsigned_200_does_not_deliver_the_post() {
    let mut answer = received(200, &accepted_body());
    answer.trust = Err(AnswerRefusal::Unsigned);
    assert_eq!(
        decision(&answer),
        AnswerDecision::Retry {
            scope: Scope::Backend,
            after: None,
            trouble: Trouble::NotTheBackend { status: 200 }
        }
    );
}

#[test]
fn a_401_pauses_delivery_even_if_it_is_unsigned() {
    let mut body = problem_body(401, "invalid_signature");
    body["reason"] = json!("mismatch");
    let mut answer = received(401, &body);
    for trust in [Ok(()), Err(AnswerRefusal::Unsigned)] {
        answer.trust = trust;
        assert_eq!(
            decision(&answer),
            AnswerDecision::Pause(Trouble::Unauthorized {
                reason: Some(SignatureReason::Mismatch)
            })
        );
    }
    let page = Received {
        body: b"<html>".to_vec(),
        ..received(401, &json!({}))
    };
    assert_eq!(
        decision(&page),
        AnswerDecision::Pause(Trouble::Unauthorized { reason: None })
    );
}

#[test]
fn the_clock_skew_is_measured_by_the_servers_time() {
    let mut body = problem_body(401, "invalid_signature");
    body["reason"] = json!("stale_timestamp");
    body["server_time"] = json!(NOW - 301);
    assert_eq!(
        decision(&received(401, &body)),
        AnswerDecision::Pause(Trouble::ClockOff { skew_secs: 301 })
    );
}

#[test]
fn a_replayed_request_is_signed_again() {
    let mut body = problem_body(401, "invalid_signature");
    body["reason"] = json!("replayed");
    assert_eq!(decision(&received(401, &body)), AnswerDecision::SignAgain);
}

#[test]
fn the_code_decides_whether_the_lane_or_all_posts_wait() {
    for (status, code, scope) in [
        (503, "answer_pending", Scope::Lane),
        (500, "internal", Scope::Lane),
        (408, "request_timeout", Scope::Lane),
        (503, "store_unavailable", Scope::Backend),
        (503, "shutting_down", Scope::Backend),
        (429, "rate_limited", Scope::Backend),
    ] {
        let mut answer = problem(status, code);
        answer.retry_after = Some(Duration::from_secs(9));
        let AnswerDecision::Retry {
            scope: found,
            after,
            trouble,
        } = decision(&answer)
        else {
            panic!("{status} {code}");
        };
        assert_eq!(
            (found, after),
            (scope, Some(Duration::from_secs(9))),
            "{code}"
        );
        assert_eq!(trouble.code(), code);
    }
}

#[test]
fn a_retry_after_in_the_body_is_read() {
    let mut body = problem_body(503, "answer_pending");
    body["retry_after"] = json!(1);
    let AnswerDecision::Retry { after, .. } = decision(&received(503, &body)) else {
        panic!("retry");
    };
    assert_eq!(after, Some(Duration::from_secs(1)));
}

#[test]
fn nothing_is_sent_while_another_installation_has_the_lease() {
    assert_eq!(
        decision(&problem(409, "relay_elsewhere")),
        AnswerDecision::Pause(Trouble::Elsewhere)
    );
}

#[test]
fn another_environment_pauses_delivery() {
    for answer in [
        received(200, &accepted_body()),
        problem(422, "invalid_fields"),
    ] {
        assert_eq!(
            assess(&answer, Some("production"), NOW).decision,
            AnswerDecision::Pause(Trouble::WrongEnvironment {
                found: "development".into()
            })
        );
    }
}

#[test]
fn with_bearer_the_page_of_a_proxy_parks_no_post() {
    let page = Received {
        body: b"{\"status\":\"error\",\"code\":404,\"message\":\"Application not found\"}".to_vec(),
        ..received(404, &json!({}))
    };
    let assessed = assess(&page, None, NOW);
    assert!(matches!(
        assessed.decision,
        AnswerDecision::Retry {
            trouble: Trouble::NotAnAnswer { status: 404 },
            ..
        }
    ));
    assert_eq!(assessed.backend, None);
}

#[test]
fn a_redirect_is_reported_as_a_redirect() {
    let mut answer = received(308, &json!({}));
    answer.trust = Err(AnswerRefusal::Unsigned);
    assert!(matches!(
        decision(&answer),
        AnswerDecision::Retry {
            trouble: Trouble::Redirected { status: 308 },
            ..
        }
    ));
}
