"""BLEU and its tokenization `13a`, as sacreBLEU counts them.

`bleu.json` holds `tokens`, a list of `[line, tokens]`, and `corpora`, a list of `{"translations", "references", "score"}`
with one list of references for each translation.
"""

import json

import sacrebleu
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

from . import FOLDER

LINES = [
    "",
    "Hello, world.",
    "It's 3.14, not 3,141.5; well... almost!",
    "1-2 and a-b, 5- and -5, 10-",
    "\"Quoted\" &quot;twice&quot; &amp; &lt;tags&gt; <skipped>gone",
    "e-mail: someone@example.org/path?x=1&y=2 #7 $5.00 100%",
    "Zwei Männer, die kochen. Ein Hund läuft über die Straße!",
    "..,,.. a.,b .5 5. ,5 5,",
    "[brackets] {braces} (parens) `tick` ^ _ ~ | \\ * + = < >",
    "broken-\nline and\nnew line",
    "日本語、テスト。 don’t – dash — long",
    "1.2.3,4-5-6.",
]

CORPORA = [
    (["The cat sat on the mat."], [["The cat sat on a mat."]]),
    (["the the the the the the the"], [["the cat is on the mat", "there is a cat on the mat"]]),
    (["A man cooks.", "Two dogs run over the street!"], [["A man is cooking."], ["Two dogs run across the street!"]]),
    (["It is a guide to action which ensures that the military always obeys the commands of the party."],
     [["It is a guide to action that ensures that the military will forever heed Party commands.",
       "It is the guiding principle which guarantees the military forces always being under the command of the Party.",
       "It is the practical guide for the army always to heed the directions of the party."]]),
    (["short"], [["short"]]),
    (["nothing here fits at all"], [["and yet another sentence stands there"]]),
    (["one two three nine"], [["one five six seven eight"]]),
    (["", "a b c d e"], [["lost line"], ["a b c d e"]]),
    (["same words same words same words"], [["same words same words same words"]]),
    (["a b c d"], [["a b c d e f", "a b"]]),
]  # fmt: skip


def write():
    tokenizer = Tokenizer13a()
    tokens = [[line, tokenizer(line).split()] for line in LINES]
    corpora = []
    for translations, references in CORPORA:
        # One stream for each place in the lists; None where a sentence has fewer.
        streams = [list(row) for row in zip(*pad(references))]
        score = sacrebleu.corpus_bleu(translations, streams).score
        corpora.append({"translations": translations, "references": references, "score": score})
    with open(FOLDER / "bleu.json", "w", encoding="utf-8") as file:
        json.dump({"tokens": tokens, "corpora": corpora}, file, ensure_ascii=False, indent=1)
        file.write("\n")


def pad(references):
    longest = max(map(len, references))
    return [row + [None] * (longest - len(row)) for row in references]
