//! Under which full names a name is looked for, as resolv.conf says. **pure**

/// Full names in the order in which they are tried: a name with enough dots as it is before the domains of
/// the search list, another one after them, one that ends in a dot as it is only.
pub(super) fn candidates(name: &str, search: &[String], ndots: usize) -> Vec<String> {
    if name.ends_with('.') {
        return vec![name.to_owned()];
    }
    let as_it_is = format!("{name}.");
    let mut names: Vec<String> = search
        .iter()
        .map(|domain| domain.trim_end_matches('.'))
        .map(|domain| match domain {
            "" => as_it_is.clone(),
            domain => format!("{name}.{domain}."),
        })
        .collect();
    if name.matches('.').count() >= ndots {
        names.insert(0, as_it_is);
    } else {
        names.push(as_it_is);
    }
    let mut seen = Vec::with_capacity(names.len());
    names.retain(|name| {
        let is_new = !seen.contains(name);
        seen.push(name.clone());
        is_new
    });
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_list_counts_as_for_the_host() {
        let search = ["a.example".to_owned(), "example.".to_owned()];
        assert_eq!(
            candidates("siem", &search, 1),
            ["siem.a.example.", "siem.example.", "siem."]
        );
        assert_eq!(
            candidates("siem.lab", &search, 1),
            ["siem.lab.", "siem.lab.a.example.", "siem.lab.example."]
        );
        assert_eq!(
            candidates("siem.lab", &search, 5)[2],
            "siem.lab.",
            "fewer dots than ndots"
        );
        assert_eq!(candidates("siem.lab.", &search, 5), ["siem.lab."]);
        assert_eq!(candidates("siem", &[".".to_owned()], 1), ["siem."]);
    }
}
