"""`Chat`: the conversation in the terminal, line by line."""

import re
from collections.abc import Callable
from pathlib import Path

from rich.markup import escape

from sevenb.cli.answer import Answer, cut_text, print_answer, speed_text, stopped_by_ctrl_c
from sevenb.cli.chat_input import LineReader
from sevenb.cli.chat_settings import PARAMETERS, Settings, parameter
from sevenb.cli.console import err, out, print_error, size_text
from sevenb.cli.conversation import Conversation
from sevenb.engine.llm import LLM
from sevenb.errors import ContextOverflow, SevenbError

_COMMAND = re.compile(r"/(\w+|\?)(?:\s+(.*))?", re.DOTALL)  # "/usr/bin is full" is none

_HELP = {
    "/set": "show the parameters",
    "/set NAME VALUE": "change one, e.g. /set temperature 0.2 or /set system Answer in rhymes.",
    "/show": "show the model",
    "/clear": "forget what was said",
    "/bye": "leave; Ctrl-D does, too",
    '"""': "begin and end a message of several lines",
    "Ctrl-C": "stop the answer",
}


class Chat:
    """One person's chat with a loaded model."""

    def __init__(self, llm: LLM, settings: Settings, *, history: Path, verbose: bool = False) -> None:
        """``history`` is the file of typed lines; ``verbose`` shows the speed after each answer."""
        self._llm = llm
        self._settings = settings
        self._verbose = verbose
        self._conversation = Conversation(llm)
        self._left = False
        self._commands: dict[str, Callable[[str], None]] = {
            "help": self._help,
            "?": self._help,
            "set": self._set,
            "show": self._show,
            "clear": self._clear,
            "bye": self._leave,
            "exit": self._leave,
            "quit": self._leave,
        }
        words = [f"/{name}" for name in self._commands if name != "?"] + [f"/set {name} " for name in PARAMETERS]
        self._reader = LineReader(history, words)

    def run(self) -> None:
        """Talk until the user leaves."""
        _note(f"[bold]{escape(self._llm.info.model_name)}[/] on {escape(self._llm.info.device)}.", style="")
        _note("/help shows what you can type besides questions, Ctrl-D leaves.\n")
        with self._reader:
            while not self._left:
                try:
                    message = self._reader.read()
                except EOFError:
                    out.print()
                    return
                except KeyboardInterrupt:
                    _note("\nCtrl-D or /bye leaves.")
                    continue
                try:
                    self._take(message)
                except SevenbError as error:
                    print_error(str(error))
                except KeyboardInterrupt:
                    _note("\n(Stopped.)")

    def _take(self, message: str) -> None:
        command = _COMMAND.fullmatch(message)
        if command:
            name, value = command[1], (command[2] or "").strip()
            if name in self._commands:
                self._commands[name](value)
            else:
                print_error(f"There is no command /{name}; /help lists them.")
        elif message:
            self._answer(message)
            out.print()

    # -- answers ---------------------------------------------------------------------------------------

    def _answer(self, question: str) -> None:
        params = self._settings.sampling_params
        try:
            prompt = self._conversation.prompt(question, self._settings.system, params.max_tokens)
            if prompt.forgotten:
                turns = "turn was" if prompt.forgotten == 1 else f"{prompt.forgotten} turns were"
                _note(f"The context is full: the oldest {turns} forgotten.")
            if prompt.shortened:
                _note("The context is full: the beginning of the last answer was forgotten.")
            stream = self._llm.stream(prompt.token_ids, params)
        except ContextOverflow as error:
            print_error(
                f"That message makes {error.prompt_tokens:,} tokens, but the context holds {error.context_length:,}; "
                "send less at once, or start again with a larger --max-model-len."
            )
            return
        try:
            with stopped_by_ctrl_c(stream):
                answer = print_answer(stream)
        except SevenbError:
            _note("(The answer failed; the question is forgotten.)")
            raise
        self._remember(question, answer)
        if cut := cut_text(answer, params.max_tokens):
            goes_on = self._conversation.can_go_on(self._settings.system)
            _note(f"({cut} {'Ask it to go on.' if goes_on else '/clear makes room.'})")
        if self._verbose:
            _note(speed_text(answer))

    def _remember(self, question: str, answer: Answer) -> None:
        """Keep what was said, so that "go on" works after an answer that was stopped."""
        stopped = answer.finish_reason == "abort"
        if stopped and not answer.text:
            _note("(Stopped before the first word; the question is forgotten.)")
            return
        self._conversation.add(question, answer.text)
        if stopped:
            _note("(Stopped; what was said is kept.)")

    # -- commands --------------------------------------------------------------------------------------

    def _help(self, value: str) -> None:
        for what, does in _HELP.items():
            out.print(f"  [bold]{what:<16}[/] {does}")
        out.print()

    def _set(self, value: str) -> None:
        name, _, text = value.removeprefix("parameter ").partition(" ")  # Ollama has the word
        if not name:
            for known in PARAMETERS:
                self._print_parameter(known)
            _note("\n  /set NAME VALUE changes one, /set NAME default brings the first value back.\n")
        elif not text.strip():
            parameter(name)
            self._print_parameter(name)
        else:
            self._settings.set(name, text.strip())
            self._print_parameter(name)

    def _print_parameter(self, name: str) -> None:
        value = self._settings.text(name)
        out.print(f"  [bold]{name:<18}[/] {escape(value):<10} [dim]{PARAMETERS[name].help}[/]", soft_wrap=True)

    def _show(self, value: str) -> None:
        info, turns = self._llm.info, len(self._conversation.turns)
        facts = {
            "Model": info.model_name,
            "Runs on": info.device,
            "Weights": size_text(info.weight_bytes),
            "Context": f"{info.max_model_len:,} tokens, {size_text(info.kv_bytes)} of memory once it is full",
            "Said so far": f"{turns} turn{'' if turns == 1 else 's'}",
        }
        for label, fact in facts.items():
            out.print(f"  [bold]{label:<12}[/] {escape(fact)}", soft_wrap=True)
        _note(f"  sevenb show {info.model_name}  tells more.\n")

    def _clear(self, value: str) -> None:
        self._conversation.clear()
        _note("Forgotten; parameters and system prompt stay.\n")

    def _leave(self, value: str) -> None:
        self._left = True


def _note(text: str, style: str = "dim") -> None:
    err.print(text, style=style, soft_wrap=True)
