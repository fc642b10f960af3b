use tidegate_config::quoted;

use crate::MOST_NODE;
use crate::address::Host;
use crate::out::Out;
use crate::place::Notes;
use crate::read::Ini;
use crate::settings::Settings;
use crate::value::period;

/// Writes `node` and `peers`.
pub(crate) fn write(ini: &Ini, out: &mut Out, notes: &mut Notes) {
    let own = ini.main.number("peer_id");
    match ini.main.place("peer_id") {
        Some(place) if (1..=MOST_NODE).contains(&own) => out.from(0, format!("node: {own}"), Some(place)),
        Some(place) if own != 0 => notes.warn(
            place,
            format!("peer_id: `{own}` is above {MOST_NODE}, the highest `node`, and left out"),
        ),
        _ => {}
    }
    let mut has_title = false;
    for peer in &ini.peers {
        let (place, settings) = (&peer.name.place, &peer.settings);
        let number: i64 = peer.name.value.parse().unwrap_or(0);
        let host = match Host::read(&settings.text("host"), settings.number("port")) {
            Ok(host) => host,
            Err(text) => {
                notes.wrong(place, format!("host: {text}"));
                continue;
            }
        };
        if number == own {
            continue;
        }
        if number > MOST_NODE {
            let text = format!("`{number}` is above {MOST_NODE}, the highest `node`, and left out");
            notes.warn(place, text);
            continue;
        }
        if !has_title {
            has_title = true;
            out.line(0, "peers:");
        }
        let line = format!(
            "\"{number}\": {{ address: {}, timeout: {}, max_cancels: {} }}",
            quoted(&host.address),
            timeout(&ini.main),
            most(settings, &ini.main),
        );
        out.from(1, line, Some(place));
    }
}

fn timeout(main: &Settings) -> String {
    match main.time("server_connect_timeout") {
        0 => "1h".to_owned(),
        micros => period(micros),
    }
}

fn most(peer: &Settings, main: &Settings) -> i64 {
    let own = peer.some_number("pool_size").filter(|size| *size > 0);
    own.unwrap_or_else(|| main.number("default_pool_size")).max(1)
}
