"""Names of the clusters: refused before anything is computed, and carried to all that shows a crosscheck."""

import io
from dataclasses import replace

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from command import run
from conftest import all_specs, spec_id

import mixtures as mx
from mixtures.entries import entry_words

FAITHFUL = mx.datasets.faithful()
SHORT = {"n_init": 2, "draws": 60, "tune": 60, "chains": 2, "random_seed": 1, "progressbar": False}


@pytest.fixture(scope="module")
def cc():
    return mx.crosscheck(mx.GMM(2), FAITHFUL, names=["long", "short"], **SHORT)


def test_tables_sentences_and_plots_have_the_names(cc):
    assert cc.names == ("long", "short")
    assert cc.table.index[:2].tolist() == ["alpha[long]", "alpha[short]"]
    assert "Sigma[short, waiting, eruptions]" in cc.summary().index
    assert mx.describe(cc).names == cc.names
    ax = mx.plot.clusters(cc)
    assert [text.get_text() for text in ax.texts] == ["long", "short"]
    legend = mx.plot.responsibilities(cc).get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["long", "short"]
    assert [t.get_text() for t in mx.plot.heatmap(cc, "mu").get_yticklabels()] == ["long", "short"]
    plt.close("all")


def test_sentences_have_words_for_parameters(cc):
    found = [cc.in_words(label) for label in cc.table.index if "short" in label]
    assert found == [
        "the share of rows in cluster short",
        "the mean of eruptions in cluster short",
        "the mean of waiting in cluster short",
        "the variance of eruptions in cluster short",
        "the covariance of waiting and eruptions in cluster short",
        "the variance of waiting in cluster short",
    ]
    assert replace(cc, em=None).in_words("alpha[short]") == "alpha[short]"  # of a model of your own


@pytest.mark.parametrize("spec", list(all_specs(2)), ids=spec_id)
def test_every_parameter_has_words(spec):
    shapes = {name: (2,) * len(dims) for name, dims in spec.dims.items()}
    for label, words in entry_words(shapes, spec.dims, {"feature": ["a{}", "b"]}).items():
        assert words.startswith("the "), label
        assert words.endswith("cluster 0" if "[0" in label else ("cluster 1", "clusters")), label


def test_new_names_replace_old_ones_and_nothing_else(cc):
    other = cc.named(["0", "1"])
    assert other.table.index[:3].tolist() == ["alpha[0]", "alpha[1]", "mu[0, eruptions]"]
    assert other.table.to_numpy().tobytes() == cc.table.to_numpy().tobytes()
    assert other.named(["long", "short"]) == cc
    assert cc.relabelled(other.table).index.tolist() == cc.table.index.tolist()


def test_checks_and_notes_have_the_names_and_columns_keep_theirs(cc):
    said = "cluster 1 is empty; column 'cluster 1' and p of cluster 10"
    check = replace(cc.certificate[0], passed=False, note=said)
    plain = replace(
        cc.named(["0", "1"]),
        names=None,
        certificate=(check,),
        convergence=replace(cc.convergence, checks=(check,)),
        notes=(said,),
    )
    found = plain.named(["1", "(tiny)"])
    wanted = said.replace("cluster 1 is", "cluster (tiny) is")
    assert [found.certificate[0].note, found.convergence.checks[0].note, *found.notes] == [wanted] * 3
    assert any("Cluster (tiny) is empty" in reason for reason in found.headline.reasons)
    assert found.named(["0", "1"]).notes == plain.notes


def test_a_saved_crosscheck_keeps_them_and_its_report_takes_others(cc, tmp_path):
    saved, page = tmp_path / "cc.mix", tmp_path / "page.html"
    mx.save(cc, saved)
    assert mx.load(saved).names == cc.names
    run("report", "--from", saved, "--names", "x,y", "-o", page)
    html = page.read_text(encoding="utf-8")
    assert "alpha[x]" in html
    assert "overlap with y" in html
    assert "alpha[long]" not in html
    assert "alpha[0]" not in html


def test_predictions_have_them_and_labels_may_be_names(cc, tmp_path):
    numbers = mx.responsibilities(cc.posterior).to_frame()
    table = mx.responsibilities(cc).to_frame()
    assert list(table) == [
        name.replace("cluster_0", "cluster_long").replace("cluster_1", "cluster_short") for name in numbers
    ]
    assert table["label"].tolist() == [cc.names[k] for k in numbers["label"]]
    known = ["short", None] * 136
    as_names, as_numbers = (mx.responsibilities(cc, FAITHFUL, labels=x) for x in (known, [1, None] * 136))
    assert as_names.equals(as_numbers)
    rows = FAITHFUL.copy()
    rows.loc[0, "waiting"] = float("nan")
    short = mx.complete(cc, rows, labels=pd.Series(known)).data
    pd.testing.assert_frame_equal(short, mx.complete(cc, rows, labels=[1, None] * 136).data)
    assert short.loc[0, "waiting"] < mx.complete(cc, rows, labels=["long"] * 272).data.loc[0, "waiting"]
    with pytest.raises(mx.InputError, match=r"label 'lomg' \(did you mean 'long'\?\) is not a cluster"):
        mx.responsibilities(cc, FAITHFUL, labels=["lomg"] * 272)


def test_commands_that_assign_rows_have_them(cc, tmp_path):
    saved, new = tmp_path / "cc.mix", tmp_path / "new.csv"
    mx.save(cc, saved)
    code, out, _ = run("predict", "faithful", "--from", saved)
    table = pd.read_csv(io.StringIO(out))
    assert code == 0
    assert set(table["label"]) == {"long", "short"}
    assert "cluster_short_lower" in table
    code, other, _ = run("predict", "faithful", "--from", saved, "--names", "a,b")
    assert (code, other) == (0, out.replace("long", "a").replace("short", "b"))
    rows = FAITHFUL.assign(kind=table["label"])
    rows.loc[0, "waiting"] = float("nan")
    rows.to_csv(new, index=False)
    for command, options in (("predict", ["--missing", "integrate"]), ("complete", [])):
        code, out, err = run(command, new, "--from", saved, "--labels", "kind", *options)
        assert (code, err) == (0, "")
    assert pd.read_csv(io.StringIO(out))["kind"].tolist() == table["label"].tolist()
    code, _, err = run("predict", new, "--from", saved, "--names", "a")
    assert code == 2
    assert "--names must be 2 different ones" in err


def test_wrong_names_are_refused_before_anything_is_computed(cc, monkeypatch):
    monkeypatch.setattr("mixtures.agreement.crosscheck._fitted", lambda *_: pytest.fail("it was fitted"))
    for names, words in ((["a"], "2 different ones"), (["a", "a"], "2 different"), (["a", ""], "not empty")):
        for door in (
            lambda names=names: mx.crosscheck(mx.GMM(2), FAITHFUL, names=names),
            lambda names=names: mx.report(mx.GMM(2), FAITHFUL, names=names),
            lambda names=names: cc.named(names),
        ):
            with pytest.raises(mx.InputError, match=words):
                door()
    for command in ("crosscheck", "report", "predict"):
        code, _, err = run(command, "faithful", "-k", "2", "--names", "a,b,c")
        assert code == 2
        assert "--names must be 2 different ones, one per cluster" in err
