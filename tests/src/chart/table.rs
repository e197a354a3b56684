//! The table of values in the chart's README, from the comments and defaults of values.yaml. Pure.

use serde_json::Value;

/// Where the table is in the README.
const BEGIN: &str = "<!-- values: `make manifests` writes this from values.yaml -->\n";
const END: &str = "<!-- end of values -->\n";

/// The README with today's table.
pub(super) fn insert(readme: &str, values: &str) -> String {
    let (before, rest) = readme
        .split_once(BEGIN)
        .expect("the README has no place for values");
    let (_, after) = rest.split_once(END).expect("its table has no end");
    format!("{before}{BEGIN}{}{END}{after}", table(values))
}

fn table(values: &str) -> String {
    let defaults: Value = serde_saphyr::from_str(values).unwrap();
    let mut table = "| value | default | what it is |\n| --- | --- | --- |\n".to_owned();
    for (path, comment) in commented(values) {
        let pointer = format!("/{}", path.replace('.', "/"));
        let default = defaults.pointer(&pointer).unwrap();
        table += &format!("| `{path}` | `{default}` | {comment} |\n");
    }
    table
}

/// The values with a comment right above them, by their path, and the comment.
pub fn commented(values: &str) -> Vec<(String, String)> {
    let (mut path, mut found, mut comment): (Vec<&str>, Vec<_>, Option<&str>) =
        (Vec::new(), Vec::new(), None);
    for line in values.lines() {
        let text = line.trim_start();
        if let Some(text) = text.strip_prefix("# ") {
            comment = Some(text);
            continue;
        }
        let last = comment.take();
        let is_name = |name: &&str| name.chars().all(|it| it.is_ascii_alphanumeric());
        let Some(name) = text
            .split_once(':')
            .map(|(name, _)| name)
            .filter(|name| is_name(name) && !name.is_empty())
        else {
            continue;
        };
        path.truncate((line.len() - text.len()) / 2);
        path.push(name);
        if let Some(comment) = last {
            found.push((path.join("."), comment.to_owned()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_for_each_value() {
        let values =
            "# File.\n\na:\n  # Says b\n  b: 1\n  # Says c\n  c: {d: [x]}\n# Says e\ne: \"\"\n";
        let readme = insert(&format!("x\n{BEGIN}old\n{END}y\n"), values);
        let table = "| value | default | what it is |\n| --- | --- | --- |\n| `a.b` | `1` | Says b |\n\
                     | `a.c` | `{\"d\":[\"x\"]}` | Says c |\n| `e` | `\"\"` | Says e |\n";
        assert_eq!(readme, format!("x\n{BEGIN}{table}{END}y\n"));
    }
}
