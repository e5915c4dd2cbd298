//! The rule against exactly solved models: memoryless talk, ring of one or three stages, nobody waits on the line.
//!
//! A Markov decision process gives the highest busy share with 3% of the answers lost: its Lagrangian is solved by
//! value iteration, and the smallest value over all prices is the optimum. The rule "one more line while the
//! probability that its answer finds no agent is at most θ times what the answer is worth" is evaluated on the same chain.

use super::forecast::{Exact, worth};
use super::tables::{ByPoint, POINTS, QUANTILES};

/// Mean seconds of a ring and of a call's handling.
const RING_S: f64 = 10.0;
const HANDLING_S: f64 = 144.0;
/// Lost per served at 3% of the answers.
const LOST: f64 = 0.03 / 0.97;

struct Model {
    agents: usize,
    answered: f64,
    stages: usize,
    lines_max: usize,
    /// Lines by stage, all with at most `lines_max` together; per number of busy agents.
    lines: Vec<Vec<usize>>,
    /// Where a vector of lines with one more in the first stage is; and with one gone on from each stage.
    more: Vec<Option<usize>>,
    on: Vec<Vec<Option<usize>>>,
}

impl Model {
    fn new(agents: usize, answered: f64, stages: usize, lines_max: usize) -> Self {
        let mut lines: Vec<Vec<usize>> = vec![vec![]];
        for _ in 0..stages {
            let longer = |it: &Vec<usize>| {
                let used: usize = it.iter().sum();
                let one = it.clone();
                (0..=lines_max - used).map(move |next| [one.clone(), vec![next]].concat()).collect::<Vec<_>>()
            };
            lines = lines.iter().flat_map(longer).collect();
        }
        let places: std::collections::BTreeMap<Vec<usize>, usize> =
            lines.iter().cloned().enumerate().map(|(place, it)| (it, place)).collect();
        let find = |it: Vec<usize>| places.get(&it).copied();
        let more = lines
            .iter()
            .map(|it| {
                let mut next = it.clone();
                next[0] += 1;
                find(next)
            })
            .collect();
        let on = lines
            .iter()
            .map(|it| {
                let going = |stage: usize| {
                    let mut next = it.clone();
                    next[stage] = next[stage].checked_sub(1)?;
                    if stage + 1 < stages {
                        next[stage + 1] += 1;
                    }
                    find(next)
                };
                (0..stages).map(going).collect()
            })
            .collect();
        Self { agents, answered, stages, lines_max, lines, more, on }
    }

    fn rate(&self) -> f64 {
        self.stages as f64 / RING_S
    }

    /// All events leave a state at most this often.
    fn fastest(&self) -> f64 {
        self.lines_max as f64 * self.rate() + self.agents as f64 / HANDLING_S
    }

    /// What may happen in a state: rate, busy agents and lines after it, and whether an answer is lost.
    fn events(&self, busy: usize, place: usize) -> impl Iterator<Item = (f64, usize, usize, bool)> + '_ {
        let talks = (busy > 0).then(|| (busy as f64 / HANDLING_S, busy - 1, place, false));
        let rings = (0..self.stages).flat_map(move |stage| {
            let rate = self.lines[place][stage] as f64 * self.rate();
            let next = self.on[place][stage].unwrap_or(place);
            let last = stage + 1 == self.stages;
            let taken = if last { self.answered } else { 0.0 };
            let lost = busy == self.agents;
            [(rate * taken, busy + usize::from(!lost), next, lost), (rate * (1.0 - taken), busy, next, false)]
        });
        talks.into_iter().chain(rings).filter(|event| event.0 > 0.0)
    }

    /// Highest busy share less `price` times (lost less its allowed share of served), per agent.
    fn gain(&self, price: f64, values: &mut Vec<Vec<f64>>) -> f64 {
        let fastest = self.fastest();
        values.resize(self.agents + 1, vec![0.0; self.lines.len()]);
        for round in 0.. {
            let best = self.best(values);
            let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
            let mut new = values.clone();
            for busy in 0..=self.agents {
                for place in 0..self.lines.len() {
                    let served = busy as f64 / HANDLING_S;
                    let (mut value, mut all) = ((busy as f64 + price * LOST * served) / fastest, 0.0);
                    for (rate, busy, next, lost) in self.events(busy, place) {
                        all += rate;
                        value += rate / fastest * (best[busy][next] - if lost { price } else { 0.0 });
                    }
                    value += (1.0 - all / fastest) * best[busy][place];
                    new[busy][place] = value;
                    let change = value - values[busy][place];
                    // Where more lines are out than anybody wants the change says nothing about the best.
                    if best[busy][place] == values[busy][place] {
                        (least, most) = (least.min(change), most.max(change));
                    }
                }
            }
            let anchor = new[0][0];
            new.iter_mut().flatten().for_each(|value| *value -= anchor);
            *values = new;
            if (most - least) * fastest < 2e-4 * self.agents as f64 || round > 40_000 {
                return (most + least) / 2.0 * fastest / self.agents as f64;
            }
        }
        0.0
    }

    /// Best value over all numbers of further lines.
    fn best(&self, values: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let mut best = values.to_vec();
        for row in &mut best {
            // One more in the first stage stands later in the order.
            for place in (0..row.len()).rev() {
                if let Some(more) = self.more[place] {
                    row[place] = row[place].max(row[more]);
                }
            }
        }
        best
    }

    /// Busy share with 3% lost, the best there is.
    fn optimum(&self) -> f64 {
        let mut values = Vec::new();
        let (mut low, mut high) = (0.0_f64, 4.0 * HANDLING_S);
        let mut at = |price: f64| self.gain(price, &mut values);
        // The Lagrangian's value is convex in the price: golden section.
        let golden = 0.618_034;
        let (mut one, mut two) = (high - golden * (high - low), low + golden * (high - low));
        let (mut of_one, mut of_two) = (at(one), at(two));
        for _ in 0..9 {
            if of_one < of_two {
                (high, two, of_two) = (two, one, of_one);
                one = high - golden * (high - low);
                of_one = at(one);
            } else {
                (low, one, of_one) = (one, two, of_two);
                two = low + golden * (high - low);
                of_two = at(two);
            }
        }
        of_one.min(of_two)
    }

    /// Busy share and lost share of the rule at an accepted risk.
    fn rule(&self, risks: &[Vec<f64>], accepted: f64, chances: &mut Vec<Vec<f64>>) -> (f64, f64) {
        let fastest = self.fastest();
        let wanted: Vec<Vec<usize>> = (0..=self.agents)
            .map(|busy| {
                (0..self.lines.len())
                    .map(|start| {
                        let mut place = start;
                        while let Some(more) = self.more[place].filter(|_| risks[busy][place] <= accepted) {
                            place = more;
                        }
                        place
                    })
                    .collect()
            })
            .collect();
        if chances.is_empty() {
            *chances = vec![vec![0.0; self.lines.len()]; self.agents + 1];
            chances[0][wanted[0][0]] = 1.0;
        }
        let (mut busy_share, mut lost_share) = (0.0, 0.0);
        for round in 0..60_000 {
            let mut next = vec![vec![0.0; self.lines.len()]; self.agents + 1];
            let (mut busy_sum, mut lost_sum) = (0.0, 0.0);
            for busy in 0..=self.agents {
                for (place, chance) in chances[busy].iter().copied().enumerate().filter(|it| it.1 > 1e-12) {
                    busy_sum += chance * busy as f64;
                    let mut all = 0.0;
                    for (rate, busy, after, lost) in self.events(busy, place) {
                        all += rate;
                        next[busy][wanted[busy][after]] += chance * rate / fastest;
                        lost_sum += if lost { chance * rate } else { 0.0 };
                    }
                    next[busy][wanted[busy][place]] += chance * (1.0 - all / fastest);
                }
            }
            *chances = next;
            let share = busy_sum / self.agents as f64;
            let served = busy_sum / HANDLING_S;
            let settled = round % 500 == 499 && (share - busy_share).abs() < 4e-6;
            if round % 500 == 499 {
                (busy_share, lost_share) = (share, lost_sum / (lost_sum + served));
            }
            if settled {
                break;
            }
        }
        (busy_share, lost_share)
    }

    /// Risk of one more line in each state against what its answer is worth, both reckoned as the policy does.
    fn risks(&self) -> Vec<Vec<f64>> {
        // Quantiles of the ring's law at which the policy looks.
        let left = |stage: usize, time: f64| {
            let mean = time * self.rate();
            let terms = (0..self.stages - stage).map(|term| {
                let factorial: f64 = (1..=term).map(|it| it as f64).product();
                mean.powi(term as i32) / factorial
            });
            (-mean).exp() * terms.sum::<f64>()
        };
        let point = |quantile: f64| {
            let (mut low, mut high) = (0.0, 200.0);
            for _ in 0..60 {
                let middle = (low + high) / 2.0;
                if 1.0 - left(0, middle) < quantile { low = middle } else { high = middle }
            }
            low
        };
        let points: ByPoint = QUANTILES.map(point);
        let mut exact = Exact::new();
        (0..=self.agents)
            .map(|busy| {
                let rows: Vec<ByPoint> = vec![points.map(|time| 1.0 - (-time / HANDLING_S).exp()); busy];
                self.lines
                    .iter()
                    .map(|lines| {
                        exact.start(0, self.agents - busy, rows.iter());
                        for (stage, count) in lines.iter().enumerate() {
                            let by: [f64; POINTS] =
                                points.map(|time| self.answered * (1.0 - left(stage, time)));
                            (0..*count).for_each(|_| exact.add(|point| by[point]));
                        }
                        let under_way = self.answered * (1 + lines.iter().sum::<usize>()) as f64;
                        let coming: f64 = rows.iter().map(|by| by[POINTS / 2]).sum();
                        exact.risk(&points) / worth(under_way, (self.agents - busy) as f64 + coming)
                    })
                    .collect()
            })
            .collect()
    }

    /// Busy share of the rule where 3% are lost, between the two accepted risks next to it.
    fn rule_at_limit(&self) -> f64 {
        let risks = self.risks();
        let mut chances = Vec::new();
        let (mut low, mut high) = (0.001_f64, 0.3_f64);
        let (mut below, mut above) = ((0.0, 0.0), (1.0, 1.0));
        for _ in 0..13 {
            let middle = (low * high).sqrt();
            let found = self.rule(&risks, middle, &mut chances);
            if found.1 <= 0.03 { (low, below) = (middle, found) } else { (high, above) = (middle, found) }
        }
        below.0 + (above.0 - below.0) * (0.03 - below.1) / (above.1 - below.1).max(1e-9)
    }
}

fn check(agents: usize, answered: f64, stages: usize, lines_max: usize, published: f64, within: f64) {
    let model = Model::new(agents, answered, stages, lines_max);
    let (optimum, rule) = (model.optimum(), model.rule_at_limit());
    println!(
        "{agents} agents, {answered}, {stages} stages: optimum {optimum:.4}, rule {rule:.4}, known {published}"
    );
    assert!((optimum - published).abs() <= 0.001, "{agents} agents: optimum {optimum:.4}, known {published}");
    assert!((optimum - rule).abs() <= within, "{agents} agents: optimum {optimum:.4}, rule {rule:.4}");
}

#[test]
fn five_agents_at_eight_percent() {
    check(5, 0.08, 1, 90, 0.768, 0.003);
}

#[test]
fn ten_agents_at_a_quarter() {
    check(10, 0.25, 1, 60, 0.866, 0.001);
}

#[test]
fn ten_agents_at_eight_percent() {
    check(10, 0.08, 1, 130, 0.837, 0.0015);
}

#[test]
fn three_agents_with_a_ring_of_three_stages() {
    check(3, 0.25, 3, 16, 0.819, 0.001);
}

#[test]
fn five_agents_with_a_ring_of_three_stages() {
    check(5, 0.25, 3, 20, 0.834, 0.001);
}
