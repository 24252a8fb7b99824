//! Answers to valid and to invalid requests.

use std::time::Duration;

use serde_json::Value;

use crate::client::{PHONE, Scene, answer, error};

#[tokio::test]
async fn a_code_is_sent_and_approved_once() {
    let scene = Scene::new().await;
    let (status, started) = scene.start(PHONE).await;
    assert_eq!(status, 201);
    assert_eq!(
        (&started["to"], &started["status"]),
        (&PHONE.into(), &"pending".into())
    );
    assert_eq!(started["valid"], false);
    let sid = started["sid"].as_str().unwrap();
    assert!(sid.starts_with("VE") && sid.len() == 34);
    assert_eq!(started["send_code_attempts"].as_array().unwrap().len(), 1);

    let code = scene.stand_in.code_for(PHONE).unwrap();
    assert_eq!(code.len(), 6);
    let (status, checked) = scene.check(&code).await;
    assert_eq!((status, &checked["status"]), (200, &"approved".into()));
    assert_eq!(
        (&checked["valid"], &checked["to"]),
        (&true.into(), &PHONE.into())
    );
    assert_eq!(checked["sid"], sid);
    assert_eq!(error(&scene.check(&code).await), (404, 20404));
    assert_eq!(scene.stand_in.code_for(PHONE), None);
}

#[tokio::test]
async fn answers_have_the_fields_that_twilio_documents() {
    let scene = Scene::new().await;
    let (_, started) = scene.start(PHONE).await;
    let field_names = |body: &Value| {
        body.as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        field_names(&started),
        "account_sid amount channel date_created date_updated lookup payee send_code_attempts \
         service_sid sid sna status to url valid"
    );
    let (_, checked) = scene.check(&scene.stand_in.code_for(PHONE).unwrap()).await;
    assert_eq!(
        field_names(&checked),
        "account_sid amount channel date_created date_updated payee service_sid sid \
         sna_attempts_error_codes status to valid"
    );
    let (_, refused) = scene.check("12").await;
    assert_eq!(field_names(&refused), "code message more_info status");
    assert_eq!(
        refused["more_info"],
        "https://www.twilio.com/docs/errors/60200"
    );
}

#[tokio::test]
async fn a_wrong_code_answers_200_with_the_status_pending() {
    let scene = Scene::new().await;
    scene.start(PHONE).await;
    let wrong = scene.stand_in.wrong_code_for(PHONE);
    for _ in 0..5 {
        let (status, checked) = scene.check(&wrong).await;
        assert_eq!((status, &checked["status"]), (200, &"pending".into()));
        assert_eq!(checked["valid"], false);
    }
    // After five wrong codes the verification is removed, and further checks answer 404.
    assert_eq!(error(&scene.check(&wrong).await), (404, 20404));
    assert_eq!(scene.stand_in.checks(), 6);
    assert_eq!(scene.start(PHONE).await.0, 201);
}

#[tokio::test]
async fn within_ten_minutes_the_same_code_and_id_are_sent_at_most_five_times() {
    let scene = Scene::new().await;
    let (_, first) = scene.start(PHONE).await;
    let code = scene.stand_in.code_for(PHONE);
    for _ in 0..4 {
        let (status, again) = scene.start(PHONE).await;
        assert_eq!((status, &again["sid"]), (201, &first["sid"]));
        assert_eq!(scene.stand_in.code_for(PHONE), code);
    }
    assert_eq!(error(&scene.start(PHONE).await), (429, 60203));
    assert_eq!(scene.start("+15550100124").await.0, 201);
    assert_eq!(
        (scene.stand_in.sends(PHONE), scene.stand_in.total_sends()),
        (5, 6)
    );

    scene.stand_in.clock().advance(Duration::from_mins(10));
    assert_eq!(error(&scene.check(&code.unwrap()).await), (404, 20404));
    let (status, fresh) = scene.start(PHONE).await;
    assert_eq!(status, 201);
    assert_ne!(fresh["sid"], first["sid"]);
}

#[tokio::test]
async fn a_check_can_name_the_verification_instead_of_the_number() {
    let scene = Scene::new().await;
    scene.start(PHONE).await;
    let sid = scene.stand_in.sid_for(PHONE).unwrap();
    let code = scene.stand_in.code_for(PHONE).unwrap();
    let form = [
        ("VerificationSid", "VEffffffffffffffffffffffffffffffff"),
        ("Code", &code),
    ];
    assert_eq!(
        error(&scene.post("VerificationCheck", &form).await),
        (404, 20404)
    );
    let form = [("VerificationSid", sid.as_str()), ("Code", &code)];
    let (_, checked) = scene.post("VerificationCheck", &form).await;
    assert_eq!(
        (&checked["status"], &checked["to"]),
        (&"approved".into(), &PHONE.into())
    );
}

#[tokio::test]
async fn a_verification_can_be_fetched_canceled_and_approved() {
    let scene = Scene::new().await;
    scene.start(PHONE).await;
    let path = format!("Verifications/{}", scene.stand_in.sid_for(PHONE).unwrap());
    let (status, shown) = answer(scene.request("GET", &path)).await;
    assert_eq!((status, &shown["status"]), (200, &"pending".into()));
    assert_eq!(
        error(&scene.post(&path, &[("Status", "expired")]).await),
        (400, 60200)
    );
    let (status, canceled) = scene.post(&path, &[("Status", "canceled")]).await;
    assert_eq!((status, &canceled["status"]), (200, &"canceled".into()));
    assert_eq!(
        error(&answer(scene.request("GET", &path)).await),
        (404, 20404)
    );

    scene.start(PHONE).await;
    let path = format!("Verifications/{}", scene.stand_in.sid_for(PHONE).unwrap());
    let (_, approved) = scene.post(&path, &[("Status", "approved")]).await;
    assert_eq!(
        (&approved["status"], &approved["valid"]),
        (&"approved".into(), &true.into())
    );
}

#[tokio::test]
async fn invalid_parameters_are_refused() {
    let scene = Scene::new().await;
    for to in [
        "15550100123",
        "",
        "+0155501",
        "+1555010012a",
        "+1 555 010 0123",
    ] {
        assert_eq!(error(&scene.start(to).await), (400, 60200), "{to}");
    }
    let form = [("To", PHONE), ("Channel", "pigeon")];
    assert_eq!(
        error(&scene.post("Verifications", &form).await),
        (400, 60200)
    );
    scene.start(PHONE).await;
    for code in ["", "123", "12345678901", "12345a"] {
        assert_eq!(error(&scene.check(code).await), (400, 60200), "{code}");
    }
    assert_eq!(scene.stand_in.checks(), 0);
}

#[tokio::test]
async fn the_account_token_and_an_api_key_are_both_accepted() {
    let scene = Scene::new().await;
    let settings = scene.stand_in.settings();
    let url = format!(
        "{}/v2/Services/{}/Verifications",
        scene.stand_in.url(),
        settings.service_sid
    );
    let form = [("To", PHONE), ("Channel", "sms")];
    let post = || scene.http.post(&url).form(&form);
    assert_eq!(error(&answer(post()).await), (401, 20003));
    let wrong = post().basic_auth(&settings.account_sid, Some("wrong"));
    assert_eq!(error(&answer(wrong).await), (401, 20003));
    let key = post().basic_auth(&settings.api_key_sid, Some(&settings.api_key_secret));
    assert_eq!(answer(key).await.0, 201);
    let other = url.replace(&settings.service_sid, "VA0");
    let request = scene.http.post(other).form(&form);
    let request = request.basic_auth(&settings.account_sid, Some(&settings.auth_token));
    assert_eq!(error(&answer(request).await), (404, 20404));
}
