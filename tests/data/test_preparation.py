"""Columns told apart, and made ready for a model by stated rules."""

import shlex

import numpy as np
import pandas as pd
import pytest

from mixtures import InputError
from mixtures.data.columns import Kind, examine
from mixtures.data.preparation import Preparation, option_of

N = 40
RNG = np.random.default_rng(0)
AMOUNT = np.exp(RNG.normal(3, 1, N))
FRAME = pd.DataFrame(
    {
        "id": RNG.permutation(N) + 1001,
        "name": [f"Ann {i}" for i in range(N)],
        "since": pd.date_range("2020-01-01", periods=N).astype(str),
        "left": pd.date_range("2020-01-01", periods=N),
        "town": RNG.choice(["Rome", "Oslo"], N),
        "amount": AMOUNT,
        "visits": RNG.poisson(5, N),
        "change": RNG.integers(-5, 5, N),
        "answer": RNG.choice(["Yes", "no ", "N", "true"], N),
        "code": np.arange(N) % 2 + 1,
        "binary": np.arange(N) % 2,
        "flag": np.arange(N) % 2 == 0,
        "price": ["1,5"] * N,
        "same": 3.5,
        "empty": np.nan,
        "score": RNG.normal(size=N),
    }
)
KINDS = {
    "id": Kind.ID,
    "name": Kind.TEXT,
    "since": Kind.DATES,
    "left": Kind.DATES,
    "town": Kind.CATEGORIES,
    "amount": Kind.NUMBERS,
    "visits": Kind.COUNTS,
    "change": Kind.WHOLE,
    "answer": Kind.ANSWERS,
    "code": Kind.CODES,
    "binary": Kind.BINARY,
    "flag": Kind.BINARY,
    "price": Kind.NUMERALS,
    "same": Kind.CONSTANT,
    "empty": Kind.BLANK,
    "score": Kind.NUMBERS,
}


def test_columns_are_told_apart():
    found = {column.name: column for column in examine(FRAME)}
    assert {name: column.kind for name, column in found.items()} == KINDS
    assert {name for name, column in found.items() if column.wants_logarithm} == {"amount"}
    assert (found["empty"].n_missing, found["empty"].different) == (N, 0)
    assert found["town"].different == 2
    before, after = found["amount"].skewness
    away = AMOUNT - AMOUNT.mean()
    assert before == pytest.approx((away**3).mean() / (away**2).mean() ** 1.5)
    assert abs(after) < before / 2
    assert found["score"].skewness == pytest.approx((0, np.nan), abs=1, nan_ok=True)


@pytest.mark.parametrize(
    ("values", "is_id"),
    [
        (range(10), True),
        (range(7, 30), True),
        ([*range(10)][::-1], True),
        (range(9), False),  # so few may be a coincidence
        ([*range(10), 9], False),
        ([*range(10), 11], False),
        (np.arange(10) / 2, False),
        (np.arange(10) + 0.5, False),
        ([*range(10), np.nan], False),
    ],
    ids=str,
)
def test_row_numbers_are_different_and_consecutive(values, is_id):
    (column,) = examine(pd.DataFrame({"a": list(values)}))
    assert (column.kind is Kind.ID) == is_id


def test_row_numbers_are_left_out_unless_asked_for():
    rows = FRAME[["id", "score"]]
    found = Preparation().of(rows)
    assert list(found.frame) == ["score"]
    assert found.notes == (
        "column 'id' numbers the rows, 1001 to 1040, and is left out: --id id carries it into the table of "
        "predict, --columns fits it",
    )
    assert list(Preparation(named=frozenset({"id"})).of(rows).frame) == ["id", "score"]
    assert list(Preparation().of(rows[["id"]]).frame) == ["id"]
    assert list(Preparation().like(rows, ["id", "score"]).frame) == ["id", "score"]  # a fit decides


def test_columns_without_numbers_are_named_all_at_once():
    with pytest.raises(InputError) as caught:
        Preparation().of(FRAME[["name", "score", "since", "left"]])
    said = str(caught.value)
    assert said == (
        "columns name, since hold text ('Ann 0' in row 0), column left holds dates or times; drop these "
        "columns or encode them as numbers: --exclude name,since,left, or --numeric-only leaves them out"
    )
    option = shlex.split(said.partition(": ")[2])[1].rstrip(",")
    rest = FRAME[["name", "score", "since", "left"]].drop(columns=option.split(","))
    assert list(Preparation().of(rest).frame) == ["score"]


def test_numeric_only_leaves_them_out_and_says_so():
    found = Preparation(numeric_only=True).of(FRAME[["name", "score", "since", "town"]])
    assert list(found.frame) == ["score"]
    assert found.notes == (
        "left out, as they hold no numbers: name (text), since (dates), town (categories)",
    )
    with pytest.raises(InputError, match="no column holds numbers: name"):
        Preparation(numeric_only=True).of(FRAME[["name"]])


def test_text_is_what_categories_are():
    rows = FRAME[["id", "town", "answer"]]
    assert list(Preparation(categories=True).of(rows).frame) == ["town", "answer"]


def test_answers_are_offered_and_recoded_by_the_stated_rule():
    rows = FRAME[["answer", "code", "binary"]].copy()
    rows.loc[3, "answer"] = None
    with pytest.raises(InputError, match="--recode reads yes as 1 and no as 0 in it; --model mixed"):
        Preparation(binary=True).of(rows)
    with pytest.raises(InputError, match=r"1 and 2 are the cells of code.*--recode reads 2 as 0"):
        Preparation(binary=True).of(rows[["code", "binary"]])
    assert list(Preparation().of(rows[["code"]]).frame["code"]) == list(rows["code"])  # numbers are numbers
    found = Preparation(recode=True, binary=True).of(rows)
    rule = {"Yes": 1, "true": 1, "no ": 0, "N": 0}
    expected = [np.nan if i == 3 else rule[cell] for i, cell in enumerate(FRAME["answer"])]
    np.testing.assert_array_equal(found.frame["answer"], expected)
    np.testing.assert_array_equal(found.frame["code"], np.where(FRAME["code"] == 1, 1, 0))
    np.testing.assert_array_equal(found.frame["binary"], FRAME["binary"])
    assert found.notes == (
        "recoded: yes, y and true are 1, no, n and false are 0, in answer",
        "recoded: 1 stays 1 and 2 is 0, as in surveys that code yes as 1 and no as 2, in code",
    )


def test_a_few_rows_are_recoded_as_all_of_them_are():
    """A column of ones alone is the same in either coding."""
    for code, value in ((1, 1.0), (2, 0.0)):
        few = pd.DataFrame({"code": [code] * 3, "other": [1, 2, 1]})
        assert set(Preparation(recode=True, binary=True).of(few).frame["code"]) == {value}
        assert set(Preparation(recode=True).of(few).frame["code"]) == {code}  # here they may be counts


def test_an_answer_that_is_neither_is_not_guessed():
    rows = pd.DataFrame({"a": ["yes", "no", "maybe"], "b": [1, 0, 1]})
    with pytest.raises(InputError, match="column 'a' holds text"):
        Preparation(recode=True).of(rows)


def test_logarithms_are_natural_named_and_stated():
    rows = FRAME[["amount", "score"]].copy()
    rows.loc[5, "amount"] = np.nan
    found = Preparation(log=("amount",)).of(rows)
    assert list(found.frame) == ["log(amount)", "score"]
    np.testing.assert_array_equal(found.frame["log(amount)"], np.log(rows["amount"]))
    assert found.notes == ("natural logarithms are fitted: log(amount)",)
    assert list(rows) == ["amount", "score"]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"log": ("amont",)}, "log: there is no column 'amont' (did you mean 'amount'?)"),
        ({"log": ("score",)}, "--log: 20 cells of column 'score' are 0 or negative"),
        ({"log": ("town",)}, "--log: column 'town' holds text ('Oslo' in row 0)"),
    ],
)
def test_what_has_no_logarithm(how, words):
    with pytest.raises(InputError) as caught:
        Preparation(**how).of(
            FRAME[["amount", "score", "town"]] if "town" in how["log"] else FRAME[["amount", "score"]]
        )
    assert words in str(caught.value)


def test_a_zero_is_named_with_its_row():
    rows = pd.DataFrame({"a": [1.0, 0.0, -1.0]}, index=["p", "q", "r"])
    with pytest.raises(InputError, match=r"2 cells of column 'a' are 0 or negative \(0.0 in row 1 \(in"):
        Preparation(log=("a",)).of(rows)
    with pytest.raises(InputError, match=r"there is a column 'log\(a\)' already"):
        Preparation(log=("a",)).of(pd.DataFrame({"a": [1.0, 2.0], "log(a)": [0.0, 1.0]}))


def test_a_fit_takes_the_logarithms_that_it_needs():
    rows = FRAME[["name", "amount", "score"]]
    found = Preparation().like(rows, ["log(amount)", "score"])
    assert list(found.frame) == ["name", "log(amount)", "score"]
    assert found.notes == ("natural logarithms are fitted: log(amount)",)
    again = Preparation(log=("amount",)).like(rows, ["log(amount)", "score"])
    pd.testing.assert_frame_equal(again.frame, found.frame)


@pytest.mark.parametrize(
    "names", [["a"], ["a b"], ["size, cm", "b"], ['q"x', "it's"], ["$HOME", "`x`"]], ids=str
)
def test_options_can_be_typed_as_they_are_told(names):
    from mixtures.cli.rows import names_in

    option, listed = shlex.split(option_of("--exclude", names))
    assert option == "--exclude"
    assert names_in(listed) == names
