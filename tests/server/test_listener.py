"""The sockets on which a server's answers go out."""

import asyncio
import socket

from sevenb.server.listener import begin_listening, listen


def test_small_pieces_of_an_answer_are_sent_at_once() -> None:
    async def accepted_option() -> int:
        options: asyncio.Queue[int] = asyncio.Queue()

        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = writer.get_extra_info("socket")
            options.put_nowait(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        with listen("127.0.0.1", 0) as listener:
            begin_listening(listener)
            async with await asyncio.start_server(serve, sock=listener):
                _, writer = await asyncio.open_connection(*listener.getsockname())
                option = await options.get()
                writer.close()
                return option

    assert asyncio.run(accepted_option()), "Nagle's algorithm would hold each second piece back"
