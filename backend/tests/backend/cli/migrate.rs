//! `migrate` can be repeated, and `migrate --plan` prints a plan and changes nothing.

use super::*;

#[tokio::test]
async fn migrate_can_be_repeated_refuses_another_environment_and_hides_the_password() {
    let database = TestDatabase::empty().await;
    let url = database.url();
    let migrate = |variables: &[(&str, &str)]| {
        let mut all = vec![
            ("DATABASE_URL", url.as_str()),
            ("RELAY_WEBHOOK_SECRET", RELAY_SECRET),
        ];
        all.extend(variables);
        run_in_new_folder(&["migrate"], &all)
    };
    for _ in 0..2 {
        migrate(&[]).expect_code(0);
    }
    let in_production = migrate(&PRODUCTION);
    in_production.expect_code(69);
    in_production.expect_err("`development`");
    let unreachable = run_in_new_folder(
        &["migrate"],
        &[("DATABASE_URL", "postgres://u:hunter2@127.0.0.1:1/a")],
    );
    unreachable.expect_code(69);
    assert!(!unreachable.err.contains("hunter2"));
}

#[tokio::test]
async fn a_plan_is_printed_as_text_and_json_and_changes_nothing() {
    let database = TestDatabase::empty().await;
    let older = include_str!("../adoption/older.sql");
    let mut connection = database.connect().await;
    sqlx::Executor::execute(&mut connection, older)
        .await
        .expect("the older deployment's tables");
    let url = database.url();
    let run = |arguments: &[&str], more: &[(&str, &str)]| {
        let mut all = vec![
            ("DATABASE_URL", url.as_str()),
            ("RELAY_WEBHOOK_SECRET", RELAY_SECRET),
        ];
        all.extend(more);
        run_in_new_folder(arguments, &all)
    };
    let plan = run(&["migrate", "--plan"], &[]);
    let shown = plan.expect_code(0);
    for part in [
        "needs --adopt",
        "users (3 rows)",
        "0001 people",
        "access exclusive",
    ] {
        assert!(shown.contains(part), "{part} is missing in\n{shown}");
    }
    let json = run(&["migrate", "--plan", "--json"], &[]).json();
    assert_eq!(
        (&json["database"], &json["adopts"][0]["rows"]),
        (&"postgres".into(), &3.into())
    );
    let touched = &json["migrations"][0]["statements"][1]["tables"][0];
    assert_eq!(
        (&touched["lock"], &touched["work"], &touched["counted"]),
        (
            &"share_row_exclusive".into(),
            &"catalogue".into(),
            &"exactly".into()
        )
    );
    run(&["migrate", "--plan", "--adopt"], &[]).expect_code(2);
    // The tables can still be adopted, so no plan has changed them.
    run(&["migrate", "--adopt"], &[]).expect_code(0);
    let plan = run(&["migrate", "--plan"], &[]).out;
    assert!(plan.starts_with("Nothing to do"), "{plan}");
    let in_production = run(&["migrate", "--plan"], &PRODUCTION);
    in_production.expect_code(69);
    in_production.expect_err("`development`");
}

#[test]
fn a_plan_creates_no_sqlite_file_and_is_empty_after_migrate() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = |arguments: &[&str]| run_in(folder.path(), &[], arguments);
    let plan = run(&["migrate", "--plan"]);
    assert!(plan.expect_code(0).contains("0001 people"), "{plan:?}");
    assert!(!folder.path().join("archety.db").exists());
    run(&["migrate"]).expect_code(0);
    let plan = run(&["migrate", "--plan"]).out;
    assert!(plan.starts_with("Nothing to do"), "{plan}");
}
