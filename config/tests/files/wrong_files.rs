//! Wrong campaign files: each problem is named with its line and key.

use carillon_config::CampaignFile;

use crate::folder::{EXAMPLE, Folder, MINIMAL};

/// What is written after the file's name: `:LINE: KEY: message`.
fn problems(text: &str) -> Vec<String> {
    let folder = Folder::new();
    folder.wav("stereo.wav", 8_000, 2, 800);
    folder.wav("slow.wav", 4_000, 1, 800);
    folder.wav("empty.wav", 8_000, 1, 0);
    let path = folder.write(text);
    let error = CampaignFile::load(&path).err().unwrap_or_else(|| panic!("accepted:\n{text}"));
    let shown = error.to_string();
    shown.lines().map(|line| line.strip_prefix(&path.display().to_string()).unwrap().to_owned()).collect()
}

/// Number of the line that holds `text`, from 1.
fn line_of(file: &str, text: &str) -> usize {
    1 + file.lines().position(|line| line.contains(text)).unwrap_or_else(|| panic!("{text}"))
}

/// The example with `old` replaced by `new`; the one problem this makes starts with the line of `old` and `key`.
fn assert_replaced(old: &str, new: &str, key: &str, message: &str) {
    assert_eq!(EXAMPLE.matches(old).count(), 1, "{old} is not unique in the example");
    let text = EXAMPLE.replace(old, new);
    let found = problems(&text);
    let expected = format!(":{}: {key}: ", line_of(EXAMPLE, old));
    let right = found.len() == 1 && found[0].starts_with(&expected) && found[0].contains(message);
    assert!(right, "{new}\nexpected {expected}...{message}...\nfound    {found:#?}");
}

#[test]
fn each_wrong_value_about_callers_is_named() {
    for (old, new, key, message) in [
        ("numbers = [\"+15550000001\"]", "numbers = \"112\"", "[inbound] numbers", "short number"),
        ("wait_max = \"30s\"", "wait_max = \"4m\"", "[inbound] wait_max", "between 0s and 150s"),
        ("# message = \"nobody.wav\"", "message = \"gone.wav\"", "[inbound] message", "can't be read"),
        ("owner = true", "owner = 1", "[inbound] owner", "must be true or false"),
    ] {
        assert_replaced(old, new, key, message);
    }
    let nobody = EXAMPLE.replace("owner = true ", "owner = false").replace("team = true ", "team = false");
    assert!(problems(&nobody).iter().any(|line| line.contains("[inbound] team: nobody takes the calls")));
}

#[test]
fn each_wrong_value_about_a_signing_service_is_named() {
    let service = "identity_service = \"https://sti.example/sign\"";
    let all = format!("{service}\nattestation = \"A\"");
    for (keys, key, message) in [
        (
            "identity_service = \"http://sti.example\"\nattestation = \"A\"".into(),
            "identity_service",
            "must be like",
        ),
        (service.to_owned(), "attestation", "identity_service needs it"),
        (format!("{all}\nidentity_key = \"none.pem\""), "identity_service", "not both"),
        (format!("{all}\nidentity_url = \"https://c.example/\""), "identity_url", "needs identity_key"),
        ("identity_service_wait = \"1s\"".into(), "identity_service_wait", "needs identity_service"),
        (format!("{all}\nidentity_service_wait = \"9s\""), "identity_service_wait", "between 100ms and 8s"),
        (format!("{all}\nidentity_on_failure = \"ignore\""), "identity_on_failure", "must be one of refuse"),
        (format!("{all}\nidentity_service_token = \"a b\""), "identity_service_token", "visible ASCII"),
        (
            format!("{all}\nidentity_service_token_file = \"gone\""),
            "identity_service_token_file",
            "can't be read",
        ),
        (
            format!("{all}\nidentity_service_ca = \"contacts.csv\""),
            "identity_service_ca",
            "holds no certificate",
        ),
    ] {
        let uri = "uri = \"sip:127.0.0.1\"";
        let text = MINIMAL.replace(uri, &format!("{uri}\n{keys}"));
        let found = problems(&text);
        let named = |line: &&String| line.contains(&format!("[[trunk]] {key}: ")) && line.contains(message);
        assert!(found.iter().any(|line| named(&line)), "{keys}\n{found:#?}");
    }
    let text = MINIMAL.replace("uri = ", &format!("{all}\nuri = "));
    let folder = Folder::new();
    assert!(CampaignFile::load(&folder.write(&text)).is_ok());
}

#[test]
fn each_wrong_value_about_who_is_believed_is_named() {
    let folder = Folder::new();
    let authority = folder.authority();
    let roots = format!("identity_roots = \"{}\"", authority.display());
    let certificates = |line: &str| format!("{roots}\nidentity_certificates = [\"{line}\"]");
    let its = certificates(&format!("https://c.example/a.pem {}", authority.display()));
    for (keys, key, message) in [
        ("identity_roots = \"gone\"".to_owned(), "identity_roots", "can't be read"),
        ("identity_roots = \"contacts.csv\"".into(), "identity_roots", "holds no certificate"),
        (roots.clone(), "identity_certificates", "identity_roots needs it"),
        (
            "identity_certificates = [\"https://c.example/ a\"]".into(),
            "identity_certificates",
            "needs identity_roots",
        ),
        (certificates("a.pem"), "identity_certificates", "must be lines like"),
        (certificates("ftp://c.example/a.pem a.pem"), "identity_certificates", "must be lines like"),
        (
            certificates("https://c.example/a.pem contacts.csv"),
            "identity_certificates",
            "holds no certificate",
        ),
    ] {
        let uri = "uri = \"sip:127.0.0.1\"";
        let text = MINIMAL.replace(uri, &format!("{uri}\n{keys}"));
        let found = problems(&text);
        let named = |line: &&String| line.contains(&format!("[[trunk]] {key}")) && line.contains(message);
        assert!(found.iter().any(|line| named(&line)), "{keys}\n{found:#?}");
    }
    let text = MINIMAL.replace("uri = ", &format!("{its}\nuri = "));
    assert!(CampaignFile::load(&folder.write(&text)).is_ok());
}

#[test]
fn each_wrong_value_is_named_with_line_and_key() {
    let campaign = "[campaign]";
    for (old, new, key, message) in [
        ("name = \"renewals\"", "name = 5", "name", "must be text in quotes, not a whole number"),
        ("name = \"renewals\"", "name = \"\"", "name", "1 to 100 characters"),
        ("mode = \"ratio\"                   #", "mode = \"fast\" #", "mode", "unknown variant `fast`"),
        ("ratio = 2.0", "ratio = 0.5", "ratio", "between 1.0 and 10.0"),
        ("ratio = 2.0", "ratio = 10.01", "ratio", "between 1.0 and 10.0"),
        ("ratio = 2.0", "ratio = \"2\"", "ratio", "must be a number, not text"),
        ("ratio = 2.0", "ratio = nan", "ratio", "finite"),
        ("jurisdiction = \"us\"", "jurisdiction = \"usa\"", "jurisdiction", "unknown variant `usa`"),
        ("abandon_limit = 0.03", "abandon_limit = 3", "abandon_limit", "between 0.0 and 1.0"),
        ("abandon_limit = 0.03", "abandon_limit = -0.01", "abandon_limit", "between 0.0 and 1.0"),
        ("abandon_strict = false", "abandon_strict = 1", "abandon_strict", "must be true or false"),
        ("abandon_after = \"2s\"", "abandon_after = 2", "abandon_after", "write a duration like"),
        ("abandon_after = \"2s\"", "abandon_after = \"0s\"", "abandon_after", "between 100ms and 1m"),
        ("safe_harbour = \"sorry.wav\"", "safe_harbour = \"gone.wav\"", "safe_harbour", "can't be read"),
        ("safe_harbour = \"sorry.wav\"", "safe_harbour = \"stereo.wav\"", "safe_harbour", "PCM16 mono"),
        ("safe_harbour = \"sorry.wav\"", "safe_harbour = \"slow.wav\"", "safe_harbour", "PCM16 mono"),
        ("safe_harbour = \"sorry.wav\"", "safe_harbour = \"empty.wav\"", "safe_harbour", "no sound"),
        ("safe_harbour = \"sorry.wav\"", "safe_harbour = \"dnc.csv\"", "safe_harbour", "not a WAV file"),
        ("ring_timeout = \"25s\"", "ring_timeout = \"14s\"", "ring_timeout", "below 15s"),
        ("ring_timeout = \"25s\"", "ring_timeout = \"25\"", "ring_timeout", "is not a duration"),
        ("record = false", "record = \"no\"", "record", "must be true or false, not text"),
        ("time_limit = \"10m\"", "time_limit = \"0s\"", "time_limit", "between 1ms and 365d"),
        ("seed = 42", "seed = -1", "seed", "must be between 0 and"),
        ("seed = 42", "sead = 42", "sead", "unknown key; known here: name, mode"),
    ] {
        assert_replaced(old, new, &format!("{campaign} {key}"), message);
    }
}

#[test]
fn the_gateway_is_checked_too() {
    for (old, new, key, message) in [
        ("listen = \"127.0.0.1:5060\"", "listen = \"localhost\"", "[sip] listen", "IP address with port"),
        ("listen = \"127.0.0.1:5060\"", "listen = []", "[sip] listen", "1 to 16 addresses"),
        (
            "listen = \"127.0.0.1:5060\"",
            "listen = \"sctp:127.0.0.1:80\"",
            "[sip] listen",
            "udp:, tcp:, tls:, ws: or wss:",
        ),
        ("listen = \"127.0.0.1:5060\"", "listen = \"127.0.0.1:0\"", "[sip] listen", "must not be 0"),
        (
            "listen = \"127.0.0.1:5060\"",
            "listen = [\"127.0.0.1:5060\", \"udp:127.0.0.1:5060\"]",
            "[sip] listen",
            "twice",
        ),
        ("media_address = \"127.0.0.1\"", "media_address = \"0.0.0.0\"", "[sip] media_address", "can reach"),
        ("media_address = \"127.0.0.1\"", "media_address = \"here\"", "[sip] media_address", "IP address"),
        (
            "realm = \"carillon\"",
            "ws_origins = [\"https://console.example/page\"]",
            "[sip] ws_origins",
            "without a path",
        ),
        ("rtp_ports = \"20000-29999\"", "rtp_ports = \"20001-29999\"", "[sip] rtp_ports", "even port"),
        ("rtp_ports = \"20000-29999\"", "rtp_ports = \"20000-20001\"", "[sip] rtp_ports", "more than two"),
        ("rtp_ports = \"20000-29999\"", "rtp_ports = \"30000-20000\"", "[sip] rtp_ports", "more than two"),
        ("rtp_ports = \"20000-29999\"", "rtp_ports = \"20000-99999\"", "[sip] rtp_ports", "two ports"),
        ("rtp_ports = \"20000-29999\"", "rtp_ports = \"100-200\"", "[sip] rtp_ports", "1024"),
        ("realm = \"carillon\"", "realm = \"a \\\"b\\\"\"", "[sip] realm", "visible ASCII"),
        (
            "register_expires_max = \"1h\"",
            "register_expires_max = \"5s\"",
            "[sip] register_expires_max",
            "must not be below",
        ),
        (
            "realm = \"carillon\"",
            "hep = \"homer\"\nrealm = \"carillon\"",
            "[sip] hep",
            "an address or a name with port",
        ),
        (
            "realm = \"carillon\"",
            "hep = \"0.0.0.0:9060\"\nrealm = \"carillon\"",
            "[sip] hep",
            "an address or a name with port",
        ),
        (
            "realm = \"carillon\"",
            "hep = \"192.0.2.30:0\"\nrealm = \"carillon\"",
            "[sip] hep",
            "an address or a name with port",
        ),
        (
            "realm = \"carillon\"",
            "hep_password = \"x\"\nrealm = \"carillon\"",
            "[sip] hep_password",
            "nothing without hep",
        ),
        ("realm = \"carillon\"", "hep_id = 4294967296\nrealm = \"carillon\"", "[sip] hep_id", "4294967295"),
        ("realm = \"carillon\"", "workers = 17\nrealm = \"carillon\"", "[sip] workers", "16"),
        ("realm = \"carillon\"", "workers = \"2\"\nrealm = \"carillon\"", "[sip] workers", "whole number"),
        ("session_expires = \"30m\"", "ladders_kept = \"1h\"", "[sip] ladders_kept", "1d"),
        ("session_expires = \"30m\"", "session_expires = \"80s\"", "[sip] session_expires", "90s"),
        (
            "session_expires_min = \"90s\"",
            "session_expires_min = \"31m\"",
            "[sip] session_expires_min",
            "must not be above",
        ),
    ] {
        assert_replaced(old, new, key, message);
    }
}

#[test]
fn certificates_and_families_are_checked_too() {
    let listen = "listen = \"127.0.0.1:5060\"";
    let any = "listen = [\"127.0.0.1:5060\", \"[::]:5060\"]".to_owned();
    let both = "listen = [\"127.0.0.1:5060\", \"tls:127.0.0.1:5061\"]";
    let trunk = "uri = \"sip:127.0.0.1:5090\"";
    let tls = |keys: &str| format!("[tls]\n{keys}\n[[trunk]]");
    for (old, new, told) in [
        (
            listen,
            any,
            "[sip] listen: [::]:5060 stands for every address, but media_address is not of its family",
        ),
        (listen, both.to_owned(), "[tls] certificate: missing; tls:127.0.0.1:5061 in [sip] listen needs it"),
        ("[[trunk]]", tls("certificate = \"x.pem\""), "[tls] key: missing; certificate needs it"),
        ("[[trunk]]", tls("key = \"x.pem\""), "[tls] certificate: missing; key needs it"),
        ("[[trunk]]", tls("ca = \"no.pem\""), "no.pem: can't be read"),
        ("[[trunk]]", tls("certificate = \"no.pem\"\nkey = \"no.key\""), "no.pem: can't be read"),
        (
            "[[trunk]]",
            tls("certificat = \"no.pem\""),
            "[tls] certificat: unknown key; known here: certificate, key",
        ),
        (trunk, format!("{trunk}\ntls_ca = \"ca.pem\""), "tls_ca: is for a uri over TLS"),
    ] {
        assert_eq!(EXAMPLE.matches(old).count(), 1, "{old} is not unique in the example");
        let found = problems(&EXAMPLE.replace(old, &new));
        assert!(found.len() == 1 && found[0].contains(told), "{new}\nexpected {told}\nfound    {found:#?}");
    }
}

#[test]
fn trunks_are_checked_too() {
    for (old, new, key, message) in [
        ("name = \"carrier\"", "label = \"carrier\"", "label", "unknown key"),
        ("uri = \"sip:127.0.0.1:5090\"", "uri = \"127.0.0.1:5090\"", "uri", "must be like"),
        ("uri = \"sip:127.0.0.1:5090\"", "uri = \"sips:127.0.0.1\"", "uri", "needs an address on tls:"),
        (
            "uri = \"sip:127.0.0.1:5090\"",
            "uri = \"sips:127.0.0.1;transport=udp\"",
            "uri",
            "only udp, tcp and tls",
        ),
        (
            "uri = \"sip:127.0.0.1:5090\"",
            "uri = \"sip:127.0.0.1;transport=tcp\"",
            "uri",
            "needs an address on tcp:",
        ),
        (
            "uri = \"sip:127.0.0.1:5090\"",
            "uri = \"sip:127.0.0.1;transport=sctp\"",
            "uri",
            "only udp, tcp and tls",
        ),
        ("uri = \"sip:127.0.0.1:5090\"", "uri = \"sip:me@127.0.0.1\"", "uri", "must be like"),
        ("uri = \"sip:127.0.0.1:5090\"", "uri = \"sip:127.0.0.1:99999\"", "uri", "must be like"),
        ("uri = \"sip:127.0.0.1:5090\"", "uri = \"sip:[::1]:5090\"", "uri", "no address of a family"),
        ("uri = \"sip:127.0.0.1:5090\"", "uri = \"sip:no..host\"", "uri", "must be like"),
        ("register = false", "register = true", "username", "register = true needs it"),
        ("max_calls = 200", "max_calls = 0", "max_calls", "between 1 and 100000"),
        ("max_calls = 200", "max_calls = 2.5", "max_calls", "must be a whole number, not a number"),
        ("calls_per_second = 50.0", "calls_per_second = 0", "calls_per_second", "above 0"),
        (
            "# incoming_per_second = 20.0",
            "incoming_per_second = -1 #",
            "incoming_per_second",
            "above 0 and at most 10000",
        ),
        ("caller_ids = [\"+15550000001\"]", "caller_ids = []", "caller_ids", "1 to 10000 numbers"),
        ("caller_ids = [\"+15550000001\"]", "caller_ids = [\"anna\"]", "caller_ids", "3 to 15 digits"),
        ("caller_ids = [\"+15550000001\"]", "caller_ids = \"+15550000001\"", "caller_ids", "array of texts"),
        ("\"500-599\"]", "\"486\"]", "failover", "486 is the callee's word"),
        ("\"500-599\"]", "\"603\"]", "failover", "603 is the callee's word"),
        ("\"500-599\"]", "\"599-500\"]", "failover", "must be statuses like"),
        ("\"500-599\"]", "\"5xx\"]", "failover", "must be statuses like"),
        ("\"500-599\"]", "\"500-603\"]", "failover", "must be statuses like"),
        ("q850:31 busy", "q850:131 busy", "outcomes", "q850:131 is no status"),
        (
            "q850:31 busy",
            "q850:31 answered",
            "outcomes",
            "answered is no outcome of a call without an answer",
        ),
        ("allow = [\"+1\"]", "allow = [\"1\"]", "allow", "must be prefixes like"),
        ("deny = [\"+1900\"", "deny = [\"+19 00\"", "deny", "must be prefixes like"),
        ("number_format = \"e164\"", "number_format = \"local\"", "number_format", "e164, digits, national"),
        ("number_format = \"e164\"", "number_format = \"national\"", "country_code", "needs it"),
        ("options_up_after = 2", "options_up_after = 0", "options_up_after", "between 1 and 100"),
        ("minutes_daily_max = 0", "spend_daily_max = \"5\"", "spend_daily_max", "needs rates or rates_file"),
        ("minutes_daily_max = 0", "spend_monthly_max = \"5,50\"", "spend_monthly_max", "must be an amount"),
        ("minutes_daily_max = 0", "billing = \"60/0\"", "billing", "is no increment in seconds"),
        ("minutes_daily_max = 0", "currency = \"euro \"", "currency", "letters or digits"),
        ("minutes_daily_max = 0", "rates = [\"+1 1 60 free\"]", "rates", "`free` is no fee"),
        ("caller_id_rest = \"0s\"", "caller_id_rest = \"2d\"", "caller_id_rest", "between"),
        ("failover_after = \"4s\"", "failover_after = \"33s\"", "failover_after", "between"),
        ("codecs = [\"PCMU\", \"PCMA\"]", "codecs = []", "codecs", "at least one"),
        ("codecs = [\"PCMU\", \"PCMA\"]", "codecs = [\"G729\"]", "codecs", "unknown variant `G729`"),
        ("codecs = [\"PCMU\", \"PCMA\"]", "codecs = [\"PCMU\", \"PCMU\"]", "codecs", "twice"),
    ] {
        let text = EXAMPLE.replace(old, new);
        let found = problems(&text);
        let named = format!("[[trunk]] {key}: ");
        assert!(
            found.iter().any(|line| line.contains(&named) && line.contains(message)),
            "{new}: {found:#?}"
        );
    }
}

#[test]
fn agents_lists_windows_and_closure_are_checked_too() {
    for (old, new, key, message) in [
        ("leg = \"persistent\"", "leg = \"always\"", "[agents] leg", "unknown variant `always`"),
        ("wait_for = \"20s\"", "wait_for = \"2h\"", "[agents] wait_for", "between 0s and 1h"),
        ("wrap_up = \"5s\"", "wrap_up = \"2d\"", "[agents] wrap_up", "between 0s and 1d"),
        ("talk_limit = \"0s\"", "talk_limit = \"none\"", "[agents] talk_limit", "is not a duration"),
        ("disposition = \"success\"", "disposition = \"\"", "[agents] disposition", "1 to 100 characters"),
        (
            "timezone = \"America/New_York\"",
            "timezone = \"Mars\"",
            "[agents] timezone",
            "is not a known zone",
        ),
        ("days = [\"tue\"", "days = [\"tuesday\"", "[[agents.shift]] days", "unknown variant `tuesday`"),
        ("days = [\"tue\"", "days = [\"wed\"", "[[agents.shift]] days", "twice"),
        ("from = \"09:00\"", "from = \"9:00\"", "[[agents.shift]] from", "a time like"),
        ("to = \"12:30\"", "to = \"06:00\"", "[[agents.shift]] to", "write a shift over midnight as two"),
        ("agents = [\"agent1\"]", "agents = [\"a\"]", "[[agents.shift]] agents", "a is no user of an"),
        ("agents = [\"agent1\"]", "agents = []", "[[agents.shift]] agents", "names nobody"),
        ("[\"agent1\"]", "[\"agent1\", \"agent1\"]", "[[agents.shift]] agents", "names agent1 twice"),
        (
            "agents = [\"agent1\"]",
            "breaks = 1",
            "[[agents.shift]] breaks",
            "unknown key; known here: days, from, to",
        ),
        ("user = \"agent2\"", "user = \"agent1\"", "[[agents.agent]] user", "agent1 is there already"),
        ("user = \"agent2\"", "user = \"a b\"", "[[agents.agent]] user", "letters, digits"),
        ("password = \"s3cret\"", "password = \"\"", "[[agents.agent]] password", "is empty"),
        ("password = \"s3cret\"", "ha1_md5 = \"12\"", "[[agents.agent]] ha1_md5", "32 hexadecimal digits"),
        ("phone_digests = [\"MD5\"]", "phone_digests = []", "[sip] phone_digests", "at least one of MD5"),
        (
            "phone_digests = [\"MD5\"]",
            "phone_digests = [\"MD4\"]",
            "[sip] phone_digests",
            "must be one of MD5",
        ),
        (
            "phone_digests = [\"MD5\"]",
            "phone_digests = [\"MD5\", \"md5\"]",
            "[sip] phone_digests",
            "md5 is there twice",
        ),
        ("contact = \"sip:agent2@", "contact = \"agent2@", "[[agents.agent]] contact", "must be like"),
        (
            "contact = \"sip:agent2@",
            "preferred_device = \"<urn:uuid:1>\"\ncontact = \"sip:agent2@",
            "[[agents.agent]] preferred_device",
            "must be a URN",
        ),
        ("file = \"contacts.csv\"", "file = \"gone.csv\"", "[list] file", "can't be read"),
        ("file = \"contacts.csv\"", "file = \".\"", "[list] file", "is not a file"),
        ("region = \"US\"", "region = \"USA\"", "[list] region", "is not a region"),
        ("timezone = \"UTC\"", "timezone = \"Mars\"", "[list] timezone", "is not a known zone"),
        ("suppression = \"dnc.csv\"", "suppression = \"gone\"", "[list] suppression", "can't be read"),
        ("days = [\"mon\"", "days = [\"monday\"", "[[window]] days", "unknown variant `monday`"),
        ("days = [\"mon\"", "days = [\"tue\"", "[[window]] days", "twice"),
        ("from = \"08:00\"", "from = \"8:00\"", "[[window]] from", "a time like"),
        ("to = \"21:00\"", "to = \"07:00\"", "[[window]] to", "later than from"),
        ("to = \"21:00\"", "to = \"24:01\"", "[[window]] to", "a time like"),
        ("attempts_max = 3", "attempts_max = 0", "[closure] attempts_max", "between 1 and 100"),
        ("within = \"10d\"", "within = \"0s\"", "[closure] within", "between 1ms and"),
        ("success = [\"success\"]", "success = [1]", "[closure] success", "must be text"),
        ("busy = \"5m\"", "bussy = \"5m\"", "[closure.retry] bussy", "unknown variant `bussy`"),
        (
            "callee_left = \"2m\"",
            "callee_left = \"500d\"",
            "[closure.retry] callee_left",
            "between 0s and 365d",
        ),
        ("busy = \"5m\"", "busy = 5", "[closure.retry] busy", "write a duration like"),
    ] {
        assert_replaced(old, new, key, message);
    }
}

#[test]
fn what_is_missing_is_named() {
    let without = |line: &str| MINIMAL.replace(line, "");
    for (line, expected) in [
        ("name = \"m\"\n", ":2: [campaign] name: missing"),
        ("mode = \"progressive\"\n", ":2: [campaign] mode: missing"),
        ("jurisdiction = \"none\"\n", ":2: [campaign] jurisdiction: missing"),
        ("name = \"carrier\"\n", ":7: [[trunk]] name: missing"),
        ("uri = \"sip:127.0.0.1\"\n", ":7: [[trunk]] uri: missing"),
        ("caller_ids = [\"+15550000001\"]\n", ":7: [[trunk]] caller_ids: missing"),
        ("user = \"a\"\n", ":13: [[agents.agent]] user: missing"),
        ("password = \"b\"\n", ":13: [[agents.agent]] password: missing"),
        ("file = \"contacts.csv\"\n", ":17: [list] file: missing"),
    ] {
        assert_eq!(problems(&without(line)), [expected], "without {line}");
    }
    let found = problems("");
    let sections = ["[campaign] name", "[[trunk]]", "[agents] agent", "[list] file"];
    for section in sections {
        assert!(
            found.iter().any(|line| line.starts_with(&format!(": {section}"))),
            "{section} in {found:#?}"
        );
    }
}

#[test]
fn all_problems_are_told_at_once_by_line() {
    let text = EXAMPLE
        .replace("ratio = 2.0", "ratio = 20")
        .replace("rtp_ports = \"20000-29999\"", "rtp_ports = \"odd\"")
        .replace("within = \"10d\"", "withn = \"10d\"")
        .replace("user = \"agent2\"", "user = \"agent1\"");
    let found = problems(&text);
    let lines: Vec<usize> =
        found.iter().map(|line| line.split(':').nth(1).unwrap().parse().unwrap()).collect();
    let expected = ["ratio = 20", "rtp_ports = \"odd\"", "contact = ", "withn"];
    assert_eq!(lines.len(), 4, "{found:#?}");
    assert!(lines.is_sorted());
    for (line, text_there) in lines.iter().zip(expected) {
        // The second agent's user stands one line above its contact.
        let there = line_of(&text, text_there) - usize::from(text_there == "contact = ");
        assert_eq!(*line, there, "{found:#?}");
    }
}

#[test]
fn duplicate_trunks_are_refused() {
    let text = format!(
        "{MINIMAL}\n[[trunk]]\nname = \"carrier\"\nuri = \"sip:127.0.0.2\"\ncaller_ids = [\"+1555\"]\n"
    );
    assert_eq!(problems(&text), [":21: [[trunk]] name: trunk carrier is there already"]);
}

#[test]
fn sections_must_be_what_they_are() {
    let found = problems("campaign = 1\ntrunk = []\n");
    for expected in [":1: [campaign]: must be a table, not a whole number", ": [[trunk]]: needs at least one"]
    {
        assert!(found.iter().any(|line| line.starts_with(expected)), "{expected} in {found:#?}");
    }
    let found = problems(&MINIMAL.replace("[[trunk]]", "[trunk]"));
    assert_eq!(found, [":7: [[trunk]]: must be written as [[trunk]], not a table"]);
    let found = problems(&format!("{MINIMAL}\n[pacing]\nmode = 1\n"));
    assert_eq!(
        found,
        [
            ":20: pacing: unknown key; known here: campaign, sip, tls, trunk, agents, list, window, closure, inbound"
        ]
    );
}

#[test]
fn broken_syntax_is_named_with_its_line() {
    for (text, line) in [
        ("[campaign]\nname = \"m\nmode = \"ratio\"\n", ":2"),
        ("[campaign]\nname \"m\"\n", ":2"),
        ("[campaign]\n[campaign]\n", ":2"),
        ("[campaign]\nname = \"a\"\n\nname = \"b\"\n", ":4"),
        ("[campaign", ":1"),
    ] {
        let found = problems(text);
        assert!(found[0].starts_with(&format!("{line}: ")), "{text}: {found:#?}");
    }
}

#[test]
fn files_that_are_none_are_refused() {
    let folder = Folder::new();
    let error = CampaignFile::load(&folder.path().join("none.toml")).unwrap_err().to_string();
    assert!(error.contains("none.toml: can't be read"), "{error}");
    let error = CampaignFile::load(folder.path()).unwrap_err().to_string();
    assert!(error.contains("is not a file"), "{error}");
    let path = folder.path().join("latin1.toml");
    std::fs::write(&path, b"[campaign]\n\nname = \"caf\xe9\"\n").unwrap();
    let error = CampaignFile::load(&path).unwrap_err().to_string();
    assert!(error.contains("latin1.toml:3: is not UTF-8 here"), "{error}");
}
