"""Saving and loading: nothing is lost, nothing that was not saved is believed, nothing is half written."""

import gc
import io
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
import tracemalloc
import zipfile
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path

import arviz as az
import h5py
import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from conftest import every_spec, make_rows, tries
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import mixtures as mx
from mixtures.cli.wording import in_options
from mixtures.data.reading import as_data
from mixtures.errors import InputError
from mixtures.families.mixture import Mixture
from mixtures.messages import Option, parts_of, worded
from mixtures.results.verdict import Unchecked, Verdict
from mixtures.saving import archive, netcdf
from mixtures.saving import save as saving
from mixtures.saving.encoding import decode, encode
from mixtures.saving.fingerprint import content_hash
from mixtures.saving.netcdf import from_netcdf, to_netcdf
from mixtures.saving.save import RESULTS, read_header
from mixtures.saving.texts import read_text

FAITHFUL = mx.datasets.faithful()
SHORT = {"draws": 40, "tune": 60, "chains": 2, "random_seed": 1, "progressbar": False}


def same(a, b):
    """Whether two values are the same to the last bit, whatever they are made of."""
    if isinstance(a, pd.DataFrame):
        pd.testing.assert_frame_equal(a, b, check_exact=True)
        return True
    if isinstance(a, xr.DataTree):
        assert [node.path for node in a.subtree] == [node.path for node in b.subtree]
        for node in a.subtree:
            ours, theirs = node.to_dataset(inherit=False), b[node.path].to_dataset(inherit=False)
            assert {n: v.dtype.kind for n, v in ours.variables.items()} == {
                n: v.dtype.kind for n, v in theirs.variables.items()
            }
        return a.identical(b)
    if is_dataclass(a):
        return type(a) is type(b) and all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    if isinstance(a, np.ndarray):
        bits = a.dtype == b.dtype and a.shape == b.shape
        return bits and (a.tobytes() == b.tobytes() if a.dtype.kind == "f" else (a == b).all())
    if isinstance(a, dict | pd.Index) or hasattr(a, "keys"):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float):
        return np.float64(a).tobytes() == np.float64(b).tobytes()
    return a == b


@pytest.fixture(scope="module")
def em():
    return mx.fit_em(mx.GMM(2), FAITHFUL, n_init=3, random_seed=1)


@pytest.fixture(scope="module")
def cc():
    return mx.crosscheck(mx.GMM(2), FAITHFUL, n_init=2, uncertainty=["information", "nuts"], **SHORT)


@pytest.fixture(scope="module")
def saved(em, tmp_path_factory):
    """EM's fit as a file, and its members."""
    path = tmp_path_factory.mktemp("saved") / "em.mix"
    mx.save(em, path)
    return path, members(path)


@pytest.fixture(scope="module")
def sampled(cc, tmp_path_factory):
    """A sample as a file, and its members."""
    path = tmp_path_factory.mktemp("saved") / "tree.mix"
    mx.save(cc.posterior, path)
    return path, members(path)


def members(path):
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def round_trip(result, tmp_path, **options):
    mx.save(result, tmp_path / "result.mix", **options)
    return mx.load(tmp_path / "result.mix")


# What is saved comes back


@every_spec
def test_a_fit_of_every_model(spec, tmp_path):
    X, _ = make_rows(spec)
    em = mx.fit_em(spec, pd.DataFrame(X, columns=["größe", "=1+1"]), n_init=2, random_seed=1)
    again = round_trip(em, tmp_path)
    assert same(again, em)
    assert again.spec == em.spec
    assert hash(again.spec) == hash(em.spec)
    assert again.to_datatree()["posterior"].equals(em.to_datatree()["posterior"])
    assert str(again.restarts) == str(em.restarts)


def test_a_fit_without_a_prior_and_with_starts_that_collapsed(tmp_path):
    em = mx.fit_em(mx.GMM(10, prior=None), FAITHFUL.iloc[:80], n_init=6, random_seed=1)
    assert em.restarts.collapsed
    again = round_trip(em, tmp_path)
    assert same(again, em)
    assert np.isnan(again.restarts.log_posterior).sum() == len(em.restarts.collapsed)


def test_a_mode(cc, tmp_path):
    again = round_trip(cc.mode, tmp_path)
    assert same(again, cc.mode)
    assert again.to_datatree()["posterior"].equals(cc.mode.to_datatree()["posterior"])


def test_a_crosscheck_with_all_that_is_in_it(cc, tmp_path):
    again = round_trip(cc, tmp_path)
    assert same(again, cc)
    assert again.passed is cc.passed
    assert list(again.uncertainty.trees) == ["information", "nuts"]
    assert same(round_trip(cc.uncertainty, tmp_path), cc.uncertainty)
    assert same(round_trip(cc.posterior, tmp_path), cc.posterior)
    assert mx.align(again.posterior, to=again.em.params).identical(mx.align(cc.posterior, to=cc.em.params))


def test_a_model_of_the_users_own(tmp_path):
    with pm.Model(coords={"cluster": ["low", "high"]}) as model:
        alpha = pm.Dirichlet("alpha", np.full(2, 2.0), dims="cluster")
        p = pm.Beta("p", 1.5, 2.0, shape=(2, 2))
        pm.Deterministic("apart", p[1, 0] - p[0, 0])
        mx.BernoulliMixture("x", alpha, p, observed=(FAITHFUL.mean() < FAITHFUL).astype(int))
    cc = mx.crosscheck(model, n_init=2, **SHORT)
    assert cc.mode.spec is None
    again = round_trip(cc, tmp_path)
    assert same(again, cc)
    assert tuple(again.mode.coords["cluster"]) == ("low", "high")
    assert same(round_trip(cc.mode, tmp_path), cc.mode)


def test_rows_that_have_names_or_dates(cc, tmp_path):
    for index in (pd.Index([f"row {i}" for i in range(272)]), pd.date_range("2026-01-01", periods=272)):
        named = cc.posterior.map_over_datasets(
            lambda ds, index=index: ds.assign_coords(obs_id=index) if "obs_id" in ds.dims else ds
        )
        mode = replace(cc.mode, coords={**cc.mode.coords, "obs_id": tuple(index)})
        assert round_trip(named, tmp_path).identical(named)
        assert list(round_trip(mode, tmp_path).coords["obs_id"]) == list(index.to_numpy())


def test_samples_open_without_this_package(sampled):
    """They are ordinary netCDF."""
    tree = az.from_netcdf(io.BytesIO(sampled[1]["samples/0.nc"]), engine="h5netcdf")
    assert tree["posterior"].identical(mx.load(sampled[0])["posterior"])


EDGES = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 5e-324, 1.7976931348623157e308, 0.1, -1 / 3])


def test_every_float_survives(em, tmp_path):
    """In JSON, which stays within the standard, and in netCDF."""
    edgy = replace(em, objective_trace=EDGES, log_likelihood=-np.inf)
    assert same(round_trip(edgy, tmp_path), edgy)

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    json.loads(members(tmp_path / "result.mix")["result.json"], parse_constant=refuse)
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset({"x": (("chain", "draw"), EDGES[None])})})
    assert round_trip(tree, tmp_path)["posterior"]["x"].values.tobytes() == EDGES[None].tobytes()


@given(
    hnp.arrays(
        st.sampled_from(["f8", "f4", "i8", "u1", "bool"]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0),
    )
)
def test_every_array_survives(array):
    raw = json.loads(json.dumps(encode(array, np.ndarray, None), allow_nan=False))
    again = decode(raw, np.ndarray, "here", None)
    assert again.dtype == array.dtype
    assert again.shape == array.shape
    np.testing.assert_array_equal(again, array)
    assert (np.signbit(again) == np.signbit(array)).all() or array.dtype.kind != "f" or np.isnan(array).any()


def test_a_sample_that_came_compressed_is_kept_plain(cc, tmp_path):
    """Filters and chunks of the file that a tree came from are not taken over: load would refuse them."""
    tree = cc.posterior.copy(deep=True)
    tree["posterior"]["mu"].encoding.update(zlib=True, complevel=4, chunksizes=(1, 10, 2, 2), dtype="float32")
    assert same(round_trip(tree, tmp_path), cc.posterior)


def test_texts_keep_the_options_that_they_name(em, tmp_path):
    """In a file as in memory, they are spelt for whoever reads them."""
    options = Option("n_init"), Option("prior", None), Option("n_components", 9, typed="9")
    note = worded("raise ", options[0], ", use ", options[1], ", or lower ", options[2])
    again = round_trip(replace(em, notes=(note, "plain")), tmp_path)
    assert again.notes == ("raise n_init, use prior=None, or lower n_components=9", "plain")
    assert parts_of(again.notes[0]) == parts_of(note)
    assert in_options(again.notes[0]) == "raise --n-init, use --prior none, or lower 9"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ([1], "result.notes[0][0] is int, not dict"),
        ([{"said": "x"}], "result.notes[0][0] lacks name"),
        ([{"name": "x", "run": "y"}], "result.notes[0][0] has 'run', which nothing here knows"),
        ([{"name": "x", "value": []}], "result.notes[0][0].value is list, not a text or a number"),
        ([{"name": "x", "typed": 1}], "result.notes[0][0].typed is int, not str"),
    ],
)
def test_texts_that_are_none_are_refused(text, words):
    with pytest.raises(InputError, match=re.escape(words)):
        read_text(text, "result.notes[0]")


def test_equal_results_make_equal_files(em, tmp_path):
    for name in "ab":
        mx.save(em, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_header_says_what_it_is(em, tmp_path):
    mx.save(em, tmp_path / "em.mix", X=FAITHFUL, about={"seed": "1"})
    header = read_header(tmp_path / "em.mix")
    assert header.kind == "EMFit"
    assert header.about == {"seed": "1"}
    assert header.versions["numpy"] == np.__version__
    assert header.content_hash == content_hash(FAITHFUL)
    mx.save(em, tmp_path / "em.mix")
    assert read_header(tmp_path / "em.mix").content_hash is None


def test_the_hash_is_of_the_numbers():
    first = content_hash(FAITHFUL)
    assert content_hash(FAITHFUL.set_axis(range(5, 277))) == first
    assert content_hash(FAITHFUL.to_numpy()) != first  # other names
    assert content_hash(FAITHFUL.iloc[::-1]) != first
    assert content_hash(FAITHFUL, np.ones(272)) != first
    assert content_hash([[0, 1]]) == content_hash(np.array([[0.0, 1.0]])) == content_hash([[False, True]])


def test_other_labels_and_other_missing_cells_are_other_data():
    X, labels = FAITHFUL.to_numpy(), np.arange(272) % 3 - 1
    plain, labelled = content_hash(X), content_hash(X, labels=labels)
    assert content_hash(X, labels=np.full(272, -1)) == plain  # no row is labelled
    cut = [np.where(np.arange(272)[:, None] == [row, -1], np.nan, X) for row in (0, 1)]
    others = [
        content_hash(X, labels=labels[::-1]),
        content_hash(X, np.ones(272), labels=labels),
        *(content_hash(rows) for rows in cut),
        content_hash(cut[0], labels=labels),
    ]
    assert len({plain, labelled, *others}) == 7
    assert content_hash(as_data(X, labels=labels)) == labelled
    assert content_hash(X, labels=pd.Series(labels).replace(-1, None)) == labelled


def test_a_saved_result_has_the_hash_of_its_labels(tmp_path):
    labels = [0, 1] + [-1] * 270
    em = mx.fit_em(mx.GMM(2), FAITHFUL, labels=labels, n_init=2, random_seed=1)
    mx.save(em, tmp_path / "em.mix", X=FAITHFUL, labels=labels)
    assert read_header(tmp_path / "em.mix").content_hash == content_hash(FAITHFUL, labels=labels)


def test_rows_that_were_not_fitted_are_not_saved_with_a_result(em, cc, tmp_path):
    """Their hash would be taken for that of the data."""
    weights = {"weights": np.arange(1, 273)}
    for result in (em, cc, cc.mode, cc.posterior, cc.uncertainty):
        mx.save(result, tmp_path / "a.mix", X=FAITHFUL)
        for X, beside in ((FAITHFUL + 0.1, {}), (FAITHFUL[:-1], {}), (FAITHFUL, weights)):
            with pytest.raises(mx.InputError, match="not the rows that were fitted"):
                mx.save(result, tmp_path / "b.mix", X=X, **beside)
    with pytest.raises(mx.InputError, match="X has 1 column"):
        mx.save(em, tmp_path / "b.mix", X=FAITHFUL[["waiting"]])
    assert not (tmp_path / "b.mix").exists()


@pytest.fixture
def elsewhere():
    """A model that another package defines; gone when the test is over."""

    @dataclass(frozen=True)
    class Other(Mixture):
        family = mx.GMM(1).family
        twist: float = 1.0

    yield Other
    del Other
    gc.collect()


def test_a_model_from_elsewhere_is_known_once_it_is_defined(elsewhere):
    spec = elsewhere(2, prior=None, twist=0.5)
    raw = json.loads(json.dumps(encode(spec, Mixture, None)))
    assert decode(raw, Mixture, "here", None) == spec
    with pytest.raises(mx.InputError, match="here is a 'Path'; known here are"):
        decode({**raw, "name": "Path"}, Mixture, "here", None)


def test_priors_are_values():
    prior = mx.priors.NormalInverseWishart([0.0, 1.0], 0.1, 4, np.eye(2))
    again = mx.priors.NormalInverseWishart([0.0, 1.0], 0.1, 4, np.eye(2))
    assert prior == again
    assert hash(prior) == hash(again)
    assert prior != replace(prior, kappa=0.2)
    assert mx.priors.Beta(1.0, 2.0) != "default"
    assert mx.priors.NormalInverseGamma([0.0], 0.1, 4, 1.0) != mx.priors.NormalInverseGamma(
        [0.0], 0.1, 4, 2.0
    )


@pytest.mark.parametrize("thing", [None, {"a": 1}, mx.GMM(2), FAITHFUL, lambda: 0])
def test_what_is_no_result_is_refused(thing, tmp_path):
    with pytest.raises(mx.InputError, match=r"cannot be saved; what can is EMFit, MAPFit"):
        mx.save(thing, tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_what_netcdf_cannot_hold_is_refused(tmp_path):
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset(attrs={"thing": None})})
    with pytest.raises(mx.InputError, match="the tree has something that netCDF cannot hold"):
        mx.save(tree, tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_samples_need_the_extra(cc, em, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(mx.InputError, match=r"pip install 'pymc-mixtures\[io\]'"):
        mx.save(cc, tmp_path / "x")
    assert same(round_trip(em, tmp_path), em)  # a point does not


# Files that are not what they should be


def pack(path, content, **options):
    with zipfile.ZipFile(path, "w", **options) as file:
        for name, data in content.items():
            file.writestr(name, data)


def refused(path, words):
    with pytest.raises(mx.InputError) as caught:
        mx.load(path)
    assert str(path) in str(caught.value)
    for word in [words] if isinstance(words, str) else words:
        assert word in str(caught.value)


def test_files_of_other_kinds(tmp_path, saved):
    path = tmp_path / "x.mix"
    refused(path, "there is no file")
    refused(tmp_path, "is a folder")
    for content in (b"", b"hello", b"\x80\x04\x95pickle", saved[1]["result.json"]):
        path.write_bytes(content)
        refused(path, "is not a file that mixtures.save wrote")
    for content in (
        {"a.txt": b"hello"},
        {"result.json": b"{}"},
        {"result.json": b"[]"},
        {"samples/0.nc": b""},
    ):
        pack(path, content)
        refused(path, "is not a file that mixtures.save wrote")


def test_a_file_cut_short(tmp_path, sampled):
    whole = sampled[0].read_bytes()
    path = tmp_path / "x.mix"
    for share in (0.001, 0.1, 0.5, 0.9, 0.999):
        path.write_bytes(whole[: int(len(whole) * share)])
        refused(path, "is damaged or cut short")


def test_a_later_version(tmp_path, saved):
    document = json.loads(saved[1]["result.json"])
    path = tmp_path / "x.mix"
    pack(path, {"result.json": json.dumps({**document, "version": 2, "new": 1})})
    refused(path, ["is of format version 2", "update mixtures"])
    for version in (0, -1, "1", None, True, 1.0, 1.5, [1]):  # true is 1 in Python, and so is 1.0
        pack(path, {"result.json": json.dumps({**document, "version": version})})
        refused(path, "tampered")


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/passwd", "samples/../../x.nc", "samples/0.nc/x", "result.JSON"]
)
def test_member_names_that_lead_elsewhere(tmp_path, saved, name):
    path = tmp_path / "x.mix"
    pack(path, {**saved[1], name: b"x"})
    refused(path, ["is not a file that mixtures.save wrote: it has a member", name])
    assert [each.name for each in tmp_path.iterdir()] == ["x.mix"]


def test_bombs_are_refused_before_anything_is_inflated(tmp_path, saved, monkeypatch):
    path = tmp_path / "x.mix"
    pack(path, {"result.json": b" " * 10_000_000}, compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 20_000
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("inflated"))
    refused(path, "member 'result.json' is compressed")
    pack(path, {f"samples/{i}.nc": b"" for i in range(archive.MEMBERS + 1)})
    refused(path, "has 1001 members")


def sparse(path, name, size, others):
    """An archive with a member that claims bytes the disk does not hold."""
    info = zipfile.ZipInfo(name)
    with zipfile.ZipFile(path, "w") as file:
        for other, data in others.items():
            file.writestr(other, data)
        file.writestr(info, b"")
        info.file_size = info.compress_size = size
        file.fp.seek(size, os.SEEK_CUR)
        file.start_dir = file.fp.tell()
        file._didModify = True
    assert path.stat().st_size > size


@pytest.mark.parametrize("name", ["result.json", "samples/0.nc"])
def test_no_member_is_read_before_its_size_is_known(tmp_path, sampled, name):
    """A file of a few KiB on the disk, most of it a hole, can claim any size."""
    path = tmp_path / "x.mix"
    sparse(path, name, 6 * 2**30, {each: data for each, data in sampled[1].items() if each != name})
    assert path.stat().st_blocks * 512 < 2**20
    tracemalloc.start()
    refused(path, "are the most")
    assert tracemalloc.get_traced_memory()[1] < 2**26
    tracemalloc.stop()


def test_samples_are_sized_and_hashed_before_they_are_read(tmp_path, sampled, monkeypatch):
    """Only samples that the document lists are read into memory, and only up to the limit."""
    path = tmp_path / "x.mix"
    read = []
    real = zipfile.ZipFile.read
    monkeypatch.setattr(
        zipfile.ZipFile, "read", lambda self, name: read.append(name) or real(self, name), raising=True
    )
    pack(path, {**sampled[1], "samples/0.nc": b"x" * 10**6})
    refused(path, "its samples are not those it was saved with")
    assert read == ["result.json"]
    monkeypatch.setattr(saving, "LARGEST_SAMPLES", 1000)
    refused(sampled[0], "1000 are the most")
    assert read == ["result.json"] * 2
    with pytest.raises(mx.InputError, match="1000 are the most: keep fewer draws"):
        mx.save(from_netcdf(sampled[1]["samples/0.nc"], "it"), path)
    monkeypatch.setattr(saving, "LARGEST_JSON", 100)
    refused(sampled[0], "100 are the most")
    assert read == ["result.json"] * 2


def test_streams_are_not_read(tmp_path):
    os.mkfifo(tmp_path / "p")
    refused(tmp_path / "p", "is not a regular file")


def test_two_members_of_one_name(tmp_path, saved):
    path = tmp_path / "x.mix"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("result.json", saved[1]["result.json"])
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("result.json", b"{}")
    refused(path, "it has two members 'result.json'")


def test_members_that_are_missing_or_too_many(tmp_path, sampled):
    path, (document, content) = tmp_path / "x.mix", sampled[1].items()
    pack(path, {document[0]: document[1]})
    refused(path, "its samples are not those it was saved with")
    pack(path, {**sampled[1], "samples/1.nc": content[1]})
    refused(path, "its samples are not those it was saved with")


@pytest.mark.parametrize(
    "text",
    [
        b'{"version": 1, "version": 1}',
        b'{"a": [{"b": {"x": 1, "x": 2}}]}',
        b"1e999",
        b"[-1e999]",
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b"{",
        b"\xff\xfe",
        b'{"format": NaN}',
        b"9" * 10_000,
    ],
)
def test_json_that_is_none_or_too_deep(tmp_path, text):
    path = tmp_path / "x.mix"
    pack(path, {"result.json": text})
    refused(path, ["tampered with: result.json"])


def at(document, where, value):
    """Document with one place changed; a callable value is given what was there."""
    key, *rest = where
    inner = document[key]
    changed = at(inner, rest, value) if rest else (value(inner) if callable(value) else value)
    if isinstance(document, list):
        return [*document[:key], changed, *document[key + 1 :]]
    return {**document, key: changed}


def without(key):
    return lambda inner: {name: value for name, value in inner.items() if name != key}


MU = ["result", "params", "mu"]


@pytest.mark.parametrize(
    ("where", "value", "words"),
    [
        (["header", "kind"], "MAPFit", "result lacks coords, dims"),
        (["header", "kind"], "os.system", "header.kind is 'os.system', not one of EMFit"),
        (["header", "kind"], 3, "header.kind is int, not str"),
        (["header", "about"], {"a": 1}, "header.about.a is int, not str"),
        (["result"], None, "result is NoneType, not dict"),
        (["result"], without("params"), "result lacks params"),
        (["result"], lambda r: {**r, "__class__": "x"}, "result has '__class__', which nothing here knows"),
        (["result", "spec", "name"], "Path", "result.spec is a 'Path'; known here are"),
        (["result", "spec", "name"], "BMM", "result.spec has 'covariance_type'"),
        (["result", "spec", "fields", "n_components"], 3, "result.params has shapes"),
        (["result", "spec", "fields", "n_components"], 10**9, "result.params has shapes"),
        (["result", "spec", "fields", "n_components"], -1, "n_components must be at least 1"),
        (["result", "spec", "fields", "covariance_type"], "round", "'round' is not one of"),
        (["result", "spec", "fields", "prior"], "default", "a prior that is not concrete"),
        (["result", "spec", "fields", "prior"], "x", "is str, not dict"),
        (["result", "spec", "fields", "prior", "name"], "Beta", "lacks alpha, beta"),
        (["result", "spec", "fields", "prior", "fields", "nu"], 0.5, "nu - (D - 1) must be positive"),
        (
            ["result", "spec", "fields", "prior", "fields", "mean", "shape"],
            [1, 2],
            "prior mean has shape (1, 2)",
        ),
        ([*MU, "shape"], [4, 1], "result.params has shapes"),
        ([*MU, "shape"], [2, 3], "result.params.mu has shape [2, 3] and 4 values"),
        ([*MU, "shape"], [-2, -2], "result.params.mu has shape [-2, -2]"),
        ([*MU, "shape"], [10**30, 0], "result.params.mu has shape"),
        ([*MU, "shape"], "22", "result.params.mu.shape is str, not list"),
        ([*MU, "shape"], [2.0, 2], "result.params.mu.shape is float, not int"),
        ([*MU, "dtype"], "object", "result.params.mu.dtype is 'object', not one of"),
        ([*MU, "dtype"], "int64", "result.params.mu is float, not int"),
        ([*MU, "dtype"], "float32", None),
        ([*MU], lambda x: {**x, "dtype": "float16", "values": [1e300] * 4}, "values too large for float16"),
        ([*MU, "dtype"], ["float64"], "result.params.mu.dtype is ['float64']"),
        ([*MU, "values", 0], "1.0", "result.params.mu is str, not a number"),
        ([*MU, "values", 0], None, "result.params.mu is NoneType, not a number"),
        ([*MU, "values", 0], 10**400, "result.params.mu is a number too large for a float"),
        (["result", "log_likelihood"], -(10**400), "result.log_likelihood is a number too large for a float"),
        ([*MU, "values", 0], True, "result.params.mu is bool, not a number"),
        (["result", "features"], ["a"], "result.params has shapes"),
        (["result", "features"], [], "result has no features"),
        (["result", "features", 0], 1, "result.features[0] is int, not str"),
        (["result", "n_iter"], True, "result.n_iter is bool, not int"),
        (["result", "converged"], 1, "result.converged is int, not bool"),
        (
            ["result", "restarts", "collapsed"],
            {"x": "y"},
            "result.restarts.collapsed has a key that is not int",
        ),
        (["result", "restarts", "traces"], [], "result.restarts has lists of different lengths"),
    ],
)
def test_what_was_tampered_with_is_named(tmp_path, saved, where, value, words):
    document = at(json.loads(saved[1]["result.json"]), where, value)
    path = tmp_path / "x.mix"
    pack(path, {"result.json": json.dumps(document)})
    if words is None:
        mx.load(path)
    else:
        refused(path, ["is damaged or has been tampered with", words])


def test_samples_that_are_not_of_the_model(tmp_path, cc):
    path = tmp_path / "x.mix"
    mx.save(replace(cc, posterior=mx.fit_em(mx.BMM(2), FAITHFUL > 3, random_seed=1).to_datatree()), path)
    refused(path, "result.posterior has no draws of mu")
    other = mx.fit_em(mx.GMM(3), FAITHFUL, random_seed=1).to_datatree()
    mx.save(replace(cc.uncertainty, trees={"nuts": other}), path)
    refused(path, "result.trees.nuts has draws of alpha of another shape than (2,)")


# Hostile netCDF


def hdf5(write):
    """Bytes of an HDF5 file."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        write(file)
    return content.getvalue()


def external(file):
    file.create_dataset("x", (4,), "f8", external=[("/etc/passwd", 0, 32)])


def virtual(file):
    layout = h5py.VirtualLayout((4,), "f8")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4,))
    file.create_virtual_dataset("x", layout)


def links_to_itself(file):
    file["posterior"] = h5py.SoftLink("/")


def two_names(file):
    file["x"] = np.ones(1000)
    file["y"] = file["x"]


def circle(file):
    group = file.create_group("posterior")
    group["inner"] = group


def deep(file):
    for _ in range(20):
        file = file.create_group("g")


def strings_that_share(file):
    """A small file whose strings are large in sum."""
    text = "x" * 1_000_000
    file.create_dataset("x", data=[text] * 100, dtype=h5py.string_dtype())


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (
            lambda f: f.__setitem__("x", h5py.ExternalLink("/etc/passwd", "/")),
            "a link 'x' that leads elsewhere",
        ),
        (lambda f: f.__setitem__("x", h5py.SoftLink("/y")), "a link 'x' that leads elsewhere"),
        (links_to_itself, "a link 'posterior' that leads elsewhere"),
        (external, "/x keeps its values in another file"),
        (virtual, "/x is compressed, in chunks or virtual"),
        (lambda f: f.create_dataset("x", (10**12,), "f8", compression="gzip"), "/x is compressed, in chunks"),
        (lambda f: f.create_dataset("x", (10**9,), "f8"), "/x claims 8000000000 bytes and has"),
        (lambda f: f.create_dataset("x", data=np.array([(1, 2.0)], "i4,f8")), "neither numbers nor strings"),
        (lambda f: f.create_dataset("x", data=[f.ref], dtype=h5py.ref_dtype), "neither numbers nor strings"),
        (lambda f: f.create_dataset("x", data=np.void(b"abc")), "neither numbers nor strings"),
        (
            lambda f: f.create_dataset("x", (1,), h5py.vlen_dtype(np.dtype("f8"))),
            "neither numbers nor strings",
        ),
        (lambda f: f.create_dataset("x", data=[1j]), "neither numbers nor strings"),
        (lambda f: f.__setitem__("x", np.dtype("f8")), "neither a group nor a dataset"),
        (two_names, "is reached by two names"),
        (circle, "is reached by two names"),
        (deep, "deeper than 8 groups"),
        (strings_that_share, "hold more than"),
        (lambda f: f.attrs.__setitem__("x", ["a"] * 100), "has an attribute 'x' of 100 strings"),
        (lambda f: f.attrs.__setitem__("x", f.ref), "has an attribute 'x' of type"),
    ],
)
def test_hostile_netcdf_is_named(write, words, monkeypatch):
    monkeypatch.setattr(netcdf, "TEXT_ROOM", 2**23)
    with pytest.raises(mx.InputError, match=r"sample has been tampered with") as caught:
        from_netcdf(hdf5(write), "sample")
    assert words in str(caught.value)


def test_netcdf_that_is_none():
    for content in (b"", b"hello", b"CDF\x01" + b"\x00" * 100, b"\x89HDF\r\n\x1a\n" + b"\x00" * 1000):
        with pytest.raises(mx.InputError, match="sample is not a netCDF file that can be read"):
            from_netcdf(content, "sample")


def test_a_sample_exchanged_for_another_is_noticed(tmp_path, sampled):
    path = tmp_path / "x.mix"
    pack(path, {**sampled[1], "samples/0.nc": to_netcdf(xr.DataTree())})
    refused(path, "its samples are not those it was saved with")


# Bytes at random


def spoil(content, changes):
    """Bytes with some overwritten, or cut off."""
    spoilt = bytearray(content)
    for place, value in changes:
        spoilt[int(place * len(spoilt))] = value
    return bytes(spoilt)


CHANGES = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=20)


def loaded_or_refused(path):
    """Result, or None where an error that names the file refused it; any other error is a failure."""
    try:
        return mx.load(path)
    except mx.InputError as error:
        if str(path) not in str(error):
            raise AssertionError("the error does not name the file") from error
        return None


@tries(50)
@given(changes=CHANGES)
def test_spoilt_files_are_refused_or_the_same(saved, em, tmp_path_factory, changes):
    """Random damage: a checksum finds it, or it is in bytes that are never read."""
    path = tmp_path_factory.getbasetemp() / "spoilt.mix"
    path.write_bytes(spoil(saved[0].read_bytes(), changes))
    found = loaded_or_refused(path)
    assert found is None or same(found, em)


@tries(100)
@given(changes=CHANGES)
def test_spoilt_documents_raise_nothing_but_input_errors(saved, tmp_path_factory, changes):
    """With corrected checksums, as in deliberate tampering."""
    path = tmp_path_factory.getbasetemp() / "spoilt.mix"
    pack(path, {"result.json": spoil(saved[1]["result.json"], changes)})
    loaded_or_refused(path)


PLACES = st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=8)
VALUES = st.sampled_from([None, True, -1, 2**70, 1e308, "x", "NaN", [], {}, [[1]], {"dtype": "str"}])


@tries(100)
@given(places=PLACES, value=VALUES)
def test_exchanged_values_raise_nothing_but_input_errors(saved, tmp_path_factory, places, value):
    """Any one value of the document in place of another."""
    document = json.loads(saved[1]["result.json"])
    inner, where = document, []
    for place in places:
        if not isinstance(inner, dict | list) or not inner:
            break
        key = list(inner)[int(place * len(inner))] if isinstance(inner, dict) else int(place * len(inner))
        inner, where = inner[key], [*where, key]
    path = tmp_path_factory.getbasetemp() / "exchanged.mix"
    pack(path, {"result.json": json.dumps(at(document, where, value))})
    loaded_or_refused(path)


# Faults while saving

KEEP_SAVING = """
import sys, types
package = types.ModuleType("mixtures")  # this module alone, without the seconds that PyMC takes
package.__path__ = [sys.argv[2]]
sys.modules["mixtures"] = package
from mixtures.saving.archive import write_archive
print("saving", flush=True)
for i in range(10**9):
    value = bytes([i % 251])
    write_archive(sys.argv[1], {"result.json": 3_000_000 * value, "samples/0.nc": value})
"""


def test_a_killed_process_leaves_a_whole_file(tmp_path):
    """Killed at any moment, there is the old file or a new one, whose members go together."""
    rng, seen, killed = np.random.default_rng(0), set(), 0
    path = tmp_path / "x.mix"
    archive.write_archive(path, {"result.json": b"\x00" * 3_000_000, "samples/0.nc": b"\x00"})
    while len(seen) < 2 or killed < 4:
        assert killed < 20  # else nothing was ever written
        process = subprocess.Popen(
            [sys.executable, "-c", KEEP_SAVING, path, *mx.__path__], stdout=subprocess.PIPE
        )
        assert process.stdout.readline() == b"saving\n"
        time.sleep((1 + killed) * rng.uniform(0, 0.1))  # longer until something was written
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed += 1
        found = members(path)
        assert len(found["result.json"]) == 3_000_000
        assert set(found["result.json"]) == set(found["samples/0.nc"])
        seen.add(found["samples/0.nc"])


FULL_DISK = """
import resource, sys
import mixtures as mx
em = mx.load(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
try:
    mx.save(em, sys.argv[1])
except mx.InputError as error:
    print(error)
"""


def test_a_full_disk_leaves_the_file_that_was_there(tmp_path, saved):
    path = tmp_path / "em.mix"
    path.write_bytes(saved[0].read_bytes())
    done = subprocess.run([sys.executable, "-c", FULL_DISK, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"{path} cannot be written (File too large); it is as it was" in done.stdout
    assert path.read_bytes() == saved[0].read_bytes()
    assert [each.name for each in tmp_path.iterdir()] == ["em.mix"]


def test_an_interrupt_leaves_the_file_that_was_there(tmp_path, em, monkeypatch):
    path = tmp_path / "em.mix"
    mx.save(em, path)
    before = path.read_bytes()

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        mx.save(replace(em, n_iter=0), path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["em.mix"]


def test_places_that_cannot_be_written(tmp_path, em):
    for path in (tmp_path / "nowhere" / "x.mix", tmp_path):
        with pytest.raises(mx.InputError, match=r"cannot be written \(No such file|is a folder"):
            mx.save(em, path)
    link = tmp_path / "link.mix"
    link.symlink_to("em.mix")
    mx.save(em, link)
    assert link.is_symlink()
    assert same(mx.load(tmp_path / "em.mix"), em)


def test_files_have_the_rights_that_new_files_have(tmp_path, em):
    (tmp_path / "plain").write_bytes(b"")
    mx.save(em, tmp_path / "em.mix")
    assert os.stat(tmp_path / "em.mix").st_mode == os.stat(tmp_path / "plain").st_mode


def test_every_kind_of_result_is_tried_here():
    assert RESULTS.keys() == {"EMFit", "MAPFit", "Crosscheck", "Uncertainty", "Selection", "DataTree"}
    assert (
        resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    )  # the limit was another process's


# Files of an earlier version


def test_a_fit_that_version_0_1_saved_can_be_loaded():
    em = mx.load(Path(__file__).parents[1] / "saved" / "em-0.1.0.mix")
    assert isinstance(em.spec, mx.GMM)
    assert em.log_likelihood == pytest.approx(-1130.509264, abs=1e-6)
    assert em.restarts.n_best == 10
    X = mx.datasets.faithful()
    expected = mx.responsibilities(em.spec, X, em.params)["label"].values
    found = mx.responsibilities(em.spec, X[["waiting", "eruptions"]], em.to_datatree())["label"].values
    np.testing.assert_array_equal(found, expected)


def test_a_selection_that_version_0_1_saved_can_be_loaded():
    selection = mx.load(Path(__file__).parents[1] / "saved" / "selection-0.1.0.mix")
    assert selection.recommended == 2
    assert selection.at_edge
    assert sorted(selection.fits) == [1, 2]


@pytest.mark.parametrize(
    ("notes", "interrupted"), [(["interrupted: 1 of 2 starts were run"], True), ([], False)]
)
def test_an_interrupt_is_read_from_the_notes_of_a_file_without_status(notes, interrupted):
    em = mx.fit_em(mx.GMM(2), mx.datasets.faithful(), n_init=1, random_seed=1)
    raw = encode(em, type(em), lambda tree: "unused")
    assert raw.pop("status") == "whole"
    read = decode({**raw, "notes": notes}, type(em), "result", lambda name, where: None)
    assert read.interrupted is interrupted
    with pytest.raises(mx.InputError, match="status is 'half', not one of whole, interrupted, chains lost"):
        decode({**raw, "status": "half"}, type(em), "result", lambda name, where: None)


def test_what_a_check_lacked_is_read_from_the_words_of_a_file_without_it():
    left_out = (Unchecked("weights", ("data",)), Unchecked("predictive checks", ("spec", "rows")))
    raw = encode(Verdict((), tuple(map(str, left_out)), left_out), Verdict, lambda tree: "unused")
    assert decode(raw, Verdict, "result", lambda name, where: None).left_out == left_out
    del raw["left_out"]
    assert decode(raw, Verdict, "result", lambda name, where: None).left_out == left_out
