//! A file as its nodes, borrowed from its text: what reading needs of the parser's document, and nothing of its layout.

/// A stretch of the text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) offset: usize,
    pub(super) len: usize,
}

/// A name and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word<'t> {
    pub(super) value: &'t str,
    pub(super) span: Stretch,
}

/// What a value is. What a number with a fraction amounts to is of no use to any setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar<'t> {
    Text(&'t str),
    Integer(i128),
    Float,
    Bool(bool),
    Null,
}

/// A value or property of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry<'t> {
    pub(super) name: Option<Word<'t>>,
    pub(super) ty: Option<Word<'t>>,
    pub(super) value: Scalar<'t>,
    pub(super) span: Stretch,
}

/// A node with its block, if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node<'t> {
    pub(super) name: Word<'t>,
    pub(super) ty: Option<Word<'t>>,
    pub(super) entries: Vec<Entry<'t>>,
    pub(super) children: Option<Vec<Node<'t>>>,
}

impl<'t> Word<'t> {
    pub(super) fn value(&self) -> &'t str {
        self.value
    }

    pub(super) fn span(&self) -> Stretch {
        self.span
    }
}

impl<'t> Entry<'t> {
    pub(super) fn name(&self) -> Option<&Word<'t>> {
        self.name.as_ref()
    }

    pub(super) fn ty(&self) -> Option<&Word<'t>> {
        self.ty.as_ref()
    }

    pub(super) fn value(&self) -> &Scalar<'t> {
        &self.value
    }

    pub(super) fn span(&self) -> Stretch {
        self.span
    }
}

impl<'t> Node<'t> {
    pub(super) fn name(&self) -> &Word<'t> {
        &self.name
    }

    pub(super) fn ty(&self) -> Option<&Word<'t>> {
        self.ty.as_ref()
    }

    pub(super) fn entries(&self) -> &[Entry<'t>] {
        &self.entries
    }

    /// Says that there is something in its block.
    pub(super) fn has_children(&self) -> bool {
        self.iter_children().next().is_some()
    }

    pub(super) fn iter_children(&self) -> std::slice::Iter<'_, Node<'t>> {
        self.children.as_deref().unwrap_or_default().iter()
    }
}
