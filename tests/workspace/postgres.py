"""`Postgres`: Debian's PostgreSQL, or any other that is on the path, started in a folder and ended with the tests."""

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

PASSWORD = "only for tests"


def find_postgres() -> Path | None:
    """The folder of ``initdb`` and ``pg_ctl``, the newest first."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    on_path = shutil.which("initdb")
    folders = [*debian, *([Path(on_path).parent] if on_path else [])]
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


class Postgres:
    """A server on a free port of loopback. As root it runs as ``postgres``, since it refuses to be root itself.

    Its folder is one of its own, since pytest keeps those of root to root alone.
    """

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(prefix="sevenb-postgres-"))
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]

    def __enter__(self) -> "Postgres":
        data, secret = self._folder / "data", self._folder / "password"
        secret.write_text(PASSWORD)
        if os.geteuid() == 0:
            for path in (self._folder, secret):
                shutil.chown(path, "postgres")
        self._run("initdb", "-D", data, "-U", "sevenb", "-A", "scram-sha-256", "--pwfile", secret, "-E", "UTF8",
                  "--no-sync", "--locale", "C.UTF-8")  # fmt: skip
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off "
            "-c synchronous_commit=off -c full_page_writes=off -c max_connections=100"
        )
        self._run("pg_ctl", "start", "-w", "-t", "200", "-D", data, "-l", self._folder / "log", "-o", options)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", self._folder / "data")
        shutil.rmtree(self._folder)

    def url(self, database: str) -> str:
        """The URL of one of its databases."""
        return f"postgresql://sevenb:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{self.port}/{database}"

    def _run(self, program: str, *arguments: str | Path) -> None:
        user = "postgres" if os.geteuid() == 0 else None
        command = [str(self._programs / program), *map(str, arguments)]
        # No pipes: the server would keep them open.
        with open(self._folder / f"{program}.log", "ab") as log:
            done = subprocess.run(
                command, user=user, group=user, extra_groups=[] if user else None, cwd=self._folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False,
            )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{program} failed:\n{(self._folder / f'{program}.log').read_text()}")
