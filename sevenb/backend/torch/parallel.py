"""`ProcessGroup`: several ranks, each with a card or a process of its own, that add up and join their tensors.

Tensor parallelism after Shoeybi and others, "Megatron-LM" (2019, arXiv 1909.08053): each rank holds some heads and some
channels of the feed-forward part, and what it adds to the residual stream is summed over all ranks.
"""

import os
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as distributed

from sevenb.backend.shares import vocabulary_share
from sevenb.backend.torch.meeting import Meeting
from sevenb.errors import DeviceLost, DeviceUnavailable, SevenbError

PATIENCE = timedelta(minutes=5)  # for the others in one exchange: one may build kernels; one that ended fails sooner

_LIBRARIES = {"cpu": "gloo", "cuda": "nccl"}


class ProcessGroup:
    """This process's end of the exchanges. A process can be in one group at a time."""

    def __init__(
        self,
        rank: int,
        size: int,
        meeting: Path,
        device: torch.device,
        look: Callable[[], object] = lambda: None,
    ) -> None:
        """Meet the others, all of which must come. Raises `DeviceUnavailable`.

        ``meeting`` names a file that is not there yet, in a folder that only this user can read. What ``look`` raises
        while the others are waited for ends the wait, and is raised here.
        """
        self.rank = rank
        self.size = size
        self._library = _LIBRARIES[device.type]
        self._tokens: list[range] = []
        self.check_free()
        # All ranks are on this machine: nothing listens where others could connect.
        loopback = "lo" if sys.platform == "linux" else "lo0"
        os.environ.setdefault(f"{self._library.upper()}_SOCKET_IFNAME", loopback)
        if device.type == "cuda":
            torch.cuda.set_device(device)  # what NCCL and Triton take for granted
        try:
            distributed.init_process_group(
                self._library,
                store=Meeting(meeting, size, PATIENCE, look),
                rank=rank,
                world_size=size,
                timeout=PATIENCE,
                device_id=device if device.type == "cuda" else None,
            )
            # Connections open with the first exchange: what is wrong with the driver or the links shows here.
            distributed.all_reduce(torch.ones(1, device=device))
        except SevenbError:
            self.close()
            raise
        except (RuntimeError, ValueError) as error:
            self.close()
            variable = "NCCL_DEBUG=INFO" if self._library == "nccl" else f"GLOO_SOCKET_IFNAME={loopback}"
            raise DeviceUnavailable(
                f"The {size} ranks of a tensor-parallel engine cannot meet over {self._library} "
                f"({_first_line(error)}); set {variable} and read the log, or do without --tensor-parallel-size."
            ) from None

    @staticmethod
    def check_free() -> None:
        """Raise `DeviceUnavailable` where this process is in a group already."""
        if distributed.is_initialized():
            raise DeviceUnavailable(
                "This process already shares a model with other ranks; close that one before loading another."
            )

    def share_vocabulary(self, tokens: int) -> None:
        """Say how many tokens the model has, whose embeddings and logits the ranks divide among them."""
        self._tokens = [vocabulary_share(tokens, rank, self.size) for rank in range(self.size)]

    @property
    def own_tokens(self) -> range:
        """The tokens that the rows of this rank's part of the embedding and of the output head stand for."""
        return self._tokens[self.rank]

    def all_reduce(self, partial: torch.Tensor) -> torch.Tensor:
        """The sum of every rank's ``partial``, the same to the last bit on all of them. May work in place."""
        try:
            distributed.all_reduce(partial)
        except RuntimeError as error:
            raise self._lost(error) from None
        return partial

    def join_logits(self, part: torch.Tensor) -> torch.Tensor:
        """The logits [R, V] of which this rank computed those of its `own_tokens`: ``part`` [R, len(own_tokens)]."""
        widest = max(map(len, self._tokens))
        padded = torch.nn.functional.pad(part, (0, widest - part.shape[1])).contiguous()
        pieces = list(padded.new_empty((self.size, *padded.shape)))
        try:
            distributed.all_gather(pieces, padded)
        except RuntimeError as error:
            raise self._lost(error) from None
        return torch.cat([piece[:, : len(own)] for piece, own in zip(pieces, self._tokens, strict=True)], dim=1)

    def close(self) -> None:
        """Leave the group; whoever still waits for this rank fails."""
        if distributed.is_initialized():
            distributed.destroy_process_group()
        else:
            # A group that could not be made counts all the same, and the next one would be looked for by its number.
            distributed.distributed_c10d._world.group_count = 0

    def _lost(self, error: RuntimeError) -> DeviceLost:
        return DeviceLost(
            f"Rank {self.rank} of {self.size} lost the others in an exchange over {self._library} "
            f"({_first_line(error)}); the log says which one ended."
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200] or type(error).__name__
