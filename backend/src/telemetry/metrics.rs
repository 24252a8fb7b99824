//! Metrics in Prometheus' format.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// The process has one metrics recorder, which the first call of [`process_metrics`] installs.
static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

const SECONDS_BUCKETS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];
const MESSAGES_BUCKETS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

/// The handle that renders the metrics of this process. Recording starts with the first call.
pub fn process_metrics() -> PrometheusHandle {
    let handle = RECORDER.get_or_init(|| {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS_BUCKETS)
            .and_then(|builder| {
                builder.set_buckets_for_metric(
                    Matcher::Suffix("_messages".to_owned()),
                    MESSAGES_BUCKETS,
                )
            })
            .expect("the buckets are not empty")
            .build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another recorder is installed; /metrics stays empty");
        }
        handle
    });
    describe();
    handle.clone()
}

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!("http_requests_total", "Requests by route and status.");
    describe_histogram!("http_request_duration_seconds", "Time to answer, by route.");
    describe_counter!(
        "relay_auth_failures_total",
        "Refused relay requests by reason."
    );
    describe_counter!(
        "relay_bearer_requests_total",
        "Requests proved by bearer secret."
    );
    describe_gauge!(
        "relay_last_seen_timestamp_seconds",
        "Last pull of each relay."
    );
    describe_gauge!(
        "relay_lines_answered_elsewhere",
        "Lines of each relay that another relay answers."
    );
    describe_counter!(
        "relay_alerts_total",
        "What an operator should know about relays, by kind."
    );
    describe_relays();
    describe_replies();
    describe_counter!(
        "auth_events_total",
        "Events of the audit log, by kind and outcome."
    );
    describe_counter!(
        "sessions_ended_upstream_total",
        "Sessions that the identity provider has ended, by reason."
    );
    describe_counter!("jobs_total", "Durable jobs by kind and outcome.");
    describe_gauge!(
        "supabase_settings_problems",
        "Settings of the Supabase project that have to be corrected; checked every hour."
    );
    describe_gauge!("jobs_waiting", "Durable jobs that are not done yet.");
    describe_gauge!(
        "intake_queue_messages",
        "Messages waiting for their commit."
    );
    describe_histogram!("intake_batch_messages", "Messages per commit.");
    describe_counter!("otp_starts_total", "Requests for codes, by outcome.");
    describe_counter!("otp_confirms_total", "Confirmations of codes, by outcome.");
    describe_counter!(
        "otp_limited_total",
        "Requests refused by a rate limit, by limit."
    );
    describe_counter!(
        "otp_breaker_open_total",
        "Prefixes and countries cut off because codes sent there were not confirmed."
    );
    describe_counter!(
        "otp_wrong_code_alarms_total",
        "Alarms about many wrong codes for one person."
    );
    describe_counter!(
        "otp_provider_errors_total",
        "Faults of the provider of codes, by code."
    );
    describe_counter!(
        "identity_calls_total",
        "Calls to the identity provider by operation and outcome."
    );
    describe_histogram!(
        "identity_call_duration_seconds",
        "Time the identity provider takes, by operation."
    );
    describe_counter!(
        "identity_repairs_total",
        "Accounts at the identity provider that were reset, adopted or replaced."
    );
    describe_counter!(
        "identity_alerts_total",
        "Faults that keep people from signing in until the owner fixes them, by kind."
    );
    describe_counter!(
        "access_token_failures_total",
        "Access tokens that were not accepted, by reason."
    );
    describe_counter!(
        "jwks_fetches_total",
        "Fetches of the identity provider's public keys by outcome."
    );
    describe_counter!("people_deleted_total", "Deleted people.");
    describe_counter!(
        "connections_refused_total",
        "Connections refused because too many were open."
    );
}

/// What the last heartbeat of each relay says.
fn describe_relays() {
    use metrics::describe_gauge;
    describe_gauge!(
        "relay_outbox_messages",
        "Messages on each relay that wait to be posted."
    );
    describe_gauge!(
        "relay_parked_messages",
        "Messages on each relay that the backend has refused."
    );
    describe_gauge!(
        "relay_quarantined_messages",
        "Messages on each relay that wait for the Mac's owner."
    );
    describe_gauge!(
        "relay_waiting_rows",
        "Rows on each relay that Messages has not finished."
    );
    describe_gauge!(
        "relay_failing_checks",
        "Checks that fail on the Mac of each relay."
    );
    describe_gauge!(
        "relay_last_scan_timestamp_seconds",
        "When each relay last read chat.db without an error, by the relay's clock."
    );
    describe_gauge!(
        "relay_free_disk_bytes",
        "Free space on the disk of each relay."
    );
    describe_gauge!(
        "relay_bubbles",
        "Bubbles of replies on each relay that are not proven, by state."
    );
    describe_gauge!(
        "relay_limited_chats",
        "Chats on each relay whose next bubble waits for the limits of its line."
    );
    describe_gauge!(
        "relay_sending_stopped",
        "1 if the relay sends nothing, by reason: its owner has paused it, or repeated failures have opened the breaker."
    );
}

fn describe_replies() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!("turns_total", "Turns by outcome.");
    describe_histogram!(
        "turn_seconds",
        "From the first message of a turn to the commit of its decision."
    );
    describe_counter!(
        "reply_alerts_total",
        "Chats that are not answered until the owner looks at them, by kind."
    );
    describe_counter!(
        "bubbles_total",
        "Bubbles of replies that reached a state, by state."
    );
    describe_counter!(
        "forgotten_acks_total",
        "Acks of bubbles that are not stored."
    );
    describe_counter!(
        "own_sends_posted_total",
        "Rows of bubbles that a relay posted as texts of its owner; they are not stored."
    );
    describe_histogram!(
        "reply_first_bubble_seconds",
        "From the first message of a turn to its first bubble in the chat."
    );
    describe_histogram!(
        "reply_delivered_seconds",
        "From the first message of a turn to the delivery of its first bubble."
    );
    describe_gauge!("attention_entries", "What `attention list` shows.");
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn every_metric_of_the_sources_has_a_description() {
        let mut names = Vec::new();
        collect_names(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
            &mut names,
        );
        assert!(names.len() > 20, "{names:?}");
        for name in names {
            assert!(
                include_str!("metrics.rs").contains(&format!("\"{name}\"")),
                "{name}"
            );
        }
    }

    /// Adds the names of the metrics that the sources in `folder` record.
    fn collect_names(folder: &Path, names: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                collect_names(&path, names);
                continue;
            }
            let source = std::fs::read_to_string(&path).expect("text");
            let calls = source.split("metrics::").skip(1).filter_map(|call| {
                let (_, arguments) = call.split_once("!(")?;
                arguments.trim_start().strip_prefix('"')?.split('"').next()
            });
            names.extend(calls.map(str::to_owned));
        }
    }
}
