//! `decode`: prints an `attributedBody` archive as JSON.

use std::io::Read;
use std::path::PathBuf;

use anyhow::Context;
use attributed_body::Run;
use serde::Serialize;

use super::output;
use crate::lifecycle::ExitCode;

/// Print an attributedBody archive, its text and its runs, as JSON.
///
/// To get one: sqlite3 chat.db "select writefile('body.bin', attributedBody) from message where …"
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The archive; - reads standard input
    file: PathBuf,
}

#[derive(Serialize)]
struct Body<'a> {
    text: &'a str,
    runs: Vec<BodyRun<'a>>,
}

#[derive(Serialize)]
struct BodyRun<'a> {
    text: &'a str,
    utf16_len: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attachment_guid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mention: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    one_time_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transcription: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    breadcrumb: Option<&'a str>,
}

impl<'a> From<&Run<'a>> for BodyRun<'a> {
    fn from(run: &Run<'a>) -> Self {
        Self {
            text: run.text,
            utf16_len: run.utf16_len,
            part: run.part,
            attachment_guid: run.attachment_guid,
            mention: run.mention,
            link: run.link,
            one_time_code: run.one_time_code,
            transcription: run.transcription,
            breadcrumb: run.breadcrumb,
        }
    }
}

impl Args {
    pub(super) fn execute(&self) -> anyhow::Result<ExitCode> {
        let mut archive = Vec::new();
        if self.file.as_os_str() == "-" {
            std::io::stdin()
                .read_to_end(&mut archive)
                .context("cannot read standard input")?;
        } else {
            archive = std::fs::read(&self.file)
                .with_context(|| format!("cannot read {}", self.file.display()))?;
        }
        let body = attributed_body::decode(&archive)
            .with_context(|| format!("{} is no attributedBody archive", self.file.display()))?;
        output::json(&Body {
            text: body.text,
            runs: body.runs.iter().map(BodyRun::from).collect(),
        })?;
        Ok(ExitCode::Done)
    }
}
