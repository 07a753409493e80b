"""Programs that read what is not theirs, and write, delete and fill what they can."""

import subprocess
import sys
from pathlib import Path

import pytest

import sevenb
from sevenb.lab.sandbox import Limits
from tests.lab.sandbox.host import ALL, LAYERS, NAMESPACES_ALONE, NONE, SECRET, Host, every_way, linux_only, works

pytestmark = linux_only

_ATTEMPT = """
import os, sys
def attempt(deed):
    try: deed()
    except (OSError, ValueError, AttributeError, ImportError): return
    print("done", end=" ")
"""

WRITING = {
    "overwrite": "attempt(lambda: open(FILE, 'w').write('HARM'))",
    "append": "attempt(lambda: open(FILE, 'a').write('HARM'))",
    "new file": "attempt(lambda: open(HOST + '/hostile', 'w').write('HARM'))",
    "new file in /tmp": "attempt(lambda: open('/tmp/hostile', 'w').write('HARM'))",
    "new file in /dev/shm": "attempt(lambda: open('/dev/shm/hostile', 'w').write('HARM'))",
    "new file in the home": """
import pwd
for entry in pwd.getpwall():
    attempt(lambda: open(entry.pw_dir + '/hostile', 'w').write('HARM'))
""",
    "nameless file": "attempt(lambda: os.open(HOST, os.O_TMPFILE | os.O_RDWR))",
    "delete": "attempt(lambda: os.unlink(FILE))",
    "delete everything": """
import shutil
attempt(lambda: shutil.rmtree(HOST))
shutil.rmtree('/tmp', ignore_errors=True)
""",
    "rename": "attempt(lambda: os.rename(FILE, FILE + '.hostile'))",
    "replace": "attempt(lambda: os.replace('program.py', FILE))",
    "truncate": "attempt(lambda: os.truncate(FILE, 0))",
    "truncate by opening": "attempt(lambda: os.open(FILE, os.O_RDONLY | os.O_TRUNC))",
    "chmod": """
attempt(lambda: os.chmod(FILE, 0))
attempt(lambda: os.chmod(HOST, 0))
""",
    "chmod by descriptor": "attempt(lambda: os.fchmod(os.open(HOST, os.O_RDONLY), 0))",
    "chown": "attempt(lambda: os.chown(FILE, 1, 1))",
    "times": "attempt(lambda: os.utime(FILE, (0, 0)))",
    "attributes": "attempt(lambda: os.setxattr(FILE, 'user.hostile', b'x'))",
    "folder": "attempt(lambda: os.mkdir(HOST + '/hostile'))",
    "hard link": """
attempt(lambda: os.link(FILE, HOST + '/hostile'))
attempt(lambda: os.link(FILE, 'a'))
""",
    "symbolic link": """
attempt(lambda: os.symlink(FILE, 'link'))
attempt(lambda: open('link', 'w').write('HARM'))
""",
    "upwards": "attempt(lambda: open('../' * 30 + FILE, 'w').write('HARM'))",
    "pipe and device": """
attempt(lambda: os.mkfifo(HOST + '/hostile'))
attempt(lambda: os.mknod(HOST + '/hostile2'))
""",
    "through /proc": """
for process in ('self', str(PARENT), str(os.getppid()), '1'):
    attempt(lambda: open(f'/proc/{process}/root{FILE}', 'w').write('HARM'))
    attempt(lambda: open(f'/proc/{process}/cwd/hostile', 'w').write('HARM'))
    attempt(lambda: open(f'/proc/{process}/mem', 'r+b').write(b'HARM'))
""",
    "out of the root": """
attempt(lambda: (os.mkdir('x'), os.chroot('x'), [os.chdir('..') for _ in range(50)], os.chroot('.')))
attempt(lambda: open(FILE, 'w').write('HARM'))
""",
    "mount": """
import ctypes
libc = ctypes.CDLL(None)
if libc.mount(b'/dev/vda', b'/tmp', b'ext4', 0, None) == 0: print('HARM')
if libc.mount(b'none', b'/', None, 32, None) == 0: print('HARM')
if libc.umount2(b'/tmp', 2) == 0: print('HARM')
""",
    "new namespaces": """
import ctypes
for flags in (0x10000000, 0x20000, 0x10020000, 0x40000000):
    if ctypes.CDLL(None).unshare(flags) == 0 and SECCOMP: print('HARM', flags)
""",
    "another user": """
for change in (os.setuid, os.setgid, os.seteuid):
    try: change(0); print('HARM')
    except OSError: pass
try: os.setgroups([0]); print('HARM')
except OSError: pass
""",
    "installation": """
attempt(lambda: open(os.__file__, 'a').write('HARM'))
attempt(lambda: os.unlink(os.__file__))
""",
}

READING = {
    "file": "open(FILE).read()",
    "upwards": "open('../' * 30 + FILE).read()",
    "folder": "' '.join(os.listdir(HOST)).replace('precious', 'HARM')",
    "by a link": "(os.symlink(FILE, 'link'), open('link').read())[1]",
    "environment of the parent": "open(f'/proc/{os.getppid()}/environ').read()",
    "environment of the lab": "open(f'/proc/{PARENT}/environ').read()",
    "memory of the lab": "open(f'/proc/{PARENT}/maps').read() and 'HARM'",
    "root of the lab": "open(f'/proc/{PARENT}/root{FILE}').read()",
    "passwords": "open('/etc/passwd').read() and 'HARM'",
    "mapped": "__import__('mmap').mmap(os.open(FILE, os.O_RDONLY), 0, prot=1).read().decode()",
    "processes": "[open(f'/proc/{n}/cmdline').read() for n in os.listdir('/proc') if n.isdigit()] and 'HARM'",
    "by a database": """
__import__('sqlite3').connect('file:' + FILE + '?mode=ro', uri=True).execute('select * from x')
""",
}


@every_way()
@pytest.mark.parametrize("name", WRITING)
def test_nothing_is_written(host: Host, layers, name: str) -> None:
    host.run(f"SECCOMP = {layers.seccomp}\n{_ATTEMPT}{WRITING[name]}", layers, Limits())


@every_way([layers for layers in LAYERS if layers.namespaces or layers.landlock])  # seccomp alone sees no paths
@pytest.mark.parametrize("name", READING)
def test_nothing_is_read(host: Host, layers, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEVENB_API_KEY", SECRET)
    source = f"import os\ntry: print('read', {READING[name]})\nexcept Exception as error: print(type(error).__name__)"
    assert SECRET not in host.run(source, layers, Limits()).output


@every_way()
def test_the_environment_is_empty(host: Host, layers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    assert SECRET not in host.run("import os; print(os.environ, os.environb)", layers, Limits()).output


@every_way()
def test_no_descriptor_of_the_host_is_inherited(host: Host, layers) -> None:
    source = (
        "import os\nfor number in range(3, 2000):\n    try: os.fstat(number); print(number)\n    except OSError: pass"
    )
    with host.file.open() as open_file:
        assert open_file.fileno() > 2
        assert host.run(f"import os; os.close(3) if 0 else None\n{source}", layers, Limits()).output in ("", "3\n")


@pytest.mark.parametrize("layers", [layers for layers in (ALL, NAMESPACES_ALONE) if works(layers)], ids=str)
def test_scratch_is_bounded(host: Host, layers) -> None:
    source = """
import os
held, sizes = [], 0
try:
    for number in range(10**6):
        file = open(f'f{number}', 'wb', buffering=0)
        for _ in range(17): sizes += file.write(bytes(1 << 20))
except OSError as error: pass
try:
    for number in range(10**6): os.close(os.open(f'g{number}', os.O_CREAT | os.O_WRONLY))
except OSError as error: pass
print(sizes <= 64 << 20, number < 4096)
"""
    assert host.run(source, layers, Limits(seconds=20)).output == "True True\n"


@pytest.mark.skipif(not works(NAMESPACES_ALONE), reason="no namespaces here")
def test_namespaces_alone_hide_the_files_as_well(host: Host) -> None:
    output = host.run(f"{_ATTEMPT}print(os.listdir('/'))\n{WRITING['overwrite']}", NAMESPACES_ALONE, Limits()).output
    assert "home" not in output
    assert "proc" not in output


@pytest.mark.skipif(not works(NAMESPACES_ALONE), reason="no namespaces here")
def test_what_is_mounted_beneath_a_visible_folder_cannot_be_written_either() -> None:
    source = f"""
import os, sqlite3
from sevenb.lab.sandbox.program import _READ_PROGRAM, Limits, run
from sevenb.lab.sandbox.supervision import kernel
from sevenb.lab.sandbox.supervision.layers import Layers
from sevenb.lab.sandbox.supervision.orders import Program
user = os.geteuid()
kernel.unshare(kernel.CLONE_NEWNS | (kernel.CLONE_NEWUSER if user else 0))
if user:
    open("/proc/self/uid_map", "w").write(f"0 {{user}} 1")
kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
folder = os.path.dirname(sqlite3.__file__)
kernel.mount("tmpfs", folder, "tmpfs", 0, "mode=777")
attempt = f"open({{folder + '/hostile'!r}}, 'w')".encode()
print(run((Program(_READ_PROGRAM, b"", attempt),), Limits(), {NAMESPACES_ALONE!r}).output.decode(), os.listdir(folder))
"""
    environment = {"PYTHONPATH": str(Path(sevenb.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, env=environment, check=False)
    assert "Read-only file system" in done.stdout, done
    assert done.stdout.endswith("[]\n")


@pytest.mark.parametrize("name", ["overwrite", "delete", "chmod", "hard link"])
def test_the_attacks_are_real(host: Host, name: str) -> None:
    with pytest.raises((AssertionError, PermissionError)):
        host.run(f"{_ATTEMPT}{WRITING[name]}", NONE, Limits())
