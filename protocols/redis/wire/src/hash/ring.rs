use super::md5_words;

/// Points of a server on the circle when all weigh the same (libmemcached's ketama).
const POINTS: u16 = 160;

/// How keys are spread over servers, by twemproxy's name (`distribution:` of a pool).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Distribution {
    /// Points on a circle: few keys move when a server comes or goes.
    Ketama,
    /// The remainder of the hash.
    Modula,
    /// No relation to the key.
    Random,
}

/// A server of a [`Ring`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// What its points are made of: its name in the configuration, else `host:port`, or `host` alone for the port
    /// 11211.
    pub name: String,
    /// Its share; at least 1.
    pub weight: u16,
}

/// Servers, and which of them a hash belongs to. Names them by their place in the list; twemproxy's own list is
/// sorted by the length of the name, then by its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ring {
    circle: bool,
    /// Where a server's part ends, in the order of the circle; for the others only the servers, each by its weight.
    points: Vec<(u32, usize)>,
}

impl Distribution {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ketama, Self::Modula, Self::Random];

    /// Its name in a configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ketama => "ketama",
            Self::Modula => "modula",
            Self::Random => "random",
        }
    }

    /// The distribution of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|distribution| distribution.name() == name)
    }
}

impl Ring {
    /// A ring of these servers.
    pub fn new(distribution: Distribution, members: &[Member]) -> Self {
        let circle = distribution == Distribution::Ketama;
        let points = if circle { ketama(members) } else { by_weight(members) };
        Self { circle, points }
    }

    /// The place in the list of the server that a hash belongs to; `None` of an empty ring. For
    /// [`Distribution::Random`] the hash is to be a random number.
    pub fn pick(&self, hash: u32) -> Option<usize> {
        let at = if self.circle {
            let at = self.points.partition_point(|(value, _)| *value < hash);
            if at == self.points.len() { 0 } else { at }
        } else {
            (hash as usize).checked_rem(self.points.len())?
        };
        self.points.get(at).map(|(_, index)| *index)
    }
}

fn by_weight(members: &[Member]) -> Vec<(u32, usize)> {
    let shares = members.iter().enumerate();
    shares
        .flat_map(|(index, member)| std::iter::repeat_n((0, index), usize::from(member.weight)))
        .collect()
}

/// Four points for each of a server's hashes, which are of `name-0`, `name-1` and so on.
fn ketama(members: &[Member]) -> Vec<(u32, usize)> {
    let total: u32 = members.iter().map(|member| u32::from(member.weight)).sum();
    let mut points = Vec::new();
    for (index, member) in members.iter().enumerate() {
        for number in 0..hashes(member.weight, total, members.len()) {
            let words = md5_words(format!("{}-{number}", member.name).as_bytes());
            points.extend(words.map(|value| (value, index)));
        }
    }
    // Equal values are so rare that twemproxy leaves their order to qsort.
    points.sort_unstable();
    points
}

/// How many hashes a server has, in the arithmetic of twemproxy: single precision, with a tiny sum in double.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rounding is what places the points"
)]
fn hashes(weight: u16, total: u32, servers: usize) -> u32 {
    let share = f32::from(weight) / total as f32;
    let hashes = f64::from(share * f32::from(POINTS) / 4.0 * servers as f32) + 0.000_000_000_1;
    (hashes as f32).floor() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(weights: &[u16]) -> Vec<Member> {
        let names = weights.iter().enumerate();
        names
            .map(|(index, weight)| Member {
                name: format!("10.0.0.{index}:6379"),
                weight: *weight,
            })
            .collect()
    }

    #[test]
    fn every_server_has_its_share() {
        let ring = Ring::new(Distribution::Ketama, &members(&[1, 1, 2]));
        let mut counts = [0_u32; 3];
        for hash in (0..u32::MAX).step_by(100_003) {
            counts[ring.pick(hash).unwrap()] += 1;
        }
        let [a, b, c] = counts.map(f64::from);
        assert!(
            (0.7..1.4).contains(&(a / b)) && (1.5..2.7).contains(&(c / a)),
            "{counts:?}"
        );
    }

    #[test]
    fn few_keys_move_when_a_server_goes() {
        let (all, fewer) = (members(&[1; 10]), members(&[1; 9]));
        let (before, after) = (
            Ring::new(Distribution::Ketama, &all),
            Ring::new(Distribution::Ketama, &fewer),
        );
        let hashes = (0..u32::MAX).step_by(1_000_003);
        let moved = hashes
            .clone()
            .filter(|hash| before.pick(*hash) != after.pick(*hash))
            .count();
        let lost = hashes.filter(|hash| before.pick(*hash) == Some(9)).count();
        assert_eq!(moved, lost);
    }

    #[test]
    fn remainders_count_weights() {
        let ring = Ring::new(Distribution::Modula, &members(&[1, 2]));
        let picks: Vec<_> = (0..4).filter_map(|hash| ring.pick(hash)).collect();
        assert_eq!(picks, [0, 1, 1, 0]);
        for distribution in Distribution::ALL {
            assert_eq!(Ring::new(distribution, &[]).pick(7), None);
            assert_eq!(Distribution::by_name(distribution.name()), Some(distribution));
        }
    }
}
