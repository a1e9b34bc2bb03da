//! Helpful syntax errors for authors: what was found and what to write instead. The parser itself reports
//! only the expected tokens.

use super::compile_error::CompileError;

/// A known slip, or else the parser's message.
pub(super) fn mistake(source: &str, parser: CompileError) -> CompileError {
    match tokens(source) {
        Err(slip) => slip,
        Ok(tokens) => brackets(&tokens)
            .or_else(|| calls(source, &tokens))
            .or_else(|| foreign_operators(&tokens))
            .or_else(|| order(source, &tokens))
            .unwrap_or_else(|| plain(source, parser)),
    }
}

/// A function that is known from elsewhere, and what to write instead.
pub(super) fn suggestion_for(function: &str) -> Option<&'static str> {
    Some(match function.to_ascii_lowercase().as_str() {
        "not" => "write `!` before a condition that must be false",
        "and" => "write `a && b`",
        "or" => "write `a || b`",
        "if" | "iif" => "write `condition ? one : other`",
        "len" | "length" | "count" => "write `size(…)`",
        "today" | "date" | "datetime" => "write `timestamp(\"2026-01-02T00:00:00Z\")`, or `now`",
        "isnull" | "exists" | "defined" => "write `has(path)`",
        "like" | "matches" | "regex" | "match" => CONTAINS,
        "coalesce" | "ifnull" | "nvl" => "write `default(path, otherwise)`",
        _ => return None,
    })
}

const CONTAINS: &str = "write `.contains(\"…\")`, `.startsWith(\"…\")` or `.endsWith(\"…\")` right \
                        after the text";

/// The right form of a macro that was given wrong arguments.
pub(super) fn macro_usage(name: &str) -> Option<String> {
    Some(match name {
        "has" => "`has` tests whether a path has a value; write `has(profile.city)`".to_owned(),
        "map" => {
            "`.map` needs a name for each item, and a value; write `list.map(x, x * 2)`".to_owned()
        }
        "all" | "exists" | "exists_one" | "filter" => format!(
            "`.{name}` needs a name for each item, and a condition; write `list.{name}(x, x > 2)`"
        ),
        _ => return None,
    })
}

/// `true`, `false` and `null` in the spelling of other languages.
pub(super) fn constant(name: &str) -> Option<&'static str> {
    Some(match name.to_ascii_lowercase().as_str() {
        "true" => "true",
        "false" => "false",
        "null" | "none" | "nil" | "undefined" => "null",
        _ => return None,
    })
}

/// The kind of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SyntaxKind {
    /// A name or a keyword.
    Word,
    /// A number or a text.
    Value,
    /// A binary or unary operator.
    Operator,
    Open,
    Close,
    /// A comma, a colon, a dot.
    Mark,
}

#[derive(Debug, Clone, Copy)]
struct SyntaxToken<'a> {
    kind: SyntaxKind,
    text: &'a str,
    at: usize,
}

fn wrong(at: usize, message: impl Into<String>) -> CompileError {
    CompileError::new(at, message)
}

/// The tokens of an expression, as far as they can be separated.
fn tokens(source: &str) -> Result<Vec<SyntaxToken<'_>>, CompileError> {
    let mut tokens = Vec::new();
    let mut rest = source.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        let (kind, end) = match c {
            c if c.is_whitespace() => continue,
            '"' | '\'' => (SyntaxKind::Value, quoted(source, at, c)?),
            c if c.is_ascii_digit() => {
                let goes_on = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
                (SyntaxKind::Value, ending(source, at, goes_on))
            }
            c if c.is_ascii_alphabetic() || c == '_' => {
                let end = ending(source, at, |c| c.is_ascii_alphanumeric() || c == '_');
                match source[end..].chars().next() {
                    Some(other) if other.is_alphanumeric() => {
                        return Err(wrong(
                            end,
                            format!(
                                "expected letters a to z, digits and `_` in a name, found `{other}`; \
                                 write such a name in quotes and brackets, as in \
                                 profile[\"café\"]"
                            ),
                        ));
                    }
                    _ => (SyntaxKind::Word, end),
                }
            }
            '(' | '[' | '{' => (SyntaxKind::Open, at + 1),
            ')' | ']' | '}' => (SyntaxKind::Close, at + 1),
            ',' | ':' | '.' => (SyntaxKind::Mark, at + 1),
            '=' | '!' | '<' | '>' | '&' | '|' | '+' | '-' | '*' | '/' | '%' | '?' => {
                let is_joined = |c: char| matches!(c, '=' | '<' | '>' | '&' | '|');
                let end = match c {
                    '=' | '<' | '>' | '&' | '|' => ending(source, at, is_joined),
                    '!' => ending(source, at + 1, |c| c == '='),
                    _ => at + 1,
                };
                (SyntaxKind::Operator, end)
            }
            '“' | '”' | '„' | '‘' | '’' | '«' | '»' | '`' => {
                return Err(wrong(
                    at,
                    format!("expected straight quotes, found `{c}`; write 'text'"),
                ));
            }
            '≠' => return Err(wrong(at, "found `≠`; write `!=`")),
            '≤' | '≥' => {
                let written = if c == '≤' { "<=" } else { ">=" };
                return Err(wrong(at, format!("found `{c}`; write `{written}`")));
            }
            '–' | '—' | '−' => {
                return Err(wrong(at, format!("found the dash `{c}`; write `-` to subtract")));
            }
            '~' => return Err(wrong(at, format!("found `~`; {CONTAINS}"))),
            ';' => return Err(wrong(at, "found `;`; leave it out")),
            other => {
                return Err(wrong(
                    at,
                    format!(
                        "found `{}`, which has no meaning here; a text has quotes of its own: 'text'",
                        other.escape_debug()
                    ),
                ));
            }
        };
        tokens.push(SyntaxToken { kind, text: &source[at..end], at });
        while rest.next_if(|(next, _)| *next < end).is_some() {}
    }
    Ok(tokens)
}

/// The end of the token that begins here.
fn ending(source: &str, at: usize, goes_on: impl Fn(char) -> bool) -> usize {
    source[at..].find(|c| !goes_on(c)).map_or(source.len(), |length| at + length)
}

/// The end of the text that begins here.
fn quoted(source: &str, at: usize, quote: char) -> Result<usize, CompileError> {
    let mut is_escaped = false;
    for (length, c) in source[at..].char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            c if c == quote => return Ok(at + length + 1),
            _ => {}
        }
    }
    Err(wrong(at, format!("expected {quote} at the end of the text, found none; add it")))
}

fn brackets(tokens: &[SyntaxToken<'_>]) -> Option<CompileError> {
    let other = |open: &str| match open {
        "(" => ")",
        "[" => "]",
        _ => "}",
    };
    let mut open: Vec<&SyntaxToken<'_>> = Vec::new();
    for token in tokens {
        match token.kind {
            SyntaxKind::Open => open.push(token),
            SyntaxKind::Close => match open.pop() {
                Some(last) if other(last.text) == token.text => {}
                Some(last) => {
                    let (last, closes) = (last.text, other(last.text));
                    let text = token.text;
                    return Some(wrong(
                        token.at,
                        format!("expected `{closes}` to close `{last}`, found `{text}`"),
                    ));
                }
                None => {
                    let text = token.text;
                    return Some(wrong(
                        token.at,
                        format!("found `{text}` without its opening bracket; remove it"),
                    ));
                }
            },
            _ => {}
        }
    }
    let last = open.pop()?;
    let closes = other(last.text);
    let message = format!("`{}` is opened here and never closed; write `{closes}`", last.text);
    Some(wrong(last.at, message))
}

/// The arguments of a macro: it needs names, which the parser checks.
fn calls(source: &str, tokens: &[SyntaxToken<'_>]) -> Option<CompileError> {
    tokens.iter().enumerate().find_map(|(position, token)| {
        let (name, open) = (token.text, tokens.get(position + 1)?);
        if token.kind != SyntaxKind::Word || open.text != "(" {
            return None;
        }
        let is_method = position > 0 && tokens[position - 1].text == ".";
        let given = within(&tokens[position + 2..]);
        match (is_method, name, given) {
            (false, "has", given) => has(source, token.at, given),
            (true, name, [first, next, ..])
                if macro_usage(name).is_some()
                    && (first.kind != SyntaxKind::Word || next.text != ",") =>
            {
                Some(wrong(first.at, macro_usage(name)?))
            }
            _ => None,
        }
    })
}

/// The tokens up to the closing bracket.
fn within<'t, 's>(tokens: &'t [SyntaxToken<'s>]) -> &'t [SyntaxToken<'s>] {
    let mut open = 0_usize;
    let end = tokens.iter().position(|token| match token.kind {
        SyntaxKind::Open => {
            open += 1;
            false
        }
        SyntaxKind::Close if open == 0 => true,
        SyntaxKind::Close => {
            open -= 1;
            false
        }
        _ => false,
    });
    &tokens[..end.unwrap_or(tokens.len())]
}

/// An argument of `has` that is not a path with dots.
fn has(source: &str, at: usize, given: &[SyntaxToken<'_>]) -> Option<CompileError> {
    let is_path = given.len() >= 3
        && given.len() % 2 == 1
        && given.iter().enumerate().all(|(position, token)| match position % 2 {
            0 => token.kind == SyntaxKind::Word,
            _ => token.text == ".",
        });
    if is_path {
        return None;
    }
    let written = match given {
        [] => "",
        [first, .., last] => source.get(first.at..last.at + last.text.len()).unwrap_or_default(),
        [only] => only.text,
    };
    let message = match given {
        [root] if matches!(root.text, "now" | "dissatisfaction") => {
            format!("`{}` always has a value; leave `has` out", root.text)
        }
        [root] if root.kind == SyntaxKind::Word => {
            format!("`has` tests a field of `{written}`; write `has({written}.name)`")
        }
        // In brackets is a name, whose presence CEL cannot test.
        [root, open, name, close]
            if (root.kind, open.text, close.text) == (SyntaxKind::Word, "[", "]")
                && name.kind == SyntaxKind::Value =>
        {
            format!("`has` takes no name in brackets; write `{written} != null`")
        }
        _ => macro_usage("has")?,
    };
    Some(wrong(at, message))
}

/// Operators of other languages, and words that mean one.
fn foreign_operators(tokens: &[SyntaxToken<'_>]) -> Option<CompileError> {
    tokens.iter().enumerate().find_map(|(position, token)| {
        let before = position.checked_sub(1).and_then(|before| tokens.get(before));
        let next = tokens.get(position + 1).map_or("", |next| next.text).to_ascii_lowercase();
        let is_name = before.is_some_and(|before| before.text == ".");
        let (found, write, why) = match (token.kind, token.text) {
            (SyntaxKind::Operator, found @ "=") => (found, "==", " to compare"),
            (SyntaxKind::Operator, found @ "===") => (found, "==", ""),
            (SyntaxKind::Operator, found @ ("!==" | "<>")) => (found, "!=", ""),
            (SyntaxKind::Operator, found @ "=>") => (found, ">=", ""),
            (SyntaxKind::Operator, found @ "=<") => (found, "<=", ""),
            (SyntaxKind::Operator, found @ ("&" | "&&&")) => (found, "&&", ""),
            (SyntaxKind::Operator, found @ ("|" | "|||")) => (found, "||", ""),
            (SyntaxKind::Word, word) if !is_name => {
                let (write, why) = match word.to_ascii_lowercase().as_str() {
                    "and" | "und" | "et" => ("&&", ""),
                    "or" | "oder" | "ou" => ("||", ""),
                    "not" if next == "in" => ("!(a in b)", ""),
                    "not" | "nicht" | "non" => ("!", " before a condition that must be false"),
                    "is" if next == "not" => ("!=", ""),
                    "is" | "equals" => ("==", ""),
                    "xor" => ("!=", " between conditions"),
                    "then" => ("?", ", as in `condition ? one : other`"),
                    "else" => (":", ", as in `condition ? one : other`"),
                    "if" => ("condition ? one : other", ""),
                    "between" => (">= and <=", ", joined with `&&`"),
                    "has" | "exists" if next != "(" => ("has(path)", ""),
                    "like" | "matches" | "contains" | "startswith" | "endswith" | "starts"
                    | "ends"
                        if next != "(" =>
                    {
                        return Some(wrong(token.at, format!("found `{word}`; {CONTAINS}")));
                    }
                    _ => return None,
                };
                (word, write, why)
            }
            _ => return None,
        };
        Some(wrong(token.at, format!("found `{found}`; write `{write}`{why}")))
    })
}

/// Something is missing between two tokens, or at an end.
fn order(source: &str, tokens: &[SyntaxToken<'_>]) -> Option<CompileError> {
    let (first, last) = (tokens.first()?, tokens.last()?);
    let is_sign = |token: &SyntaxToken<'_>| matches!(token.text, "-" | "!");
    if first.kind == SyntaxKind::Operator && !is_sign(first) {
        let text = first.text;
        return Some(wrong(first.at, format!("expected a value before `{text}`, found nothing")));
    }
    for pair in tokens.windows(2) {
        let [one, next] = pair else { continue };
        let ends = matches!(one.kind, SyntaxKind::Word | SyntaxKind::Value | SyntaxKind::Close)
            && one.text != "in";
        let begins = matches!(next.kind, SyntaxKind::Word | SyntaxKind::Value) && next.text != "in";
        if ends && begins {
            return Some(wrong(
                next.at,
                format!(
                    "expected an operator after `{}`, such as `==` or `&&`, found `{}`",
                    one.text, next.text
                ),
            ));
        }
        let is_operator =
            |token: &SyntaxToken<'_>| token.kind == SyntaxKind::Operator || token.text == "in";
        if is_operator(one)
            && (is_operator(next) && !is_sign(next) || next.kind == SyntaxKind::Close)
        {
            return Some(wrong(
                next.at,
                format!("expected a value after `{}`, found `{}`", one.text, next.text),
            ));
        }
    }
    let asks = tokens.iter().filter(|token| token.text == "?").count();
    let answers = tokens.iter().filter(|token| token.text == ":").count();
    if matches!(last.kind, SyntaxKind::Operator | SyntaxKind::Mark) || last.text == "in" {
        let text = last.text;
        let message = format!("expected a value after `{text}`, found the end");
        return Some(wrong(source.trim_end().len(), message));
    }
    if asks > answers {
        let message = "expected `:` and another value, as in `condition ? one : other`, found the \
                       end";
        return Some(wrong(source.trim_end().len(), message));
    }
    None
}

/// The remaining errors, without the parser's own terms.
fn plain(source: &str, parser: CompileError) -> CompileError {
    let rest = source.get(parser.offset..).unwrap_or_default().trim_start();
    let word = rest.split_whitespace().next().unwrap_or_default();
    let found = match word {
        "" => "the end".to_owned(),
        word => format!("`{}`", crate::event::cut(word, 40)),
    };
    wrong(
        parser.offset,
        format!(
            "expected an expression, such as `facts.trips > 2 && has(profile.city)`, found {found}"
        ),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::policy::Expression;

    /// Each expression with the offset and the words of what is wrong with it.
    fn messages_of(sources: &[&str]) -> String {
        let messages = sources.iter().map(|source| {
            let error = Expression::compile(source).unwrap_err();
            format!("{source:<36}{:>3}  {}", error.offset, error.message)
        });
        messages.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn operators_of_other_languages_are_reported_with_the_right_one() {
        let sources = [
            "profile.city = 'Ghent'",
            "profile.age => 18",
            "profile.age =< 18",
            "profile.city <> 'Ghent'",
            "profile.city === 'Ghent'",
            "facts.a & facts.b",
            "facts.a | facts.b",
            "facts.a and facts.b",
            "facts.a AND facts.b",
            "facts.a or facts.b",
            "not facts.a",
            "not(facts.a)",
            "facts.a == not facts.b",
            "if facts.a then 1 else 2",
            "facts.a ? 1",
        ];
        insta::assert_snapshot!(messages_of(&sources), @r#"
        profile.city = 'Ghent'               13  found `=`; write `==` to compare
        profile.age => 18                    12  found `=>`; write `>=`
        profile.age =< 18                    12  found `=<`; write `<=`
        profile.city <> 'Ghent'              13  found `<>`; write `!=`
        profile.city === 'Ghent'             13  found `===`; write `==`
        facts.a & facts.b                     8  found `&`; write `&&`
        facts.a | facts.b                     8  found `|`; write `||`
        facts.a and facts.b                   8  found `and`; write `&&`
        facts.a AND facts.b                   8  found `AND`; write `&&`
        facts.a or facts.b                    8  found `or`; write `||`
        not facts.a                           0  found `not`; write `!` before a condition that must be false
        not(facts.a)                          0  unknown function `not`; write `!` before a condition that must be false
        facts.a == not facts.b               11  found `not`; write `!` before a condition that must be false
        if facts.a then 1 else 2              0  found `if`; write `condition ? one : other`
        facts.a ? 1                          11  expected `:` and another value, as in `condition ? one : other`, found the end
        "#);
    }

    #[test]
    fn incomplete_and_misplaced_parts_are_reported_with_their_place() {
        let sources = [
            "profile.city ==",
            "profile.city == 'Ghent' &&",
            "profile.age in",
            "== 3",
            "(facts.a && facts.b",
            "facts.a && facts.b)",
            "profile.city in ['Ghent', 'Namur')",
            "size([1, 2) > 1",
            "profile.city == 'Ghent",
            "profile.city == “Ghent”",
            "facts.a facts.b",
            "profile.age > > 3",
            "profile.age > && true",
            "profile.age ≥ 18",
            "facts.a;",
            "profile.café == 1",
            "3 # 4",
            "{",
            "",
            "facts.a == 1 2",
            "profile..city",
        ];
        insta::assert_snapshot!(messages_of(&sources), @r#"
        profile.city ==                      15  expected a value after `==`, found the end
        profile.city == 'Ghent' &&           26  expected a value after `&&`, found the end
        profile.age in                       14  expected a value after `in`, found the end
        == 3                                  0  expected a value before `==`, found nothing
        (facts.a && facts.b                   0  `(` is opened here and never closed; write `)`
        facts.a && facts.b)                  18  found `)` without its opening bracket; remove it
        profile.city in ['Ghent', 'Namur')   33  expected `]` to close `[`, found `)`
        size([1, 2) > 1                      10  expected `]` to close `[`, found `)`
        profile.city == 'Ghent               16  expected ' at the end of the text, found none; add it
        profile.city == “Ghent”              16  expected straight quotes, found `“`; write 'text'
        facts.a facts.b                       8  expected an operator after `a`, such as `==` or `&&`, found `facts`
        profile.age > > 3                    14  expected a value after `>`, found `>`
        profile.age > && true                14  expected a value after `>`, found `&&`
        profile.age ≥ 18                     12  found `≥`; write `>=`
        facts.a;                              7  found `;`; leave it out
        profile.café == 1                    11  expected letters a to z, digits and `_` in a name, found `é`; write such a name in quotes and brackets, as in profile["café"]
        3 # 4                                 2  found `#`, which has no meaning here; a text has quotes of its own: 'text'
        {                                     0  `{` is opened here and never closed; write `}`
                                              0  expected an expression, found nothing
        facts.a == 1 2                       13  expected an operator after `1`, such as `==` or `&&`, found `2`
        profile..city                         8  expected an expression, such as `facts.trips > 2 && has(profile.city)`, found `.city`
        "#);
    }

    #[test]
    fn a_malformed_macro_is_reported_with_the_right_form() {
        let sources = [
            "cases.x.items.exists(x)",
            "cases.x.items.exists(x, y, x > 2)",
            "cases.x.items.all(x > 2)",
            "cases.x.items.filter(1, x > 2)",
            "cases.x.items.map(x)",
            "exists(facts.items, x, x > 2)",
            "exists(facts.a)",
            "has(profile)",
            "has(now)",
            "has('x')",
            "has()",
            "has(facts.a == 1)",
            "has(facts.a, facts.b)",
            "has(context['card-abroad'])",
            "has facts.a",
            "facts.a exists",
        ];
        insta::assert_snapshot!(messages_of(&sources), @r#"
        cases.x.items.exists(x)              14  `.exists` needs a name for each item, and a condition; write `list.exists(x, x > 2)`
        cases.x.items.exists(x, y, x > 2)    14  `.exists` needs a name for each item, and a condition; write `list.exists(x, x > 2)`
        cases.x.items.all(x > 2)             14  `.all` needs a name for each item, and a condition; write `list.all(x, x > 2)`
        cases.x.items.filter(1, x > 2)       21  `.filter` needs a name for each item, and a condition; write `list.filter(x, x > 2)`
        cases.x.items.map(x)                 14  `.map` needs a name for each item, and a value; write `list.map(x, x * 2)`
        exists(facts.items, x, x > 2)         0  `.exists` needs a name for each item, and a condition; write `list.exists(x, x > 2)`
        exists(facts.a)                       0  unknown function `exists`; write `has(path)`
        has(profile)                          0  `has` tests a field of `profile`; write `has(profile.name)`
        has(now)                              0  `now` always has a value; leave `has` out
        has('x')                              0  `has` tests whether a path has a value; write `has(profile.city)`
        has()                                 0  `has` tests whether a path has a value; write `has(profile.city)`
        has(facts.a == 1)                     0  `has` tests whether a path has a value; write `has(profile.city)`
        has(facts.a, facts.b)                 0  `has` tests whether a path has a value; write `has(profile.city)`
        has(context['card-abroad'])           0  `has` takes no name in brackets; write `context['card-abroad'] != null`
        has facts.a                           0  found `has`; write `has(path)`
        facts.a exists                        8  found `exists`; write `has(path)`
        "#);
    }

    #[test]
    fn words_of_other_languages_are_reported_with_ours() {
        let sources = [
            "facts.a == True",
            "facts.a == FALSE",
            "facts.a == None",
            "facts.a == NULL",
            "facts.a == nil",
            "facts.a == undefined",
            "facts.a like 'A%'",
            "facts.a contains 'x'",
            "facts.a starts with 'x'",
            "facts.a.matches('x')",
            "facts.a =~ 'x'",
            "facts.a is 'x'",
            "facts.a is null",
            "facts.a is not null",
            "facts.a not in ['x']",
            "facts.a xor facts.b",
        ];
        insta::assert_snapshot!(messages_of(&sources), @r#"
        facts.a == True                      11  found `True`; write `true`
        facts.a == FALSE                     11  found `FALSE`; write `false`
        facts.a == None                      11  found `None`; write `null`
        facts.a == NULL                      11  found `NULL`; write `null`
        facts.a == nil                       11  found `nil`; write `null`
        facts.a == undefined                 11  found `undefined`; write `null`
        facts.a like 'A%'                     8  found `like`; write `.contains("…")`, `.startsWith("…")` or `.endsWith("…")` right after the text
        facts.a contains 'x'                  8  found `contains`; write `.contains("…")`, `.startsWith("…")` or `.endsWith("…")` right after the text
        facts.a starts with 'x'               8  found `starts`; write `.contains("…")`, `.startsWith("…")` or `.endsWith("…")` right after the text
        facts.a.matches('x')                  8  unknown function `matches`; write `.contains("…")`, `.startsWith("…")` or `.endsWith("…")` right after the text
        facts.a =~ 'x'                        9  found `~`; write `.contains("…")`, `.startsWith("…")` or `.endsWith("…")` right after the text
        facts.a is 'x'                        8  found `is`; write `==`
        facts.a is null                       8  found `is`; write `==`
        facts.a is not null                   8  found `is`; write `!=`
        facts.a not in ['x']                  8  found `not`; write `!(a in b)`
        facts.a xor facts.b                   8  found `xor`; write `!=` between conditions
        "#);
    }

    #[test]
    fn no_message_of_the_parser_library_is_shown() {
        for source in ["a b c", "1 +", ")", "a.b.", "[1,", "x ? y", "!", "in in", "a[", "'\\q'"] {
            let error = Expression::compile(source).unwrap_err().message;
            for word in ["EOF", "input", "token", "recognition", "viable", "extraneous"] {
                assert!(!error.contains(word), "{source}: {error}");
            }
        }
    }

    proptest! {
        #[test]
        fn the_place_of_a_mistake_is_within_the_expression(source in "[a-c =!<>&|()'\"?:.é1-3]{0,24}") {
            if let Err(error) = Expression::compile(&source) {
                prop_assert!(error.offset <= source.len(), "{error:?}");
                prop_assert!(source.is_char_boundary(error.offset), "{error:?}");
            }
        }
    }
}
