//! The list of phrases, and the longest one that a text begins with.

use std::sync::LazyLock;

/// How many phrases have a code of one byte: the first ones of the list.
pub(super) const ONE_BYTE: usize = 200;

/// The phrases of format 1, made by `tools/phrases.py`.
pub(super) static PHRASES: LazyLock<Phrases> = LazyLock::new(|| Phrases::of(include_str!("phrases_1.txt")));

/// Phrases by their codes, and as a tree of their letters.
#[derive(Debug)]
pub(super) struct Phrases {
    by_code: Vec<&'static [u8]>,
    nodes: Vec<Node>,
    /// The node of phrases that begin with each byte; 0: there is none.
    roots: [u16; 256],
}

/// What several phrases have in common behind their parent node.
#[derive(Debug)]
struct Node {
    label: &'static [u8],
    /// The code of the phrase that ends here.
    code: Option<u16>,
    /// The first byte of each child. Those that are used most come first, as in the list.
    firsts: Vec<u8>,
    children: Vec<u16>,
}

impl Phrases {
    /// Read a list with a phrase in each line, between `<` and `>`.
    fn of(list: &'static str) -> Self {
        let by_code: Vec<&[u8]> = list.lines().map(|line| &line.as_bytes()[1..line.len() - 1]).collect();
        let mut sorted: Vec<(&[u8], u16)> = by_code.iter().copied().zip(0..).collect();
        sorted.sort_unstable();
        let root = Node { label: b"", code: None, firsts: Vec::new(), children: Vec::new() };
        let mut phrases = Self { by_code, nodes: vec![root], roots: [0; 256] };
        let (firsts, nodes) = phrases.children(&sorted, 0);
        for (first, node) in firsts.into_iter().zip(nodes) {
            phrases.roots[usize::from(first)] = node;
        }
        phrases
    }

    /// The phrase of a code.
    pub(super) fn get(&self, code: usize) -> Option<&'static [u8]> {
        self.by_code.get(code).copied()
    }

    /// The code and the length of the longest phrase that a text begins with.
    #[inline]
    pub(super) fn longest(&self, text: &[u8]) -> Option<(usize, usize)> {
        let mut node = self.roots[usize::from(text[0])];
        let (mut rest, mut found) = (text, None);
        while node != 0 {
            let here = &self.nodes[usize::from(node)];
            let Some(behind) = rest.strip_prefix(here.label) else { break };
            rest = behind;
            if let Some(code) = here.code {
                found = Some((code.into(), text.len() - rest.len()));
            }
            let Some(next) = rest.first() else { break };
            let place = here.firsts.iter().position(|first| first == next);
            node = place.map_or(0, |place| here.children[place]);
        }
        found
    }

    /// Make the nodes of sorted phrases, which are equal up to `depth` and longer than that.
    fn children(&mut self, sorted: &[(&'static [u8], u16)], depth: usize) -> (Vec<u8>, Vec<u16>) {
        let mut groups: Vec<_> = sorted.chunk_by(|one, other| one.0[depth] == other.0[depth]).collect();
        groups.sort_unstable_by_key(|group| group.iter().map(|(_, code)| *code).min());
        groups.into_iter().map(|group| (group[0].0[depth], self.node(group, depth))).collect()
    }

    fn node(&mut self, group: &[(&'static [u8], u16)], depth: usize) -> u16 {
        let (first, last) = (group[0].0, group[group.len() - 1].0);
        let end =
            depth + first[depth..].iter().zip(&last[depth..]).take_while(|(one, other)| one == other).count();
        let (code, longer) = if first.len() == end { (Some(group[0].1), &group[1..]) } else { (None, group) };
        let number = self.nodes.len();
        self.nodes.push(Node { label: &first[depth..end], code, firsts: Vec::new(), children: Vec::new() });
        let (firsts, children) = self.children(longer, end);
        self.nodes[number].firsts = firsts;
        self.nodes[number].children = children;
        u16::try_from(number).expect("a list has fewer phrases")
    }
}
