//! `radgram account import`: a CSV file of accounts and their people, all of it or nothing.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use csv::{ReaderBuilder, StringRecord, Trim};
use zeroize::Zeroizing;

use super::Failure;
use super::bulk::tell;
use super::desk::{ACTOR, Desk};
use crate::domain::account::account_name;
use crate::domain::user::full_name;
use crate::gate::ImportRow;
use crate::secret::Secret;

/// The most lines of one file.
const MOST_ROWS: usize = 10_000;
/// The most bytes of one file: the longest lines with room to spare.
const MOST_BYTES: u64 = 16 * 1024 * 1024;
/// Wrong lines that are written out; the others are counted.
const SHOWN_WRONGS: usize = 20;
/// Progress is told each time this many rows are done.
const STEP: usize = 1_000;
const HEADER: [&str; 4] = ["username", "password", "telegram_id", "name"];

/// Whether the import is only tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Try {
    /// Nothing is changed.
    DryRun,
    /// All rows are added.
    ForReal,
}

impl From<bool> for Try {
    fn from(dry_run: bool) -> Self {
        if dry_run { Self::DryRun } else { Self::ForReal }
    }
}

/// A wrong line: its number and why.
type Wrong = (usize, String);

pub(super) async fn run(desk: &Desk, file: &Path, how: Try) -> Result<(), Failure> {
    let text = text_of(file)?;
    let (rows, mut wrong) = rows_of(&text).map_err(|why| Failure::because(format!("{}: {why}", file.display())))?;
    eprintln!("radgram: {} lines read, checking", rows.len() + wrong.len());
    wrong.extend(desk.gate.check_import(&rows).await?);
    if !wrong.is_empty() {
        return Err(refused(file, wrong));
    }
    let count = rows.len();
    if how == Try::DryRun {
        return desk.say(&format!("{count} accounts would be added; nothing was changed"));
    }
    desk.gate.import(&ACTOR, &rows, &mut |done, all| tell(done, all, STEP)).await?;
    desk.say(&format!("{count} accounts are added"))
}

fn refused(file: &Path, mut wrong: Vec<Wrong>) -> Failure {
    wrong.sort();
    wrong.dedup();
    for (line, why) in wrong.iter().take(SHOWN_WRONGS) {
        eprintln!("{}: line {line}: {why}", file.display());
    }
    if let Some(more) = wrong.len().checked_sub(SHOWN_WRONGS).filter(|more| *more > 0) {
        eprintln!("{}: and {more} more", file.display());
    }
    Failure::because(format!("{}: {} wrong; nothing was changed", file.display(), lines(wrong.len())))
}

fn lines(count: usize) -> String {
    if count == 1 { "1 line is".to_owned() } else { format!("{count} lines are") }
}

fn text_of(file: &Path) -> Result<Zeroizing<String>, Failure> {
    let because = |error: io::Error| Failure::because(format!("{}: cannot be read: {error}", file.display()));
    let input: Box<dyn Read> =
        if file == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(file).map_err(because)?) };
    let mut text = Zeroizing::new(String::new());
    input.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(because)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(Failure::because(format!("{}: larger than {} MiB", file.display(), MOST_BYTES >> 20)));
    }
    Ok(text)
}

/// The rows, and the lines that are none; or why it is not such a file at all.
fn rows_of(text: &str) -> Result<(Vec<ImportRow>, Vec<Wrong>), String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader =
        ReaderBuilder::new().delimiter(delimiter(text)).trim(Trim::Headers).flexible(true).from_reader(text.as_bytes());
    let places = places(reader.headers().map_err(|error| error.to_string())?)?;
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        let line = line_of(&record, text);
        if rows.len() + wrong.len() >= MOST_ROWS {
            return Err(format!("more than {MOST_ROWS} lines; split the file"));
        }
        match row(&record, places, line) {
            Ok(row) => rows.push(row),
            Err(why) => wrong.push((line, why)),
        }
    }
    if rows.is_empty() && wrong.is_empty() {
        return Err("no lines below the header".to_owned());
    }
    Ok((rows, wrong))
}

/// The line that a record begins at, from 1: its position is that of the empty lines before it, which are skipped.
fn line_of(record: &StringRecord, text: &str) -> usize {
    let Some(position) = record.position() else { return 0 };
    let from = usize::try_from(position.byte()).ok().and_then(|at| text.as_bytes().get(at..)).unwrap_or_default();
    let skipped = from.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).filter(|byte| **byte == b'\n').count();
    usize::try_from(position.line()).unwrap_or(usize::MAX).saturating_add(skipped)
}

/// Spreadsheets of some languages put semicolons between.
fn delimiter(text: &str) -> u8 {
    let header = text.lines().next().unwrap_or_default();
    if header.contains(';') && !header.contains(',') { b';' } else { b',' }
}

/// Where each column of [`HEADER`] stands; the columns may come in any order.
fn places(header: &StringRecord) -> Result<[usize; 4], String> {
    let expected = || format!("the first line must be {}", HEADER.join(","));
    if header.len() != HEADER.len() {
        return Err(expected());
    }
    let mut places = [0; 4];
    for (place, name) in places.iter_mut().zip(HEADER) {
        *place = header.iter().position(|found| found == name).ok_or_else(expected)?;
    }
    Ok(places)
}

fn row(record: &StringRecord, places: [usize; 4], line: usize) -> Result<ImportRow, String> {
    if record.len() != HEADER.len() {
        return Err(format!("{} fields instead of {}", record.len(), HEADER.len()));
    }
    let [username, password, telegram_id, name] = places.map(|place| record.get(place).unwrap_or_default());
    if password.is_empty() {
        return Err("the password is empty".to_owned());
    }
    let telegram_id: i64 =
        telegram_id.trim().parse().ok().filter(|id| *id > 0).ok_or("the telegram_id is not a number above 0")?;
    Ok(ImportRow {
        line,
        username: account_name(username)?,
        password: Secret::new(password),
        telegram_id,
        name: full_name(name)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_with_their_lines() {
        let (rows, wrong) = rows_of(
            "username,password,telegram_id,name\nann, pass ,1001,Ann Lee\n\n\"bob\",\"a,b\n\",1002,Bob\nx,,3,X\ny,p,no,Y\nz,p\n",
        )
        .unwrap();
        let read: Vec<(usize, &str, &[u8])> =
            rows.iter().map(|row| (row.line, row.username.as_str(), row.password.expose())).collect();
        assert_eq!(read, [(2, "ann", b" pass ".as_slice()), (4, "bob", b"a,b\n")]);
        let lines: Vec<usize> = wrong.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [6, 7, 8]);
    }

    #[test]
    fn columns_come_in_any_order_and_with_semicolons() {
        let (rows, wrong) = rows_of("\u{feff}name;telegram_id;username;password\nАнна;7;anna;secret\n").unwrap();
        assert!(wrong.is_empty());
        assert_eq!((rows[0].name.as_str(), rows[0].telegram_id), ("Анна", 7));
    }

    #[test]
    fn what_is_no_such_file_is_refused_whole() {
        let long = format!("username,password,telegram_id,name\n{}", "a,b,1,c\n".repeat(MOST_ROWS + 1));
        for text in
            ["", "user,pass\n", "username,password,telegram_id,name\n", "username,password,telegram_id,nam\n", &long]
        {
            assert!(rows_of(text).is_err());
        }
    }

    #[test]
    fn no_message_has_a_password() {
        let (_, wrong) =
            rows_of("username,password,telegram_id,name\na,hunter2,x,N\n,hunter2,1,N\na,hunter2\n").unwrap();
        assert_eq!(wrong.len(), 3);
        assert!(wrong.iter().all(|(_, why)| !why.contains("hunter2")));
    }
}
