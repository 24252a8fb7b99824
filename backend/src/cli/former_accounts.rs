//! `identity former` and `identity finish-former`: accounts at providers that were used before `identity switch`.
//!
//! Neither command prints a phone number or the id of an account.

use anyhow::{Context, anyhow};
use serde_json::json;

use super::output::ListArgs;
use super::{Failure, with_store};
use crate::config::{Config, FormerSupabase, Variables};
use crate::former_accounts::{
    self, DeletionReport, FormerIssuer, ProjectCheck, WaitingDeletion, WaitingDeletions,
};
use crate::identity::{FormerProject, FormerProjectError, describe};
use crate::services::keyring;
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub(super) struct FinishArgs {
    /// Do it; without this flag nothing is deleted
    #[arg(long)]
    yes: bool,
}

pub(super) async fn list(args: &ListArgs, config: &Config) -> Result<(), Failure> {
    let keyring = keyring(config, &mut rand::rng())?;
    let (waiting, issuers) = with_store(config, async |store, _| {
        let waiting = former_accounts::waiting(store, &keyring).await?;
        let issuers = former_accounts::issuers(store, &waiting).await?;
        Ok((waiting, issuers))
    })
    .await?;
    let nothing = "nothing is left at a former identity provider";
    args.print(&issuers, |issuer| json!(issuer), as_line, nothing);
    if waiting.unreadable > 0 {
        eprintln!("{}", unreadable_note(waiting.unreadable));
    }
    Ok(())
}

pub(super) async fn finish(args: &FinishArgs, config: &Config) -> Result<(), Failure> {
    let keyring = keyring(config, &mut rand::rng())?;
    with_store(config, async |store, _| {
        let waiting = former_accounts::waiting(store, &keyring).await?;
        if args.yes {
            remove_local_deletions(store, &waiting).await?;
        }
        let remote = waiting.deletions.iter();
        let remote: Vec<_> = remote.filter(|deletion| deletion.is_at_another_provider()).collect();
        if !remote.is_empty() {
            delete_at_former_project(args, config, store, &remote).await?;
        } else if !args.yes && !waiting.deletions.is_empty() {
            return Err(Failure::new(format_args!(
                "this would take {} deletion(s) of accounts at this backend itself off the list; add --yes to \
                 do it",
                waiting.deletions.len()
            )));
        } else if waiting.unreadable == 0 {
            eprintln!("no deletion waits at a former identity provider");
        }
        if waiting.unreadable > 0 {
            return Err(Failure::new(unreadable_note(waiting.unreadable)));
        }
        Ok(())
    })
    .await
}

/// The number of accounts that people have at former providers other than this backend itself.
pub(super) async fn accounts_left(store: &Store) -> Result<i64, Failure> {
    let issuers = former_accounts::issuers(store, &WaitingDeletions::default()).await?;
    let remote = issuers
        .iter()
        .filter(|former| !Store::is_own_issuer(&former.issuer));
    Ok(remote.map(|former| former.accounts).sum())
}

/// Removes waiting deletions of accounts at this backend itself. An account here is only the person's row, which is
/// already deleted.
async fn remove_local_deletions(store: &Store, waiting: &WaitingDeletions) -> Result<(), Failure> {
    let own = waiting.deletions.iter();
    for deletion in own.filter(|deletion| !deletion.is_at_another_provider()) {
        former_accounts::remove(store, deletion).await?;
    }
    Ok(())
}

async fn delete_at_former_project(
    args: &FinishArgs,
    config: &Config,
    store: &Store,
    remote: &[&WaitingDeletion],
) -> Result<(), Failure> {
    let former = FormerSupabase::read(&Variables::of_process()?, config.environment)?;
    let issuer = &former.project.issuer;
    let (of_project, of_others): (Vec<&WaitingDeletion>, Vec<_>) =
        (remote.iter()).partition(|deletion| deletion.issuer == *issuer);
    if of_project.is_empty() {
        let mut issuers: Vec<_> = of_others.iter().map(|it| it.issuer.as_str()).collect();
        issuers.sort_unstable();
        issuers.dedup();
        return Err(Failure::Configuration(anyhow!(
            "FORMER_SUPABASE_URL: no deletion waits at {issuer}, only at {}; nothing was deleted",
            issuers.join(", ")
        )));
    }
    if !args.yes {
        return Err(Failure::new(format_args!(
            "this would delete {} account(s) at {issuer} for good; add --yes to do it",
            of_project.len()
        )));
    }
    let project = FormerProject::new(&former.project);
    let project = project.context("the HTTP client cannot be set up")?;
    if former.has_own_issuer {
        require_accounts_of_issuer(store, &project, issuer).await?;
    }
    let report = former_accounts::delete_accounts(store, &project, of_project).await?;
    report_result(&report, issuer, of_others.len())
}

/// Refuses a project that has none of the accounts that people have at `issuer`, because it must be another
/// project. There, each account would be missing and its deletion would count as done.
async fn require_accounts_of_issuer(
    store: &Store,
    project: &FormerProject,
    issuer: &str,
) -> Result<(), Failure> {
    match former_accounts::check_project(store, project, issuer).await? {
        ProjectCheck::AccountFound | ProjectCheck::NothingToLookFor => Ok(()),
        ProjectCheck::NoAccountFound => Err(Failure::Configuration(anyhow!(
            "FORMER_SUPABASE_URL: the project has none of the accounts that people have at {issuer}, so it \
             is another one; nothing was deleted"
        ))),
        ProjectCheck::Failed(reason) => {
            Err(failure_with_consequence(&reason, "nothing was deleted"))
        }
    }
}

fn report_result(
    report: &DeletionReport,
    issuer: &str,
    left_at_others: usize,
) -> Result<(), Failure> {
    eprintln!("{} account(s) deleted at {issuer}", report.deleted);
    if let Some(reason) = &report.reason {
        let consequence = format!(
            "{} deletion(s) wait on; give the command again",
            report.kept
        );
        return Err(failure_with_consequence(reason, &consequence));
    }
    if left_at_others > 0 {
        return Err(Failure::new(format_args!(
            "{left_at_others} deletion(s) wait at other former providers: `archety-backend identity former`"
        )));
    }
    Ok(())
}

fn failure_with_consequence(reason: &FormerProjectError, consequence: &str) -> Failure {
    let failure = anyhow!("{reason}; {consequence}");
    match reason {
        FormerProjectError::KeyRefused => Failure::Configuration(failure),
        FormerProjectError::Unavailable | FormerProjectError::Refused(_) => Failure::Other(failure),
    }
}

fn as_line(former: &FormerIssuer) -> String {
    format!(
        "{}  {} account(s) of people, {} deletion(s) waiting",
        describe(&former.issuer),
        former.accounts,
        former.deletions_waiting
    )
}

fn unreadable_note(count: usize) -> String {
    format!(
        "{count} deletion(s) were sealed with a key that is not in SESSION_SECRET; put it back, after the \
         others"
    )
}
