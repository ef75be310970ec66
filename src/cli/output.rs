//! Standard output: texts and lists; a reader that went away ends the command without a word.

use std::io::{self, BufWriter, Write};

use serde::Serialize;

use super::Failure;
use super::ListArgs;
use super::table;
use crate::store::LIST_ROWS;

/// A line of a list: its cells for people, itself for programs.
pub(super) trait Line: Serialize {
    /// The heads of the columns.
    const HEADS: &'static [&'static str];

    /// The cells, as many as heads.
    fn cells(&self) -> Vec<String>;
}

/// Where a command writes to.
pub(super) struct Out<W: Write>(W);

impl Out<BufWriter<io::Stdout>> {
    /// Standard output.
    pub(super) fn standard() -> Self {
        Self(BufWriter::new(io::stdout()))
    }
}

impl<W: Write> Out<W> {
    /// A text as it is.
    pub(super) fn text(&mut self, text: &str) -> Result<(), Failure> {
        self.0.write_all(text.as_bytes())?;
        Ok(self.0.flush()?)
    }

    /// A list, as a table or as one JSON array.
    pub(super) fn list<L: Line>(&mut self, lines: &[L], args: ListArgs) -> Result<(), Failure> {
        if args.json {
            serde_json::to_writer_pretty(&mut self.0, lines).map_err(io::Error::from)?;
            self.0.write_all(b"\n")?;
        } else {
            let rows: Vec<Vec<String>> = lines.iter().map(Line::cells).collect();
            self.0.write_all(table::aligned(L::HEADS, &rows).as_bytes())?;
        }
        Ok(self.0.flush()?)
    }
}

/// A list of the store, which gives at most [`LIST_ROWS`]: a full one may not be all, and that is said.
pub(super) fn bounded_list<L: Line>(lines: &[L], args: ListArgs) -> Result<(), Failure> {
    Out::standard().list(lines, args)?;
    if i64::try_from(lines.len()).unwrap_or(i64::MAX) >= LIST_ROWS {
        eprintln!("radgram: only the first {LIST_ROWS} are listed");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Word {
        word: &'static str,
    }

    impl Line for Word {
        const HEADS: &'static [&'static str] = &["WORD"];

        fn cells(&self) -> Vec<String> {
            vec![self.word.to_owned()]
        }
    }

    /// A pipe whose reader went away.
    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    #[test]
    fn a_list_is_a_table_or_json() {
        let mut out = Out(Vec::new());
        out.list(&[Word { word: "a" }], ListArgs { json: false }).unwrap();
        out.list(&[Word { word: "a" }], ListArgs { json: true }).unwrap();
        assert_eq!(String::from_utf8(out.0).unwrap(), "WORD\na\n[\n  {\n    \"word\": \"a\"\n  }\n]\n");
    }

    #[test]
    fn a_broken_pipe_is_silent() {
        for json in [false, true] {
            let ended = Out(Broken).list(&[Word { word: "a" }], ListArgs { json });
            assert!(matches!(ended, Err(Failure::NobodyReads)));
        }
    }
}
