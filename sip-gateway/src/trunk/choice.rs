//! Which trunk a call takes: the first one with room, in an order that is known beforehand.

/// Indices of the trunks that a call tries, in order and each once: `first` where one is named, then the `allowed` ones as
/// they are named, or all in the order of the options where none is. A name that no trunk has is passed over, and so is
/// a `first` that is not allowed.
///
/// The call takes the first of them with room ([`super::Trunk::reserve`]). A trunk is thus filled to its cap before the
/// next one is used, and whoever knows the room of each ([`crate::event::Room`]) knows where the next calls go.
pub fn order(trunks: &[&str], first: Option<&str>, allowed: &[String]) -> Vec<usize> {
    let index = |name: &str| trunks.iter().position(|trunk| *trunk == name);
    let named = allowed.iter().filter_map(|name| index(name));
    let all = (0..trunks.len()).filter(|_| allowed.is_empty());
    let mut order: Vec<usize> = Vec::with_capacity(trunks.len());
    for next in named.chain(all) {
        if !order.contains(&next) {
            order.push(next);
        }
    }
    let first = first.and_then(index);
    if let Some(place) = order.iter().position(|next| Some(*next) == first) {
        order[..=place].rotate_right(1);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUNKS: [&str; 3] = ["alpha", "beta", "gamma"];

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn trunks_are_tried_in_the_order_of_the_campaign_or_of_the_options() {
        assert_eq!(order(&TRUNKS, None, &[]), [0, 1, 2]);
        assert_eq!(order(&TRUNKS, None, &names(&["gamma", "alpha"])), [2, 0]);
        assert_eq!(order(&TRUNKS, None, &names(&["beta", "nowhere", "beta"])), [1], "each once");
        assert_eq!(order(&TRUNKS, None, &names(&["nowhere"])), [] as [usize; 0]);
        assert_eq!(order(&[], None, &[]), [] as [usize; 0]);
    }

    #[test]
    fn the_one_that_was_reckoned_with_is_tried_before_the_others() {
        assert_eq!(order(&TRUNKS, Some("gamma"), &[]), [2, 0, 1]);
        assert_eq!(order(&TRUNKS, Some("alpha"), &[]), [0, 1, 2]);
        assert_eq!(order(&TRUNKS, Some("alpha"), &names(&["gamma", "beta", "alpha"])), [0, 2, 1]);
        assert_eq!(order(&TRUNKS, Some("alpha"), &names(&["gamma", "beta"])), [2, 1], "not allowed");
        assert_eq!(order(&TRUNKS, Some("nowhere"), &[]), [0, 1, 2]);
    }
}
