//! What the transaction tests share.

use std::fmt::Debug;

use super::Action;

/// `-` when nothing changed and nothing is done, else the next state's name and the actions' names.
pub(crate) fn outcome<S: Debug + PartialEq>(before: S, after: S, actions: &[Action]) -> String {
    if actions.is_empty() && name(&before) == name(&after) {
        return "-".to_owned();
    }
    let mut words = vec![name(&after)];
    words.extend(actions.iter().map(|action| format!("{action:?}")));
    words.join(" ")
}

fn name<S: Debug>(state: &S) -> String {
    format!("{state:?}").split([' ', '{']).next().unwrap_or_default().to_owned()
}
