//! Inputs made from inputs.

use std::path::Path;

/// What is tried is no longer than this: every reader has a limit of its own, and tests of its own at it.
const LONGEST: usize = 64 << 10;
/// What is kept to breed on; more than that is forgotten.
const MOST: usize = 4_000;

/// Breeds inputs from those that came to something new.
pub(crate) struct Breeder {
    corpus: Vec<Vec<u8>>,
    words: &'static [&'static str],
    state: u64,
}

impl Breeder {
    pub(crate) fn new(folder: &Path, words: &'static [&'static str]) -> Self {
        let files = std::fs::read_dir(folder).unwrap().flatten();
        let mut files: Vec<_> = files.map(|entry| entry.path()).collect();
        files.sort();
        let corpus = files.iter().map(|path| std::fs::read(path).unwrap());
        let seed = std::env::var("POBSYNC_FUZZ_SEED").ok();
        let seed = seed.map_or_else(
            || u64::from(std::process::id()),
            |seed| seed.parse().unwrap(),
        );
        println!("seed {seed}");
        Self {
            corpus: corpus.chain([Vec::new()]).collect(),
            words,
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        }
    }

    pub(crate) fn corpus(&self) -> Vec<Vec<u8>> {
        self.corpus.clone()
    }

    pub(crate) fn learn(&mut self, input: Vec<u8>) {
        if self.corpus.len() < MOST {
            self.corpus.push(input);
        } else {
            let at = self.below(self.corpus.len());
            self.corpus[at] = input;
        }
    }

    pub(crate) fn breed(&mut self) -> Vec<u8> {
        let at = self.below(self.corpus.len());
        let mut input = self.corpus[at].clone();
        for _ in 0..=self.below(4) {
            self.change(&mut input);
        }
        input.truncate(LONGEST);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len() + 1);
        let longest = 1 << self.below(12);
        let end = at + self.below((input.len() - at + 1).min(longest));
        match self.below(10) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 if at < input.len() => input[at] = u8::try_from(self.below(256)).unwrap(),
            2 => drop(input.drain(at..end)),
            // One piece many times over: nesting, long words, many of a kind.
            3 => {
                let piece = input[at..end].to_vec();
                let most = 1 << self.below(12);
                let times = self.below(most).min(LONGEST / piece.len().max(1));
                input.splice(at..at, piece.repeat(times));
            }
            4 | 5 => {
                let word = self.word();
                let times = if self.below(8) == 0 {
                    1 << self.below(12)
                } else {
                    1
                };
                input.splice(at..at, word.repeat(times));
            }
            6 => {
                let word = self.word();
                input.splice(at..end, word);
            }
            7 | 8 => {
                let other = self.below(self.corpus.len());
                let from = self.below(self.corpus[other].len() + 1);
                let len = self.below(self.corpus[other].len() - from + 1);
                let piece = self.corpus[other][from..from + len].to_vec();
                input.splice(at..end, piece);
            }
            _ => self.change_number(input),
        }
    }

    /// Puts another number in the place of one.
    fn change_number(&mut self, input: &mut Vec<u8>) {
        let digits = |byte: &u8| byte.is_ascii_digit();
        let begins: Vec<usize> = (0..input.len())
            .filter(|at| digits(&input[*at]) && (*at == 0 || !digits(&input[at - 1])))
            .collect();
        if begins.is_empty() {
            return;
        }
        let at = begins[self.below(begins.len())];
        let len = input[at..].iter().take_while(|byte| digits(byte)).count();
        const NUMBERS: [&str; 12] = [
            "0",
            "1",
            "7",
            "59",
            "255",
            "65536",
            "4294967296",
            "9223372036854775807",
            "18446744073709551616",
            "-1",
            "1e308",
            "0000000000000000000000001",
        ];
        let number = NUMBERS[self.below(NUMBERS.len())];
        input.splice(at..at + len, number.bytes());
    }

    fn word(&mut self) -> Vec<u8> {
        const WORDS: [&[u8]; 16] = [
            b"\0",
            b"\n",
            b"\r\n",
            b"\"",
            b"\\",
            b" ",
            b"\t",
            b"{",
            b"}",
            b"[",
            b"]",
            b"\x1b[31m",
            b"\xff\xfe",
            "\u{202e}".as_bytes(),
            "\u{feff}".as_bytes(),
            b"../",
        ];
        let at = self.below(WORDS.len() + self.words.len());
        match WORDS.get(at) {
            Some(word) => word.to_vec(),
            None => self.words[at - WORDS.len()].as_bytes().to_vec(),
        }
    }

    /// splitmix64, so that a seed gives the same inputs everywhere.
    fn below(&mut self, n: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % (n.max(1) as u64)).unwrap()
    }
}
