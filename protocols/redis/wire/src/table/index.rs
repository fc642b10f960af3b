//! A hash index over the names, made when this is compiled.

use super::{Row, generated::COMMANDS};

/// A power of two, at most a quarter full.
const SIZE: usize = 1024;
const EMPTY: u16 = u16::MAX;

const INDEX: [u16; SIZE] = build();

#[inline]
pub(super) fn find(name: &[u8]) -> Option<&'static Row> {
    let mut at = hash(name);
    loop {
        let index = INDEX[at];
        if index == EMPTY {
            return None;
        }
        let row = COMMANDS.get(usize::from(index))?;
        if row.name.as_bytes().eq_ignore_ascii_case(name) {
            return Some(row);
        }
        at = (at + 1) % SIZE;
    }
}

/// Of the length, the first eight bytes and the last eight, letters in either case being one.
#[inline]
const fn hash(name: &[u8]) -> usize {
    const FOLD: u64 = 0x2020_2020_2020_2020;
    let (head, tail) = match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
        _ => (short(name), name.len() as u64),
    };
    let mixed = (head | FOLD).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (tail | FOLD).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    // The upper bits are the well mixed ones; ten of them fit anywhere.
    (mixed.wrapping_mul(0xff51_afd7_ed55_8ccd) >> 54) as usize
}

#[inline]
const fn short(name: &[u8]) -> u64 {
    let (mut word, mut at) = (0, 0);
    while at < name.len() {
        word = (word << 8) | name[at] as u64;
        at += 1;
    }
    word
}

const fn build() -> [u16; SIZE] {
    assert!(COMMANDS.len() <= SIZE / 4, "make the index larger");
    let mut index = [EMPTY; SIZE];
    let mut number: u16 = 0;
    while (number as usize) < COMMANDS.len() {
        let mut at = hash(COMMANDS[number as usize].name.as_bytes());
        while index[at] != EMPTY {
            at = (at + 1) % SIZE;
        }
        index[at] = number;
        number += 1;
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case() {
        assert!(COMMANDS.len() > 200);
        for row in COMMANDS {
            let longer = format!("{}x", row.name);
            for name in [row.name, &row.name.to_ascii_uppercase(), &row.name[1..], &longer, ""] {
                let expected = COMMANDS.iter().find(|row| row.name.eq_ignore_ascii_case(name));
                assert_eq!(find(name.as_bytes()), expected, "{name}");
            }
        }
    }

    /// Few steps, even where names collide.
    #[test]
    fn names_are_near_their_place() {
        let steps = |row: &Row| {
            let start = hash(row.name.as_bytes());
            (0..SIZE).find(|step| {
                let index = INDEX[(start + step) % SIZE];
                index != EMPTY && COMMANDS[usize::from(index)].name == row.name
            })
        };
        let furthest = COMMANDS.iter().filter_map(steps).max();
        assert!(furthest <= Some(6), "{furthest:?}");
    }

    #[test]
    fn strange_names_are_looked_up_too() {
        bolero::check!().for_each(|name: &[u8]| {
            if let Some(row) = find(name) {
                assert!(row.name.as_bytes().eq_ignore_ascii_case(name));
            }
        });
    }
}
