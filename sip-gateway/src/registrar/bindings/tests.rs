use super::*;

const S: fn(u64) -> Duration = Duration::from_secs;

fn wish(contact: &str, call_id: &str, cseq: u32, expires_s: u64) -> Wish {
    Wish {
        contact: contact.into(),
        address: "192.0.2.7:5062".parse().unwrap(),
        local: "192.0.2.1:5060".parse().unwrap(),
        call_id: call_id.into(),
        cseq,
        expires: S(expires_s),
        instance: None,
        reg_id: None,
        q: Q_WHOLE,
        path: Vec::new(),
        session: None,
    }
}

fn device(instance: &str, reg_id: Option<u32>, contact: &str, cseq: u32) -> Wish {
    let instance = Some(instance.to_owned());
    Wish { instance, reg_id, ..wish(contact, contact, cseq, 60) }
}

fn unbound(key: &str) -> Change {
    Change::Unbound { user: "anna".into(), binding: key.into() }
}

fn order(bindings: &Bindings, preferred: Option<&str>, now: Duration) -> Vec<String> {
    let bound = bindings.in_order("anna", preferred, now);
    bound.into_iter().map(|bound| bound.wish.contact.clone()).collect()
}

impl Bindings {
    /// What is counted beside the table agrees with it.
    pub(crate) fn assert_sound(&self) {
        let all = || self.users.iter().flat_map(|(user, all)| all.iter().map(move |bound| (user, bound)));
        let by_time: BTreeSet<_> = all().map(|(user, bound)| (bound.expires_at, user.clone())).collect();
        assert_eq!(by_time, self.by_time);
        let mut hosts = BTreeMap::new();
        let mut flows: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        for (user, Bound { wish, .. }) in all() {
            *hosts.entry(wish.address.ip()).or_default() += 1;
            if wish.is_tied() {
                flows.entry((wish.local.transport, wish.address)).or_default().insert(user.clone());
            }
        }
        assert_eq!((hosts, flows), (self.hosts.clone(), self.flows.clone()));
        for (user, all) in &self.users {
            let keys: BTreeSet<String> = all.iter().map(|bound| bound.wish.key()).collect();
            assert!(!all.is_empty() && all.len() <= BINDINGS_MAX && keys.len() == all.len(), "{user}");
        }
    }
}

#[test]
fn order_is_kept_within_a_call_id() {
    let mut bindings = Bindings::default();
    let now = Duration::ZERO;
    bindings.apply("anna", vec![wish("sip:a@1", "x", 5, 60)], now).unwrap();
    assert_eq!(bindings.apply("anna", vec![wish("sip:a@1", "x", 5, 60)], now), Err(OutOfOrder));
    assert_eq!(bindings.clear("anna", "x", 4), Err(OutOfOrder));
    assert!(bindings.apply("anna", vec![wish("sip:a@1", "x", 6, 60)], now).is_ok());
    assert!(bindings.apply("anna", vec![wish("sip:a@1", "rebooted", 1, 60)], now).is_ok());
    // All or nothing.
    let both = vec![wish("sip:new@1", "rebooted", 1, 60), wish("sip:a@1", "rebooted", 1, 60)];
    assert_eq!(bindings.apply("anna", both, now), Err(OutOfOrder));
    assert_eq!(order(&bindings, None, now), ["sip:a@1"]);
}

#[test]
fn a_phone_that_moves_takes_its_binding_with_it_and_another_phone_has_its_own() {
    let mut bindings = Bindings::default();
    let now = Duration::ZERO;
    bindings.apply("anna", vec![wish("sip:a@192.0.2.1", "desk", 1, 60)], now).unwrap();
    let changes = bindings.apply("anna", vec![wish("sip:a@192.0.2.2", "desk", 2, 60)], now).unwrap();
    assert_eq!(changes[0], unbound("sip:a@192.0.2.1"));
    assert!(matches!(&changes[1], Change::Bound(binding) if binding.contact == "sip:a@192.0.2.2"));
    bindings.apply("anna", vec![wish("sip:a@192.0.2.9", "mobile", 1, 60)], S(1)).unwrap();
    assert_eq!(order(&bindings, None, S(1)), ["sip:a@192.0.2.9", "sip:a@192.0.2.2"], "the newer one first");
    // The same URI in other words (RFC 3261 §19.1.4) is the same contact, and keeps its place.
    let again = bindings.apply("anna", vec![wish("SIP:a@192.0.2.2", "desk", 3, 60)], S(2)).unwrap();
    assert_eq!(again[0], unbound("sip:a@192.0.2.2"));
    assert_eq!(order(&bindings, None, S(2)), ["sip:a@192.0.2.9", "SIP:a@192.0.2.2"]);
    bindings.assert_sound();
}

#[test]
fn several_contacts_of_one_register_stay_together() {
    let mut bindings = Bindings::default();
    for cseq in 1..4 {
        let both = vec![wish("sip:a@192.0.2.1", "x", cseq, 60), wish("sip:a@192.0.2.2", "x", cseq, 60)];
        let changes = bindings.apply("anna", both, S(0)).unwrap();
        assert!(changes.iter().all(|change| matches!(change, Change::Bound(_))), "{changes:?}");
        assert_eq!(order(&bindings, None, S(0)).len(), 2);
    }
}

// RFC 5626 §6: instance and reg-id are the key, whatever the contact says.
#[test]
fn a_flow_is_replaced_by_the_same_flow_and_another_one_stands_beside_it() {
    let mut bindings = Bindings::default();
    bindings.apply("anna", vec![device("<urn:1>", Some(1), "sip:a@192.0.2.1", 1)], S(0)).unwrap();
    bindings.apply("anna", vec![device("<urn:1>", Some(2), "sip:a@192.0.2.2", 1)], S(1)).unwrap();
    assert_eq!(order(&bindings, None, S(1)), ["sip:a@192.0.2.2", "sip:a@192.0.2.1"]);
    let changes =
        bindings.apply("anna", vec![device("<urn:1>", Some(1), "sip:a@192.0.2.3", 9)], S(2)).unwrap();
    assert!(matches!(changes.as_slice(), [Change::Bound(_)]), "written over: {changes:?}");
    assert_eq!(order(&bindings, None, S(2)), ["sip:a@192.0.2.3", "sip:a@192.0.2.2"], "refreshed last");
    // A device without flows is one binding, wherever it is.
    for at in 1..5_u32 {
        let contact = format!("sip:a@192.0.2.{}", 100 + at);
        bindings.apply("anna", vec![device("<urn:2>", None, &contact, 1)], S(3)).unwrap();
    }
    assert_eq!(bindings.of("anna").len(), 3);
    bindings.assert_sound();
}

#[test]
fn the_preferred_device_is_called_first_then_the_higher_q_then_the_newer() {
    let mut bindings = Bindings::default();
    let q = |q: u16, wish: Wish| vec![Wish { q, ..wish }];
    bindings.apply("anna", q(500, device("<urn:1>", None, "sip:1@1", 1)), S(0)).unwrap();
    bindings.apply("anna", q(900, device("<urn:2>", None, "sip:2@1", 1)), S(1)).unwrap();
    bindings.apply("anna", q(900, device("<urn:3>", None, "sip:3@1", 1)), S(2)).unwrap();
    assert_eq!(order(&bindings, None, S(3)), ["sip:3@1", "sip:2@1", "sip:1@1"]);
    assert_eq!(order(&bindings, Some("urn:1"), S(3)), ["sip:1@1", "sip:3@1", "sip:2@1"]);
    // A refresh makes no device newer.
    bindings.apply("anna", q(900, device("<urn:2>", None, "sip:2@1", 2)), S(4)).unwrap();
    assert_eq!(order(&bindings, None, S(5)), ["sip:3@1", "sip:2@1", "sip:1@1"]);
    // Who did not answer comes last until it registers again.
    bindings.doubt("anna", "<urn:3>");
    assert_eq!(order(&bindings, Some("urn:3"), S(5)), ["sip:2@1", "sip:1@1", "sip:3@1"]);
    bindings.apply("anna", q(900, device("<urn:3>", None, "sip:3@1", 2)), S(6)).unwrap();
    assert_eq!(order(&bindings, None, S(6)), ["sip:3@1", "sip:2@1", "sip:1@1"]);
}

#[test]
fn at_the_maximum_a_phone_without_a_name_gives_way_first() {
    let mut bindings = Bindings::default();
    bindings.apply("anna", vec![device("<urn:1>", None, "sip:1@1", 1)], S(0)).unwrap();
    for index in 1..BINDINGS_MAX {
        let contact = format!("sip:{index}@2");
        bindings.apply("anna", vec![wish(&contact, &contact, 1, 600)], S(index as u64)).unwrap();
    }
    assert_eq!(bindings.of("anna").len(), BINDINGS_MAX);
    let changes = bindings.apply("anna", vec![wish("sip:new@3", "new", 1, 60)], S(20)).unwrap();
    assert_eq!(changes[0], unbound("sip:1@2"));
    assert_eq!(bindings.of("anna").len(), BINDINGS_MAX);
    assert!(bindings.of("anna").iter().any(|bound| bound.wish.instance.is_some()));
    bindings.assert_sound();
}

#[test]
fn zero_removes_only_its_own_contact() {
    let mut bindings = Bindings::default();
    let now = Duration::ZERO;
    bindings.apply("anna", vec![wish("sip:a@1", "x", 1, 60)], now).unwrap();
    assert_eq!(bindings.apply("anna", vec![wish("sip:a@9", "y", 1, 0)], now), Ok(vec![]));
    assert_eq!(order(&bindings, None, now).len(), 1);
    assert_eq!(bindings.apply("anna", vec![wish("sip:a@1", "x", 2, 0)], now), Ok(vec![unbound("sip:a@1")]));
    assert!(bindings.of("anna").is_empty());
    assert_eq!(bindings.clear("anna", "x", 3), Ok(vec![]));
    bindings.apply("anna", vec![device("<urn:1>", Some(1), "sip:a@1", 1)], now).unwrap();
    let gone = bindings.apply("anna", vec![wish("sip:a@1", "z", 1, 0)], now).unwrap();
    assert_eq!(gone, [unbound("<urn:1>;reg-id=1")], "a contact may be removed without its device's name");
}

#[test]
fn bindings_run_out() {
    let mut bindings = Bindings::default();
    bindings.apply("anna", vec![wish("sip:a@1", "x", 1, 60)], Duration::ZERO).unwrap();
    bindings.apply("anna", vec![wish("sip:a@2", "y", 1, 60)], Duration::ZERO).unwrap();
    bindings.apply("ben", vec![wish("sip:b@1", "x", 1, 90)], Duration::ZERO).unwrap();
    assert_eq!(bindings.next_expiry(), Some(S(60)));
    assert!(order(&bindings, None, S(60)).is_empty(), "not used in its last instant");
    assert_eq!(bindings.expire(S(60)), vec![unbound("sip:a@1"), unbound("sip:a@2")]);
    assert!(bindings.is_host("192.0.2.7".parse().unwrap()), "another phone is there");
    assert_eq!(bindings.next_expiry(), Some(S(90)));
    bindings.expire(S(90));
    assert!(!bindings.is_host("192.0.2.7".parse().unwrap()) && bindings.is_empty());
    bindings.assert_sound();
}

#[test]
fn what_is_tied_to_a_connection_goes_with_it() {
    let mut bindings = Bindings::default();
    let tcp = Local::tcp("192.0.2.1:5060".parse().unwrap());
    let over = |mut wish: Wish| {
        wish.local = tcp;
        vec![wish]
    };
    bindings.apply("anna", over(wish("sip:a@1", "x", 1, 60)), S(0)).unwrap();
    bindings.apply("anna", over(device("<urn:1>", None, "sip:a@2", 1)), S(0)).unwrap();
    // Through a proxy that can be called where its Path says.
    let proxied =
        Wish { path: vec!["sip:192.0.2.7:5062;transport=tcp;lr".into()], ..wish("sip:a@3", "z", 1, 60) };
    bindings.apply("anna", over(proxied), S(0)).unwrap();
    bindings.apply("anna", vec![wish("sip:a@4", "udp", 1, 60)], S(0)).unwrap();
    bindings.assert_sound();
    let changes = bindings.closed(Transport::Tcp, "192.0.2.7:5062".parse().unwrap());
    assert_eq!(changes, [unbound("sip:a@1"), unbound("<urn:1>")]);
    let left: BTreeSet<String> = order(&bindings, None, S(1)).into_iter().collect();
    assert_eq!(left, ["sip:a@3".to_owned(), "sip:a@4".to_owned()].into());
    bindings.assert_sound();
}

#[test]
fn a_stored_binding_never_overrides_a_fresh_one() {
    let mut bindings = Bindings::default();
    let mut first = Bindings::default();
    let changes = first.apply("anna", vec![device("<urn:1>", Some(1), "sip:a@old", 7)], S(0)).unwrap();
    let Change::Bound(stored) = changes[0].clone() else { panic!("{changes:?}") };
    assert!(bindings.restore(stored.clone(), Duration::ZERO));
    assert!(!bindings.restore(stored.clone(), Duration::ZERO));
    assert_eq!(order(&bindings, None, S(0)), ["sip:a@old"]);
    let over = Binding { user: "ben".into(), expires_in: Duration::ZERO, ..stored.clone() };
    assert!(!bindings.restore(over, Duration::ZERO));
    let tied = Binding { user: "ben".into(), local: Local::tcp(stored.local.address), ..stored };
    assert!(!bindings.restore(tied, Duration::ZERO), "its connection is gone");
    bindings.assert_sound();
}

proptest::proptest! {
    // Whatever phones send, in whatever order: the table stays within its bounds and agrees with what is counted beside it.
    #[test]
    fn any_sequence_of_registers_keeps_the_table_sound(
        steps in proptest::collection::vec((0..2_u8, 0..4_u8, 0..4_u32, 0..14_u8, 0..3_u8, 0..9_u64, 0..6_u8), 1..120)
    ) {
        let mut bindings = Bindings::default();
        let mut stored: BTreeMap<(String, String), Binding> = BTreeMap::new();
        let mut lent: BTreeSet<(String, String)> = BTreeSet::new();
        let users = ["anna", "ben"];
        let mut now = S(0);
        for (cseq, (user, instance, reg_id, contact, call_id, expires, kind)) in steps.into_iter().enumerate() {
            let user = users[usize::from(user)];
            now += S(1);
            let mut wish = wish(&format!("sip:{contact}@192.0.2.{contact}"), &call_id.to_string(), cseq as u32, expires * 10);
            wish.address.set_port(5000 + u16::from(contact % 3));
            wish.instance = (instance > 0).then(|| format!("<urn:{instance}>"));
            wish.reg_id = (instance > 0 && reg_id > 0).then_some(reg_id);
            // With a token it is held, and not stored.
            wish.session = (kind == 2).then_some(1);
            if kind % 2 == 1 {
                wish.local = Local::tcp(wish.local.address);
            }
            let changes = match kind {
                0..=3 => bindings.apply(user, vec![wish], now).unwrap_or_default(),
                4 => bindings.expire(now),
                _ => bindings.closed(Transport::Tcp, wish.address),
            };
            for change in changes {
                match change {
                    Change::Bound(binding) => {
                        lent.remove(&(binding.user.clone(), binding.key()));
                        stored.insert((binding.user.clone(), binding.key()), binding);
                    }
                    Change::Lent { user, binding } => {
                        stored.remove(&(user.clone(), binding.clone()));
                        lent.insert((user, binding));
                    }
                    Change::Unbound { user, binding } => {
                        let known = (user, binding);
                        assert!(stored.remove(&known).is_some() || lent.remove(&known), "what never was is removed");
                    }
                }
            }
            bindings.assert_sound();
            let held = |with_token: bool| -> BTreeSet<(String, String)> {
                let of = |user: &&str| {
                    let own = bindings.of(user).iter().filter(|it| it.wish.session.is_some() == with_token);
                    own.map(|bound| ((*user).to_owned(), bound.wish.key())).collect::<Vec<_>>()
                };
                users.iter().flat_map(of).collect()
            };
            assert_eq!(held(false), stored.keys().cloned().collect(), "the store has what the table has");
            assert_eq!(held(true), lent, "but for what came with a token");
            for user in users {
                let order = bindings.in_order(user, Some("urn:1"), now);
                let live = bindings.of(user).iter().filter(|bound| bound.expires_at > now).count();
                assert_eq!(order.len(), live);
            }
        }
    }
}
