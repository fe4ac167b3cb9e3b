"""Bad input and what the package says to it; ``python -m tests.bad_input`` writes the page of the docs."""

import datetime as dt
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import dask.array as da
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from pyarrow import parquet
from scipy import sparse

import mixtures as mx

X = np.array([[1, 2], [3, 5], [4, 1], [6, 4], [7, 9], [9, 3]], dtype=float)
B = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0], [0, 0, 1], [1, 1, 1], [0, 0, 0]], dtype=float)
NAMES = ["x0", "x1"]

GMM, BMM, PMM = mx.GMM(2), mx.BMM(2), mx.PMM(2)

FITS = ("fit_em", "fit_map", "sample", "crosscheck", "declare", "resolve")
"""Functions that take a model and data."""

EVERYWHERE = (*FITS, "select")
COMMANDS = ("crosscheck bad -k 2", "select bad --max-k 2", "predict bad -k 2", "report bad -k 2 -o r.html")
"""Command lines that read a file, called ``bad`` here."""

TYPED = {
    "missing is 'drop'": "--missing is 'drop'",
    "'integrate' (--missing integrate on the command line)": "integrate",
    'missing="integrate" (--missing integrate on the command line)': "--missing integrate",
    "exposure= (--exposure on the command line)": "--exposure",
    "n_components=7 clusters": "7 clusters",
    "n_components": "-k",
    "covariance_type='diag' (--covariance diag)": "--covariance diag",
    "covariance_type": "--covariance",
    "columns=... or --exclude on the command line": "--exclude",
    "header=False (--no-header on the command line)": "--no-header",
    "header=True (--header)": "--header",
    "separator=';' in Python or --separator ';' on the command line": "--separator ';'",
    "separator=',' in Python or --separator ',' on the command line": "--separator ,",
    "index='Unnamed: 0' (--id 'Unnamed: 0' on the command line)": "--id 'Unnamed: 0'",
    "prior=None": "--prior none",
    "weight_concentration=1": "--weight-concentration 1",
    "weight_concentration": "--weight-concentration",
    "encoding='cp1252' (--encoding cp1252 on the command line)": "--encoding cp1252",
    "encoding='utf-16' (--encoding utf-16 on the command line)": "--encoding utf-16",
    "sampler='nutpie' needs tune": "--sampler nutpie needs --tune",
    "there is no file nowhere.mix": "--from: there is no file nowhere.mix",
    "good.csv is not a file that": "--from: good.csv is not a file that",
    "sampler 'gibbs'": "--sampler 'gibbs'",
    "criterion 'bick'": "--criteria 'bick'",
    "method 'jackknife'": "--uncertainty 'jackknife'",
    "use sample, which": "call mixtures.sample in Python, which",
    "n_init": "--n-init",
    "n_resamples": "--n-resamples",
    "ci_prob": "--ci-prob",
}
"""What messages say of options, and what the command line says in its place."""

SHOWN = 2
"""Expressions, and command lines, of a case that the page shows."""


@dataclass(frozen=True)
class Case:
    """One bad input in all the ways in which it can be given, and the one message that it gets.

    Attributes
    ----------
    what : str
        What is wrong, in words.
    message : str
        All of the message; ``...`` stands for words of another package.
    option : str
        What the command line adds to it: the options that help.
    array, pandas, polars : callable
        Makes the data; they are given to every one of ``doors``.
    files : dict
        Content of a file by its name; it is read, and given to every command.
    python : tuple of str
        Expressions that must raise, where it is not the data that are wrong.
    commands : tuple of str
        Command lines that must exit with 2.
    model : Mixture
        The model for the data.
    doors : tuple of str
        Functions that refuse the data.
    """

    what: str
    message: str
    array: Callable[[], Any] | None = None
    pandas: Callable[[], Any] | None = None
    polars: Callable[[], Any] | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    python: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    model: mx.GMM | mx.BMM | mx.PMM = GMM
    doors: tuple[str, ...] = EVERYWHERE
    option: str = ""

    def says(self, text: str, option: str | None = None) -> bool:
        """Whether a text is the message; on the command line, with its options, and what it adds to it."""
        message = self.message if option is None else typed(f"{self.message}{option}")
        parts = map(re.escape, message.split("..."))
        return re.fullmatch(".*".join(parts), text) is not None

    @property
    def given_as(self) -> str:
        """The ways, in words."""
        ways = [way for way in ("array", "pandas", "polars") if getattr(self, way)]
        for name in self.files:
            ways += [f"`{name.partition('.')[1]}{name.partition('.')[2]}` file"]
        ways += ["command line"] if self.files else []
        for shown in (self.python, [f"mixtures {line}" for line in self.commands]):
            ways += [f"`{each}`" for each in shown[:SHOWN]]
            ways += [f"{len(shown) - SHOWN} more"] if len(shown) > SHOWN else []
        return ", ".join(ways)


def typed(message: str) -> str:
    """A message as it is on the command line."""
    for said, instead in TYPED.items():
        message = message.replace(said, instead)
    begin, _, rest = message.partition(" must be ")
    return f"--{message}" if rest and begin in ("draws", "chains", "tune") else message


def exchanged(row: int, column: int, value: Any, rows: Any = X) -> list[list[Any]]:
    """Good rows with one cell exchanged."""
    cells = [list(map(float, each)) for each in rows]
    cells[row][column] = value
    return cells


def frame(rows: Any, names: Any = NAMES, **keywords: Any) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=names, **keywords)


def text(rows: Any, names: Any = NAMES, between: str = ",") -> bytes:
    lines = [names, *([f"{c:g}" if isinstance(c, float) else str(c) for c in row] for row in rows)]
    return "".join(between.join(line) + "\n" for line in lines).encode()


def as_parquet(table: Any) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(table if isinstance(table, pa.Table) else pa.Table.from_pandas(table), buffer)
    return buffer.getvalue()


def filled(column: Any) -> np.ndarray:
    """Good rows with another second column."""
    return np.column_stack([X[:, 0], column])


def cell(what: str, message: str, value: Any, written: str, **keywords: Any) -> Case:
    """One cell that is wrong, in every way that there is."""
    rows = exchanged(1, 1, value)
    ways: dict[str, Any] = {
        "array": lambda: rows,
        "pandas": lambda: frame(rows),
        "polars": lambda: pl.DataFrame(rows, schema=NAMES, orient="row", strict=False),
        "files": {"bad.csv": text(exchanged(1, 1, written))},
    }
    return Case(what, message, **{**ways, **keywords})


def column(what: str, message: str, values: Any, **keywords: Any) -> Case:
    """A column of floats that is wrong, in every way that there is."""
    rows = filled(values)
    ways: dict[str, Any] = {
        "array": lambda: rows,
        "pandas": lambda: frame(rows),
        "polars": lambda: pl.DataFrame(rows, schema=NAMES),
        "files": {
            "bad.csv": frame(rows).to_csv(index=False).encode(),
            "bad.parquet": as_parquet(frame(rows)),
        },
    }
    return Case(what, message, **{**ways, **keywords})


EXCLUDED = ": --exclude x1, or --numeric-only leaves it out"
OR_INTEGRATE = ', or pass missing="integrate" (--missing integrate on the command line)'
MISSING = f"row 1, column 'x1' is NaN or null; drop or impute it{OR_INTEGRATE}"
DAYS = pd.date_range("2020-01-01", periods=len(X))

CELLS = [
    cell("NaN", MISSING, np.nan, "NaN"),
    cell("None or null", MISSING, None, ""),
    Case(
        "`pandas.NA`",
        MISSING,
        array=lambda: np.array(exchanged(1, 1, pd.NA), dtype=object),
        pandas=lambda: frame(exchanged(1, 1, None)).astype("Int64"),
    ),
    Case(
        "a masked cell", MISSING.replace("NaN or null", "masked"), array=lambda: np.ma.MaskedArray(X, X == 5)
    ),
    Case(
        "a line with too few values",
        MISSING,
        files={
            "bad.csv": text(X).replace(b"3,5", b"3"),
            "bad.txt": text(X, between=" ").replace(b"3 5", b"3"),
        },
    ),
    Case(
        "a blank line between rows",
        f"row 1, column 'x0' is NaN or null; drop or impute it{OR_INTEGRATE}",
        files={"bad.csv": b"x0\n1\n\n3\n4\n"},
    ),
    Case(
        "many cells missing",
        "12 cells are NaN or null: row 0, column 'x0'; row 0, column 'x1'; row 1, column 'x0'; row 1, column "
        f"'x1'; row 2, column 'x0'; and 7 more; drop or impute them{OR_INTEGRATE}",
        array=lambda: X * np.nan,
        pandas=lambda: frame(X * np.nan),
        files={"bad.csv": text([["", ""]] * 6)},
    ),
    Case(
        "a missing cell in rows with labels",
        f"row 1 (index q), column 'x1' is NaN or null; drop or impute it{OR_INTEGRATE}",
        pandas=lambda: frame(exchanged(1, 1, None), index=list("pqrstu")),
        files={"bad.parquet": as_parquet(frame(exchanged(1, 1, None), index=list("pqrstu")))},
    ),
    cell("infinity", "row 1, column 'x1' is infinite; drop or impute it", np.inf, "inf"),
    Case(
        "a number too large for double precision",
        "row 1, column 'x1' is infinite; drop or impute it",
        array=lambda: exchanged(1, 1, 10**400),
        pandas=lambda: frame(np.array(exchanged(1, 1, 10**400), dtype=object)),
        files={"bad.csv": text(exchanged(1, 1, "1e400"))},
    ),
    cell(
        "a word among numbers",
        "column 'x1' holds text ('four' in row 1); drop the column or encode it as numbers",
        "four",
        "four",
        polars=None,  # polars itself refuses to mix
        option=EXCLUDED,
    ),
    Case(
        "a column of words",
        "column 'x1' holds text ('a' in row 0); drop the column or encode it as numbers",
        pandas=lambda: frame(X).assign(x1=list("abcdef")),
        polars=lambda: pl.DataFrame({"x0": X[:, 0], "x1": list("abcdef")}),
        files={
            "bad.csv": text([[x, c] for x, c in zip(X[:, 0], "abcdef", strict=True)]),
            "bad.parquet": as_parquet(frame(X).assign(x1=list("abcdef"))),
        },
        option=EXCLUDED,
    ),
    Case(
        "categories that are words",
        "column 'x1' holds text ('a' in row 0); drop the column or encode it as numbers",
        pandas=lambda: frame(X).assign(x1=pd.Categorical(list("abcabc"))),
        polars=lambda: pl.DataFrame({"x0": X[:, 0], "x1": pl.Series(list("abcabc"), dtype=pl.Categorical)}),
        files={"bad.parquet": as_parquet(frame(X).assign(x1=pd.Categorical(list("abcabc"))))},
        option=": --model mixed and --model lca take it as categories" + EXCLUDED.replace(":", ";"),
    ),
    Case(
        "an array of strings",
        "column 'x0' holds text ('1.0' in row 0); drop the column or encode it as numbers",
        array=lambda: X.astype(str),
    ),
    Case(
        "decimal commas",
        "column 'x1' holds text ('2,5' in row 0); drop the column or encode it as numbers",
        files={"bad.csv": b'x0,x1\n1,"2,5"\n3,"4,5"\n5,"7,5"\n'},
        option=": --decimal , reads them; --exclude x1, or --numeric-only leaves it out",
    ),
    Case(
        "dates",
        "column 'x1' holds dates or times; drop the column or turn it into numbers, such as days since the "
        "first",
        pandas=lambda: frame(X).assign(x1=DAYS),
        polars=lambda: pl.DataFrame({"x0": X[:, 0], "x1": list(DAYS.to_pydatetime())}),
        files={"bad.parquet": as_parquet(frame(X).assign(x1=DAYS))},
        option=EXCLUDED,
    ),
    Case(
        "an array of dates",
        "column 'x0' holds dates or times; drop the column or turn it into numbers, such as days since the "
        "first",
        array=lambda: DAYS.to_numpy(),
    ),
    Case(
        "dates as text",
        "column 'x1' holds text ('2020-01-01' in row 0); drop the column or encode it as numbers",
        files={"bad.csv": frame(X).assign(x1=DAYS).to_csv(index=False).encode()},
        option=EXCLUDED,
    ),
    Case(
        "a date as an object",
        "column 'x1' holds dates or times (datetime.date(2020, 1, 1) in row 1); drop the column or turn it "
        "into "
        "numbers, such as days since the first",
        array=lambda: exchanged(1, 1, dt.date(2020, 1, 1)),
        pandas=lambda: frame(exchanged(1, 1, dt.date(2020, 1, 1))),
    ),
    Case(
        "complex numbers",
        "column 'x1' holds complex numbers (2j in row 1); drop the column or split it into real and "
        "imaginary parts",
        pandas=lambda: frame(exchanged(1, 1, 2j), dtype=object),
    ),
    Case(
        "an array of complex numbers",
        "column 'x0' holds complex numbers ((1+0j) in row 0); drop the column or split it into real and "
        "imaginary "
        "parts",
        array=lambda: X.astype(complex),
    ),
    Case(
        "complex numbers as text",
        "column 'x1' holds text ('1+2j' in row 1); drop the column or encode it as numbers",
        files={"bad.csv": text(exchanged(1, 1, "1+2j"))},
        option=EXCLUDED,
    ),
    Case(
        "lists in cells",
        "column 'x1' holds nested values; split it into one column per value",
        polars=lambda: pl.DataFrame({"x0": X[:, 0], "x1": [[1, 2]] * 6}),
    ),
    Case(
        "lists in cells of Parquet",
        "column 'x1' of bad.parquet holds nested values (list<element: int64>); split it into one column per "
        "value, or leave it out (--exclude)",
        files={"bad.parquet": as_parquet(pa.table({"x0": X[:, 0], "x1": [[1, 2]] * 6}))},
    ),
    Case(
        "a cell that is no 0 or 1, for a BMM",
        "row 1, column 'x1': not 0 or 1 (the first is 0.5); a BMM takes binary data: recode these cells, or "
        "drop "
        "the columns",
        array=lambda: exchanged(1, 1, 0.5, B[:, :2]),
        pandas=lambda: frame(exchanged(1, 1, 0.5, B[:, :2])),
        polars=lambda: pl.DataFrame(exchanged(1, 1, 0.5, B[:, :2]), schema=NAMES, orient="row"),
        files={"bad.csv": text(exchanged(1, 1, 0.5, B[:, :2]))},
        model=BMM,
    ),
    *(
        Case(
            f"a {what}, for a PMM",
            f"row 1, column 'x1': {why} (the first is {value}); a PMM takes counts (0, 1, 2, ...): correct "
            f"these cells, or drop the columns{more}",
            array=lambda value=value: exchanged(1, 1, value, B[:, :2]),
            pandas=lambda value=value: frame(exchanged(1, 1, value, B[:, :2])),
            files={"bad.csv": text(exchanged(1, 1, value, B[:, :2]))},
            model=PMM,
        )
        for what, why, value, more in (
            ("negative number", "negative", -2, ""),
            (
                "fraction",
                "not a whole number",
                0.5,
                "; a column of exposures is named by exposure= (--exposure on the command line)",
            ),
        )
    ),
    Case(
        "counts, for a BMM",
        "row 1, column 'x1': not 0 or 1 (the first is 2); a BMM takes binary data: recode these cells, or "
        "drop "
        "the columns",
        array=lambda: exchanged(1, 1, 2, B[:, :2]),
        pandas=lambda: frame(exchanged(1, 1, 2, B[:, :2])),
        files={"bad.csv": text(exchanged(1, 1, 2, B[:, :2]))},
        model=BMM,
    ),
]

TABLES = [
    Case(
        "no rows",
        "the data have no rows (shape (0, 2)); pass at least one row and one column",
        array=lambda: X[:0],
        pandas=lambda: frame(X[:0]),
        polars=lambda: pl.DataFrame(X[:0], schema=NAMES),
        files={"bad.csv": b"x0,x1\n", "bad.parquet": as_parquet(frame(X[:0]))},
    ),
    Case(
        "no columns",
        "the data have no columns (shape (6, 0)); pass at least one row and one column",
        array=lambda: X[:, :0],
        pandas=lambda: frame(X)[[]],
    ),
    Case(
        "one row",
        "the data have one row; a mixture needs at least two",
        array=lambda: X[:1],
        pandas=lambda: frame(X[:1]),
        polars=lambda: pl.DataFrame(X[:1], schema=NAMES),
        files={"bad.csv": text(X[:1])},
    ),
    Case(
        "fewer rows than clusters",
        "6 rows cannot hold n_components=7 clusters; lower n_components",
        array=lambda: X,
        pandas=lambda: frame(X),
        commands=("crosscheck good.csv -k 7", "predict good.csv -k 7"),
        model=mx.GMM(7),
        doors=FITS,
    ),
    Case(
        "no more rows than columns",
        "columns 'x0', 'x1' are linearly dependent in these 2 rows, so their covariance is singular; drop "
        "one, "
        "use covariance_type='diag' (--covariance diag), or state a prior",
        array=lambda: X[:2],
        pandas=lambda: frame(X[:2]),
        files={"bad.csv": text(X[:2])},
    ),
    column(
        "a constant column",
        "column 'x1' is constant; a Gaussian cannot model that, drop it (columns=... or --exclude on the "
        "command line)",
        np.full(6, 0.1),
    ),
    Case(
        "a constant column, by weights",
        "column 'x1' is constant; a Gaussian cannot model that, drop it (columns=... or --exclude on the "
        "command line)",
        python=("mx.fit_em(mx.GMM(2), np.c_[X[:, 0], [1, 1, 1, 1, 1, 2]], weights=[1, 1, 1, 1, 1, 0])",),
    ),
    column(
        "one column twice",
        "columns 'x0', 'x1' are linearly dependent in these 6 rows, so their covariance is singular; drop "
        "one, "
        "use covariance_type='diag' (--covariance diag), or state a prior",
        3 * X[:, 0] + 1,
    ),
    column(
        "values of 1e300",
        "column 'x1' is too large: up to 9e+300 in size, so that squares overflow; divide by a constant",
        1e300 * X[:, 1],
    ),
    column(
        "denormal values",
        "column 'x1' varies too little for double precision: from 0.0 to 5e-324; shift it, rescale it or "
        "drop it",
        np.where(X[:, 1] > 3, 5e-324, 0),
    ),
    column(
        "values that differ by rounding",
        "column 'x1' varies too little for double precision: from 1e+17 to 1.0000000000000002e+17; shift it, "
        "rescale it or drop it",
        1e17 + 16 * (X[:, 1] > 3),
    ),
    Case(
        "two columns of one name",
        "several columns are called 'x0'; rename or drop the copies",
        pandas=lambda: frame(X, names=["x0", "x0"]),
        array=lambda: pa.table([X[:, 0], X[:, 1]], names=["x0", "x0"]),
    ),
    Case(
        "two columns of one name, in a file",
        "bad.csv: column 'x0' is there more than once; rename or drop the copies",
        files={"bad.csv": text(X, names=["x0", "x0"])},
    ),
    Case(
        "two columns of one name once they are text",
        "several columns are called '1'; rename or drop the copies",
        pandas=lambda: frame(X, names=[1, "1"]),
    ),
    Case(
        "a name that cannot be saved",
        "the name of column 'x\\x00' is not text that can be saved; rename it",
        pandas=lambda: frame(X, names=["x\0", "x1"]),
        polars=lambda: pl.DataFrame(X, schema=["x\0", "x1"]),
    ),
    Case(
        "a masked cell in a list of rows",
        MISSING,
        array=lambda: list(np.ma.MaskedArray(X, X == 5)),
    ),
    Case(
        "a function that yields rows",
        "chunk 0: a table of one dimension (ndarray) may be a row or a column; give tables of shape (rows, "
        "columns): x[None, :] for a row, x[:, None] for a column, or all rows in one table",
        array=lambda: lambda: iter(X),
        doors=("fit_em", "crosscheck"),
    ),
    Case(
        "rows of different lengths",
        "row 1 has 1 value but row 0 has 2; give every row the same number",
        array=lambda: [[1, 2], [3], [4, 5]],
    ),
    Case(
        "three dimensions",
        "the data have 3 dimensions (1, 6, 2); reshape them to (rows, columns)",
        array=lambda: X[None],
    ),
    Case(
        "a structured array",
        "the data are a structured array with the fields a, b; pass pandas.DataFrame(X), which makes columns "
        "of them",
        array=lambda: np.rec.fromarrays(X.T, names="a,b"),
    ),
    Case(
        "no dimension",
        "expected a table, got float; pass an array, a list of rows or a data frame",
        array=lambda: 5.0,
    ),
    Case(
        "the name of a file, in Python",
        "expected a table, got str; pass an array, a list of rows or a data frame",
        array=lambda: "faithful.csv",
    ),
    Case(
        "a dictionary",
        "expected a table, got dict; pass an array, a list of rows or a data frame",
        array=lambda: {"x0": [1, 2]},
    ),
    Case(
        "a sparse matrix",
        "the data are sparse (csr_array); pass X.toarray()",
        array=lambda: sparse.csr_array(X),
    ),
    Case(
        "a lazy frame",
        "the data are lazy (LazyFrame); collect them into a table first",
        polars=lambda: pl.DataFrame(X, schema=NAMES).lazy(),
    ),
    Case(
        "Dask, where it is not taken",
        "the data are a Dask Array, which only fit_em and crosscheck take; everything else takes one table "
        "in "
        "memory: pass an array or a data frame, of a subsample if need be",
        array=lambda: da.from_array(X),
        doors=("fit_map", "sample", "select", "declare"),
    ),
    Case(
        "chunks that can be read once only",
        "the data are a generator, which can be read once only, and EM reads them many times: pass a "
        "function "
        "without arguments that opens it, such as lambda: read_chunks(path)",
        array=lambda: (rows for rows in (X, X)),
        doors=("fit_em", "crosscheck"),
    ),
]

FILES = [
    Case(
        "no such file",
        "there is no file nowhere.csv",
        commands=tuple(line.replace("bad", "nowhere.csv") for line in COMMANDS),
    ),
    Case(
        "no such data set",
        "no file and no data set 'faithfull' (did you mean 'faithful'?)",
        commands=tuple(line.replace("bad", "faithfull") for line in COMMANDS),
    ),
    Case(
        "a folder",
        "folder is a folder; name a file in it",
        commands=("crosscheck folder -k 2",),
    ),
    Case(
        "a folder in place of a result",
        "--from: folder is a folder; name a file in it",
        commands=("predict faithful --from folder",),
    ),
    Case(
        "a file without the right to read it",
        "secret.csv cannot be opened: Permission denied",
        commands=("crosscheck secret.csv -k 2",),
    ),
    Case("a file of no bytes", "bad.csv is empty", files={"bad.csv": b""}),
    Case(
        "a blank file",
        "bad.csv is blank; it needs a line of column names, and rows",
        files={"bad.csv": b"\n \n"},
    ),
    Case(
        "standard input of no bytes",
        "standard input is empty",
        commands=("crosscheck - -k 2", "predict - -k 2"),
    ),
    Case(
        "another suffix",
        "bad.xlsx has the suffix '.xlsx'; the files that can be read are .csv, .tsv, .txt, .parquet, .pq; "
        "save a spreadsheet as .csv",
        files={"bad.xlsx": b"PK"},
    ),
    Case(
        "a separator that is none",
        "--separator ... is not a single character of ASCII such as ',' or ';'",
        commands=tuple(f"crosscheck good.csv -k 2 --separator {each}" for each in ("ab", "a", "§", ".")),
    ),
    Case(
        "a separator for a data set",
        "--separator does not go with the data set 'faithful'; leave it out",
        commands=("predict faithful -k 2 --separator ;",),
    ),
    Case(
        "no line of column names",
        "the first line of bad.csv holds numbers (1, 2) where column names should be; say header=False "
        "(--no-header on the command line) if it is a row, header=True (--header) if it holds the names",
        files={"bad.csv": text(X[1:], names=["1", "2"])},
    ),
    Case(
        "a first line that may be a row",
        "the first line of bad.csv holds cells that may be values (NA, 2.5) where column names should be; "
        "say header=False (--no-header on the command line) if it is a row, header=True (--header) if it "
        "holds the names",
        files={"bad.csv": text(X, names=["NA", "2.5"])},
    ),
    Case(
        "a first column without a name that does not number the rows",
        "the first column of bad.csv has no name and does not number the rows; name it in the first line, or "
        "say index='Unnamed: 0' (--id 'Unnamed: 0' on the command line) if it holds row labels",
        files={"bad.csv": text(np.c_[2 * np.arange(6), X], names=["", "x0", "x1"])},
    ),
    Case(
        "another column without a name",
        "column 2 of bad.csv has no name; name it in the first line",
        files={"bad.csv": text(X, names=["x0", ""])},
    ),
    Case(
        "a cell that continues after its closing quotation mark",
        "row 1, column 'x0' (line 3 of bad.csv): the cell continues after its closing quotation mark "
        "('\"3\"0'); mend it, or double the marks within a cell",
        files={"bad.csv": text(X).replace(b"3,5", b'"3"0,5')},
    ),
    Case(
        "semicolons between columns",
        "bad.csv should have commas between its columns and seems to have semicolons; say so by "
        "separator=';' in Python or --separator ';' on the command line, and --decimal , if "
        "decimals have commas",
        files={"bad.csv": text(X, between=";")},
    ),
    Case(
        "semicolons between columns, commas in numbers",
        "bad.csv should have commas between its columns and seems to have semicolons; say so by "
        "separator=';' in Python or --separator ';' on the command line, and --decimal , if "
        "decimals have commas",
        files={"bad.csv": b"x0;x1\n1,5;2,5\n2,5;3,5\n4,5;1,5\n"},
    ),
    Case(
        "commas between columns of a .tsv",
        "bad.tsv should have tabs between its columns and seems to have commas; say so by "
        "separator=',' in Python or --separator ',' on the command line",
        files={"bad.tsv": text(X)},
    ),
    Case(
        "a line with too many values",
        "line 4 of bad.csv has 3 values; 2 are expected, as the header has names: mend that line, or name "
        "every column",
        files={"bad.csv": text(X).replace(b"4,1", b"4,1,1")},
    ),
    Case(
        "all lines with one value more than there are names",
        "line 2 of bad.csv has 3 values; 2 are expected, as the header has names: mend that line, or name "
        "every column",
        files={"bad.csv": text(np.c_[np.arange(6), X])},
    ),
    Case(
        "a quotation mark that is not closed",
        "bad.csv cannot be read: ...; check it for a quotation mark that is not closed",
        files={"bad.csv": text(X).replace(b"4,1", b'"4,1')},
    ),
    Case(
        "another encoding",
        "bad.csv is not UTF-8 (line 3); say encoding='cp1252' (--encoding cp1252 on the command line) if it "
        "comes from Excel or Windows, or save it as UTF-8",
        files={"bad.csv": text(exchanged(1, 1, "ä")).decode().encode("latin-1")},
    ),
    Case(
        "bytes that are not text",
        "bad.csv is not text in UTF-8: line 3 has a NUL byte; say encoding='utf-16' (--encoding utf-16 on "
        "the command line) if it is in that encoding, or save it as UTF-8",
        files={"bad.csv": text(X).replace(b"3,5", b"3,\0")},
    ),
    Case(
        "Parquet that is none",
        "bad.parquet cannot be read as parquet: ...",
        files={"bad.parquet": text(X)},
    ),
    Case(
        "Parquet cut short",
        "bad.parquet cannot be read as parquet: ...",
        files={"bad.parquet": as_parquet(frame(X))[:-20]},
    ),
]

MODELS = [
    Case(
        "K = 0",
        "n_components must be at least 1, got 0",
        python=("mx.GMM(0)", "mx.BMM(0)"),
        commands=("crosscheck faithful -k 0", "predict faithful -k 0"),
    ),
    Case(
        "K negative",
        "n_components must be at least 1, got -2",
        python=("mx.GMM(-2)",),
        commands=("crosscheck faithful -k -2",),
    ),
    Case("K a fraction", "n_components must be a whole number, got 1.5", python=("mx.GMM(1.5)",)),
    Case("K as text", "n_components must be a whole number, got '2'", python=("mx.GMM('2')",)),
    Case("K missing", "n_components must be a whole number, got None", python=("mx.GMM(None)",)),
    Case("K true", "n_components must be a whole number, got True", python=("mx.BMM(True)",)),
    Case(
        "K a fraction or a word, at the command line",
        "Invalid value for '--components' / '-k': ...",
        commands=("crosscheck faithful -k 1.5", "crosscheck faithful -k two", "predict faithful -k two"),
    ),
    Case(
        "an unknown covariance",
        "covariance_type 'round' is not one of full, tied, diag, spherical, tied_diag, tied_spherical",
        python=("mx.GMM(2, covariance_type='round')",),
        commands=("crosscheck faithful -k 2 --covariance round", "select faithful --covariance round"),
    ),
    Case(
        "a covariance of another type",
        "covariance_type ['full'] is not one of full, tied, diag, spherical, tied_diag, tied_spherical",
        python=("mx.GMM(2, covariance_type=['full'])",),
    ),
    Case(
        "a covariance for a BMM",
        "--covariance does not go with --model bmm; leave it out",
        commands=("crosscheck coins -k 2 --model bmm --covariance full",),
    ),
    Case(
        "an unknown model",
        "--model 'gnm' is not one of gmm, bmm, lca, mixed, pmm (did you mean 'gmm'?)",
        commands=(
            "crosscheck faithful -k 2 --model gnm",
            "select faithful --model gnm",
            "predict faithful -k 2 -m gnm",
        ),
    ),
    Case(
        "no model",
        "spec is a str; it must be a model such as GMM(2)",
        python=tuple(f"mx.{door}('gmm', X)" for door in EVERYWHERE),
    ),
    Case(
        "no data",
        "X is missing: pass the data, an array or frame of shape (n, D)",
        python=("mx.sample(mx.GMM(2))", "mx.crosscheck(mx.GMM(2))"),
    ),
    Case(
        "an unknown prior",
        "prior 'flat' does not go with covariance_type='full'; use 'default', None or NormalInverseWishart",
        python=("mx.GMM(2, prior='flat')",),
    ),
    Case(
        "an unknown prior, at the command line",
        "--prior 'flat' is not one of default, none; other priors are stated in Python",
        commands=("crosscheck faithful -k 2 --prior flat", "predict faithful -k 2 --prior flat"),
    ),
    Case(
        "a prior of another family",
        "prior Beta(alpha=2, beta=2) does not go with covariance_type='full'; use 'default', None or "
        "NormalInverseWishart",
        python=("mx.GMM(2, prior=mx.priors.Beta(2, 2))",),
    ),
    Case(
        "a prior of a Gaussian, for a BMM",
        "prior ... does not go with a BMM; use 'default', None or Beta",
        python=("mx.BMM(2, prior=mx.priors.NormalInverseGamma(0, 1, 3, 1))", "mx.BMM(2, prior='jeffreys')"),
    ),
    Case(
        "a prior of another shape",
        "prior mean has shape (3,); the data ask for (2,) or a scalar",
        python=("mx.fit_em(mx.GMM(2, prior=mx.priors.NormalInverseWishart([0, 0, 0], 1, 4, np.eye(2))), X)",),
    ),
    Case(
        "a scale of another shape",
        "prior Psi has shape (3, 3); the data ask for (2, 2) or a scalar",
        python=("mx.fit_em(mx.GMM(2, prior=mx.priors.NormalInverseWishart(0, 1, 4, np.eye(3))), X)",),
    ),
    Case(
        "a scale that is not positive definite",
        "NormalInverseWishart: Psi must be symmetric and positive definite",
        python=(
            "mx.fit_map(mx.GMM(2, prior=mx.priors.NormalInverseWishart(0, 1, 4, -np.eye(2))), X)",
            "mx.sample(mx.GMM(2, prior=mx.priors.NormalInverseWishart(0, 1, 4, [[1, 2], [0, 1]])), X)",
        ),
    ),
    Case(
        "too few degrees of freedom",
        "NormalInverseWishart: nu - (D - 1) must be positive, got -0.5",
        python=("mx.crosscheck(mx.GMM(2, prior=mx.priors.NormalInverseWishart(0, 1, 0.5, np.eye(2))), X)",),
    ),
    Case(
        "a count of zero",
        "NormalInverseWishart: kappa must be positive, got 0.0",
        python=("mx.fit_em(mx.GMM(2, prior=mx.priors.NormalInverseWishart(0, 0, 4, np.eye(2))), X)",),
    ),
    Case(
        "a variance that is negative",
        "NormalInverseGamma: psi must be positive, got [-1. -1.]",
        python=(
            "mx.fit_em(mx.GMM(2, covariance_type='diag', prior=mx.priors.NormalInverseGamma(0, 1, 3, -1)), "
            "X)",
        ),
    ),
    Case(
        "a prior that is not finite",
        "prior mean is not finite: nan",
        python=("mx.fit_em(mx.GMM(2, prior=mx.priors.NormalInverseWishart(np.nan, 1, 4, np.eye(2))), X)",),
    ),
    Case(
        "a prior in words",
        "prior mean is not a number or an array of numbers: ...",
        python=("mx.fit_em(mx.GMM(2, prior=mx.priors.NormalInverseWishart('zero', 1, 4, np.eye(2))), X)",),
    ),
    Case(
        "a Beta of counts that are not positive",
        "Beta: alpha must be positive, got [0. 0. 0.]",
        python=(
            "mx.fit_em(mx.BMM(2, prior=mx.priors.Beta(0, 1)), B)",
            "mx.sample(mx.BMM(2, prior=mx.priors.Beta(0, 1)), B)",
        ),
    ),
    Case(
        "a concentration that is not positive",
        "weight_concentration must be positive, got ...",
        python=(
            "mx.GMM(2, weight_concentration=0)",
            "mx.GMM(2, weight_concentration=np.nan)",
            "mx.BMM(2, weight_concentration='1')",
        ),
        commands=(
            "crosscheck faithful -k 2 --weight-concentration -1",
            "select faithful --weight-concentration nan",
        ),
    ),
    Case(
        "a prior without a mode",
        "concentrations below 1 (weight_concentration, or those of a prior such as Beta) have no finite "
        "mode; "
        "raise them to 1 or more, or use sample, which takes them",
        python=(
            "mx.fit_em(mx.GMM(2, weight_concentration=0.5), X)",
            "mx.fit_map(mx.BMM(2, prior=mx.priors.Beta(0.5, 1)), B)",
        ),
        commands=("crosscheck faithful -k 2 --weight-concentration 0.5",),
    ),
    Case(
        "maximum likelihood with a prior on the weights",
        "prior=None means maximum likelihood and needs weight_concentration=1",
        python=("mx.GMM(2, prior=None, weight_concentration=2)",),
        commands=("crosscheck faithful -k 2 --prior none --weight-concentration 2",),
    ),
    Case(
        "a posterior that is improper",
        "prior=None leaves the posterior of a GMM improper (a cluster may be empty); use prior='default' or "
        "state a "
        "prior",
        python=("mx.sample(mx.GMM(2, prior=None), X)",),
    ),
]

OPTIONS = [
    Case(
        "a weight that is negative",
        "row 1: weight is -1.0; weights must be finite and not negative",
        python=tuple(f"mx.{door}(mx.GMM(2), X, weights=[1, -1, 1, 1, 1, 1])" for door in EVERYWHERE),
    ),
    Case(
        "a weight that is missing",
        "row 1: weight is nan; weights must be finite and not negative",
        python=(
            "mx.fit_em(mx.GMM(2), X, weights=[1, np.nan, 1, 1, 1, 1])",
            "mx.sample(mx.GMM(2), X, weights=[1, None, 1, 1, 1, 1])",
        ),
    ),
    Case(
        "no weight that is not zero",
        "all weights are zero",
        python=tuple(f"mx.{door}(mx.GMM(2), X, weights=np.zeros(6))" for door in EVERYWHERE),
    ),
    Case(
        "weights that sum to one",
        "weights sum to 1; a row of weight 2 counts as two rows, so they sum to n",
        python=("mx.fit_em(mx.GMM(2), X, weights=np.ones(6) / 6)",),
    ),
    Case(
        "a weight that is masked",
        "row 1: weight is nan; weights must be finite and not negative",
        python=("mx.fit_em(mx.GMM(2), X, weights=[1, np.ma.masked, 1, 1, 1, 1])",),
    ),
    Case(
        "weights too large",
        "weights sum to ..., and sums over rows would overflow; a row of weight 2 counts as two rows, so "
        "they sum to the number of rows",
        python=tuple(f"mx.{door}(mx.GMM(2), X, weights=[1e308] * 6)" for door in EVERYWHERE),
    ),
    Case(
        "weights that are dates",
        "weights are not an array of numbers: dates or times",
        python=tuple(f"mx.{door}(mx.GMM(2), X, weights=np.ones(6, 'M8[D]'))" for door in EVERYWHERE),
    ),
    Case(
        "weights that are a Series with another index",
        "the index of the weights is not that of the data; give them the index of the data, or pass "
        "weights.to_numpy() to match them by position",
        python=tuple(
            f"mx.{door}(mx.GMM(2), pd.DataFrame(X), weights=pd.Series([1] * 6, index=list('abcdef')))"
            for door in EVERYWHERE
        ),
    ),
    Case(
        "weights of another length",
        "weights have shape (5,); the data have 6 rows",
        python=tuple(f"mx.{door}(mx.GMM(2), X, weights=np.ones(5))" for door in EVERYWHERE),
    ),
    Case(
        "weights of two dimensions",
        "weights have shape (6, 2); the data have 6 rows",
        python=("mx.fit_em(mx.GMM(2), X, weights=np.ones((6, 2)))",),
    ),
    Case(
        "weights in words",
        "weights are not an array of numbers: ...",
        python=("mx.fit_em(mx.GMM(2), X, weights=list('abcdef'))",),
    ),
    Case(
        "a seed that is negative",
        "random_seed is -1; give a whole number from 0 up, or a numpy.random.Generator",
        python=tuple(
            f"mx.{door}(mx.GMM(2), X, random_seed=-1)"
            for door in ("fit_em", "fit_map", "sample", "crosscheck", "select")
        ),
    ),
    Case(
        "a seed that is none",
        "random_seed is ...; give a whole number from 0 up, or a numpy.random.Generator",
        python=("mx.sample(mx.GMM(2), X, random_seed=1.5)", "mx.crosscheck(mx.GMM(2), X, random_seed='one')"),
    ),
    Case(
        "a seed that is negative, at the command line",
        "--seed must not be negative, got -1",
        commands=(
            "crosscheck faithful -k 2 --seed -1",
            "select faithful --seed -1",
            "predict faithful -k 2 --seed -1",
            "demo --seed -1",
        ),
    ),
    Case(
        "no draws",
        "draws must be at least 1, got 0",
        python=(
            "mx.sample(mx.GMM(2), X, draws=0)",
            "mx.crosscheck(mx.GMM(2), X, draws=0)",
            "mx.select(mx.GMM(2), X, draws=0)",
        ),
        commands=("crosscheck faithful -k 2 --draws 0", "select faithful --draws 0", "demo --draws 0"),
    ),
    Case(
        "draws that are not a number",
        "draws must be a whole number, got ...",
        python=(
            "mx.sample(mx.GMM(2), X, draws=1.5)",
            "mx.sample(mx.GMM(2), X, draws='many')",
            "mx.crosscheck(mx.GMM(2), X, draws=None)",
        ),
    ),
    Case(
        "no chains",
        "chains must be at least 1, got 0",
        python=("mx.sample(mx.GMM(2), X, chains=0)",),
        commands=("crosscheck faithful -k 2 --chains 0",),
    ),
    Case(
        "a warm-up that is negative",
        "tune must be at least 0, got -1",
        python=("mx.sample(mx.GMM(2), X, tune=-1)",),
        commands=("crosscheck faithful -k 2 --tune -1",),
    ),
    Case(
        "nutpie without a warm-up",
        "sampler='nutpie' needs tune to be at least 1, got 0",
        python=("mx.sample(mx.GMM(2), X, sampler='nutpie', tune=0)",),
        commands=("crosscheck faithful -k 2 --sampler nutpie --tune 0",),
    ),
    Case(
        "no starts",
        "n_init must be at least 1, got 0",
        python=(
            "mx.fit_em(mx.GMM(2), X, n_init=0)",
            "mx.fit_map(mx.GMM(2), X, n_init=0)",
            "mx.crosscheck(mx.GMM(2), X, n_init=0)",
            "mx.select(mx.GMM(2), X, n_init=0)",
        ),
        commands=("crosscheck faithful -k 2 --n-init 0", "predict faithful -k 2 --n-init 0"),
    ),
    Case("a tolerance of zero", "tol must be positive, got 0", python=("mx.fit_em(mx.GMM(2), X, tol=0)",)),
    Case(
        "an unknown way with missing cells",
        "missing is 'drop'; it can be 'integrate' (--missing integrate on the command line), which "
        "integrates missing cells out of the likelihood, or be left out: then they are refused",
        python=("mx.fit_em(mx.GMM(2), X, missing='drop')",),
        commands=("crosscheck faithful -k 2 --missing drop", "select faithful --missing drop"),
    ),
    Case(
        "an unknown sampler",
        "sampler 'gibbs' is not one of blackjax, nutpie, pymc, laplace, split_hmc, auto",
        python=("mx.sample(mx.GMM(2), X, sampler='gibbs')", "mx.crosscheck(mx.GMM(2), X, sampler='gibbs')"),
        commands=("crosscheck faithful -k 2 --sampler gibbs",),
    ),
    Case(
        "an unknown criterion",
        "criterion 'bick' is not one of aic, bic, icl, caic, sabic, loo, evidence, or 'all' "
        "(did you mean 'bic'?)",
        python=("mx.select(mx.GMM(1), X, criteria='bick')",),
        commands=("select faithful --criteria bic,bick",),
    ),
    Case(
        "an unknown kind of standard deviation",
        "method 'jackknife' is not one of all, information, laplace, bootstrap, weighted, nuts",
        python=("mx.uncertainty(mx.GMM(2), X, methods=['jackknife'])",),
        commands=("crosscheck faithful -k 2 --uncertainty jackknife",),
    ),
    Case(
        "fewer than two resamples",
        "n_resamples must be at least 2, got 1",
        python=("mx.uncertainty(mx.GMM(2), X, n_resamples=1)",),
        commands=("crosscheck faithful -k 2 --uncertainty bootstrap --n-resamples 1",),
    ),
    Case(
        "an interval of more than everything",
        "ci_prob must lie between 0 and 1, got 2",
        python=("mx.crosscheck(mx.GMM(2), X, ci_prob=2)", "mx.uncertainty(mx.GMM(2), X, ci_prob=2)"),
    ),
    Case(
        "no numbers of clusters",
        "n_components must be at least 1, got []",
        python=("mx.select(mx.GMM(1), X, [])",),
    ),
    Case(
        "numbers of clusters the wrong way round",
        "--min-k must be at least 1 and --max-k not below it, got 3 and 2",
        commands=("select faithful --min-k 3 --max-k 2",),
    ),
    Case(
        "a column that is not there",
        "--...: there is no column 'wating' (did you mean 'waiting'?); the columns are eruptions, waiting",
        commands=(
            "crosscheck faithful -k 2 --columns wating",
            "select faithful --exclude wating",
            "predict faithful -k 2 --columns wating",
        ),
    ),
    Case(
        "a column asked for twice",
        "--columns: column 'waiting' is asked for more than once; name it once",
        commands=("crosscheck faithful -k 2 --columns waiting,waiting",),
    ),
    Case(
        "all columns left out",
        "--exclude leaves no column to fit",
        commands=("crosscheck faithful -k 2 --exclude eruptions,waiting",),
    ),
    Case(
        "output in a folder that is not there",
        "--csv: there is no folder 'nowhere'",
        commands=(
            "crosscheck faithful -k 2 --csv nowhere/table.csv",
            "select faithful --csv nowhere/table.csv",
        ),
    ),
    Case(
        "output to a folder",
        "--save: 'folder' is a folder; name a file in it",
        commands=("crosscheck faithful -k 2 --save folder",),
    ),
    Case(
        "output to a folder that cannot be written",
        "-o: the folder 'locked' cannot be written to",
        commands=("predict faithful -k 2 -o locked/out.csv",),
    ),
    Case(
        "output in the place of the data",
        "-o: 'good.csv' is read from; name another file",
        commands=("predict good.csv -k 2 -o good.csv", "predict good.csv -k 2 -o ./good.csv"),
    ),
    Case(
        "two outputs in one file",
        "--save: 'new' is what --csv names; name another file",
        commands=("crosscheck faithful -k 2 --csv new --save new",),
    ),
    Case(
        "a file named by a number",
        "a file is named by text or a pathlib.Path, got int: 5",
        python=("mx.load(5)", "mx.report(mx.GMM(2), X, 5)"),
    ),
    Case(
        "output of another kind",
        "-o 'out.xlsx': the files that can be written are .csv, .parquet, .pq",
        commands=("predict faithful -k 2 -o out.xlsx",),
    ),
    Case(
        "neither a result nor a number of clusters",
        "name either a saved result (--from FILE) or a number of clusters to fit (-k K, see select)",
        commands=("predict faithful", "predict faithful -k 2 --from em.mix"),
    ),
    Case(
        "a result that is not there",
        "there is no file nowhere.mix",
        commands=("predict faithful --from nowhere.mix",),
        python=("mx.load('nowhere.mix')",),
    ),
    Case(
        "a result that is none",
        "good.csv is not a file that mixtures.save wrote",
        commands=("predict faithful --from good.csv",),
        python=("mx.load('good.csv')",),
    ),
    Case(
        "rows without the columns that were fitted",
        "the data have no column 'eruptions'; the result is of eruptions, waiting",
        commands=("predict iris --from em.mix",),
    ),
    Case(
        "an interval of more than everything, for rows",
        "ci_prob must lie between 0 and 1, got 2.0",
        commands=("predict faithful --from em.mix --ci-prob 2",),
    ),
    Case(
        "no such data set to print",
        "there is no data set 'faithfull' (did you mean 'faithful'?); the data sets are faithful, blobs, "
        "squares, "
        "coins, digits, iris",
        commands=("datasets faithfull",),
        python=("mx.datasets.load('faithfull')",),
    ),
]

SECTIONS: Mapping[str, list[Case]] = {
    "Cells": CELLS,
    "Tables": TABLES,
    "Files": FILES,
    "Models and priors": MODELS,
    "Options": OPTIONS,
}


@dataclass(frozen=True)
class Taken:
    """Unusual input that is taken, as which numbers, whichever way it is given."""

    what: str
    values: Any
    ways: tuple[Callable[[], Any], ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)


TAKEN = [
    Taken(
        "true and false are 1 and 0",
        [[1], [0], [1]],
        (lambda: [True, False, True], lambda: pd.Series([True, False, True], dtype="boolean")),
        {"good.csv": b"x\nTrue\nFalse\nTrue\n"},
    ),
    Taken(
        "integers that may be missing, none of which is",
        [[1], [0]],
        (lambda: pd.Series([1, 0], dtype="Int8"),),
    ),
    Taken("one dimension is one column", X[:, :1], (lambda: X[:, 0], lambda: list(X[:, 0]))),
    Taken(
        "text of decimals is not rounded",
        [[0.1], [1e-320], [1e300]],
        (),
        {"good.csv": b"x\n0.1\n1e-320\n1e300\n"},
    ),
    Taken(
        "whole numbers become doubles: beyond 2^53 the nearest",
        [[2.0**53], [2.0**64]],
        (lambda: [2**53 + 1, 2**64], lambda: np.array([2**53 + 1, 2**64], dtype=object)),
        {"good.csv": b"x\n9007199254740993\n18446744073709551616\n"},
    ),
    Taken(
        "decimals and categories that are numbers",
        [[0.5], [2]],
        (lambda: [Decimal("0.5"), 2], lambda: pd.Series([0.5, 2]).astype("category")),
    ),
    Taken(
        "a byte order mark, Windows' line ends, spaces round values",
        X,
        (),
        {"good.csv": "\ufeff".encode() + text(X).replace(b"\n", b" \r\n").replace(b",", b", ")},
    ),
    Taken(
        "blank lines above the header and below the last row",
        X,
        (),
        {"good.csv": b"\n\n" + text(X) + b"\n \n\n"},
    ),
    Taken(
        "a first column without a name that numbers the rows: they are row labels",
        X,
        (),
        {"good.csv": frame(X).to_csv().encode()},
    ),
    Taken(
        "commas at the ends of all lines",
        X,
        (),
        {"good.csv": text(X).replace(b"\n", b",\n")},
    ),
    Taken(
        "UTF-16 with a byte order mark, and a first line that names the separator",
        X,
        (),
        {"good.csv": (b"sep=;\r\n" + text(X, between=";")).decode().encode("utf-16")},
    ),
    Taken(
        "numbers between quotation marks",
        [[0], [1]],
        (),
        {"good.csv": b'x\n"0"\n"1"\n'},
    ),
]


def page() -> str:
    """The page of the docs."""
    lines = [
        "# Bad input",
        "",
        "What the package says to input that it cannot take: in Python an `InputError`, at the command line "
        "one",
        "line that begins with `error:` and exit code 2. All of it is said before anything is compiled or "
        "fitted.",
        "No row and no value is ever left out in silence.",
        "",
        "This page is written by `python -m tests.bad_input > docs/bad_input.md` from the table that the "
        "tests",
        "run; `...` stands for words of another package or for a value. The command line names its options "
        "in",
        "place of Python's arguments: `-k` for `n_components`, `--prior none` for `prior=None`.",
    ]
    for title, cases in SECTIONS.items():
        lines += ["", f"## {title}", "", "| input | given as | message |", "|---|---|---|"]
        for case in cases:
            message = case.message + (f" [at the command line{case.option}]" if case.option else "")
            lines.append(f"| {case.what} | {escaped(case.given_as)} | {escaped(message)} |")
    lines += ["", "## What is taken", ""]
    lines += [f"- {taken.what}" for taken in TAKEN]
    return "\n".join(lines) + "\n"


def escaped(cell: str) -> str:
    return cell.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")


if __name__ == "__main__":
    print(page(), end="")
