//! A page's blocks, as a reader copies them: shared by who reads the walk-throughs and by who lives one.

/// A block of a page.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// The heading that it is under.
    pub(crate) section: String,
    /// `yaml` for a file that the reader writes; nothing for what they type.
    pub(crate) language: String,
    /// Its lines.
    pub(crate) text: String,
}

/// All blocks of a page, in its order.
pub(crate) fn blocks(page: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut section = String::new();
    let mut open: Option<Block> = None;
    for line in page.lines() {
        let fence = line.strip_prefix("```");
        match (open.take(), fence) {
            (Some(block), Some(_)) => found.push(block),
            (Some(mut block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
            (None, Some(language)) => {
                open = Some(Block {
                    section: section.clone(),
                    language: language.to_owned(),
                    text: String::new(),
                });
            }
            (None, None) => {
                if let Some(heading) = line.strip_prefix("## ") {
                    heading.clone_into(&mut section);
                }
            }
        }
    }
    assert!(open.is_none(), "a block has no end: {open:?}");
    found
}
