//! The service's file: what `carillon serve` takes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use carillon_api::options::{MetricsToken, Options as ApiOptions, Password, User};
use carillon_api::rights::Role;
use carillon_sip::command::AgentLegMode;
use carillon_sip::options::Options as SipOptions;

use crate::error::ConfigError;
use crate::reader::{self, At, Document, Environment, Section};
use crate::{agents, sip, tls};
use carillon_sip::transport::Transport;

const API_LISTEN_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// Shortest password of people that sign in; for agents the phone's password is taken as it is.
const PASSWORD_CHARACTERS_MIN: usize = 12;
/// Largest password file in bytes.
const PASSWORD_BYTES_MAX: u64 = 4096;
const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// The service's file, read and checked, with the environment's overrides in it.
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    /// Sockets, trunks and softphone users of the gateway.
    pub sip: SipOptions,
    /// How an agent's phone is attached.
    pub leg: AgentLegMode,
    /// Where the API listens.
    pub api_listen: SocketAddr,
    /// Who may sign in, and bounds.
    pub api: ApiOptions,
    /// The database, absolute.
    pub store: PathBuf,
    /// Folder of the recordings, absolute.
    pub recordings: PathBuf,
    /// Folder of the prompts that campaigns name (`safe_harbour`), absolute.
    pub prompts: PathBuf,
    /// Log level, one of `error`, `warn`, `info`, `debug`, `trace`; `CARILLON_LOG` comes before it where logs are made.
    pub log: String,
}

impl ServiceConfig {
    /// Reads and checks the file at `path`, with the process environment's overrides. Paths in it are relative to
    /// it; host names are resolved.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with line and key (or the name of the environment variable).
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::load_with(path, &|name| std::env::var(name).ok())
    }

    /// The same with another environment.
    ///
    /// # Errors
    /// Everything that is wrong with it, as for [`ServiceConfig::load`].
    pub fn load_with(path: &Path, environment: Environment<'_>) -> Result<Self, ConfigError> {
        reader::read(path, environment, read)
    }
}

fn read(document: &Document<'_>) -> Option<ServiceConfig> {
    let mut root = document.root();
    let mut sip = sip::sip(document, root.section("sip", "[sip]"));
    tls::tls(document, root.section("tls", "[tls]"), &mut sip);
    sip.trunks = sip::trunks(document, &mut root, &sip);

    let mut agents = root.section("agents", "[agents]");
    let leg = agents::leg(&mut agents);
    let found = agents::agents(document, &mut agents, &sip);
    agents.finish();

    let mut api = root.section("api", "[api]");
    let api_listen = api_listen(document, api.text_or_variable("listen", "CARILLON_API_LISTEN"));
    let mut options = ApiOptions { secure_cookie: api.flag("secure_cookie", false), ..ApiOptions::default() };
    let minute = Duration::from_secs(60);
    if let Some(idle) = api.duration_within("session_idle", minute..=24 * 60 * minute) {
        options.session_idle = idle.value;
    }
    if let Some(life) = api.duration_within("session_life", minute..=7 * 24 * 60 * minute) {
        options.session_life = life.value;
    }
    let token_life = Duration::from_secs(10)..=60 * minute;
    if let Some(life) = api.duration_within("phone_token_life", token_life) {
        options.phone_token_life = life.value;
    }
    options.phone_websockets = match api.text("phone_websocket") {
        Some(written) => vec![websocket(document, written)],
        None => websockets(&sip),
    };
    options.metrics_token = metrics_token(document, &mut api);
    options.users = api_users(document, &mut api);
    api.finish();
    for agent in &found {
        let name = &agent.phone.user;
        let password = match (&agent.password, &agent.password_hash) {
            (Some(password), _) => Some(Password::Plain(password.clone())),
            (None, Some(hash)) => checked_hash(document, hash.clone()),
            (None, None) => None,
        };
        if options.users.iter().any(|known| known.name == *name) {
            let message = format!("{name} is an agent's user too; names must differ");
            document.problem(&root.place("[api]"), message);
        } else if let Some(password) = password {
            options.users.push(User { name: name.clone(), role: Role::Agent, password });
        }
    }
    sip.users = agents::phones(found);

    let store =
        path(document, root.section("store", "[store]"), "path", "CARILLON_STORE_PATH", "carillon.db");
    let recordings = path(
        document,
        root.section("recordings", "[recordings]"),
        "directory",
        "CARILLON_RECORDINGS_DIRECTORY",
        "recordings",
    );
    let prompts = path(
        document,
        root.section("prompts", "[prompts]"),
        "directory",
        "CARILLON_PROMPTS_DIRECTORY",
        "prompts",
    );
    let log = level(document, root.section("log", "[log]"));
    root.finish();
    Some(ServiceConfig { sip, leg, api_listen, api: options, store, recordings, prompts, log })
}

fn api_listen(document: &Document<'_>, written: Option<At<String>>) -> SocketAddr {
    let Some(written) = written else { return API_LISTEN_DEFAULT };
    written.value.parse().unwrap_or_else(|_| {
        document.problem(&written.place, "must be an IP address with port, like \"127.0.0.1:8080\"");
        API_LISTEN_DEFAULT
    })
}

/// Where phones in browsers connect to, as it is written.
fn websocket(document: &Document<'_>, written: At<String>) -> String {
    let rest = ["wss://", "ws://"].into_iter().find_map(|scheme| written.value.strip_prefix(scheme));
    let sound = |rest: &str| !rest.is_empty() && rest.bytes().all(|octet| octet.is_ascii_graphic());
    if !rest.is_some_and(sound) {
        document.problem(&written.place, "must be like \"wss://phones.example\"");
    }
    written.value
}

/// The same as we listen: secure ones first.
fn websockets(sip: &carillon_sip::options::Options) -> Vec<String> {
    let at = |transport: Transport| {
        let ours = sip.listen.iter().filter(move |local| local.transport == transport);
        ours.map(move |local| {
            format!("{}://{}", transport.name(), local.reached_at(sip.media_address).address)
        })
    };
    at(Transport::Wss).chain(at(Transport::Ws)).collect()
}

fn metrics_token(document: &Document<'_>, api: &mut Section<'_>) -> Option<MetricsToken> {
    let written = api.text_or_variable("metrics_token", "CARILLON_METRICS_TOKEN")?;
    if written.value.chars().count() < PASSWORD_CHARACTERS_MIN
        || !written.value.bytes().all(|b| b.is_ascii_graphic())
    {
        let message =
            format!("must have at least {PASSWORD_CHARACTERS_MIN} visible ASCII characters without spaces");
        document.problem(&written.place, message);
    }
    Some(MetricsToken(written.value))
}

/// The administrator, from `admin_*`, and every `[[api.user]]`.
fn api_users(document: &Document<'_>, api: &mut Section<'_>) -> Vec<User> {
    let admin = api.text("admin_user");
    let from_variable = api.variable("CARILLON_ADMIN_PASSWORD");
    let in_file = password(document, api, "admin_password", "admin_password_file", "admin_password_hash");
    let admin_password = match from_variable {
        Some(at) => checked_plain(document, at),
        None if in_file.is_none() => {
            let message =
                "missing; set CARILLON_ADMIN_PASSWORD, or admin_password_file or admin_password_hash here";
            document.problem(&api.place("admin_password"), message);
            None
        }
        None => in_file.flatten(),
    };
    let name = admin.unwrap_or_else(|| At { value: "admin".into(), place: api.place("admin_user") });
    let mut users: Vec<User> = Vec::new();
    let mut add = |name: At<String>, role, password: Option<Password>| {
        crate::spec::check_name(document, &name);
        if users.iter().any(|user| user.name == name.value) {
            document.problem(&name.place, format!("user {} is there already", name.value));
        } else if let Some(password) = password {
            users.push(User { name: name.value, role, password });
        }
    };
    add(name, Role::Admin, admin_password);
    for mut entry in api.sections("user", "[[api.user]]").unwrap_or_default() {
        let name = entry.text_required("name");
        let role = entry.name::<Role>("role");
        entry.need("role");
        if let Some(role) = &role
            && role.value == Role::Agent
        {
            document.problem(&role.place, "agents are named by [[agents.agent]]; use admin or operator");
        }
        let written = password(document, &mut entry, "password", "password_file", "password_hash");
        if written.is_none() {
            entry.need("password_hash");
        }
        entry.finish();
        add(name, role.map_or(Role::Operator, |at| at.value), written.flatten());
    }
    users
}

/// One of a password, a file with it, or its hash. `None` when none is given, `Some(None)` when it is wrong.
fn password(
    document: &Document<'_>,
    section: &mut Section<'_>,
    plain: &'static str,
    file: &'static str,
    hash: &'static str,
) -> Option<Option<Password>> {
    let given = [section.text(plain), section.text(file), section.text(hash)];
    if given.iter().flatten().count() > 1 {
        document.problem(&section.place(hash), format!("give one of {plain}, {file} and {hash}"));
    }
    match given {
        [Some(at), _, _] => Some(checked_plain(document, at)),
        [None, Some(at), _] => Some(password_in_file(document, at)),
        [None, None, Some(at)] => Some(checked_hash(document, at)),
        [None, None, None] => (section.has(plain) || section.has(file) || section.has(hash)).then_some(None),
    }
}

fn checked_plain(document: &Document<'_>, written: At<String>) -> Option<Password> {
    if written.value.chars().count() < PASSWORD_CHARACTERS_MIN {
        document.problem(&written.place, format!("must have at least {PASSWORD_CHARACTERS_MIN} characters"));
        return None;
    }
    match carillon_api::hash_password(&written.value) {
        Ok(hash) => Some(Password::Hash(hash)),
        Err(error) => {
            document.problem(&written.place, error);
            None
        }
    }
}

fn password_in_file(document: &Document<'_>, written: At<String>) -> Option<Password> {
    let path = document.path(&written.value);
    let text = match std::fs::metadata(&path) {
        Ok(found) if found.is_file() && found.len() <= PASSWORD_BYTES_MAX => std::fs::read_to_string(&path),
        Ok(_) => {
            let message = format!("{} must be a file of at most {PASSWORD_BYTES_MAX} bytes", path.display());
            document.problem(&written.place, message);
            return None;
        }
        Err(error) => Err(error),
    };
    match text {
        // Editors end a file with a line break; no password does.
        Ok(text) => {
            let value = text.trim_end_matches(['\r', '\n']).to_owned();
            checked_plain(document, At { value, place: written.place })
        }
        Err(error) => {
            document.problem(&written.place, format!("{} can't be read: {error}", path.display()));
            None
        }
    }
}

fn checked_hash(document: &Document<'_>, written: At<String>) -> Option<Password> {
    if carillon_api::is_password_hash(&written.value) {
        Some(Password::Hash(written.value))
    } else {
        document.problem(&written.place, "must be an argon2id hash in PHC form, \"$argon2id$v=19$...\"");
        None
    }
}

fn path(
    document: &Document<'_>,
    mut section: Section<'_>,
    key: &'static str,
    variable: &str,
    default: &str,
) -> PathBuf {
    let written = section.text_or_variable(key, variable);
    section.finish();
    if let Some(at) = &written
        && at.value.is_empty()
    {
        document.problem(&at.place, "is empty");
    }
    document.path(&written.map_or_else(|| default.to_owned(), |at| at.value))
}

fn level(document: &Document<'_>, mut section: Section<'_>) -> String {
    let written = section.text("level");
    section.finish();
    let Some(written) = written else { return "info".into() };
    if !LEVELS.contains(&written.value.as_str()) {
        document.problem(&written.place, format!("must be one of {}", LEVELS.join(", ")));
    }
    written.value
}
