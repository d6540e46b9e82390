"""Data sets in hub layout, and a network that answers nobody."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
import pytest
import yaml

Rows = Sequence[Mapping[str, Any]]
Writer = Callable[[str, Mapping[str, Mapping[str, Rows]]], Path]


@pytest.fixture
def write_hub(tmp_path: Path) -> Writer:
    """Write ``{configuration: {split: rows}}`` as parquet with a README.md; give the folder."""

    def write(name: str, content: Mapping[str, Mapping[str, Rows]]) -> Path:
        folder, configs = tmp_path / name, []
        for config, splits in content.items():
            (folder / config).mkdir(parents=True)
            files = []
            for split, rows in splits.items():
                path = f"{config}/{split}-00000-of-00001.parquet"
                pd.DataFrame(list(rows)).to_parquet(folder / path)
                files.append({"split": split, "path": path})
            configs.append({"config_name": config, "data_files": files})
        (folder / "README.md").write_text(f"---\n{yaml.safe_dump({'configs': configs})}---\n")
        return folder

    return write


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test on any attempt to reach a host."""

    def refuse(*_args: object, **_kwargs: object) -> NoReturn:
        raise AssertionError("asked the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
