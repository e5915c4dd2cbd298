//! Random streams that belong to a thing, not to a moment: the tenth call has the same fate under every policy.

/// A stream of random numbers named by seed, kind and index (SplitMix64: Steele, Lea, Flood, OOPSLA 2014).
#[derive(Clone, Debug)]
pub struct Stream {
    state: u64,
}

/// What a stream is for; streams of different kinds are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The fate of a call.
    Call = 1,
    /// The wrap-ups of an agent.
    Wrap = 2,
    /// What an agent is like.
    Agent = 3,
    /// The signals of an agent.
    Signal = 4,
    /// A resampled history.
    History = 5,
    /// Whose contacts fall due.
    Owner = 6,
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Stream {
    /// The stream of one thing.
    pub fn new(seed: u64, kind: Kind, index: u64) -> Self {
        let named = mix(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(kind as u64));
        Self { state: mix(named.wrapping_add(index.wrapping_mul(0xd1b5_4a32_d192_ed03))) }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// Uniform in the open interval from 0 to 1.
    pub fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// Standard normal (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Exponential with mean 1.
    pub fn exponential(&mut self) -> f64 {
        -self.uniform().ln()
    }

    /// Gamma with the given shape and scale 1 (Marsaglia and Tsang; below 1 by the boost).
    pub fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let boost = self.uniform().powf(1.0 / shape.max(1e-3));
            return self.gamma(shape + 1.0) * boost;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && self.uniform().ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(mut draw: impl FnMut() -> f64) -> f64 {
        (0..200_000).map(|_| draw()).sum::<f64>() / 200_000.0
    }

    #[test]
    fn draws_have_their_means() {
        let mut stream = Stream::new(7, Kind::Call, 3);
        assert!((mean(|| stream.uniform()) - 0.5).abs() < 0.005);
        assert!(mean(|| stream.normal()).abs() < 0.01);
        assert!((mean(|| stream.normal().powi(2)) - 1.0).abs() < 0.02);
        assert!((mean(|| stream.exponential()) - 1.0).abs() < 0.01);
        assert!((mean(|| stream.gamma(2.0)) - 2.0).abs() < 0.02);
        assert!((mean(|| stream.gamma(0.5)) - 0.5).abs() < 0.01);
    }

    #[test]
    fn a_stream_belongs_to_its_thing() {
        let first = |seed, kind, index| Stream::new(seed, kind, index).uniform();
        assert_eq!(first(1, Kind::Call, 5), first(1, Kind::Call, 5));
        assert_ne!(first(1, Kind::Call, 5), first(2, Kind::Call, 5));
        assert_ne!(first(1, Kind::Call, 5), first(1, Kind::Wrap, 5));
        assert_ne!(first(1, Kind::Call, 5), first(1, Kind::Call, 6));
    }
}
