//! Lists of references, those that are equal kept once: most nodes of a cluster run the same. Pure.

use std::{collections::HashSet, sync::Arc};

use udplb_api::ForwardReference;

/// The lists that are in use.
#[derive(Clone, Debug, Default)]
pub struct Lists(HashSet<Arc<[ForwardReference]>>);

impl Lists {
    /// The list that is kept in the place of this one.
    pub fn share(&mut self, list: &mut Arc<[ForwardReference]>) {
        if let Some(known) = self.0.get(list) {
            *list = Arc::clone(known);
            return;
        }
        // New lists are rare, so this is the time to let go of what nobody has any more.
        self.0.retain(|known| Arc::strong_count(known) > 1);
        let _ = self.0.insert(Arc::clone(list));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(uids: &[&str]) -> Arc<[ForwardReference]> {
        let reference = |uid: &&str| ForwardReference {
            namespace: "default".to_owned(),
            name: "name".to_owned(),
            uid: (*uid).to_owned(),
        };
        uids.iter().map(reference).collect()
    }

    #[test]
    fn equal_lists_are_one_and_unused_ones_go() {
        let mut lists = Lists::default();
        let [mut a, mut b, mut other] = [list(&["1", "2"]), list(&["1", "2"]), list(&["2"])];
        for list in [&mut a, &mut b, &mut other] {
            lists.share(list);
        }
        assert!(Arc::ptr_eq(&a, &b));
        assert!(!Arc::ptr_eq(&a, &other));
        drop((a, b));
        lists.share(&mut list(&["3"]));
        assert_eq!(lists.0.len(), 2, "{lists:?}");
    }
}
