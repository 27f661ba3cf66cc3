"""The written files: complete, without markup from results, and loading nothing."""

import io
import os
import re
from xml.etree import ElementTree

import pytest
from parsed_page import Parsed
from phone_results import PHONE, phone_results

from squeezebert_mobile.benchmarks.report import write_report
from squeezebert_mobile.benchmarks.report.writers.html import as_html
from squeezebert_mobile.benchmarks.report.writers.markdown import as_markdown, escaped
from squeezebert_mobile.benchmarks.report.writers.page import (
    Cell,
    Listing,
    Page,
    Picture,
    Section,
    Table,
    grouped,
)
from squeezebert_mobile.benchmarks.report.writers.terminal import print_page
from squeezebert_mobile.errors import BenchmarkError
from squeezebert_mobile.streams import Console

EVIL = "<script>alert('x')</script>\x00\n|`$\\frac{"
TABLE = Table(
    "Latency",
    ("model", "median\nms", "flags"),
    grouped({"ours": [("A", Cell("1.93x", "1.90-1.96", "strong"), Cell("none", style="muted"))]}),
    frozenset({0, 2}),
)
PAGE = Page(
    "A page",
    banners=("Incomplete.",),
    lead=("A paragraph.",),
    sections=(
        Section(2, "Figures", (TABLE, Picture("a plot", file="plot.svg"))),
        Section(2, "What failed", (Listing(("B failed",), is_error=True),)),
    ),
)


# The same page in each format ---------------------------------------------------------------


def test_a_page_as_markdown():
    assert (
        as_markdown(PAGE)
        == """# A page

> [!WARNING]
> Incomplete.

A paragraph.

## Figures

**Latency**

| model | median ms | flags |
| --- | ---: | --- |
| **ours** |  |  |
| A | 1.93x (1.90-1.96) | none |

![a plot](plot.svg)

## What failed

- B failed
"""
    )


def test_a_page_as_html():
    page = Page("A page", PAGE.banners, PAGE.lead, (Section(2, "Figures", (TABLE,)),))
    text = as_html(page)
    assert Parsed(text).rows == [
        ["model", "median ms", "flags"],
        ["ours"],
        ["A", "1.93x (1.90-1.96)", "none"],
    ]
    assert '<th scope="rowgroup" class="word" colspan="3">ours</th>' in text
    assert '<td class="strong">1.93x (1.90-1.96)</td>' in text
    assert '<td class="word muted">none</td>' in text
    assert 'class="error"' not in text
    assert '<ul class="error">' in as_html(Page("", (), (), PAGE.sections[1:]))


def test_a_page_in_a_terminal():
    file = io.StringIO()
    print_page(PAGE, Console(file=file, width=80))
    lines = [line.rstrip() for line in file.getvalue().splitlines()]
    assert [" ".join(line.split()) for line in lines if "─" not in line] == [
        "Incomplete.",
        "Latency",
        "median",
        "model ms flags",
        "ours",
        "A 1.93x none",
        "1.90-1.96",
        "",
        "B failed",
        "A paragraph.",
    ]


# Untrusted text -----------------------------------------------------------------------------


def evil_results():
    labels = tuple(f"{EVIL}{index}" for index in range(4))
    phone = PHONE.model_copy(update={"serial": EVIL, "model": EVIL, "soc": EVIL})
    return phone_results(phone=phone, labels=labels)


def test_text_from_a_file_is_escaped(written):
    text = written(evil_results(), evil_results(), names=(EVIL, "b"))
    page = Parsed(text)
    assert "script" not in {tag for tag, _ in page.tags}
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    assert "<script" not in text and "\x00" not in text
    assert any(EVIL[:27] in cell for row in page.rows for cell in row)
    assert any("&lt;script" in label for label in re.findall(r'aria-label="([^"]*)"', text))


def test_nothing_is_loaded(written):
    text = written(phone_results(threads=(1, 4)), phone_results(scale=0.5))
    page = Parsed(text)
    for tag, attrs in page.tags:
        assert tag not in {"script", "link", "img", "iframe", "object", "embed", "base", "image"}
        for name in ("src", "href", "xlink:href", "srcset", "data"):
            assert (attrs.get(name) or "#").startswith("#"), (tag, attrs)
    assert "http:" not in text and "https:" not in text and "@import" not in text
    assert set(re.findall(r"url\((.)", text)) <= {"#"}
    policy = next(a["content"] for _, a in page.tags if "http-equiv" in a)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"


def test_every_id_is_there_once_and_every_reference_has_one(written):
    page = Parsed(written(phone_results(threads=(1, 4)), phone_results(scale=0.5)))
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(set(ids)) == len(ids) > 0
    values = " ".join(value or "" for _, attrs in page.tags for value in attrs.values())
    used = set(re.findall(r"url\(#([^)]+)\)", values))
    used |= {attrs["href"][1:] for _, attrs in page.tags if "href" in attrs}
    assert used <= set(ids)


def test_headings_language_and_labels(written):
    page = Parsed(written(phone_results()))
    assert ("html", {"lang": "en"}) in page.tags
    assert page.said["title"] == page.said["h1"]
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))
    figures = [attrs for tag, attrs in page.tags if tag == "svg"]
    assert len(figures) == 2
    assert all(each["role"] == "img" and each["aria-label"] for each in figures)
    assert "SqueezeBERT int8: median 58.1 ms" in figures[0]["aria-label"]


def test_figures_are_small_and_their_text_is_text(written):
    text = written(phone_results())
    for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        assert len(svg) < 40_000
        assert "<style" not in svg and "<image" not in svg and "#0101" not in svg
        ElementTree.fromstring(svg)
    assert ">SqueezeBERT int8</text>" in text and ">58.1 ms</text>" in text


def test_the_same_results_give_the_same_file(written, tmp_path):
    path = tmp_path / "report.html"
    write_report([("a.json", phone_results())], path)
    assert path.read_text(encoding="utf-8") == written(phone_results())


def test_markdown_tables_with_pipes_and_backticks(written):
    text = written(evil_results(), evil_results(), suffix="md")
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1
    assert "<script" not in text and "<svg" not in text
    assert r"&lt;script&gt;alert('x')&lt;/script&gt;\\x00\\n\|\`\$\\frac\{0" in text


@pytest.mark.parametrize(
    ("text", "told"),
    [("a|b", r"a\|b"), ("`a`", r"\`a\`"), ("a_b*", r"a\_b\*"), ("<b>&", "&lt;b&gt;&amp;"),
     ("- a", r"\- a"), ("1. a", r"1\. a"), ("1.93 times", "1.93 times"), ("# a", r"\# a")],
)  # fmt: skip
def test_markdown_is_escaped(text, told):
    assert escaped(text) == told


# The file -----------------------------------------------------------------------------------


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(BenchmarkError) as caught:
        write_report([("a", phone_results())], tmp_path / "report.pdf")
    assert str(caught.value) == (
        f"cannot write a report to {str(tmp_path / 'report.pdf')!r}: its name ends in neither "
        ".html nor .md; run again with -o report.html"
    )


def test_no_results_are_refused(tmp_path):
    with pytest.raises(BenchmarkError) as caught:
        write_report([], tmp_path / "report.md")
    assert str(caught.value) == (
        "there are no results to report; give a file written by squeezebert-mobile bench -o"
    )


def test_folders_are_made(tmp_path):
    write_report([("a", phone_results())], tmp_path / "new" / "report.MD")
    assert [each.name for each in (tmp_path / "new").iterdir()] == ["report.MD"]


def test_the_file_is_written_atomically(tmp_path, monkeypatch):
    path = tmp_path / "report.md"
    path.write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(BenchmarkError) as caught:
        write_report([("a", phone_results())], path)
    assert str(caught.value) == (
        f"cannot write the report to {str(path)!r}: No space left on device; choose another file "
        "with -o"
    )
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["report.md"]


@pytest.mark.parametrize("blocks", [((58.0,),), ((58.0, 61.0),)])
def test_a_figure_of_one_or_two_samples(written, blocks):
    """As from an interrupted run of a slow model: none of so few is left out."""
    results = phone_results()
    few = [each.model_copy(update={"blocks": blocks}) for each in results.measurements]
    results = results.model_copy(update={"measurements": tuple(few)})
    assert "<svg" in written(results)
