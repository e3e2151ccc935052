"""Colours for classes that have none: any first few of them look different, also to colour-blind people.

`tests/golden/palette.py` chose them. The smallest CIEDE2000 distance of two colours, by the number of classes beside
the background; "colour-blind" is the least of simulated protanopia, deuteranopia and tritanopia:

    classes          10    18    24    30    40    60   100   255
    all colours    23.7  16.7  13.6  12.4   9.9   8.2   6.0   3.6
    colour-blind   15.4  12.1   9.7   8.3   7.0   5.5   4.1   2.3
"""

Colour = tuple[int, int, int]

MOST_CLASSES = 255  # that an index map of 8 bits holds beside the background

_WORDS = (
    "000 ff0 f1f 084 bff 31a 767 eb9 620 9ab 044 aa2 b88 203 d21 dbf 565 93c efd 606 68b d28 422 8cb cf9 543 7a6 ad0 "
    "825 a69 470 f9a 886 449 223 ccd 753 4ac 20f 210 556 dc7 e8f edd 005 0fb a56 793 647 44f aa8 70c 989 76a 08f cdf "
    "ab7 640 c70 963 012 da5 abd 977 d69 122 220 376 fe6 a35 508 d25 e75 88d 802 333 578 a5c dd9 b78 7db 744 f7b 545 "
    "fdb ffb 19a 757 324 808 b9d c9a 932 101 697 207 d89 624 8c1 659 c6a dfe 726 d55 c0a 315 c77 ce0 0be f5c cc5 8a9 "
    "eac 241 668 677 b06 002 aba 585 525 ebc c43 fde da9 3fe a51 c97 99a 533 aec 47c 854 511 3ba 35d 33d 014 b23 454 "
    "c08 fd7 f44 865 047 959 81a 91e dca 94f c66 06b 342 51b ca6 fff 523 367 fa8 8c8 bdc 7ce bac afa 19e d86 967 dfc "
    "213 8de eed 9ed 031 ccb 995 878 69c 0a0 dd5 504 ef8 75a 109 86d f3b a72 db6 552 6dd 733 301 87d 00d 8b4 0b7 838 "
    "503 b54 619 216 cef bbc 78c 7f8 884 4ca 77b 327 724 24b 79d 632 311 d78 004 d98 3a9 325 daf 1ea 58a 9f4 cab 736 "
    "f84 ea0 717 451 bd8 200 b56 f6e 94b 410 900 f79 7af 412 756 c58 8fc 464 fef 420 bee bad 779 925 dce 82c c80 432 "
    "34d bea c6e a39"
)


def derived_palette(num_colours: int) -> tuple[Colour, ...]:
    """The first colours of the list, black for the background before all; a longer palette begins with a shorter one.

    Args:
      num_colours: at most `MOST_CLASSES + 1`.
    """
    return colours(" ".join(_WORDS.split()[:num_colours]))


def colours(words: str) -> tuple[Colour, ...]:
    """RGB triples of colours that are written as three hexadecimal digits each, "f80 0a3"."""
    return tuple((17 * int(word[0], 16), 17 * int(word[1], 16), 17 * int(word[2], 16)) for word in words.split())
