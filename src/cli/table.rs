//! Text tables: aligned columns; whatever a cell holds, it cannot steer the terminal.

/// Heads and rows in columns two blanks apart; without rows the heads alone.
pub(super) fn aligned(heads: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| harmless(cell)).collect()).collect();
    let mut widths: Vec<usize> = heads.iter().map(|head| head.chars().count()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    std::iter::once(&heads).chain(&rows).map(|row| line(row, &widths)).collect()
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let padded: Vec<String> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
    format!("{}\n", padded.join("  ").trim_end())
}

/// User names and stations come from the network: control characters and marks that turn the direction of text are
/// written out.
fn harmless(cell: &str) -> String {
    cell.chars()
        .flat_map(
            |character| if is_steering(character) { character.escape_unicode().collect() } else { vec![character] },
        )
        .collect()
}

fn is_steering(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_characters() {
        let rows = [vec!["Иван".to_owned(), "1".to_owned()], vec!["Al".to_owned(), "22".to_owned()]];
        assert_eq!(aligned(&["NAME", "N"], &rows), "NAME  N\nИван  1\nAl    22\n");
        assert_eq!(aligned(&["NAME"], &[]), "NAME\n");
    }

    #[test]
    fn a_cell_cannot_steer_the_terminal() {
        let rows = [vec!["\u{1b}[2J\n\u{202e}".to_owned()]];
        assert_eq!(aligned(&["X"], &rows), "X\n\\u{1b}[2J\\u{a}\\u{202e}\n");
    }
}
