/// A template with its blanks (`@name@`) filled in.
pub(super) fn fill(template: &str, blanks: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(template.len() * 2);
    let mut rest = template;
    // Inserted text is not scanned for blanks, whatever it contains.
    while let Some((before, after)) = rest.split_once('@') {
        filled.push_str(before);
        let blank = after.split_once('@').and_then(|(name, behind)| {
            let known = blanks.iter().find(|(known, _)| *known == name);
            known.map(|(_, value)| (value, behind))
        });
        rest = match blank {
            Some((value, behind)) => {
                filled.push_str(value);
                behind
            }
            None => {
                filled.push('@');
                after
            }
        };
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_once_and_other_text_stays() {
        let blanks = [("a", "@b@"), ("b", "2")];
        assert_eq!(fill("x @a@ y @b@ z@c.org @", &blanks), "x @b@ y 2 z@c.org @");
    }
}
