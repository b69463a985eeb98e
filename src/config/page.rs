//! Nodes laid out as a person would write them.

/// What stands in a block: a node on its own, or one with a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    /// Name, values and properties.
    pub(super) head: String,
    /// Its block; none if empty.
    pub(super) block: Vec<Node>,
}

/// A block that fits into so many columns stands on one line.
const WIDTH: usize = 100;
const INDENT: &str = "    ";

impl Node {
    pub(super) fn line(head: impl Into<String>) -> Self {
        Self {
            head: head.into(),
            block: Vec::new(),
        }
    }

    /// A node of the top with all of its block on lines of its own, and blocks in that on one line each where they fit.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        if self.block.is_empty() {
            out.push_str(&self.head);
        } else {
            out.push_str(&self.head);
            out.push_str(" {\n");
            self.block.iter().for_each(|node| node.push(&mut out, 1));
            out.push('}');
        }
        out.push('\n');
        out
    }

    fn push(&self, out: &mut String, depth: usize) {
        let indent = INDENT.repeat(depth);
        let line = self.one_line();
        if self.block.is_empty() || indent.len() + line.len() <= WIDTH {
            out.push_str(&format!("{indent}{line}\n"));
            return;
        }
        out.push_str(&format!("{indent}{} {{\n", self.head));
        self.block.iter().for_each(|node| node.push(out, depth + 1));
        out.push_str(&format!("{indent}}}\n"));
    }

    /// The node with its block on one line.
    pub(super) fn one_line(&self) -> String {
        if self.block.is_empty() {
            return self.head.clone();
        }
        let inner: Vec<String> = self.block.iter().map(Self::one_line).collect();
        format!("{} {{ {} }}", self.head, inner.join("; "))
    }
}

/// `name "a" "b"`, broken into several nodes of the name where one would be too long a line.
pub(super) fn list(name: &str, reset: bool, items: &[String]) -> Vec<Node> {
    let mut heads = vec![if reset {
        format!("{name} reset=#true")
    } else {
        name.to_owned()
    }];
    let mut is_fresh = !reset;
    for item in items {
        let Some(head) = heads.last_mut() else {
            continue;
        };
        if head.len() + item.len() >= WIDTH && (!is_fresh || head.len() > name.len()) {
            heads.push(format!("{name} {item}"));
        } else {
            head.push(' ');
            head.push_str(item);
        }
        is_fresh = false;
    }
    heads.into_iter().map(Node::line).collect()
}
