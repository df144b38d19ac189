"""The graph of a build: laid out so that it can be read, and safe whatever a Dockerfile says."""

from __future__ import annotations

import html.parser
import json
import re
from itertools import combinations, pairwise
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mydocker.build.graph import NOT_REACHED, Edge, Graph, Node, writing
from mydocker.build.graph.document import document
from mydocker.build.graph.dot import dot
from mydocker.build.graph.layout import HEIGHT, WIDTH, Picture, place
from mydocker.build.graph.page import html as page
from mydocker.build.graph.picture import svg
from mydocker.build.graph.text import fitted, plain, width
from mydocker.build.request import Secret
from mydocker.build.secrets import Needles
from mydocker.errors import MydockerError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = "RUN echo '</title><script>alert(1)</script>' \"]]>&--><img src=x onerror=y> \x1b[31m\x00\ud800\u202e\\\" }"


def step(name: str, stage: str, text: str = "RUN true", state: str = "run", why: str = "") -> Node:
    return Node(name, "step", stage, text, 1, state, why, 1.0)


def graph(nodes: list[Node], edges: list[tuple[str, str]]) -> Graph:
    return Graph("t", ("a",), tuple(nodes), tuple(Edge(*edge, "base") for edge in edges), 2.0, 0)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Stages as chains of steps, each with files from any step of an earlier stage."""
    nodes: list[Node] = []
    edges: list[tuple[str, str]] = []
    for stage in range(draw(st.integers(1, 6))):
        for number in range(draw(st.integers(1, 5))):
            name = f"{stage}.{number}"
            if number:
                edges.append((f"{stage}.{number - 1}", name))
            if stage and draw(st.booleans()):
                edges.append((draw(st.sampled_from([node for node in nodes if node.stage != f"s{stage}"])).id, name))
            nodes.append(step(name, f"s{stage}"))
    return graph(nodes, list(dict.fromkeys(edges)))


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_no_node_lies_on_another_and_no_edge_crosses_one(drawn: Graph) -> None:
    picture = place(drawn)
    for one, other in combinations(picture.spots, 2):
        assert abs(one.x - other.x) >= WIDTH or abs(one.y - other.y) >= HEIGHT
    rows = {spot.node.id: spot.y for spot in picture.spots}
    for wire in picture.wires:
        assert rows[wire.edge.source] < rows[wire.edge.target]
        for begin, end in pairwise(wire.points):
            assert begin[0] == end[0] or begin[1] == end[1], "a line is level or upright"
            assert not crossed(picture, begin, end, wire.edge)


def crossed(picture: Picture, begin: tuple[int, int], end: tuple[int, int], edge: Edge) -> list[str]:
    """Return the nodes that a line goes through."""
    left, right = sorted((begin[0], end[0]))
    top, bottom = sorted((begin[1], end[1]))
    return [
        spot.node.id
        for spot in picture.spots
        if spot.node.id not in (edge.source, edge.target)
        and left < spot.x + WIDTH
        and right > spot.x
        and top < spot.y + HEIGHT
        and bottom > spot.y
    ]


def test_a_chain_of_a_thousand_steps_is_laid_out_from_top_to_bottom() -> None:
    names = [str(number) for number in range(1000)]
    picture = place(graph([step(name, "s") for name in names], list(pairwise(names))))
    assert [spot.y for spot in picture.spots] == sorted(spot.y for spot in picture.spots)
    assert len({spot.x for spot in picture.spots}) == 1


def test_lanes_change_places_where_edges_get_shorter() -> None:
    nodes = [step("1", "first"), step("2", "between"), step("3", "last")]
    picture = place(graph(nodes, [("1", "3")]))
    at = {lane.name: lane.x for lane in picture.lanes}
    assert abs(at["first"] - at["last"]) < abs(at["first"] - at["between"]) + abs(at["between"] - at["last"])


@pytest.fixture
def hostile() -> Graph:
    """A graph in which every text is an attack."""
    names = [step(f"{HOSTILE} {number}", HOSTILE, HOSTILE, "failed", HOSTILE) for number in range(2)]
    return Graph(HOSTILE, (HOSTILE,), tuple(names), (Edge(names[0].id, names[1].id, "files"),), 1.0, 0)


def test_markup_in_a_dockerfile_stays_text_in_svg(hostile: Graph) -> None:
    tree = ElementTree.fromstring(svg(hostile))
    names = {element.tag.rpartition("}")[2] for element in tree.iter()}
    assert names == {"svg", "style", "defs", "marker", "path", "rect", "text", "g", "title"}
    shown = [element.text or "" for element in tree.iter() if element.tag.endswith("title")]
    assert any("<script>alert(1)</script>" in text for text in shown), "it is shown as it is written"
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", svg(hostile)), "nothing is loaded from elsewhere"


class Tags(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_markup_in_a_dockerfile_stays_text_in_html(hostile: Graph) -> None:
    tags = Tags()
    tags.feed(page(hostile))
    assert not tags.names & {"script", "img", "iframe", "object", "link", "a", "form"}
    assert not {name for name in tags.attributes if name.startswith("on") or name in ("src", "href")}
    assert "default-src 'none'" in page(hostile)


def test_markup_in_a_dockerfile_stays_text_in_dot(hostile: Graph) -> None:
    without_strings = re.sub(r'"(?:[^"\\]|\\.)*"', '""', dot(hostile))
    assert "script" not in without_strings
    assert without_strings.count("{") == without_strings.count("}") == 2
    assert without_strings.count("->") == 1


def test_json_has_every_text_as_it_is(hostile: Graph) -> None:
    whole = json.loads(document(hostile))
    assert whole["version"] == 1
    assert whole["nodes"][0]["text"] == HOSTILE
    assert whole["edges"] == [{"source": f"{HOSTILE} 0", "target": f"{HOSTILE} 1", "kind": "files"}]


def test_no_control_character_reaches_a_reader_of_the_picture(hostile: Graph) -> None:
    for drawn in (svg(hostile), page(hostile), dot(hostile)):
        assert all(c == "\n" or c.isprintable() for c in drawn)


def test_text_is_cut_by_columns_not_by_characters() -> None:
    assert fitted("abcdef", 6) == "abcdef"
    assert fitted("abcdefg", 6) == "abcde…"
    assert width(fitted("漢字漢字漢字", 6)) <= 6
    assert plain("a\tb\x1bc") == "a b\ufffdc"


def test_the_summary_counts_each_state() -> None:
    nodes = [step("1", "a"), step("2", "a", state="hit")._replace(saved=3.0), step("3", "a", state=NOT_REACHED)]
    assert graph(nodes, [])._replace(skipped=4).summary == (
        "1 run, 1 cached, 1 not reached, 4 not needed, 2.0 s, 3.0 s saved"
    )


def test_a_file_name_says_which_form_is_wanted(tmp_path: Path) -> None:
    nothing = Needles(())
    for form in writing.FORMS:
        writing.write(str(tmp_path / f"g{form}"), graph([step("1", "a")], []), nothing)
        assert (tmp_path / f"g{form}").read_text()
    with pytest.raises(UsageError, match=r"\.svg, \.html, \.dot, \.json"):
        writing.check(["graph.svg", "graph.png"])


def test_a_graph_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "g.svg").mkdir()
    with pytest.raises(MydockerError, match=r"cannot write .*g\.svg"):
        writing.write(str(tmp_path / "g.svg"), graph([], []), Needles(()))
    assert [path.name for path in tmp_path.iterdir()] == ["g.svg"]


def test_a_secret_in_a_text_is_masked_in_the_file(tmp_path: Path) -> None:
    secret = Needles((Secret("key", b"topsecretvalue"),))
    writing.write(str(tmp_path / "g.json"), graph([step("1", "a", why="topsecretvalue leaked")], []), secret)
    assert "topsecretvalue" not in (tmp_path / "g.json").read_text()
