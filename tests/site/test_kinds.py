"""Every kind has pages, without a word about it in the site: tiny sweeps that really ran."""

import pytest

from results import scores
from results.site import facts
from results.site.__main__ import main
from tests.conftest import run
from tests.site.reading import Page, broken
from tests.test_docs import SWEEPS, small

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_of_every_kind_becomes_pages(name, tmp_path, monkeypatch, capsys):
    code, said = run(tmp_path, *small(f"python run.py -m name={name} {SWEEPS[name]}"))
    assert code == 0, said
    monkeypatch.chdir(tmp_path)
    assert main([f"outputs/{name}", "--out", "site"]) == 0, capsys.readouterr().err
    site = tmp_path / "site"
    assert not broken(site)
    pages = {file.relative_to(site).parts[0] for file in site.rglob("*.html")}
    kind = scores.read(f"outputs/{name}").kind[0]
    assert {"sweeps", "metrics"} <= pages and ("entries" in pages) == bool(facts.groups(kind))
    views = [Page(file).tables for file in (site / "sweeps" / name).glob("*.html")]
    assert any(len(rows) > 1 for tables in views for rows in tables.values())
