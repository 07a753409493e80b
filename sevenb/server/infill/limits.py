"""`InfillLimits`: where an editor's completion ends before the model ends it, by llama.cpp's rules."""


class InfillLimits:
    """Watches a completion as it grows. Both limits set in once a line of it is whole.

    ``n_indent``: a line that is indented by fewer characters is left out and ends the completion. ``predict_ms``:
    nothing more is taken after so long. 0 is no limit.
    """

    def __init__(self, *, n_indent: int = 0, predict_ms: float = 0) -> None:
        self.reached = False
        self.has_new_line = False
        self._n_indent = n_indent
        self._predict_ms = predict_ms
        self._indent: int | None = None  # of the line that begins; None inside of a line

    def take(self, text: str, *, milliseconds: float) -> str:
        """What is kept of the next piece, which came so long after the first one."""
        kept = self._indented_part(text) if self._n_indent else text
        self.has_new_line = self.has_new_line or "\n" in kept
        if self._predict_ms and self.has_new_line and milliseconds > self._predict_ms:
            self.reached = True
        return kept

    def _indented_part(self, text: str) -> str:
        for position, character in enumerate(text):
            if self._indent is not None:
                if character in " \t":
                    self._indent += 1
                    continue
                if self._indent < self._n_indent:
                    self.reached = True
                    return text[:position]
                self._indent = None
            if character == "\n":
                self._indent = 0
        return text
