//! `identity former` and `identity finish-former`: accounts at former identity providers, from which `identity switch`
//! has moved the database away.
//!
//! Neither command prints a phone number or the id of an account.

use anyhow::{Context, anyhow};
use serde_json::json;

use super::output::ListArgs;
use super::{Failure, with_store};
use crate::config::{Config, FormerProjectConfig, Variables};
use crate::former_accounts::{
    self, DeletionReport, FormerAccountDeletion, FormerAccountDeletions, FormerIssuer, SampleCheck,
};
use crate::identity::{FormerProjectClient, FormerProjectError, describe};
use crate::services::keyring;
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub(super) struct FinishArgs {
    /// Do it; without this flag nothing is deleted
    #[arg(long)]
    yes: bool,
}

/// `identity former`.
pub(super) async fn list(args: &ListArgs, config: &Config) -> Result<(), Failure> {
    let keyring = keyring(config, &mut rand::rng())?;
    let (pending, issuers) = with_store(config, async |store, _| {
        let pending = former_accounts::pending_deletions(store, &keyring).await?;
        let issuers = former_accounts::issuers(store, &pending).await?;
        Ok((pending, issuers))
    })
    .await?;
    let note_if_empty = "no account is left at a former identity provider";
    args.print(&issuers, |issuer| json!(issuer), as_line, note_if_empty);
    if pending.unreadable > 0 {
        eprintln!("{}", unreadable_note(pending.unreadable));
    }
    Ok(())
}

/// `identity finish-former`.
pub(super) async fn finish(args: &FinishArgs, config: &Config) -> Result<(), Failure> {
    let keyring = keyring(config, &mut rand::rng())?;
    with_store(config, async |store, _| {
        let pending = former_accounts::pending_deletions(store, &keyring).await?;
        if args.yes {
            remove_local_deletions(store, &pending).await?;
        }
        let remote = pending.deletions.iter();
        let remote: Vec<_> = remote.filter(|deletion| deletion.is_at_another_provider()).collect();
        if !remote.is_empty() {
            delete_at_former_project(args, config, store, &remote).await?;
        } else if !args.yes && !pending.deletions.is_empty() {
            return Err(Failure::new(format_args!(
                "this would forget {} deletion(s) of accounts at this backend itself, where the accounts are \
                 already gone; add --yes to do it",
                pending.deletions.len()
            )));
        } else if pending.unreadable == 0 {
            eprintln!("no account is left to delete at a former identity provider");
        }
        if pending.unreadable > 0 {
            return Err(Failure::new(unreadable_note(pending.unreadable)));
        }
        Ok(())
    })
    .await
}

/// The number of accounts that people have at former providers other than this backend itself.
pub(super) async fn accounts_left(store: &Store) -> Result<i64, Failure> {
    let no_deletions = FormerAccountDeletions::default();
    let issuers = former_accounts::issuers(store, &no_deletions).await?;
    let remote = issuers
        .iter()
        .filter(|former| !Store::is_own_issuer(&former.issuer));
    Ok(remote.map(|former| former.accounts).sum())
}

/// Removes the jobs that delete accounts at this backend itself. Such an account is only the person's row, which is
/// already deleted.
async fn remove_local_deletions(
    store: &Store,
    pending: &FormerAccountDeletions,
) -> Result<(), Failure> {
    for deletion in &pending.deletions {
        if !deletion.is_at_another_provider() {
            former_accounts::remove_job(store, deletion).await?;
        }
    }
    Ok(())
}

/// Deletes those accounts of `remote` that are at the project of the `FORMER_SUPABASE_*` variables, if `args` has
/// `--yes`.
async fn delete_at_former_project(
    args: &FinishArgs,
    config: &Config,
    store: &Store,
    remote: &[&FormerAccountDeletion],
) -> Result<(), Failure> {
    let former = FormerProjectConfig::read(&Variables::of_process()?, config.environment)?;
    let issuer = &former.project.issuer;
    let (at_project, at_others): (Vec<&FormerAccountDeletion>, Vec<_>) =
        (remote.iter()).partition(|deletion| deletion.issuer == *issuer);
    if at_project.is_empty() {
        let mut other_issuers: Vec<_> = at_others.iter().map(|it| it.issuer.as_str()).collect();
        other_issuers.sort_unstable();
        other_issuers.dedup();
        return Err(Failure::Configuration(anyhow!(
            "FORMER_SUPABASE_URL: no account is left to delete at {issuer}, only at {}; nothing was deleted",
            other_issuers.join(", ")
        )));
    }
    if !args.yes {
        return Err(Failure::new(format_args!(
            "this would delete {} account(s) at {issuer} for good; add --yes to do it",
            at_project.len()
        )));
    }
    let client = FormerProjectClient::new(&former.project);
    let client = client.context("the HTTP client cannot be set up")?;
    if former.issuer_differs_from_url {
        require_accounts_of_issuer(store, &client, issuer).await?;
    }
    let report = former_accounts::delete_accounts(store, &client, at_project).await?;
    report_result(&report, issuer, at_others.len())
}

/// Fails if the project has none of a few accounts that people have at `issuer`: `FORMER_SUPABASE_URL` must then be
/// of another project. That project knows none of the accounts to delete, and an unknown account counts as deleted.
async fn require_accounts_of_issuer(
    store: &Store,
    client: &FormerProjectClient,
    issuer: &str,
) -> Result<(), Failure> {
    match former_accounts::check_sample(store, client, issuer).await? {
        SampleCheck::NoSample | SampleCheck::Found => Ok(()),
        SampleCheck::NotFound => Err(Failure::Configuration(anyhow!(
            "FORMER_SUPABASE_URL: the project has none of the accounts that people have at {issuer}, so it \
             is another one; nothing was deleted"
        ))),
        SampleCheck::Failed(reason) => {
            Err(failure_with_consequence(&reason, "nothing was deleted"))
        }
    }
}

/// Prints how many accounts were deleted. Fails if accounts at `issuer` or at other former providers are still to be
/// deleted.
fn report_result(
    report: &DeletionReport,
    issuer: &str,
    left_at_others: usize,
) -> Result<(), Failure> {
    eprintln!("{} account(s) deleted at {issuer}", report.deleted);
    if let Some(reason) = &report.reason {
        let consequence = format!(
            "{} account(s) are still to be deleted; give the command again",
            report.kept
        );
        return Err(failure_with_consequence(reason, &consequence));
    }
    if left_at_others > 0 {
        return Err(Failure::new(format_args!(
            "{left_at_others} account(s) are still to be deleted at other former providers: `archety-backend \
             identity former`"
        )));
    }
    Ok(())
}

/// A failure with `reason` and `consequence` as its text. A refused key is an error of the configuration.
fn failure_with_consequence(reason: &FormerProjectError, consequence: &str) -> Failure {
    let failure = anyhow!("{reason}; {consequence}");
    match reason {
        FormerProjectError::KeyRefused => Failure::Configuration(failure),
        FormerProjectError::Unavailable | FormerProjectError::Refused(_) => Failure::Other(failure),
    }
}

fn as_line(former: &FormerIssuer) -> String {
    format!(
        "{}  {} account(s) of people, {} account(s) of deleted people still to be deleted",
        describe(&former.issuer),
        former.accounts,
        former.deletions_waiting
    )
}

fn unreadable_note(count: usize) -> String {
    format!(
        "{count} deletion(s) were sealed with a key that is not in SESSION_SECRET; add that key at the end of \
         SESSION_SECRET"
    )
}
