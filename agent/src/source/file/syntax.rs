//! What to write where a text is no YAML: the parser's categories, in an operator's words. **pure**

use serde_saphyr::{Error, ExternalMessageSource, budget::BudgetBreach, granit_parser::ErrorKind};

use super::document::{Place, SyntaxError};

const CLOSE: &str = "a bracket or brace in front of this place is not closed: close it";
const CLOSE_QUOTE: &str =
    "a quote is opened here and not closed: write the same one behind the text";
const INDENT: &str = "this line is not indented like its neighbours: start the fields of one group in \
                      the same column";
const QUOTE: &str = "'*', '&' and '!' mean something to YAML: put the text in quotes";
const TAB: &str = "a tab: write spaces, YAML does not indent by tabs";
const TOO_MANY: &str = "the file holds too many values: write fewer forwards";
const TOO_MUCH: &str = "too deeply nested, or too many references to anchors: write it plainly";

/// What is said about an error in this text.
pub(super) fn explain(error: &Error, text: &str) -> SyntaxError {
    let place = error.location().map_or(Place::START, Place::of);
    let (place, message) = match error.without_snippet() {
        Error::ExternalMessage { source, msg, .. } => match source.as_ref() {
            ExternalMessageSource::Parser(error) => parser(error.kind(), place, text),
            _ => (place, other(msg)),
        },
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("a field");
            (place, format!("{key} is written twice: keep one of them"))
        }
        Error::UnknownAnchor { .. } => (place, QUOTE.to_owned()),
        Error::Eof { .. } => (place, CLOSE.to_owned()),
        Error::Budget {
            breach: BudgetBreach::Nodes { .. } | BudgetBreach::Events { .. },
            ..
        } => (place, TOO_MANY.to_owned()),
        Error::Budget { .. } | Error::AliasError { .. } => (place, TOO_MUCH.to_owned()),
        error => (place, other(&plain(error))),
    };
    SyntaxError { place, message }
}

fn parser(kind: &ErrorKind, place: Place, text: &str) -> (Place, String) {
    let message = match kind {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInIndentation
        | ErrorKind::TabInPlainScalar => return (tab_after(place, text), TAB.to_owned()),
        ErrorKind::UnknownAnchor | ErrorKind::MissingAnchorOrAliasName => QUOTE,
        ErrorKind::RecursionLimitExceeded => TOO_MUCH,
        ErrorKind::UnclosedQuotedScalar => CLOSE_QUOTE,
        ErrorKind::UnclosedFlowCollection { .. }
        | ErrorKind::UnexpectedEofFlowSequence
        | ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofImplicitFlowMapping
        | ErrorKind::UnexpectedEof
        | ErrorKind::InvalidColonPlacement
        | ErrorKind::ExpectedFlowMappingSeparator
        | ErrorKind::ExpectedFlowSequenceSeparator
        | ErrorKind::MismatchedFlowCollectionEnd { .. } => CLOSE,
        ErrorKind::MisplacedFlowCollectionEnd => {
            "a bracket or brace is closed that was not opened: take it away"
        }
        ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::ExpectedBlockSequenceEntry
        | ErrorKind::InvalidIndentation
        | ErrorKind::MappingValueNotAllowed
        | ErrorKind::MappingKeyNotAllowed
        | ErrorKind::BlockSequenceEntryNotAllowed => INDENT,
        ErrorKind::SimpleKeyExpected => "a field without a colon: write it as name: value",
        ErrorKind::UnexpectedCharacter { character: '\0' } => {
            "zero bytes: the file was not written to its end, write it again"
        }
        kind => return (place, other(&kind.to_string())),
    };
    (place, message.to_owned())
}

/// The parser stops in front of the white space that holds the tab.
fn tab_after(place: Place, text: &str) -> Place {
    let lines = (1_u64..).zip(text.lines());
    let mut indented = lines.filter_map(|(line, text)| {
        let blank = text.len() - text.trim_start().len();
        let tab = text[..blank].find('\t')?;
        let column = u64::try_from(tab).ok()? + 1;
        Some(Place { line, column })
    });
    indented.find(|tab| tab.line >= place.line).unwrap_or(place)
}

fn other(message: &str) -> String {
    format!("{message}: write fields as name: value, and list items after a '-'")
}

/// Without the place, which stands in front.
fn plain(error: &Error) -> String {
    let formatter = serde_saphyr::UserMessageFormatter;
    let text = error.render_with_options(serde_saphyr::render_options! {
        formatter: &formatter,
        snippets: serde_saphyr::SnippetMode::Off,
    });
    match text.find(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}
