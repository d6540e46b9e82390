"""A process that publishes run documents until it is killed, or everything is delivered."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import run_documents

from mlctl_ray.tracking import Publisher, Tracker


def main(uri: str, experiment: str, study: str, documents: str, cursors: str) -> None:
    folder = Path(documents)
    publisher = Publisher(
        Tracker(uri, experiment), study, Path(cursors), partial(run_documents.read, folder), print
    )
    for path in sorted(folder.glob("*.json")):
        publisher.changed(path.stem)
    print("begun", flush=True)
    print("left", *publisher.flush(60), flush=True)
    publisher.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
