//! `identity former` and `identity finish-former`: what is left at providers of before `identity switch`.
//!
//! Neither prints a number or the id of an account.

use anyhow::{Context, anyhow};

use super::Failure;
use super::output::say;
use crate::clock::Clock;
use crate::config::{Config, FormerSupabase, IssuerFrom, Variables};
use crate::former_accounts::{self, Finished, FormerIssuer, Waiting, WaitingDeletion};
use crate::identity::{DeletionKept, FormerProject, describe};
use crate::keyring::Keyring;
use crate::services::keyring;
use crate::store::{Store, StoreError};

#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct FinishArgs {
    /// Do it; without this flag nothing is deleted
    #[arg(long)]
    yes: bool,
}

pub(super) async fn list(args: &ListArgs, config: &Config) -> Result<(), Failure> {
    let keyring = keyring(config, &mut rand::rng())?;
    let store = open(config).await?;
    let left = left(&store, &keyring).await;
    store.close().await;
    let (waiting, issuers) = left.map_err(failed)?;
    if args.json {
        let list: Vec<_> = issuers.iter().map(as_json).collect();
        say!("{}", serde_json::Value::Array(list));
    } else {
        for issuer in &issuers {
            say!(
                "{}  {} account(s) of people, {} deletion(s) waiting",
                describe(&issuer.issuer),
                issuer.accounts,
                issuer.deletions_waiting
            );
        }
        if issuers.is_empty() {
            eprintln!("nothing is left at a former identity provider");
        }
    }
    if waiting.unreadable > 0 {
        eprintln!("{}", unreadable(waiting.unreadable));
    }
    Ok(())
}

pub(super) async fn finish(args: &FinishArgs, config: &Config) -> Result<(), Failure> {
    let keyring = keyring(config, &mut rand::rng())?;
    let store = open(config).await?;
    let done = async {
        let waiting = former_accounts::waiting(&store, &keyring);
        let waiting = waiting.await.map_err(failed)?;
        if args.yes {
            forget_own(&store, &waiting).await?;
        }
        let elsewhere = waiting.deletions.iter();
        let elsewhere: Vec<_> = elsewhere
            .filter(|deletion| deletion.is_elsewhere())
            .collect();
        if !elsewhere.is_empty() {
            finish_elsewhere(args, config, &store, &elsewhere).await?;
        } else if !args.yes && !waiting.deletions.is_empty() {
            return Err(Failure::Other(anyhow!(
                "this would take {} deletion(s) of accounts at this backend itself off the list; add --yes to \
                 do it",
                waiting.deletions.len()
            )));
        } else if waiting.unreadable == 0 {
            eprintln!("no deletion waits at a former identity provider");
        }
        if waiting.unreadable > 0 {
            return Err(Failure::Other(anyhow!(unreadable(waiting.unreadable))));
        }
        Ok(())
    }
    .await;
    store.close().await;
    done
}

/// How many accounts people have at former providers other than this backend itself.
pub(super) async fn accounts_left(store: &Store) -> Result<i64, Failure> {
    let issuers = former_accounts::issuers(store, &Waiting::default()).await;
    let issuers = issuers.map_err(failed)?;
    let elsewhere = issuers
        .iter()
        .filter(|former| !Store::is_own_issuer(&former.issuer));
    Ok(elsewhere.map(|former| former.accounts).sum())
}

async fn open(config: &Config) -> Result<Store, Failure> {
    let now = Clock::System.now();
    Ok(Store::open_beside(&config.database, config.environment, now).await?)
}

async fn left(
    store: &Store,
    keyring: &Keyring,
) -> Result<(Waiting, Vec<FormerIssuer>), StoreError> {
    let waiting = former_accounts::waiting(store, keyring).await?;
    let issuers = former_accounts::issuers(store, &waiting).await?;
    Ok((waiting, issuers))
}

/// This backend itself kept no account beside the row, so there is nothing left to delete.
async fn forget_own(store: &Store, waiting: &Waiting) -> Result<(), Failure> {
    let own = waiting.deletions.iter();
    for deletion in own.filter(|deletion| !deletion.is_elsewhere()) {
        former_accounts::remove(store, deletion)
            .await
            .map_err(failed)?;
    }
    Ok(())
}

async fn finish_elsewhere(
    args: &FinishArgs,
    config: &Config,
    store: &Store,
    elsewhere: &[&WaitingDeletion],
) -> Result<(), Failure> {
    let former = FormerSupabase::read(&Variables::of_process()?, config.environment)?;
    let issuer = &former.project.issuer;
    let (theirs, others): (Vec<&WaitingDeletion>, Vec<_>) =
        (elsewhere.iter()).partition(|deletion| deletion.issuer == *issuer);
    if theirs.is_empty() {
        let mut issuers: Vec<_> = others.iter().map(|it| it.issuer.as_str()).collect();
        issuers.sort_unstable();
        issuers.dedup();
        return Err(Failure::Configuration(anyhow!(
            "FORMER_SUPABASE_URL: no deletion waits at {issuer}, only at {}; nothing was deleted",
            issuers.join(", ")
        )));
    }
    if !args.yes {
        return Err(Failure::Other(anyhow!(
            "this would delete {} account(s) at {issuer} for good; add --yes to do it",
            theirs.len()
        )));
    }
    let project = FormerProject::new(&former.project);
    let project = project.context("the HTTP client cannot be set up")?;
    if former.issuer_from == IssuerFrom::Variable {
        expect_known(store, &project, issuer).await?;
    }
    let finished = former_accounts::finish(store, &project, theirs).await;
    report(&finished.map_err(failed)?, issuer, others.len())
}

/// A project that is told to be the issuer and is not knows none of the accounts, which would then count
/// as deleted.
async fn expect_known(store: &Store, project: &FormerProject, issuer: &str) -> Result<(), Failure> {
    let known = former_accounts::is_known_to(store, project, issuer).await;
    match known.map_err(failed)? {
        None | Some(Ok(true)) => Ok(()),
        Some(Ok(false)) => Err(Failure::Configuration(anyhow!(
            "FORMER_SUPABASE_URL: the project has none of the accounts that people have at {issuer}, so it \
             is another one; nothing was deleted"
        ))),
        Some(Err(reason)) => Err(kept(&reason, "nothing was deleted")),
    }
}

fn report(finished: &Finished, issuer: &str, others: usize) -> Result<(), Failure> {
    eprintln!("{} account(s) deleted at {issuer}", finished.deleted);
    if let Some(reason) = &finished.reason {
        let left = format!(
            "{} deletion(s) wait on; give the command again",
            finished.kept
        );
        return Err(kept(reason, &left));
    }
    if others > 0 {
        return Err(Failure::Other(anyhow!(
            "{others} deletion(s) wait at other former providers: `archety-backend identity former`"
        )));
    }
    Ok(())
}

fn kept(reason: &DeletionKept, left: &str) -> Failure {
    let failure = anyhow!("{reason}; {left}");
    match reason {
        DeletionKept::KeyRefused => Failure::Configuration(failure),
        DeletionKept::Away | DeletionKept::Refused(_) => Failure::Other(failure),
    }
}

fn as_json(former: &FormerIssuer) -> serde_json::Value {
    serde_json::json!({
        "issuer": former.issuer,
        "accounts": former.accounts,
        "deletions_waiting": former.deletions_waiting,
    })
}

fn unreadable(count: usize) -> String {
    format!(
        "{count} deletion(s) were sealed with a key that is not in SESSION_SECRET; put it back, after the \
         others"
    )
}

fn failed(error: StoreError) -> Failure {
    Failure::Database(error.into())
}
