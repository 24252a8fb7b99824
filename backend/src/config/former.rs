//! `FORMER_SUPABASE_*`: a Supabase project that issued access tokens before, for `identity finish-former`, which
//! deletes accounts there.
//!
//! These variables are no settings: `serve` does not read them, and the project that issues tokens now is named by
//! `SUPABASE_*`. The command's `--help` lists them.

use url::Url;

use super::identity::{KeyRole, issuer_of, project_reference};
use super::{ApiKey, Environment, Problems, SupabaseConfig, Variables, parse_base_url};

const URL: &str = "FORMER_SUPABASE_URL";
const SERVICE_KEY: &str = "FORMER_SUPABASE_SERVICE_KEY";
const ISSUER: &str = "FORMER_SUPABASE_ISSUER";

/// The configuration of a Supabase project that issued access tokens before.
#[derive(Debug)]
pub struct FormerProjectConfig {
    /// The project. Only its service key is used.
    pub project: SupabaseConfig,
    /// Whether `FORMER_SUPABASE_ISSUER` differs from the issuer that the URL implies. The URL may then belong to
    /// another project by mistake.
    pub issuer_differs_from_url: bool,
}

impl FormerProjectConfig {
    /// Reads and checks the variables. An error lists all problems.
    pub fn read(variables: &Variables, environment: Environment) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let url = variables
            .get(URL)
            .map(|text| parse_base_url(text, environment));
        match url {
            Some(Some(_)) => {}
            Some(None) => problems.push(
                URL,
                "must be a URL without a path, such as https://abc.supabase.co (http on this machine only)",
            ),
            None => problems.push(URL, "is not set; it is what SUPABASE_URL was"),
        }
        let url = url.flatten();
        let key = variables.get(SERVICE_KEY);
        let reference = url.as_ref().and_then(project_reference);
        match key {
            None => problems.push(
                SERVICE_KEY,
                "is not set; it is what SUPABASE_SERVICE_KEY was, or a new service_role or secret key of that project",
            ),
            Some(key) => {
                if let Some(fault) = KeyRole::Service.fault(key, reference) {
                    problems.push(SERVICE_KEY, fault.replace("SUPABASE_URL", URL));
                }
            }
        }
        let default_issuer = url.as_ref().map(issuer_of);
        let given_issuer = variables.get(ISSUER).map(|text| text.trim_end_matches('/'));
        let issuer_reference = given_issuer.and_then(reference_of_issuer);
        if let (Some(of_url), Some(of_issuer)) = (reference, issuer_reference)
            && of_url != of_issuer
        {
            let message = format!("is of the project {of_issuer}, but {URL} names {of_url}");
            problems.push(ISSUER, message);
        }
        let issuer_differs_from_url =
            given_issuer.is_some() && given_issuer != default_issuer.as_deref();
        let issuer = given_issuer.map(str::to_owned).or(default_issuer);
        let (Some(url), Some(key), Some(issuer)) = (url, key, issuer) else {
            return Err(problems);
        };
        let service_key = ApiKey::parse(key);
        problems.into_result(Self {
            project: SupabaseConfig {
                url,
                issuer,
                anon_key: service_key.clone(),
                service_key,
                password_keys: Vec::new(),
                environment,
            },
            issuer_differs_from_url,
        })
    }
}

/// The project reference in an issuer under `supabase.co`; `None` for another domain.
fn reference_of_issuer(issuer: &str) -> Option<String> {
    let url = Url::parse(issuer).ok()?;
    project_reference(&url).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        pairs: &[(&str, &str)],
        environment: Environment,
    ) -> Result<FormerProjectConfig, String> {
        let variables = Variables::of(pairs.iter().copied());
        FormerProjectConfig::read(&variables, environment).map_err(|problems| problems.to_string())
    }

    #[test]
    fn the_issuer_is_made_from_the_url_unless_it_is_given() {
        let url = (URL, "https://abc.supabase.co/");
        let key = (SERVICE_KEY, "sb_secret_0");
        for (more, issuer, is_own) in [
            (None, "https://abc.supabase.co/auth/v1", false),
            (
                Some("https://abc.supabase.co/auth/v1/"),
                "https://abc.supabase.co/auth/v1",
                false,
            ),
            (
                Some("https://auth.example.com/auth/v1"),
                "https://auth.example.com/auth/v1",
                true,
            ),
        ] {
            let mut pairs = vec![url, key];
            pairs.extend(more.map(|issuer| (ISSUER, issuer)));
            let former = read(&pairs, Environment::Production).expect("valid");
            assert_eq!(
                (&*former.project.issuer, former.issuer_differs_from_url),
                (issuer, is_own)
            );
        }
    }

    #[test]
    fn each_problem_names_its_former_variable() {
        let pairs_with = |key, value| {
            [
                (URL, "https://abc.supabase.co"),
                (SERVICE_KEY, "sb_secret_0"),
                (key, value),
            ]
        };
        for (pairs, environment, named) in [
            // `SUPABASE_URL`, the project that issues tokens now, does not take the place of `FORMER_SUPABASE_URL`.
            (
                &[("SUPABASE_URL", "https://abc.supabase.co")][..],
                Environment::Development,
                &[URL, SERVICE_KEY][..],
            ),
            (
                &pairs_with(URL, "http://abc.supabase.co"),
                Environment::Development,
                &[URL],
            ),
            (
                &pairs_with(URL, "http://127.0.0.1:1"),
                Environment::Production,
                &[URL],
            ),
            (
                &pairs_with(SERVICE_KEY, "sb_publishable_0"),
                Environment::Production,
                &[SERVICE_KEY],
            ),
            (
                &pairs_with(ISSUER, "https://other.supabase.co/auth/v1"),
                Environment::Production,
                &[ISSUER],
            ),
        ] {
            let problems = read(pairs, environment).expect_err("a fault");
            assert!(
                problems.contains(&format!("{} problem(s)", named.len())),
                "{problems}"
            );
            for key in named {
                assert!(problems.contains(&format!("\n  {key}: ")), "{problems}");
            }
        }
        assert!(
            read(
                &pairs_with(URL, "http://127.0.0.1:1"),
                Environment::Development
            )
            .is_ok()
        );
    }
}
