"""Every statement of the design page that is in scope is held by a test that cites it."""

import re
from pathlib import Path

IN_SCOPE = {
    *range(1, 4), *range(5, 32), *range(36, 39), *range(49, 53), 55, *range(57, 61),
}  # fmt: skip


def test_each_statement_in_scope_is_cited_by_the_name_of_a_test():
    sources = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    cited = {int(number) for number in re.findall(r"def test_E(\d+)_", sources)}
    assert sorted(IN_SCOPE - cited) == []
