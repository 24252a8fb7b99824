//! `migrate` and `migrate --plan`: requirements, plans, and plans that change nothing.

use super::*;

#[tokio::test]
async fn migrate_is_safe_to_repeat_and_refuses_another_environment() {
    let database = TestDatabase::empty().await;
    let url = database.url();
    let migrate = |variables: &[(&str, &str)]| {
        let mut all = vec![
            ("DATABASE_URL", url.as_str()),
            ("RELAY_WEBHOOK_SECRET", RELAYS),
        ];
        all.extend(variables);
        run(&["migrate"], &all).0
    };
    for _ in 0..2 {
        let output = migrate(&[]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    let other = migrate(&PRODUCTION);
    assert_eq!(other.status.code(), Some(69));
    assert!(
        stderr(&other).contains("`development`"),
        "{}",
        stderr(&other)
    );
    let nowhere = run(
        &["migrate"],
        &[("DATABASE_URL", "postgres://u:hunter2@127.0.0.1:1/a")],
    )
    .0;
    assert_eq!(nowhere.status.code(), Some(69));
    assert!(!stderr(&nowhere).contains("hunter2"));
}

#[tokio::test]
async fn a_plan_is_printed_and_not_executed() {
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
            ("RELAY_WEBHOOK_SECRET", RELAYS),
        ];
        all.extend(more);
        run(arguments, &all).0
    };
    let plan = run(&["migrate", "--plan"], &[]);
    assert_eq!(plan.status.code(), Some(0), "{}", stderr(&plan));
    let shown = stdout(&plan);
    for part in [
        "needs --adopt",
        "users (3 rows)",
        "0001 people",
        "access exclusive",
    ] {
        assert!(shown.contains(part), "{part} is missing in\n{shown}");
    }
    let json = run(&["migrate", "--plan", "--json"], &[]);
    let json: Value = serde_json::from_str(stdout(&json)).expect("JSON");
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
    let both = run(&["migrate", "--plan", "--adopt"], &[]);
    assert_eq!(both.status.code(), Some(2));
    // Still the older deployment's: adopting is possible, and then there is nothing left to plan.
    assert_eq!(run(&["migrate", "--adopt"], &[]).status.code(), Some(0));
    let plan = run(&["migrate", "--plan"], &[]);
    assert!(
        stdout(&plan).starts_with("Nothing to do"),
        "{}",
        stdout(&plan)
    );
    let other = run(&["migrate", "--plan"], &PRODUCTION);
    assert_eq!(other.status.code(), Some(69));
    assert!(
        stderr(&other).contains("`development`"),
        "{}",
        stderr(&other)
    );
}

#[test]
fn a_plan_creates_no_file() {
    let (plan, folder) = run(&["migrate", "--plan"], &[]);
    assert_eq!(plan.status.code(), Some(0), "{}", stderr(&plan));
    assert!(stdout(&plan).contains("0001 people"), "{}", stdout(&plan));
    assert!(!folder.path().join("archety.db").exists());
    let migrated = backend(folder.path(), &[]).arg("migrate").output();
    assert_eq!(migrated.expect("it runs").status.code(), Some(0));
    let plan = backend(folder.path(), &[])
        .args(["migrate", "--plan"])
        .output();
    assert!(stdout(&plan.expect("it runs")).starts_with("Nothing to do"));
}
