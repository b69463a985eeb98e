//! Random documents: every word and comment of one has a number of its own, so that a test can say what became of it.

/// A document that parses.
pub(super) struct Document<'a> {
    pub(super) text: String,
    /// Its names, values and comments in their order.
    pub(super) words: Vec<String>,
    /// Comments at the ends of lines, and the last word before each.
    pub(super) beside: Vec<(String, String)>,
    choices: std::slice::Iter<'a, u16>,
}

impl<'a> Document<'a> {
    /// The document that `choices` lead to; no choices, an empty one.
    pub(super) fn of(choices: &'a [u16]) -> Self {
        let mut document = Self {
            text: String::new(),
            words: Vec::new(),
            beside: Vec::new(),
            choices: choices.iter(),
        };
        if document.pick(8) == 7 {
            document.text.push('\u{feff}');
        }
        document.items(0, false);
        document
    }

    /// One of `n`; the first once all choices are made.
    fn pick(&mut self, n: u16) -> u16 {
        self.choices.next().map_or(0, |choice| choice % n)
    }

    fn one_of(&mut self, texts: &[&str]) {
        let i = self.pick(texts.len() as u16);
        self.text.push_str(texts[usize::from(i)]);
    }

    /// A word that stands nowhere else, between two texts.
    fn word(&mut self, before: &str, after: &str) {
        let word = format!("w{}w", self.words.len());
        self.text.push_str(before);
        self.text.push_str(&word);
        self.text.push_str(after);
        self.words.push(word);
    }

    fn newline(&mut self) {
        self.one_of(&["\n", "\r\n", "\n\n", "\n \n\t\n", "\r\n\r\n\r\n"]);
    }

    fn block_comment(&mut self) {
        let (before, after) = [
            ("/* ", " */"),
            ("/*", "*/"),
            ("/* { /* \" ", " */ // */"),
            ("/* é\n   ", "\n*/"),
            ("/*\r\n\t} ", "; */"),
        ][usize::from(self.pick(5))];
        self.word(before, after);
    }

    fn line_comment(&mut self, is_beside: bool) {
        let last = self.words.last().cloned();
        let (before, after) = [
            ("// ", ""),
            ("//", "  "),
            ("// { \" /* ", " ü"),
            ("//- ", "\t"),
        ][usize::from(self.pick(4))];
        self.word(before, after);
        // Blocks that are broken open and words over several lines leave the line of their last word.
        let is_behind = |last: &String| {
            let behind = self.text.split(last.as_str()).nth(1).unwrap_or_default();
            !behind.contains(['}', '\n'])
        };
        if let Some(last) = last.filter(|last| is_beside && is_behind(last)) {
            self.beside
                .extend(self.words.last().map(|comment| (comment.clone(), last)));
        }
    }

    /// Blanks, comments and continuations: perhaps none unless there `has_to_be` something.
    fn space(&mut self, has_to_be: bool) {
        match self.pick(9) {
            0 | 1 if has_to_be => self.text.push(' '),
            0..=3 => self.one_of(&[" ", "\t", "  ", "\u{a0}"]),
            4 => self.block_comment(),
            5 => self.one_of(&[" \\\n", "\\\r\n  ", " \\ \n\t"]),
            6 => {
                self.text.push_str(" \\ ");
                self.line_comment(false);
                self.one_of(&["\n", "\r\n   "]);
            }
            _ => {
                self.block_comment();
                self.space(false);
            }
        }
    }

    fn maybe_space(&mut self) {
        if self.pick(3) == 2 {
            self.space(false);
        }
    }

    fn string(&mut self) {
        match self.pick(6) {
            0 => self.word("", ""),
            1 => self.word("\"", "\""),
            2 => self.word("\"{ ; // \\\" ", " é\\u{e9}\""),
            3 => self.word("#\"\\ /* \"", "\"#"),
            4 => self.word("\"a \\\n   ", "\\\r\n\tb\""),
            _ => self.word("日本-", "!?"),
        }
    }

    fn ty(&mut self) {
        if self.pick(5) == 4 {
            self.text.push('(');
            self.maybe_space();
            self.word("", "");
            self.maybe_space();
            self.text.push(')');
            self.maybe_space();
        }
    }

    fn value(&mut self) {
        self.ty();
        match self.pick(4) {
            0 => self.one_of(&["1", "-2.5", "#true", "#null", "1_000"]),
            _ => self.string(),
        }
    }

    /// What may stand between a `/-` and what it takes.
    fn slashdash(&mut self) {
        self.text.push_str("/-");
        match self.pick(5) {
            0 | 1 => {}
            2 => self.space(false),
            3 => self.newline(),
            _ => {
                self.text.push(' ');
                self.line_comment(false);
                self.newline();
                self.maybe_space();
            }
        }
    }

    fn entry(&mut self, is_dashed: bool) {
        self.space(true);
        if !is_dashed && self.pick(5) == 4 {
            self.text.push(' ');
            self.slashdash();
        }
        if self.pick(3) == 2 {
            self.string();
            self.maybe_space();
            self.text.push('=');
            self.maybe_space();
        }
        self.value();
    }

    fn block(&mut self, depth: usize, is_dashed: bool) {
        self.text.push('{');
        if self.pick(4) == 3 {
            self.text.push(' ');
            if self.pick(2) == 1 {
                self.block_comment();
            }
            self.line_comment(false);
            self.newline();
        }
        self.items(depth + 1, is_dashed);
        self.text.push('}');
    }

    fn node(&mut self, depth: usize, is_dashed: bool) -> bool {
        let dashes = !is_dashed && self.pick(6) == 5;
        if dashes {
            self.slashdash();
        }
        self.ty();
        self.string();
        while self.pick(3) == 1 {
            self.entry(is_dashed);
        }
        if depth < 4 && self.pick(3) == 2 {
            if !is_dashed && !dashes && self.pick(5) == 4 {
                self.text.push(' ');
                self.slashdash();
                self.block(depth, true);
            }
            self.space(false);
            self.block(depth, is_dashed || dashes);
        }
        dashes
    }

    fn items(&mut self, depth: usize, is_dashed: bool) {
        self.maybe_space();
        while self.pick(8) > usize::from(depth > 0) as u16 + 1 {
            match self.pick(6) {
                0 => {
                    self.line_comment(false);
                    self.newline();
                }
                1 => self.block_comment(),
                2 => self.newline(),
                _ => {
                    let dashes = self.node(depth, is_dashed);
                    self.maybe_space();
                    match self.pick(5) {
                        0 => self.newline(),
                        1 | 2 if !dashes => {
                            self.text.push(';');
                            self.maybe_space();
                        }
                        3 if depth > 0 => return,
                        _ => {
                            self.text.push(' ');
                            self.line_comment(true);
                            self.newline();
                        }
                    }
                }
            }
        }
    }
}
