"""A rank beyond the first: holds its part of the model, and computes what rank 0 tells it until that ends.

Started as ``python -m sevenb.engine.parallel.worker``. Its standard input is its lifeline: the first line is a
`RankLaunch`, and the end of the stream (rank 0 is gone, however it went) ends this process too.
"""

import contextlib
import logging
import os
import shutil
import sys
from pathlib import Path

import msgspec
import zmq

from sevenb.backend.protocol import KVCache
from sevenb.backend.torch import TorchBackend
from sevenb.backend.torch.devices import open_device
from sevenb.backend.torch.parallel import ProcessGroup
from sevenb.engine.engine_config import EngineConfig
from sevenb.engine.lifeline import die_with_parent
from sevenb.engine.parallel.devices import last_word_in, meeting_in, rank_device, rank_threads
from sevenb.engine.parallel.messages import (
    AllocateCache,
    Allocated,
    BlockContents,
    CopyBlocks,
    DropCache,
    Forward,
    FreeMemory,
    Join,
    Loaded,
    LoadWeights,
    MeasureMemory,
    Opened,
    RankAnswer,
    RankCommand,
    RankFailed,
    RankLaunch,
    ReadBlock,
    WriteBlock,
)
from sevenb.errors import DeviceLost, SevenbError
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.decoder import Decoder, kv_layout
from sevenb.model.lora import LoraAdapter
from sevenb.model.sharding import ShardedCheckpoint
from sevenb.model.store import Store

logger = logging.getLogger(__name__)


class Worker:
    """One rank's device, its part of the model and its caches."""

    def __init__(self, launch: RankLaunch) -> None:
        """Find the device. Raises `DeviceUnavailable`."""
        self._launch = launch
        self._config = msgspec.json.decode(launch.config, type=EngineConfig)
        self._device = rank_device(launch.device, launch.rank)
        open_device(self._device)
        self._caches: dict[int, KVCache] = {}
        self._group: ProcessGroup
        self._backend: TorchBackend
        self._decoder: Decoder

    def obey(self, command: RankCommand) -> RankAnswer | None:
        """Do what a command says; its answer, if it has one."""
        match command:
            case Forward(cache=number, states=states):
                self._decoder.forward_with_states(command.batch(), self._caches[number], (0,) if states else ())
            case CopyBlocks(cache=number, pairs=pairs):
                self._backend.copy_blocks(self._caches[number], pairs)
            case WriteBlock(cache=number, block=block, contents=contents):
                self._backend.write_block(self._caches[number], block, contents)
            case ReadBlock(cache=number, block=block):
                return BlockContents(self._backend.read_block(self._caches[number], block))
            case MeasureMemory():
                return FreeMemory(self._backend.free_memory())
            case AllocateCache():
                return self._allocate(command)
            case DropCache(number=number):
                del self._caches[number]
            case LoadWeights():
                self._decoder = self._load()
                return Loaded(self._decoder.weight_bytes)
            case Join():
                self._join()
        return None

    def _join(self) -> None:
        config, ranks = self._config, self._launch.ranks
        self._group = ProcessGroup(self._launch.rank, ranks, meeting_in(self._launch.folder), open_device(self._device))
        self._backend = TorchBackend(
            self._device,
            config.dtype,
            group=self._group,
            eager=config.enforce_eager,
            threads=rank_threads(config.threads, ranks),
        )

    def _load(self) -> Decoder:
        config = self._config
        with Checkpoint.open(Store().resolve(config.model)) as whole:
            part = ShardedCheckpoint(whole, self._launch.rank, self._launch.ranks)
            self._group.share_vocabulary(whole.config.vocab_size)
            decoder = Decoder(part, self._backend)
            for name, path in config.lora_modules.items():
                adapter = LoraAdapter.open(Path(path).expanduser(), whole)
                decoder.add_adapter(name, part.part_of_adapter(adapter))
        return decoder

    def _allocate(self, command: AllocateCache) -> Allocated:
        layout = kv_layout(self._decoder.config, command.block_size, command.dtype)
        self._caches[command.number] = self._backend.allocate_kv(layout, command.blocks)
        return Allocated(self._backend.kv_block_bytes(layout))


def run() -> int:
    """The life of a rank; returns its exit code."""
    launch = msgspec.json.decode(sys.stdin.buffer.readline(), type=RankLaunch)
    die_with_parent(lambda: shutil.rmtree(launch.folder, ignore_errors=True))
    context = zmq.Context()
    socket = context.socket(zmq.PAIR)
    socket.setsockopt(zmq.SNDHWM, 0)
    socket.setsockopt(zmq.RCVHWM, 0)
    socket.connect(launch.address)
    encoder, decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(RankCommand)
    try:
        worker = Worker(launch)
        socket.send(encoder.encode(Opened()))
        while True:
            answer = worker.obey(decoder.decode(socket.recv()))
            if answer is not None:
                socket.send(encoder.encode(answer))
    except Exception as error:
        expected = isinstance(error, SevenbError)  # then its sentence says it all
        logger.error("Rank %d of %d ends: %s", launch.rank, launch.ranks, error, exc_info=not expected)
        name = type(error).__name__ if expected else DeviceLost.__name__
        message = str(error) if expected else f"it failed ({type(error).__name__}: {error}); please report it."
        with contextlib.suppress(OSError):  # rank 0 is gone, and its folder
            last_word_in(launch.folder, launch.rank).write_bytes(msgspec.json.encode(RankFailed(name, message)))
        return 1


if __name__ == "__main__":
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    os._exit(run())  # at the interpreter's own end NCCL would wait for the other ranks
