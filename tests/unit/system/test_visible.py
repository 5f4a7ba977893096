"""What a text looks like where it is shown."""

import sys
import unicodedata

from etl.system.visible import visible


def test_every_character_that_moves_a_cursor_or_has_no_look_is_an_escape_and_every_other_one_is_itself() -> None:
    hidden = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    for number in range(sys.maxunicode + 1):
        character = chr(number)
        shown = visible(character)
        assert (shown == character) == (unicodedata.category(character) not in hidden), hex(number)
        assert shown.isprintable() or unicodedata.category(character) == "Zs", hex(number)
