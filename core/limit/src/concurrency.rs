use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts how many of something each key holds at once. Keys that hold nothing take no memory, so the table is bounded
/// by what is held.
#[derive(Debug)]
pub struct Concurrency<K: Hash + Eq + Clone> {
    held: Arc<Mutex<HashMap<K, usize>>>,
}

/// One unit held by a key, until dropped.
#[derive(Debug)]
pub struct Permit<K: Hash + Eq + Clone> {
    held: Arc<Mutex<HashMap<K, usize>>>,
    key: K,
}

impl<K: Hash + Eq + Clone> Default for Concurrency<K> {
    fn default() -> Self {
        Self { held: Arc::default() }
    }
}

impl<K: Hash + Eq + Clone> Concurrency<K> {
    /// Takes one unit for `key`, unless it holds `most` already. 0 means no limit.
    pub fn take(&self, key: K, most: usize) -> Option<Permit<K>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(key.clone()).or_insert(0);
        if most != 0 && *count >= most {
            return None;
        }
        *count += 1;
        drop(held);
        Some(Permit {
            held: Arc::clone(&self.held),
            key,
        })
    }

    /// How many units `key` holds.
    pub fn held(&self, key: &K) -> usize {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(key).copied().unwrap_or(0)
    }
}

impl<K: Hash + Eq + Clone> Drop for Permit<K> {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_each_key_by_itself_and_forgets_idle_keys() {
        let limit = Concurrency::default();
        let first = limit.take("a", 2).unwrap();
        let _second = limit.take("a", 2).unwrap();
        assert!(limit.take("a", 2).is_none());
        assert!(limit.take("b", 2).is_some());
        assert_eq!(limit.held(&"b"), 0);
        drop(first);
        assert!(limit.take("a", 2).is_some());
        assert!(limit.take("a", 0).is_some(), "0 means no limit");
        assert_eq!(limit.held.lock().unwrap().len(), 1);
    }
}
