"""Cursors survive restarts, and a damaged file counts as none."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mlctl_ray.tracking import RunState
from mlctl_ray.tracking.cursors import Cursor, CursorFolder

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=120)
cursors = st.builds(
    Cursor,
    run_id=st.text(st.characters(codec="utf-8")),
    params=st.booleans(),
    points=st.lists(st.text(st.characters(codec="utf-8"))),
    tags=st.dictionaries(names, names, max_size=3),
    state=st.sampled_from(RunState),
    error=st.none() | names,
    artifacts=st.none() | names,
)


@given(st.dictionaries(names, cursors, max_size=4))
def test_what_was_kept_is_read_by_the_next_process(kept: dict[str, Cursor]) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = CursorFolder(Path(place) / "cursors")
        for name, cursor in kept.items():
            folder.put(name, cursor)
        again = CursorFolder(Path(place) / "cursors")
        assert {name: again.get(name) for name in kept} == kept
        for name in kept:
            again.drop(name)
        assert list((Path(place) / "cursors").iterdir()) == []


@given(cursors, st.data())
def test_a_file_cut_anywhere_is_no_cursor(cursor: Cursor, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as place:
        CursorFolder(Path(place)).put("trial-0001", cursor)
        (path,) = Path(place).iterdir()
        content = path.read_bytes()
        path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
        assert CursorFolder(Path(place)).get("trial-0001") is None
        path.write_text('{"name": "trial-0001", "state": "no such state", "run_id": "x"}')
        assert CursorFolder(Path(place)).get("trial-0001") is None
