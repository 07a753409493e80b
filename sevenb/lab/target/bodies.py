"""Reads what a server sends in one piece: no more than there is room for, and no longer than there is patience."""

import asyncio

import httpx


async def read_body(response: httpx.Response, limit: int, seconds: float) -> bytes:
    """The body, unpacked, or its first ``limit`` bytes. Raises `httpx.HTTPError`, also where it takes too long.

    A response has a timeout of its own for each packet, which a server that drips never meets.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for block in response.aiter_bytes():
                body += block
                if len(body) > limit:
                    break
    except TimeoutError:
        raise httpx.ReadTimeout("the body does not end") from None
    return bytes(body[:limit])
