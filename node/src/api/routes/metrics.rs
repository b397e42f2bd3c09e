//! Counters for a monitoring system, in the text format of Prometheus.

use std::fmt::Write;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use crate::api::{Api, Problem};
use crate::network::channel::{Channel, ChannelCounts, RefusalKind};

/// The version of the text format.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Gives the counters of connections: made and refused since the start, and standing now.
#[utoipa::path(get, path = "/v1/metrics", responses(
    (status = 200, body = String, content_type = "text/plain"), (status = "5XX", body = Problem)
))]
pub(in crate::api) async fn metrics(State(api): State<Api>) -> Result<impl IntoResponse, Problem> {
    let network = api.handle.network();
    let peers = network.peers().await?;
    let connected = |channel| peers.iter().filter(|peer| peer.channel == channel).count();
    let text = text(&network.channels(), connected);
    Ok(([(CONTENT_TYPE, FORMAT)], text))
}

fn text(counts: &ChannelCounts, connected: impl Fn(Channel) -> usize) -> String {
    let mut text = String::new();
    let mut family = |name: &str, kind: &str, help: &str, label: &str, rows: &[(&str, u64)]| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (value, count) in rows {
            let _ = writeln!(text, "{name}{{{label}=\"{value}\"}} {count}");
        }
    };
    let made = Channel::ALL.map(|channel| (channel.as_str(), counts.made(channel)));
    family(
        "decube_connections_made_total",
        "counter",
        "Connections that were made, by what encrypts them.",
        "channel",
        &made,
    );
    let refused = RefusalKind::ALL.map(|kind| (kind.as_str(), counts.refused(kind)));
    family(
        "decube_connections_refused_total",
        "counter",
        "Connections that were refused before they carried anything, by reason.",
        "reason",
        &refused,
    );
    let now = Channel::ALL.map(|channel| (channel.as_str(), connected(channel) as u64));
    family(
        "decube_peers",
        "gauge",
        "Peers that are connected, by what encrypts their connections.",
        "channel",
        &now,
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_has_its_line_from_the_start() {
        let text = text(&ChannelCounts::default(), |channel| channel as usize);
        let value = |line: &str| {
            let found = text.lines().find_map(|it| it.strip_prefix(line));
            found
                .unwrap_or_else(|| panic!("{line} is not in\n{text}"))
                .trim()
                .to_owned()
        };
        for channel in Channel::ALL {
            let made = format!("decube_connections_made_total{{channel=\"{channel}\"}}");
            assert_eq!(value(&made), "0");
            let now = format!("decube_peers{{channel=\"{channel}\"}}");
            assert_eq!(value(&now), (channel as usize).to_string());
        }
        for kind in RefusalKind::ALL {
            let refused = format!("decube_connections_refused_total{{reason=\"{kind}\"}}");
            assert_eq!(value(&refused), "0");
        }
    }
}
