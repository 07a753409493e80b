"""What goes wrong with servers: each a sentence that says what happened and what to do."""

import asyncio
import re
import socket

import pytest

from sevenb.errors import InvalidRequest, TargetFailed, TargetRefused
from sevenb.lab.progress import silent_progress
from sevenb.lab.target.address import target_key, target_url
from sevenb.lab.target.client import Client
from sevenb.lab.target.opening import open_target
from sevenb.lab.target.target import Target
from tests.lab.target.raw_server import (
    ANSWER,
    DONE,
    MESSAGES,
    Connection,
    Reply,
    answer_of,
    chunk,
    event,
    json_reply,
    raw_server,
    stream,
    text_reply,
)


def failure(*replies: Reply, timeout: float = 20, api_key: str | None = None) -> TargetFailed:
    with pytest.raises(TargetFailed) as caught:
        answer_of(*replies, timeout=timeout, api_key=api_key)
    message = str(caught.value)
    assert re.fullmatch(r"[A-Z][^\n]*[.!?)]", message), f"one sentence or two, not {message!r}"
    assert "127.0.0.1" in message, "names the server"
    return caught.value


async def _reset(connection: Connection) -> None:
    connection.reset()


async def _reset_midway(connection: Connection) -> None:
    await connection.head()
    await connection.send(chunk("Hello"))
    await asyncio.sleep(0.01)
    connection.reset()


async def _silence(connection: Connection) -> None:
    await asyncio.sleep(60)


async def _silence_midway(connection: Connection) -> None:
    await connection.head()
    await connection.send(chunk("Hello"))
    await asyncio.sleep(60)


async def _signs_of_life_for_ever(connection: Connection) -> None:
    await connection.head()
    while True:
        await connection.send(b": still working\n\n")
        await asyncio.sleep(0.02)


def test_nobody_answers() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"

    async def open_it() -> None:
        async with open_target(None, url, None, progress=silent_progress()):
            pass

    with pytest.raises(TargetFailed, match=r"No server answers at \S+/v1: connection refused; start it, or check"):
        asyncio.run(open_it())


def test_https_where_only_http_is_spoken() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        writer.close()

    async def ask() -> None:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
            async with Client(Target(url, "coder", "coder"), timeout=20) as client:
                await client.chat(MESSAGES)

    with pytest.raises(TargetFailed, match="it does not speak TLS"):
        asyncio.run(ask())


def test_a_name_that_is_nowhere() -> None:
    async def ask() -> None:
        async with Client(Target("http://nowhere.invalid/v1", "coder", "coder")) as client:
            await client.chat(MESSAGES)

    with pytest.raises(TargetFailed, match=r"No server answers at http://nowhere.invalid/v1: .*; start it, or check"):
        asyncio.run(ask())


def test_a_wrong_key_and_none() -> None:
    reply = json_reply({"error": {"message": "Incorrect API key provided"}}, "401 Unauthorized")
    assert "does not take this key; give the right one with --api-key" in str(failure(reply, api_key="wrong"))
    assert "wants a key; give it with --api-key" in str(failure(reply))


def test_a_model_that_the_server_does_not_have_stops_everything() -> None:
    error = failure(json_reply({"error": {"message": "The model `coder` does not exist."}}, "404 Not Found"))
    assert "has no model 'coder'" in str(error)
    assert not isinstance(error, TargetRefused)


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "This model's maximum context length is 4096 tokens."}},  # OpenAI, vLLM, llama.cpp
        {"object": "error", "message": "This model's maximum context length is 4096 tokens.", "code": 400},
        {"error": "This model's maximum context length is 4096 tokens."},  # Ollama
        {"detail": [{"loc": ["body"], "msg": "This model's maximum context length is 4096 tokens."}]},  # FastAPI
    ],
)
def test_a_refused_request_is_told_in_the_servers_words(body: object) -> None:
    error = failure(json_reply(body, "400 Bad Request"))
    assert isinstance(error, TargetRefused)
    assert (error.status, error.reason) == (400, "This model's maximum context length is 4096 tokens.")
    assert "does not take the request (HTTP 400): This model's maximum context length is 4096 tokens." in str(error)


def test_an_error_in_a_page_of_html() -> None:
    page = "<html><head><title>502 Bad Gateway</title></head><body><h1>502</h1><hr>nginx</body></html>"
    assert "cannot reach it (HTTP 502): 502 Bad Gateway." in str(failure(text_reply(page, "502 Bad Gateway")))


def test_an_error_without_a_word() -> None:
    assert "failed at the request (HTTP 500): HTTP 500" in str(failure(text_reply("", "500 Internal Server Error")))


def test_a_page_instead_of_an_api() -> None:
    assert "check that the address is that of an OpenAI" in str(failure(text_reply("<html>Welcome</html>")))


def test_a_redirect_is_told_and_not_followed() -> None:
    reply = text_reply("", "301 Moved Permanently", Location="https://example.com/v1/chat/completions")
    assert "sends its clients to https://example.com/v1/chat/completions; give that address" in str(failure(reply))


def test_an_error_in_the_middle_of_an_answer() -> None:
    wrong = event({"error": {"message": "CUDA out of memory", "type": "server_error", "code": 500}})
    error = failure(stream(chunk("Hello"), wrong, DONE))
    assert isinstance(error, TargetRefused)
    assert "broke off an answer: CUDA out of memory." in str(error)


def test_an_error_in_llama_cpps_old_way() -> None:
    wrong = b'error: {"code":400,"message":"the request exceeds the available context size"}\n\n'
    assert "exceeds the available context size" in str(failure(stream(wrong)))


def test_a_server_that_dies() -> None:
    assert "closed the connection in the middle of an answer" in str(failure(_reset_midway))
    assert "closed the connection in the middle of an answer" in str(failure(stream(chunk("Hello"))))
    assert "closed the connection before it answered" in str(failure(_reset))


def test_a_connection_that_breaks_before_anything_came_is_made_once_more() -> None:
    assert answer_of(_reset, stream(*ANSWER)).text == "Hello there"


@pytest.mark.parametrize("reply", [_silence, _silence_midway, _signs_of_life_for_ever])
def test_endless_silence(reply: Reply) -> None:
    assert "has sent nothing for " in str(failure(reply, timeout=0.2))


def test_a_server_that_never_has_room() -> None:
    reply = json_reply({"error": {"message": "Queue is full"}}, "429 Too Many Requests", Retry_After="0.1")
    assert "no room for the request, also after waiting: Queue is full." in str(failure(reply, timeout=0.3))


@pytest.mark.parametrize(
    "piece",
    [
        b"data: {not JSON}\n\n",
        b'data: {"choices": "none"}\n\n',
        b"data: [1, 2]\n\n",
        b"data: \xff\xfe\n\n",
        b"data: " + b"x" * (9 << 20),
    ],
    ids=["no JSON", "wrong type", "a list", "no text", "endless line"],
)
def test_junk(piece: bytes) -> None:
    assert "what OpenAI's API does not have" in str(failure(stream(piece, DONE)))


def test_a_server_without_models() -> None:
    async def open_it() -> None:
        async with (
            raw_server(models={"data": []}) as raw,
            open_target(None, raw.url, None, progress=silent_progress()),
        ):
            pass

    with pytest.raises(TargetFailed, match="lists no models; name the one to measure"):
        asyncio.run(open_it())


def test_a_model_that_is_not_there_does_not_start_a_server() -> None:
    async def open_it() -> None:
        async with open_target("no-such-model", None, None, progress=silent_progress()):
            pass

    with pytest.raises(TargetFailed, match=r"The server for no-such-model did not start: .*no-such-model.*"):
        asyncio.run(open_it())


def test_an_option_that_the_server_does_not_have_is_told_in_a_sentence() -> None:
    async def open_it() -> None:
        async with open_target("smollm2:135m", None, None, progress=silent_progress(), serve_options=["--nonsense"]):
            pass

    with pytest.raises(TargetFailed, match=r"did not start: .*No such option: --nonsense") as caught:
        asyncio.run(open_it())
    assert not set("│─╭╯") & set(str(caught.value)), "no frames"
    assert "Usage" not in str(caught.value)


def test_neither_model_nor_address() -> None:
    async def open_it() -> None:
        async with open_target(None, None, None, progress=silent_progress()):
            pass

    with pytest.raises(InvalidRequest, match="Name a model"):
        asyncio.run(open_it())


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("127.0.0.1:8000", "http://127.0.0.1:8000/v1"),
        ("http://localhost:8000/", "http://localhost:8000/v1"),
        ("http://localhost:8000/v1/chat/completions", "http://localhost:8000/v1"),
        ("https://example.com/openai/v1/", "https://example.com/openai/v1"),
        ("https://example.com/v1beta", "https://example.com/v1beta"),
        ("[::1]:8000", "http://[::1]:8000/v1"),
    ],
)
def test_addresses_as_people_write_them(written: str, url: str) -> None:
    assert target_url(written) == url


@pytest.mark.parametrize(
    "written", ["", "ftp://example.com", "http://", "http://a:b@c", "http://a:99999", "http://a?k=1"]
)
def test_what_is_no_address(written: str) -> None:
    with pytest.raises(InvalidRequest, match="is no address of a server; write it as http://127"):
        target_url(written)


@pytest.mark.parametrize(
    "written", ["http://me:hush@host", "me:hush@host:80", "http://host?key=hush", "http://host/v1#hush"]
)
def test_what_may_be_secret_in_an_address_is_not_repeated(written: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        target_url(written)
    assert "hush" not in str(caught.value)


def test_the_key_is_the_given_one_or_the_environments() -> None:
    assert target_key("given", {"OPENAI_API_KEY": "other"}) == "given"
    assert target_key(None, {"SEVENB_API_KEY": "own, second", "OPENAI_API_KEY": "other"}) == "own"
    assert target_key(None, {"OPENAI_API_KEY": "other"}) == "other"
    assert target_key(None, {}) is None
