"""Makes config/languages/{en,fr}/base.txt from lexicons with a licence that lets us ship them.

    lexicons.py VADER VADER-FR TEXTBLOB-FR LANGUAGES

The first three are unpacked source distributions (tools/pins), LANGUAGES is config/languages.
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

# Below this a word says too little.
LEAST = 0.06

# Adjectives of textblob-fr whose polarity was inferred are too often wrong.
CONFIDENT = 0.8


def words_of_vader(path, separator):
    """Words and their mean rating, -4..4, brought into -1..1."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        word, _, rest = line.rpartition(separator) if separator == "->" else line.partition(separator)
        word = word.strip().lower()
        if re.fullmatch(r"[^\W\d_][^\W\d_']+", word):
            found.setdefault(word, float(rest.split("\t")[0]) / 4)
    return found


def words_of_textblob(path):
    """Adjectives and the mean polarity of their senses, -1..1."""
    senses = defaultdict(list)
    for word, about in re.findall(r'<word form="([^"]+)"([^>]*)>', path.read_text(encoding="utf-8")):
        fields = dict(re.findall(r'(\w+)="([^"]*)"', about))
        if float(fields.get("confidence", 0)) >= CONFIDENT and re.fullmatch(r"[^\W\d_]+", word):
            senses[word.lower()].append(float(fields["polarity"]))
    return {word: sum(each) / len(each) for word, each in senses.items()}


def write(path, title, words):
    """Words by weight, as many on a line as fit."""
    by_weight = defaultdict(list)
    for word, weight in words.items():
        if abs(weight) >= LEAST:
            by_weight[round(weight, 2)].append(word)
    lines = [*title, "", "[words]"]
    for weight in sorted(by_weight):
        line = f"{weight:g}"
        for word in sorted(by_weight[weight]):
            if len(line) + 1 + len(word) > 100:
                lines.append(line)
                line = f"{weight:g}"
            line += f" {word}"
        lines.append(line)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main():
    vader, vader_fr, textblob_fr, languages = map(Path, sys.argv[1:])
    write(
        languages / "en" / "base.txt",
        ["# Made by tools/lexicons from the lexicon of vaderSentiment 3.3.2 (MIT, see NOTICE)."],
        words_of_vader(vader / "vaderSentiment" / "vader_lexicon.txt", "\t"),
    )
    french = words_of_vader(vader_fr / "vaderSentiment_fr" / "fr_lexicon.txt", "->")
    for word, polarity in words_of_textblob(textblob_fr / "textblob_fr" / "fr-sentiment.xml").items():
        french[word] = (french[word] + polarity) / 2 if word in french else polarity
    write(
        languages / "fr" / "base.txt",
        [
            "# Made by tools/lexicons from the lexicons of vaderSentiment-fr 1.3.4 (MIT) and of",
            "# textblob-fr 0.2.0 (PDDL): see NOTICE.",
        ],
        french,
    )


main()
