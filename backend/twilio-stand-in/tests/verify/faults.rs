//! Errors and faults that a test schedules.

use std::time::Duration;

use twilio_stand_in::{Fault, Status, TwilioError};

use crate::client::{PHONE, Scene, error};

#[tokio::test]
async fn every_error_can_be_scheduled_for_a_start_and_for_a_check() {
    let scene = Scene::new().await;
    scene.start(PHONE).await;
    let code = scene.stand_in.code_for(PHONE).unwrap();
    for refusal in TwilioError::ALL {
        let expected = (refusal.status(), u64::from(refusal.code()));
        scene.stand_in.refuse_start(refusal);
        assert_eq!(error(&scene.start(PHONE).await), expected);
        scene.stand_in.refuse_check(refusal);
        assert_eq!(error(&scene.check(&code).await), expected);
    }
    assert_eq!(
        (scene.stand_in.sends(PHONE), scene.stand_in.checks()),
        (1, 0)
    );
    assert_eq!(scene.check(&code).await.1["status"], "approved");
}

#[tokio::test]
async fn a_test_can_set_the_result_of_a_check() {
    let scene = Scene::new().await;
    scene.start(PHONE).await;
    let code = scene.stand_in.code_for(PHONE).unwrap();
    for status in [
        Status::Canceled,
        Status::Failed,
        Status::Expired,
        Status::MaxAttemptsReached,
        Status::Deleted,
    ] {
        scene.stand_in.force_check(status);
        let (_, checked) = scene.check(&code).await;
        assert_eq!(
            (&checked["status"], &checked["valid"]),
            (&status.name().into(), &false.into())
        );
    }
    scene.stand_in.approve_another("+15550100199");
    let (_, checked) = scene.check(&code).await;
    assert_eq!(
        (&checked["status"], &checked["to"]),
        (&"approved".into(), &"+15550100199".into())
    );
}

#[tokio::test]
async fn a_start_or_check_whose_answer_is_lost_took_effect() {
    let scene = Scene::new().await;
    let form = [("To", PHONE), ("Channel", "sms")];
    let start = || scene.request("POST", "Verifications").form(&form).send();
    scene.stand_in.spoil_start(Fault::Drop);
    assert!(start().await.is_err());
    assert_eq!(scene.stand_in.sends(PHONE), 0);
    scene.stand_in.spoil_start(Fault::DropAfter);
    assert!(start().await.is_err());
    assert_eq!(scene.stand_in.sends(PHONE), 1);

    let code = scene.stand_in.code_for(PHONE).unwrap();
    scene.stand_in.spoil_check(Fault::DropAfter);
    let form = [("To", PHONE), ("Code", code.as_str())];
    let check = scene.request("POST", "VerificationCheck").form(&form);
    assert!(check.send().await.is_err());
    assert_eq!(error(&scene.check(&code).await), (404, 20404));
}

#[tokio::test]
async fn html_invalid_json_redirects_and_delays_can_be_scheduled() {
    let scene = Scene::new().await;
    scene.stand_in.spoil_start(Fault::html(502));
    let (status, body) = scene.start(PHONE).await;
    assert!(status == 502 && body.is_string());
    scene.stand_in.spoil_start(Fault::garbage());
    let (status, body) = scene.start(PHONE).await;
    assert!(status == 200 && body.is_string());
    scene
        .stand_in
        .spoil_start(Fault::redirect("http://127.0.0.1:9/"));
    assert_eq!(scene.start(PHONE).await.0, 302);
    scene
        .stand_in
        .spoil_start(Fault::Hang(Duration::from_mins(1)));
    let form = [("To", PHONE), ("Channel", "sms")];
    let hanging = scene.request("POST", "Verifications").form(&form);
    let hanging = hanging.timeout(Duration::from_millis(100)).send().await;
    assert!(hanging.unwrap_err().is_timeout());
    assert_eq!(scene.stand_in.total_sends(), 0);
    assert_eq!(scene.stand_in.requests().count("/Verifications$"), 4);
}
