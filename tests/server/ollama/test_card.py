"""What Ollama's API tells of a model folder in the store."""

import hashlib
from pathlib import Path

from sevenb.server.ollama.card import model_card
from tests.model.hf.tiny_folder import write_tiny_folder


def stored(folder: Path, home: Path) -> Path:
    """The folder as the store has it: links to files that are called by their SHA-256."""
    links = home / folder.name
    links.mkdir(parents=True)
    for file in folder.iterdir():
        blob = home / hashlib.sha256(file.read_bytes()).hexdigest()
        blob.write_bytes(file.read_bytes())
        (links / file.name).symlink_to(blob)
    return links


def test_a_digest_changes_with_every_file_that_is_read_of_a_folder(tmp_path: Path) -> None:
    digests = [
        model_card(str(stored(write_tiny_folder(tmp_path / name, **files), tmp_path / "home"))).digest
        for name, files in {
            "first": {},
            "same": {},
            "templated": {"chat_template__jinja": "{{ messages }}"},
            "other": {"chat_template__jinja": "{{ messages[0] }}"},
            "warm": {"generation_config__json": {"temperature": 2.0}},
        }.items()
    ]
    assert digests[0] == digests[1]
    assert len(set(digests[1:])) == 4
