"""How other servers are named on the command line."""

import pytest

from sevenb.errors import InvalidRequest
from sevenb.server.upstream.address import UpstreamAddress, parse_upstreams


def parse(value: str, **environ: str) -> UpstreamAddress:
    (address,) = parse_upstreams([value], environ)
    return address


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("vllm=http://127.0.0.1:8001", "http://127.0.0.1:8001/v1"),
        ("vllm=http://127.0.0.1:8001/", "http://127.0.0.1:8001/v1"),
        ("vllm=http://127.0.0.1:8001/v1/", "http://127.0.0.1:8001/v1"),
        ("far=https://models.example.org/api/v1beta", "https://models.example.org/api/v1beta"),
        ("proxied=https://example.org/llm", "https://example.org/llm/v1"),
        ("six=http://[::1]:8001", "http://[::1]:8001/v1"),
    ],
)
def test_a_url_may_leave_the_version_out(value: str, url: str) -> None:
    assert parse(value).url == url


def test_the_key_comes_from_the_environment_or_the_url_and_is_never_shown() -> None:
    from_environment = parse("my-vllm=http://host", SEVENB_UPSTREAM_MY_VLLM_KEY="se&cret")
    from_url = parse("a=http://:se%26cret@host")
    assert from_environment.key == from_url.key == "se&cret"
    assert "cret" not in from_url.url + repr(from_url) + repr(from_environment)


@pytest.mark.parametrize(
    "value",
    [
        "http://host",
        "=http://host",
        "a b=http://host",
        "a/b=http://host",
        "name=",
        "name=host:80",
        "name=file:///etc/passwd",
        "name=ftp://host",
        "name=http://",
        "name=http://host:port",
        "name=http://host/v1?key=x",
    ],
)
def test_anything_else_is_refused_with_what_is_expected(value: str) -> None:
    with pytest.raises(InvalidRequest, match="--upstream"):
        parse(value)


def test_two_servers_need_two_names() -> None:
    with pytest.raises(InvalidRequest, match="twice"):
        parse_upstreams(["a=http://host", "A=http://other"], {})
