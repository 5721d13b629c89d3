//! The fenced blocks of a document.

use std::ops::Range;

pub const NOT_RUN: &str = "<!-- not run -->";

/// A sql block, and where its output lies in the document.
#[derive(Debug, PartialEq)]
pub struct Block<'d> {
    pub sql: &'d str,
    pub output: Range<usize>,
}

/// The sql blocks that are to be run.
pub fn blocks(document: &str) -> Result<Vec<Block<'_>>, String> {
    let fences = fences(document)?;
    let mut blocks = Vec::new();
    for (index, fence) in fences.iter().enumerate() {
        if fence.language != "sql" || fence.above == NOT_RUN {
            continue;
        }
        let output =
            fences.get(index + 1).filter(|next| next.language == "text" && next.lines.start == fence.lines.end);
        let Some(output) = output else {
            return Err(format!("the sql block of line {} has no text block right behind it", fence.lines.start));
        };
        blocks.push(Block { sql: &document[fence.body.clone()], output: output.body.clone() });
    }
    Ok(blocks)
}

/// Lines between ``` and ```.
pub struct Fence<'d> {
    pub language: &'d str,
    above: &'d str,
    /// Numbers of its lines, with the fences, and where its body lies.
    lines: Range<usize>,
    pub body: Range<usize>,
}

pub fn fences(document: &str) -> Result<Vec<Fence<'_>>, String> {
    let mut fences: Vec<Fence> = Vec::new();
    let (mut open, mut above, mut offset) = (None, "", 0);
    for (index, line) in document.split_inclusive('\n').enumerate() {
        let (number, end) = (index + 1, offset + line.len());
        let text = line.trim_end();
        open = match (open, text.trim_start().strip_prefix("```")) {
            (None, Some(language)) => Some(Fence { language, above, lines: number..0, body: end..0 }),
            (Some(fence), Some(_)) => {
                fences.push(Fence { lines: fence.lines.start..number + 1, body: fence.body.start..offset, ..fence });
                None
            }
            (open, None) => open,
        };
        (above, offset) = (text, end);
    }
    match open {
        Some(fence) => Err(format!("the block of line {} does not end", fence.lines.start)),
        None => Ok(fences),
    }
}

#[test]
fn a_sql_block_needs_its_output_or_the_mark() {
    let output = "```sql\nSELECT 1;\n```\n```text\n1\n```\n";
    assert_eq!(blocks(output).unwrap(), [Block { sql: "SELECT 1;\n", output: 29..31 }]);
    assert_eq!(blocks(&format!("{NOT_RUN}\n{output}")).unwrap(), []);
    assert_eq!(blocks("```sh\nmake\n```\n").unwrap(), []);
    for bad in ["```sql\n;\n```\n\n```text\n```\n", "```sql\n;\n```\n```sh\n```\n", "```sql\n;\n"] {
        assert!(blocks(bad).is_err(), "{bad}");
    }
}
