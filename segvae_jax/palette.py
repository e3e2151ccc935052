"""Colours for classes that have none: any first few of them look different, also to colour-blind people.

`tests/golden/palette.py` chose them, none nearly black and none of the colours of version 0.1.0. The smallest CIEDE2000
distance of two colours, by the number of classes beside the background; "colour-blind" is the least of simulated
protanopia, deuteranopia and tritanopia:

    classes          5    10    15    18    24    30    40    60   100   255
    all colours   27.7  25.4  18.0  16.1  13.7  12.3  10.2   7.4   5.9   3.3
    colour-blind  23.1  15.7  12.7  12.1   9.1   8.1   6.7   5.2   4.1   2.2
"""

Colour = tuple[int, int, int]

MOST_CLASSES = 255  # that an index map of 8 bits holds beside the background

_WORDS = (
    "000 eb8 631 77f 0ff d07 880 ff1 406 065 9aa 32f dfd 778 a9c c87 0c0 133 763 90a 86a dcc 321 443 abf 395 535 8b9 "
    "e2d fd6 575 019 b30 8cd efa 9a5 a7a 347 788 7ea 834 a9f bfe 224 856 f30 48c 24c 768 d57 603 f9c a74 2a9 adb f90 "
    "30c 7c6 456 653 fdf 8e0 a2f 807 aab 676 487 e69 89a 355 bbb b49 94c 522 9f8 849 a02 ecd ba7 ffc 667 698 ccf b6b "
    "b44 993 944 a15 3d8 434 499 872 b8d 786 b98 999 529 9ba d3f 836 515 566 052 610 379 ea5 e9e bd7 a8b dc5 ae9 558 "
    "c75 634 a88 830 027 edc dba aad cee ef7 e46 6cc eab a08 952 bfb 636 230 67d 655 0ba 747 fe5 46b 502 6ed 864 a8f "
    "54a d1a a9b cde 336 d84 8dc 8a6 ded 887 e99 6a7 83d fee 19c 7bc c63 bce cff cc9 723 eec 22d 715 40a beb 261 933 "
    "7d2 7a8 d49 9b4 ead 532 b90 ddd 877 d12 f8a a64 c7e ff9 52b d9b a55 cb9 6fa 616 ca8 017 618 796 c1b 3be 801 c13 "
    "e63 492 867 644 9f0 564 69e 9ca ffe 8b6 ecb c6c 823 d0d 642 423 55f 308 44e 739 56a d38 405 60e 8fd c06 f5d 424 "
    "5ac 7a4 e07 61a ac7 9ec 73b 6aa 81d fe9 273 86c 818 875 aaf c38 4de 185 8e8 c55 501 10b 77a b5b 8c5 6b7 dd4 a3a "
    "a84 a6e 23c 341"
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
