//! Text for people: HTML and control characters removed, cut between characters.
//!
//! In: what a merchant typed, pasted or exported. Out: one line of plain text. It must never split what a
//! reader sees as one character.

use std::borrow::Cow;

use html5gum::{Token, Tokenizer};
use unicode_segmentation::UnicodeSegmentation as _;

/// How often HTML that was escaped as text (`&lt;b&gt;`) is unwrapped, before its brackets are just dropped.
const ROUNDS: usize = 4;

/// Tags within a word or a sentence: nothing stands in their place. Every other tag ends a line, so a space does.
const INLINE: [&[u8]; 19] = [
    b"a", b"abbr", b"b", b"bdi", b"code", b"del", b"em", b"font", b"i", b"ins", b"mark", b"s",
    b"small", b"span", b"strike", b"strong", b"sub", b"sup", b"u",
];

/// Elements whose content is not for people.
const SILENT: [&[u8]; 4] = [b"script", b"style", b"template", b"noscript"];

/// Plain text on one line: tags, entities, control characters and doubled white space are gone.
pub(super) fn clean(text: &str) -> String {
    let mut plain = Cow::Borrowed(text);
    for _ in 0..ROUNDS {
        // Most texts are plain: they never meet the tokenizer.
        if !plain.contains(['<', '&']) {
            return one_line(&plain);
        }
        let stripped = strip(&plain);
        if stripped == plain.as_ref() {
            return one_line(&plain);
        }
        plain = Cow::Owned(stripped);
    }
    one_line(&plain.replace(['<', '>', '&'], ""))
}

/// The longest start of `text` with at most `max` characters as a reader counts them, and whether it is all.
pub(super) fn cut(text: &str, max: usize) -> (&str, bool) {
    match text.grapheme_indices(true).nth(max) {
        Some((end, _)) => (text[..end].trim_end(), false),
        None => (text, true),
    }
}

/// Characters as a reader counts them.
pub(super) fn chars(text: &str) -> usize {
    text.graphemes(true).count()
}

/// Without tags and with entities as characters.
fn strip(text: &str) -> String {
    // After the last `>` no tag can close: a `<` there is a sign (`size M<L`), which a tokenizer would drop.
    let (html, tail) = text.split_at(text.rfind('>').map_or(0, |last| last + 1));
    let escaped = format!("{html}{}", tail.replace('<', "&lt;"));
    let mut plain = String::with_capacity(text.len());
    let mut silent = 0_usize;
    let Ok(tokens) = Tokenizer::new(&escaped).collect::<Result<Vec<_>, _>>();
    for token in tokens {
        match token {
            Token::String(text) if silent == 0 => plain.push_str(&String::from_utf8_lossy(&text)),
            Token::StartTag(tag) => {
                if SILENT.contains(&tag.name.as_slice()) && !tag.self_closing {
                    silent += 1;
                }
                separate(&mut plain, &tag.name);
            }
            Token::EndTag(tag) => {
                if SILENT.contains(&tag.name.as_slice()) {
                    silent = silent.saturating_sub(1);
                }
                separate(&mut plain, &tag.name);
            }
            Token::String(_) | Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
        }
    }
    plain
}

fn separate(plain: &mut String, tag: &[u8]) {
    if !INLINE.contains(&tag) {
        plain.push(' ');
    }
}

/// White space of any kind becomes one space; what has no width and is not part of a character goes.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_whitespace() {
            if !line.is_empty() && !line.ends_with(' ') {
                line.push(' ');
            }
        } else if !c.is_control() && !is_direction(c) {
            line.push(c);
        }
    }
    line.truncate(line.trim_end().len());
    line
}

/// Marks that turn the reading direction of what follows, and the byte order mark. Joiners stay: they are part
/// of emoji and of Persian words.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn html_becomes_what_a_reader_sees() {
        for (html, plain) in [
            ("plain", "plain"),
            ("<p>One</p><p>Two</p>", "One Two"),
            ("a<br>b<br/>c", "a b c"),
            ("H<sub>2</sub>O <b>bold</b>", "H2O bold"),
            (
                "Salt &amp; Pepper &#39;fine&#x27; &eacute;",
                "Salt & Pepper 'fine' é",
            ),
            ("AT&T Q&A 5 & 6", "AT&T Q&A 5 & 6"),
            ("5 < 6, I <3 you, size M<L", "5 < 6, I <3 you, size M<L"),
            ("before<script>alert('x')</script>after", "before after"),
            ("<style>p{}</style>shown<!-- not this -->", "shown"),
            ("<img src=x onerror='a>b'>text", "text"),
            ("&lt;b&gt;twice&lt;/b&gt; escaped", "twice escaped"),
            ("un<closed", "un<closed"),
            ("<ul><li>one<li>two</ul>", "one two"),
            ("", ""),
        ] {
            assert_eq!(clean(html), plain, "{html}");
        }
    }

    #[test]
    fn control_characters_go_and_white_space_is_one_space() {
        assert_eq!(clean("a\u{0}b\u{7}c\u{1b}[31m"), "abc[31m");
        assert_eq!(
            clean("\u{feff} one\r\n\ttwo\u{a0}\u{2028}three  "),
            "one two three"
        );
        assert_eq!(clean("abc\u{202e}def"), "abcdef");
        // A family is one character, joined by marks without width.
        assert_eq!(clean("👩‍👩‍👧"), "👩‍👩‍👧");
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        for (text, max, start) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "abc"),
            ("ab cd", 3, "ab"),
            ("a👩‍👩‍👧b", 2, "a👩‍👩‍👧"),
            ("e\u{301}e\u{301}", 1, "e\u{301}"),
            ("🇩🇪🇫🇷", 1, "🇩🇪"),
            ("नमस्ते", 1, "न"),
            ("abc", 0, ""),
        ] {
            assert_eq!(cut(text, max).0, start, "{text}");
        }
        assert_eq!((cut("abc", 3).1, cut("abcd", 3).1), (true, false));
    }

    proptest! {
        #[test]
        fn cleaning_twice_changes_nothing(text in "(<[a-z/!]?|>|&(amp|lt|gt|#60|nbsp);?|[a-z ]|\\PC|\\s){0,40}") {
            let once = clean(&text);
            prop_assert_eq!(clean(&once), once.clone());
            prop_assert!(!once.chars().any(char::is_control));
            prop_assert!(!once.contains("  "));
            prop_assert_eq!(once.trim(), once.as_str());
        }

        #[test]
        fn a_cut_is_a_start_of_whole_characters(
            text in "([a-z]|\\PC|👩‍👩‍👧|e\u{301}|🇩🇪|\u{200d}|\u{fe0f}| ){0,40}",
            max in 0usize..40,
        ) {
            let (start, whole) = cut(&text, max);
            prop_assert!(text.starts_with(start));
            prop_assert!(chars(start) <= max);
            prop_assert_eq!(whole, chars(&text) <= max);
            if !whole {
                // Every boundary of the start is a boundary of the text.
                let boundaries: Vec<usize> = text.grapheme_indices(true).map(|(at, _)| at).collect();
                let trimmed = text[start.len()..].starts_with(' ');
                prop_assert!(trimmed || boundaries.contains(&start.len()));
            }
        }
    }
}
