//! Many short interleaved rounds, and what they say about two arms.

/// One way to do the job. `batch` does it some times and returns what that cost.
pub struct Arm<'a> {
    pub name: &'static str,
    batch: Box<dyn FnMut() -> f64 + 'a>,
    costs: Vec<f64>,
}

impl<'a> Arm<'a> {
    pub fn new(name: &'static str, batch: impl FnMut() -> f64 + 'a) -> Self {
        Self { name, batch: Box::new(batch), costs: Vec::new() }
    }

    /// The median cost of a batch.
    pub fn median(&self) -> f64 {
        median(self.costs.clone())
    }

    fn lowest(&self) -> f64 {
        self.costs.iter().copied().fold(f64::INFINITY, f64::min)
    }
}

/// Runs every arm once in every round, after one round that warms up. Which arm goes first moves on, and every other
/// round runs backwards, so that no arm always follows the same one.
pub fn run(arms: &mut [Arm<'_>], rounds: usize) {
    for arm in arms.iter_mut() {
        (arm.batch)();
    }
    for round in 0..rounds {
        for place in order(arms.len(), round) {
            let arm = &mut arms[place];
            let cost = (arm.batch)();
            arm.costs.push(cost);
        }
    }
}

fn order(arms: usize, round: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..arms).map(|place| (place + round / 2) % arms).collect();
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

/// How the cost of one arm compares with another's.
pub struct Ratio {
    /// The median of the ratios of the single rounds: slow spells hit both arms of a round.
    pub median: f64,
    /// The ratio of the cheapest batches: what is left when nothing disturbs.
    pub of_lowest: f64,
}

pub fn ratio(arm: &Arm<'_>, baseline: &Arm<'_>) -> Ratio {
    let ratios = arm.costs.iter().zip(&baseline.costs).map(|(cost, base)| cost / base).collect();
    Ratio { median: median(ratios), of_lowest: arm.lowest() / baseline.lowest() }
}

pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    if numbers.len() % 2 == 1 { numbers[middle] } else { f64::midpoint(numbers[middle - 1], numbers[middle]) }
}
