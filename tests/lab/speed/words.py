"""A server that tells its tokens by words."""

import asyncio

from tests.lab.target.raw_server import DONE, Connection, chunk, event, json_reply


class Words:
    """Answers as a model whose every word is a token, with a template of four; it may know less, and end early."""

    def __init__(self, *, limit: int = 10**9, ends_after: int = 10**9, cuts: bool = False, usage: bool = True) -> None:
        self.limit, self.ends_after, self.cuts, self.usage = limit, ends_after, cuts, usage
        self.pause = 0.0  # seconds before each token
        self.prompts: list[str] = []
        self.fails_at = 10**9  # requests
        self.stalls_at = 10**9  # requests

    @property
    def measured(self) -> list[str]:
        """Prompts that were no calibration."""
        return [prompt for prompt in self.prompts if len(prompt.split()) >= 90]

    async def __call__(self, connection: Connection) -> None:
        text: str = connection.body["messages"][0]["content"]
        self.prompts.append(text)
        tokens, wanted = len(text.split()) + 4, connection.body["max_tokens"]
        if len(self.measured) > self.fails_at:
            connection.reset()
            return
        if len(self.measured) > self.stalls_at:
            await asyncio.Event().wait()
        if tokens > self.limit and not self.cuts:
            error = {"error": {"message": f"{tokens} are too many tokens.", "type": "invalid_request_error"}}
            await json_reply(error, "400 Bad Request")(connection)
            return
        tokens, made = min(tokens, self.limit), min(wanted, self.ends_after)
        await connection.head()
        for _ in range(made):
            await asyncio.sleep(self.pause)
            await connection.send(chunk("word "))
        await connection.send(chunk(finish="length"))
        if self.usage:
            await connection.send(event({"choices": [], "usage": {"prompt_tokens": tokens, "completion_tokens": made}}))
        await connection.send(DONE)
