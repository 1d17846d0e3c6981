//! How edges serve an app.

use hythe_core::edge::{EdgeSettings, Guards, Hsts, Https, Protocol, Rate, Www};
use hythe_core::mount::SeenPath;

use crate::api::dto::{
    self, EdgeGuards, EdgeHsts, EdgeHttps, EdgeMount, EdgeProtocol, EdgeRate, EdgeSeenPath, EdgeWww,
};

/// As people see it: no password, and no hash of one.
pub(crate) fn edge(settings: &EdgeSettings) -> dto::EdgeSettings {
    let EdgeSettings {
        maintenance,
        sticky,
        www,
        rate,
        users,
        allow,
        guards,
        wait,
        body_bytes,
        answer_within,
        compress,
        protocol,
        https,
        hsts,
        access_log,
        mounts,
        sleep_after,
    } = settings;
    let mount = |seen: &SeenPath| match seen {
        SeenPath::Whole => EdgeSeenPath::Whole,
        SeenPath::Stripped => EdgeSeenPath::Stripped,
    };
    dto::EdgeSettings {
        maintenance: *maintenance,
        sticky: *sticky,
        www: match www {
            Www::Both => EdgeWww::Both,
            Www::Remove => EdgeWww::Remove,
            Www::Add => EdgeWww::Add,
        },
        rate: rate.map(|Rate { per_second, burst }| EdgeRate { per_second, burst }),
        users: users.keys().map(ToString::to_string).collect(),
        allow: allow.iter().map(ToString::to_string).collect(),
        guards: match guards {
            Guards::All => EdgeGuards::All,
            Guards::Previews => EdgeGuards::Previews,
        },
        wait_ms: wait.0,
        body_bytes: *body_bytes,
        answer_within_ms: answer_within.map(|within| within.0),
        compress: *compress,
        protocol: match protocol {
            Protocol::Http1 => EdgeProtocol::Http1,
            Protocol::H2c => EdgeProtocol::H2c,
        },
        https: match https {
            Https::Redirect => EdgeHttps::Redirect,
            Https::Both => EdgeHttps::Both,
        },
        hsts: hsts.map(|Hsts { max_age, subdomains, preload }| EdgeHsts {
            max_age,
            subdomains,
            preload,
        }),
        access_log: *access_log,
        mounts: mounts
            .iter()
            .map(|(at, seen)| EdgeMount { at: at.to_string(), seen: mount(seen) })
            .collect(),
        sleep_after_ms: sleep_after.map(|after| after.0),
    }
}
