use crate::listeners::named;
use crate::out::Out;
use crate::place::Notes;
use crate::read::Ini;

/// What users are limited in, over all listeners and clusters: for everybody and for one, in our words, and in PgBouncer's.
const OF_USERS: [(&str, &str, &str); 2] = [
    (
        "max_server_connections_per_user",
        "max_server_connections",
        "max_user_connections",
    ),
    ("max_clients_per_user", "max_clients", "max_user_client_connections"),
];

/// Writes what holds over all listeners and clusters.
pub(crate) fn write(ini: &Ini, out: &mut Out, notes: &mut Notes) {
    let main = &ini.main;
    out.line(0, "limits:");
    let most = main.number("max_client_conn");
    match main.place("max_client_conn") {
        Some(place) if most <= 0 => notes.wrong(place, "max_client_conn: nobody could come in; here 0 means no limit"),
        place => out.from(1, format!("max_clients: {most}"), place),
    }
    let usual = OF_USERS.into_iter().filter(|(_, _, key)| main.number(key) > 0);
    let usual: Vec<_> = usual
        .map(|(all, _, key)| (format!("{all}: {}", main.number(key)), main.place(key)))
        .collect();
    let users: Vec<_> = ini
        .users
        .iter()
        .filter_map(|user| {
            let own = OF_USERS.into_iter().filter_map(|(_, one, key)| {
                let most = user.settings.some_number(key)?;
                Some(format!("{one}: {most}"))
            });
            let own: Vec<_> = own.collect();
            let line = named(&user.name.value, &format!("{{ {} }}", own.join(", ")));
            (!own.is_empty()).then_some((line, &user.name.place))
        })
        .collect();
    if usual.is_empty() && users.is_empty() {
        return;
    }
    out.line(1, "postgres:");
    for (line, place) in usual {
        out.from(2, line, place);
    }
    if !users.is_empty() {
        out.line(2, "users:");
    }
    for (line, place) in users {
        out.also(3, line, Some(place));
    }
}
