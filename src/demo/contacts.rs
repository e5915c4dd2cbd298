//! The contacts of the demo: a thousand people who don't exist, under numbers set aside for fiction.

/// The list as it lies in the repository.
pub const CONTACTS_CSV: &str = include_str!("data/contacts.csv");
/// How many there are.
pub const CONTACTS_MAX: usize = 1_000;

/// Header line and the first `count` contacts, at most [`CONTACTS_MAX`].
pub fn first(count: usize) -> String {
    CONTACTS_CSV.split_inclusive('\n').take(count.saturating_add(1)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write;

    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    use super::*;

    /// Area codes of ten cities and their zones. 555-0100 to 555-0199 are set aside for fiction in each of them.
    const CITIES: [(u32, &str); 10] = [
        (212, "America/New_York"),
        (617, "America/New_York"),
        (305, "America/New_York"),
        (312, "America/Chicago"),
        (214, "America/Chicago"),
        (303, "America/Denver"),
        (602, "America/Phoenix"),
        (213, "America/Los_Angeles"),
        (415, "America/Los_Angeles"),
        (206, "America/Los_Angeles"),
    ];
    const GIVEN: [&str; 32] = [
        "Ada", "Alan", "Amir", "Anna", "Ben", "Carla", "Chen", "Clara", "Diego", "Elif", "Emma", "Farah",
        "Grace", "Hana", "Ivan", "Jing", "Jonas", "Kofi", "Lea", "Lin", "Luca", "Maya", "Mei", "Nadia",
        "Omar", "Priya", "Rosa", "Sam", "Tara", "Viktor", "Wei", "Zoe",
    ];
    const FAMILY: [&str; 32] = [
        "Abe", "Ali", "Bauer", "Bell", "Brown", "Chen", "Costa", "Cruz", "Dubois", "Evans", "Fischer",
        "Garcia", "Haas", "Ito", "Jones", "Kaya", "Kim", "Lang", "Li", "Lopez", "Meyer", "Moore", "Nair",
        "Novak", "Okafor", "Park", "Reed", "Rossi", "Sato", "Silva", "Wang", "Young",
    ];
    const PRODUCTS: [&str; 3] = ["home", "car", "travel"];

    /// The rule by which the file was written, once.
    fn generated() -> String {
        let mut rng = ChaCha20Rng::seed_from_u64(1_000);
        let mut pick = move |count: usize| (rng.next_u64() % count as u64) as usize;
        let mut numbers: Vec<(usize, u32)> =
            (0..CITIES.len()).flat_map(|city| (0..100).map(move |line| (city, 100 + line))).collect();
        for last in (1..numbers.len()).rev() {
            numbers.swap(last, pick(last + 1));
        }
        let mut csv = String::from("id,number,name,timezone,policy,expires_in_days\n");
        for (row, (city, line)) in numbers.into_iter().enumerate() {
            let (area, zone) = CITIES[city];
            let (given, family) = (GIVEN[pick(GIVEN.len())], FAMILY[pick(FAMILY.len())]);
            let (product, days) = (PRODUCTS[pick(PRODUCTS.len())], 1 + pick(60));
            writeln!(csv, "C{:04},+1{area}555{line:04},{given} {family},{zone},{product},{days}", row + 1)
                .expect("a string takes all");
        }
        csv
    }

    #[test]
    fn the_file_is_what_its_rule_gives() {
        assert_eq!(CONTACTS_CSV, generated());
    }

    #[test]
    fn numbers_are_unique_and_fictional() {
        let mut rows = csv::Reader::from_reader(CONTACTS_CSV.as_bytes());
        let numbers: BTreeSet<String> = rows.records().map(|row| row.expect("a row")[1].to_owned()).collect();
        assert_eq!(numbers.len(), CONTACTS_MAX);
        for number in numbers {
            assert_eq!(number.len(), "+12125550100".len());
            assert!(number[5..].starts_with("55501"), "{number}");
        }
    }

    #[test]
    fn the_list_can_be_cut() {
        assert_eq!(first(0).lines().count(), 1);
        assert_eq!(first(7).lines().count(), 8);
        assert_eq!(first(5_000), CONTACTS_CSV);
    }
}
