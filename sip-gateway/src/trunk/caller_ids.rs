//! Which of a trunk's numbers is shown: the least used one.

/// Numbers of a trunk with how often each was shown.
#[derive(Clone, Debug)]
pub struct CallerIds {
    numbers: Vec<(String, u64)>,
}

impl CallerIds {
    /// Numbers in the order in which they are first used.
    pub fn new(numbers: &[String]) -> Self {
        Self { numbers: numbers.iter().map(|number| (number.clone(), 0)).collect() }
    }

    /// The least used number; the first of several. Empty text when the trunk has none.
    pub fn rotate(&mut self) -> String {
        match self.numbers.iter_mut().min_by_key(|(_, used)| *used) {
            Some((number, used)) => {
                *used = used.saturating_add(1);
                number.clone()
            }
            None => String::new(),
        }
    }

    /// Takes back one use of a call that was never sent.
    pub fn unused(&mut self, number: &str) {
        if let Some((_, used)) = self.numbers.iter_mut().find(|(known, _)| known == number) {
            *used = used.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_evenly() {
        let mut ids = CallerIds::new(&["+1".into(), "+2".into(), "+3".into()]);
        let shown: Vec<String> = (0..7).map(|_| ids.rotate()).collect();
        assert_eq!(shown, ["+1", "+2", "+3", "+1", "+2", "+3", "+1"]);
        ids.unused("+1");
        assert_eq!(ids.rotate(), "+1");
    }

    #[test]
    fn no_numbers_give_an_empty_one() {
        assert_eq!(CallerIds::new(&[]).rotate(), "");
    }
}
