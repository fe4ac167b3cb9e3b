"""The verdict as a classifier: what is kept, counted and shown."""

from benchmarks.verdict import page
from benchmarks.verdict.cases import KINDS, LEFT, Outcome

GREEN, AMBER, RED = (Outcome(state, "why") for state in ("GREEN", "AMBER", "RED"))


def test_the_page_is_what_the_kept_outcomes_say():
    assert page.PAGE.read_text(encoding="utf-8") == page.page(page.read())


def test_outcomes_go_to_disk_and_back(tmp_path):
    outcomes = {"good": [GREEN, AMBER], "misfit": [RED]}
    page.keep(outcomes, tmp_path / "outcomes.json")
    assert page.read(tmp_path / "outcomes.json") == outcomes
    assert page.read(tmp_path / "none.json") == {}


def test_right_answers_are_counted_by_kind():
    by = {kind.name: kind for kind in KINDS}
    some = [GREEN, AMBER, AMBER, RED]
    assert [page.right(by[name], some) for name in ("good", "misfit", "wrong mode")] == [1, 3, 1]
    text = page.page({"good": some, "wrong mode": some})
    assert "| 4 | 3 |" in text
    assert "- good: amber. why" in text
    assert "| red | 4 | 2 amber, 1 green, 1 red | 1 | 3 |" in text
    left = [Outcome(LEFT, ""), RED]
    assert "| red | 1 | 1 left, 1 red | 1 | 0 |" in page.page({"wrong mode": left})
    assert "small run" in text
    assert "small run" not in page.page({"good": [GREEN] * page.ENOUGH})
