//! A subscriber's test on the tags of publications.

use std::collections::BTreeMap;

/// Nodes of one filter at most, how deep they nest, and with how many values they compare.
const NODES: usize = 64;
const DEPTH: usize = 16;
const VALUES: usize = 256;

/// What must be true of a publication's tags.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// All of them.
    And(Vec<Filter>),
    /// One of them.
    Or(Vec<Filter>),
    /// Not this.
    Not(Box<Filter>),
    /// A comparison of one tag.
    Tag(String, Comparison),
}

/// How a tag is compared. Comparisons of size take both sides as numbers, and are false where one is none.
#[derive(Debug, Clone, PartialEq)]
pub enum Comparison {
    /// `eq`
    Equal(String),
    /// `neq`
    NotEqual(String),
    /// `in`
    In(Vec<String>),
    /// `nin`
    NotIn(Vec<String>),
    /// `ex`
    Exists,
    /// `nex`
    Missing,
    /// `sw`
    StartsWith(String),
    /// `ew`
    EndsWith(String),
    /// `ct`
    Contains(String),
    /// `lt`
    Less(f64),
    /// `lte`
    LessOrEqual(f64),
    /// `gt`
    Greater(f64),
    /// `gte`
    GreaterOrEqual(f64),
}

impl Filter {
    /// Whether it is small enough to be asked of every publication.
    pub fn is_bounded(&self) -> bool {
        fn count(filter: &Filter, depth: usize) -> Option<usize> {
            if depth > DEPTH {
                return None;
            }
            match filter {
                Filter::And(all) | Filter::Or(all) => all
                    .iter()
                    .try_fold(1, |sum, one| Some(sum + count(one, depth + 1)?)),
                Filter::Not(one) => Some(1 + count(one, depth + 1)?),
                Filter::Tag(..) => Some(1),
            }
        }
        // a value of a list costs what a node does
        count(self, 0).is_some_and(|nodes| nodes <= NODES) && self.values() <= VALUES
    }

    fn values(&self) -> usize {
        match self {
            Self::And(all) | Self::Or(all) => all.iter().map(Self::values).sum(),
            Self::Not(one) => one.values(),
            Self::Tag(_, Comparison::In(values) | Comparison::NotIn(values)) => values.len(),
            Self::Tag(..) => 1,
        }
    }

    /// Whether a publication with these tags passes.
    pub fn passes(&self, tags: &BTreeMap<String, String>) -> bool {
        match self {
            Self::And(all) => all.iter().all(|one| one.passes(tags)),
            Self::Or(any) => any.iter().any(|one| one.passes(tags)),
            Self::Not(one) => !one.passes(tags),
            Self::Tag(key, comparison) => comparison.holds(tags.get(key).map(String::as_str)),
        }
    }
}

impl Comparison {
    fn holds(&self, tag: Option<&str>) -> bool {
        let number = tag.and_then(|tag| tag.parse::<f64>().ok());
        match self {
            Self::Equal(value) => tag == Some(value),
            Self::NotEqual(value) => tag != Some(value),
            Self::In(values) => tag.is_some_and(|tag| values.iter().any(|value| value == tag)),
            Self::NotIn(values) => !tag.is_some_and(|tag| values.iter().any(|value| value == tag)),
            Self::Exists => tag.is_some(),
            Self::Missing => tag.is_none(),
            Self::StartsWith(value) => tag.is_some_and(|tag| tag.starts_with(value)),
            Self::EndsWith(value) => tag.is_some_and(|tag| tag.ends_with(value)),
            Self::Contains(value) => tag.is_some_and(|tag| tag.contains(value)),
            Self::Less(than) => number.is_some_and(|number| number < *than),
            Self::LessOrEqual(than) => number.is_some_and(|number| number <= *than),
            Self::Greater(than) => number.is_some_and(|number| number > *than),
            Self::GreaterOrEqual(than) => number.is_some_and(|number| number >= *than),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn tag(comparison: Comparison) -> Filter {
        Filter::Tag("t".to_owned(), comparison)
    }

    #[test]
    fn each_comparison_holds_where_it_should_and_only_there() {
        let text = |value: &str| value.to_owned();
        let cases = [
            (Comparison::Equal(text("abc")), true, false),
            (Comparison::NotEqual(text("abc")), false, true),
            (Comparison::In(vec![text("x"), text("abc")]), true, false),
            (Comparison::NotIn(vec![text("x"), text("abc")]), false, true),
            (Comparison::Exists, true, false),
            (Comparison::Missing, false, true),
            (Comparison::StartsWith(text("ab")), true, false),
            (Comparison::EndsWith(text("bc")), true, false),
            (Comparison::Contains(text("b")), true, false),
            (Comparison::Less(5.0), false, false),
        ];
        for (comparison, with, without) in cases {
            assert_eq!(
                tag(comparison.clone()).passes(&tags(&[("t", "abc")])),
                with,
                "{comparison:?}"
            );
            assert_eq!(
                tag(comparison.clone()).passes(&tags(&[])),
                without,
                "{comparison:?}"
            );
        }
        let ten = tags(&[("t", "10")]);
        assert!(tag(Comparison::Greater(9.5)).passes(&ten) && !tag(Comparison::Greater(10.0)).passes(&ten));
        assert!(tag(Comparison::GreaterOrEqual(10.0)).passes(&ten));
        assert!(tag(Comparison::LessOrEqual(10.0)).passes(&ten) && !tag(Comparison::Less(10.0)).passes(&ten));
    }

    #[test]
    fn nodes_combine_and_none_of_nothing_is_refused() {
        let (yes, no) = (tag(Comparison::Exists), tag(Comparison::Missing));
        let here = tags(&[("t", "1")]);
        assert!(Filter::And(vec![yes.clone(), yes.clone()]).passes(&here));
        assert!(!Filter::And(vec![yes.clone(), no.clone()]).passes(&here));
        assert!(Filter::Or(vec![no.clone(), yes]).passes(&here));
        assert!(Filter::Not(Box::new(no)).passes(&here));
    }

    #[test]
    fn a_filter_too_deep_or_too_wide_is_not_bounded() {
        let leaf = tag(Comparison::Exists);
        let deep = (0..20).fold(leaf.clone(), |inner, _| Filter::Not(Box::new(inner)));
        assert!(!deep.is_bounded() && leaf.is_bounded());
        assert!(!Filter::And(vec![leaf; 65]).is_bounded());
        let list = |count| tag(Comparison::In(vec![String::new(); count]));
        assert!(list(256).is_bounded() && !list(257).is_bounded());
        let none = tag(Comparison::NotIn(vec![String::new(); 129]));
        assert!(!Filter::Or(vec![Filter::Not(Box::new(none.clone())), none]).is_bounded());
    }
}
