//! Rendered templates as plain manifests, without what only Helm reads. Pure.

use std::collections::BTreeMap;

/// What precedes the name of the template that a document comes from.
const SOURCE: &str = "# Source: udplb/templates/";

/// The manifests by the name of their template. The definitions are not among them: they have a folder of their own.
pub(super) fn manifests(rendered: &str) -> BTreeMap<String, String> {
    let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for document in format!("\n{rendered}").split("\n---\n") {
        let Some((source, text)) = document
            .trim_start()
            .strip_prefix(SOURCE)
            .and_then(|rest| rest.split_once('\n'))
        else {
            continue;
        };
        if source == "crds.yaml" || source.starts_with("tests/") {
            continue;
        }
        files
            .entry(source.to_owned())
            .or_default()
            .push(without_helm(text));
    }
    let joined = files.into_iter();
    joined
        .map(|(name, documents)| (name, documents.join("---\n")))
        .collect()
}

/// Without labels and annotations of Helm, and without annotations where none is left.
fn without_helm(text: &str) -> String {
    let is_helms = |line: &str| {
        let line = line.trim_start();
        ["helm.sh/", "app.kubernetes.io/managed-by: Helm", "# Helm: "]
            .iter()
            .any(|start| line.starts_with(start))
    };
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !is_helms(line) && !line.trim().is_empty())
        .collect();
    let mut kept = String::new();
    for (number, line) in lines.iter().enumerate() {
        let depth = |line: &str| line.len() - line.trim_start().len();
        let next = lines.get(number + 1).map_or(0, |next| depth(next));
        if line.trim() == "annotations:" && next <= depth(line) {
            continue;
        }
        kept.push_str(line);
        kept.push('\n');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_helm_reads_is_left_out() {
        let rendered = "---\n# Source: udplb/templates/one.yaml\n# why\na: b\nmetadata:\n  annotations:\n    \
                        # Helm: when\n    helm.sh/hook: test\n  labels:\n    app.kubernetes.io/managed-by: Helm\n    \
                        c: d\n---\n# Source: udplb/templates/two.yaml\n\ne: f\n---\n\
                        # Source: udplb/templates/one.yaml\nannotations:\n  g: h\n---\n\
                        # Source: udplb/templates/tests/t.yaml\ni: j\n";
        let files: Vec<(String, String)> = manifests(rendered).into_iter().collect();
        let expected = [
            (
                "one.yaml",
                "# why\na: b\nmetadata:\n  labels:\n    c: d\n---\nannotations:\n  g: h\n",
            ),
            ("two.yaml", "e: f\n"),
        ];
        assert_eq!(
            files,
            expected.map(|(name, text)| (name.to_owned(), text.to_owned()))
        );
    }
}
