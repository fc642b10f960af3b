/// Things by number; a number that is free is used again, so that the shelf is as long as it once had to be.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    places: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Shelf<T> {
    /// Puts a thing somewhere, and says where.
    pub(super) fn insert(&mut self, thing: T) -> usize {
        if let Some(number) = self.free.pop()
            && let Some(place) = self.places.get_mut(number)
        {
            *place = Some(thing);
            return number;
        }
        self.places.push(Some(thing));
        self.places.len() - 1
    }

    /// Takes a thing away. A shelf that is empty gives its memory back.
    pub(super) fn remove(&mut self, number: usize) -> Option<T> {
        let thing = self.places.get_mut(number)?.take()?;
        self.free.push(number);
        if self.free.len() == self.places.len() {
            *self = Self::default();
        }
        Some(thing)
    }

    pub(super) fn get(&self, number: usize) -> Option<&T> {
        self.places.get(number)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, number: usize) -> Option<&mut T> {
        self.places.get_mut(number)?.as_mut()
    }

    /// The numbers in use.
    pub(super) fn numbers(&self) -> impl Iterator<Item = usize> {
        let used = self.places.iter().enumerate().filter(|(_, place)| place.is_some());
        used.map(|(number, _)| number)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_used_again() {
        let mut shelf = Shelf::default();
        let (one, two) = (shelf.insert("one"), shelf.insert("two"));
        assert_eq!(shelf.remove(one), Some("one"));
        assert_eq!(shelf.remove(one), None);
        assert_eq!(shelf.insert("three"), one);
        assert_eq!(shelf.get(two), Some(&"two"));
        assert_eq!(shelf.numbers().collect::<Vec<_>>(), [one, two]);
        assert_eq!(shelf.len(), 2);
        shelf.remove(one);
        shelf.remove(two);
        assert_eq!((shelf.len(), shelf.places.capacity()), (0, 0));
    }
}
