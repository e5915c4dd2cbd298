//! The service's file: its example, its defaults, the environment over it, people and their passwords.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use carillon_api::options::Password;
use carillon_api::rights::Role;
use carillon_config::{ConfigError, ServiceConfig};

use crate::folder::Folder;

const EXAMPLE: &str = include_str!("../../carillon.example.toml");

const MINIMAL: &str = r#"
[[trunk]]
name = "carrier"
uri = "sip:127.0.0.1:5090"
caller_ids = ["+15550000001"]

[[agents.agent]]
user = "agent1"
password = "s3cret"
"#;

fn load(text: &str, environment: &[(&str, &str)]) -> Result<ServiceConfig, ConfigError> {
    let folder = Folder::new();
    load_in(&folder, text, environment)
}

fn load_in(folder: &Folder, text: &str, environment: &[(&str, &str)]) -> Result<ServiceConfig, ConfigError> {
    let variables: BTreeMap<&str, &str> = environment.iter().copied().collect();
    ServiceConfig::load_with(&folder.write(text), &|name| {
        variables.get(name).map(|value| (*value).to_owned())
    })
}

fn problems(text: &str, environment: &[(&str, &str)]) -> Vec<String> {
    let error = load(text, environment).unwrap_err().to_string();
    error.lines().map(|line| line.split_once("campaign.toml").unwrap().1.to_owned()).collect()
}

const ADMIN: (&str, &str) = ("CARILLON_ADMIN_PASSWORD", "a long password");

#[test]
fn the_example_holds_what_it_says() {
    let config = load(EXAMPLE, &[]).unwrap();
    assert_eq!(config.api_listen, "127.0.0.1:8080".parse().unwrap());
    let people: Vec<(&str, Role)> =
        config.api.users.iter().map(|user| (user.name.as_str(), user.role)).collect();
    // The agent without a password has a phone that doesn't register and nobody who signs in.
    assert_eq!(people, [("admin", Role::Admin), ("olga", Role::Operator), ("agent1", Role::Agent)]);
    assert!(config.api.metrics_token.is_some());
    assert_eq!(config.api.session_idle, Duration::from_secs(1800));
    for (path, name) in
        [(&config.store, "carillon.db"), (&config.recordings, "recordings"), (&config.prompts, "prompts")]
    {
        assert!(path.is_absolute() && path.ends_with(name), "{path:?}");
    }
    assert_eq!(config.log, "info");
}

#[test]
fn what_is_left_out_has_its_default() {
    let config = load(MINIMAL, &[ADMIN]).unwrap();
    assert_eq!(config.api_listen, "127.0.0.1:8080".parse().unwrap());
    assert_eq!((config.api.open_live, config.api.secure_cookie), (false, false));
    assert_eq!((config.api.metrics_token, config.log.as_str()), (None, "info"));
    assert!(config.store.ends_with("carillon.db"));
}

#[test]
fn the_environment_comes_first() {
    let environment = [
        ADMIN,
        ("CARILLON_SIP_LISTEN", "127.0.0.1:5070, [::1]:5070"),
        ("CARILLON_SIP_MEDIA_ADDRESS", "127.0.0.2"),
        ("CARILLON_API_LISTEN", "127.0.0.1:9090"),
        ("CARILLON_STORE_PATH", "/var/lib/carillon/db"),
        ("CARILLON_RECORDINGS_DIRECTORY", "rec"),
        ("CARILLON_PROMPTS_DIRECTORY", "wav"),
        ("CARILLON_METRICS_TOKEN", "0123456789abcdef"),
    ];
    let config = load(EXAMPLE, &environment).unwrap();
    assert_eq!(config.sip.listen, ["127.0.0.1:5070".parse().unwrap(), "[::1]:5070".parse().unwrap()]);
    assert_eq!(config.sip.media_address, "127.0.0.2".parse::<std::net::IpAddr>().unwrap());
    assert_eq!(config.api_listen, "127.0.0.1:9090".parse().unwrap());
    assert_eq!(config.store, PathBuf::from("/var/lib/carillon/db"));
    assert!(config.recordings.ends_with("rec") && config.prompts.ends_with("wav"));
    assert_eq!(config.api.metrics_token.unwrap().0, "0123456789abcdef");
}

#[test]
fn wrong_variables_are_named() {
    let environment = [
        ("CARILLON_ADMIN_PASSWORD", "short"),
        ("CARILLON_API_LISTEN", "localhost"),
        ("CARILLON_METRICS_TOKEN", "with a space"),
        ("CARILLON_SIP_LISTEN", "127.0.0.1"),
    ];
    let found = problems(MINIMAL, &environment);
    let named: Vec<&str> = found.iter().map(|line| line.split(": ").nth(1).unwrap()).collect();
    assert_eq!(named, environment.map(|(name, _)| name));
}

#[test]
fn levels_of_logs_are_known_ones() {
    let text = format!("{MINIMAL}\n[log]\nlevel = \"loud\"\n");
    assert_eq!(
        problems(&text, &[ADMIN]),
        [":12: [log] level: must be one of error, warn, info, debug, trace"]
    );
}

#[test]
fn passwords_are_hashed_and_never_shown() {
    let folder = Folder::new();
    std::fs::write(folder.path().join("admin.password"), "from the file 123\n").unwrap();
    let text = format!("{MINIMAL}\n[api]\nadmin_password_file = \"admin.password\"\n");
    let config = load_in(&folder, &text, &[]).unwrap();
    let Password::Hash(hash) = &config.api.users[0].password else { panic!("not hashed") };
    assert!(carillon_api::is_password_hash(hash));
    assert!(!format!("{config:?}").contains("argon2id"));
    assert!(!format!("{config:?}").contains("s3cret"));

    let text = format!("{MINIMAL}\n[api]\nadmin_password_hash = \"{hash}\"\n");
    assert_eq!(load(&text, &[]).unwrap().api.users[0].password, Password::Hash(hash.clone()));
}

// Nobody who reads the file learns a password, and both doors open.
#[test]
fn an_agent_signs_in_by_hashes() {
    let hash = carillon_api::hash_password("s3cret").unwrap();
    let ha1 = "0".repeat(32);
    let keys = format!("ha1_md5 = \"{ha1}\"\npassword_hash = \"{hash}\"");
    let text = MINIMAL.replace("password = \"s3cret\"", &keys);
    let config = load(&text, &[ADMIN]).unwrap();
    let agent = config.api.users.iter().find(|user| user.name == "agent1").unwrap();
    assert_eq!(agent.password, Password::Hash(hash));
    assert!(!config.sip.users[0].ha1.is_empty());
    let wrong = MINIMAL.replace("password = \"s3cret\"", "ha1_md5 = \"0\"\npassword_hash = \"plain\"");
    let found = problems(&wrong, &[ADMIN]);
    assert!(
        found.iter().any(|line| line.contains("[[agents.agent]] password_hash: must be an argon2id")),
        "{found:?}"
    );
    assert!(
        found.iter().any(|line| line.contains("[[agents.agent]] ha1_md5: must be the hash")),
        "{found:?}"
    );
    let both =
        MINIMAL.replace("password = \"s3cret\"", &format!("password = \"s3cret\"\nha1_md5 = \"{ha1}\""));
    assert!(problems(&both, &[ADMIN])[0].contains("either password, or password_hash"));
}

#[test]
fn people_must_be_told_apart_and_have_a_password() {
    assert_eq!(
        problems(MINIMAL, &[]),
        [": [api] admin_password: missing; set CARILLON_ADMIN_PASSWORD, or admin_password_file or \
          admin_password_hash here"]
    );
    let user = |name: &str, rest: &str| format!("{MINIMAL}\n[[api.user]]\nname = \"{name}\"\n{rest}\n");
    let found = |text: String| problems(&text, &[ADMIN]);
    let operator = "role = \"operator\"\npassword = \"long enough, really\"";
    assert_eq!(found(user("admin", operator)), [":12: [[api.user]] name: user admin is there already"]);
    assert!(found(user("agent1", operator))[0].ends_with("agent1 is an agent's user too; names must differ"));
    assert_eq!(found(user("olga", "role = \"operator\"")), [":11: [[api.user]] password_hash: missing"]);
    let agent = found(user("olga", "role = \"agent\"\npassword = \"long enough, really\""));
    assert_eq!(
        agent,
        [":13: [[api.user]] role: agents are named by [[agents.agent]]; use admin or operator"]
    );
    let short = found(user("olga", "role = \"admin\"\npassword = \"short\""));
    assert_eq!(short, [":14: [[api.user]] password: must have at least 12 characters"]);
    let hash = found(user("olga", "role = \"admin\"\npassword_hash = \"5f4dcc3b5aa765d61d8327deb882cf99\""));
    assert!(hash[0].starts_with(":14: [[api.user]] password_hash: must be an argon2id hash"), "{hash:?}");
    let file = found(user("olga", "role = \"admin\"\npassword_file = \"none\""));
    assert!(file[0].starts_with(":14: [[api.user]] password_file: "), "{file:?}");
}
