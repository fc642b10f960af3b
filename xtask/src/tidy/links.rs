use super::{Finding, Workspace};

/// Every link of a page to a file of the repository, or to a heading in one, leads there.
pub(super) fn links_lead_somewhere(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for page in &workspace.documents {
        for (number, line) in page.prose() {
            for target in targets(line).filter(|target| !target.contains("://")) {
                if let Err(what) = follow(workspace, &page.path, target) {
                    let text = format!("the link to `{target}` leads nowhere: {what}");
                    findings.push(Finding::new(format!("{}:{number}", page.path), text));
                }
            }
        }
    }
    findings
}

fn follow(workspace: &Workspace, from: &str, target: &str) -> Result<(), &'static str> {
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = if file.is_empty() {
        from.to_owned()
    } else {
        beside(from, file)
    };
    if !workspace.files.contains(&path) {
        return Err("there is no such file");
    }
    let page = workspace.documents.iter().find(|page| page.path == path);
    if anchor.is_empty() || page.is_some_and(|page| page.anchors().any(|known| known == anchor)) {
        Ok(())
    } else {
        Err("there is no such heading")
    }
}

/// A path relative to a file, from the root.
fn beside(from: &str, file: &str) -> String {
    let mut folders: Vec<&str> = from.split('/').collect();
    folders.pop();
    for part in file.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => drop(folders.pop()),
            part => folders.push(part),
        }
    }
    folders.join("/")
}

/// Where the links of a line lead: `[text](target)`, but for what stands between backquotes. A link's text may hold
/// some, so its end alone is looked for.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let prose = line.split('`').step_by(2);
    let ends = prose.flat_map(|text| text.split("](").skip(1));
    ends.filter_map(|rest| Some(rest.split_once(')')?.0))
}

#[cfg(test)]
mod tests {
    use super::super::Document;
    use super::*;

    fn check(text: &str, expected: usize) {
        let documents = vec![
            Document::new("docs/guide/a.md", text),
            Document::new("docs/b.md", "# One two\n"),
        ];
        let files = documents.iter().map(|page| page.path.clone());
        let workspace = Workspace {
            files: files.chain(["docs".to_owned(), "LICENSE".to_owned()]).collect(),
            documents,
            ..Workspace::default()
        };
        let findings = links_lead_somewhere(&workspace);
        assert_eq!(findings.len(), expected, "{text}: {findings:?}");
    }

    #[test]
    fn links_are_followed() {
        check(
            "# Here\n[`b`](../b.md), [c](../b.md#one-two) [d](#here) [e](../../LICENSE) [f](../)\n",
            0,
        );
        check("[out](https://example.com/#x)\n```\n[a](b)\n```\n`[a](b)`\n", 0);
    }

    #[test]
    fn broken_links_are_found() {
        for broken in [
            "c.md",
            "../b.md#one",
            "#there",
            "../LICENSE#x",
            "../../b.md",
            "/docs/b.md",
        ] {
            check(&format!("text\n[x]({broken})\n"), 1);
        }
        check("[x](c.md) and [y](d.md)\n", 2);
    }
}
