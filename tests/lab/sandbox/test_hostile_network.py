"""Programs that talk to somebody, or look into other processes."""

import pytest

from sevenb.lab.sandbox import Limits
from tests.lab.sandbox.host import NAMESPACES_ALONE, NONE, Host, every_way, linux_only, works

pytestmark = linux_only

PROGRAMS = {
    "TCP": "s = socket.socket(); s.settimeout(1); s.connect(ADDRESSES['tcp'])",
    "TCP by urllib": "import urllib.request; urllib.request.urlopen('http://%s:%d' % ADDRESSES['tcp'], timeout=1)",
    "UDP": "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ADDRESSES['udp'])",
    "unix": "socket.socket(socket.AF_UNIX).connect(ADDRESSES['unix'])",
    "unix datagram": "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'x', ADDRESSES['unix_datagram'])",
    "unix datagram from a pair": """
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
a.sendto(b'x', ADDRESSES['unix_datagram'])
""",
    "unix from a pair": """
a, b = socket.socketpair()
a.connect(ADDRESSES['unix'])
""",
    "listening": "s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); print('HARM') if SECCOMP else None",
    "names": "socket.getaddrinfo('example.com', 80); print('HARM')",
    "netlink": "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0); print('HARM') if SECCOMP else None",
    "raw": "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1); print('HARM')",
    "packets": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW); print('HARM')",
    "vsock": "s = socket.socket(socket.AF_VSOCK); s.settimeout(1); s.connect((2, 22)); print('HARM')",
    "IPv6": "s = socket.socket(socket.AF_INET6); s.settimeout(1); s.connect(('::1', ADDRESSES['tcp'][1]))",
}

CALLS = {
    "ptrace": (101, 117, [16, "PARENT", 0, 0]),
    "process_vm_readv": (310, 270, ["PARENT", 0, 0, 0, 0, 0]),
    "bpf": (321, 280, [0, 0, 0]),
    "io_uring_setup": (425, 425, [8, 0]),
    "keyctl": (250, 219, [0, -3, 0]),
    "userfaultfd": (323, 282, [1]),
    "memfd_create": (319, 279, [0, 0]),
    "shmget": (29, 194, [0, 1 << 20, 0o1600]),
    "perf_event_open": (298, 241, [0, 0, -1, -1, 0]),
    "unshare": (272, 97, [0x10000000]),
    "pidfd_getfd": (438, 438, [3, 0, 0]),
    "clone3": (435, 435, [0, 0]),
    "open_by_handle_at": (304, 265, [0, 0, 0]),
    "personality": (135, 92, [0x0040000]),
    "init_module": (175, 105, [0, 0, 0]),
    "reboot": (169, 142, [0, 0, 0]),
    "settimeofday": (164, 170, [0, 0]),
    "seccomp": (317, 277, [0, 0, 0]),
}


@every_way()
@pytest.mark.parametrize("name", PROGRAMS)
def test_nobody_is_reached(host: Host, layers, name: str) -> None:
    with host.listeners() as addresses:
        body = "\n".join(f"    {line}" for line in PROGRAMS[name].split("\n"))
        source = f"ADDRESSES, SECCOMP = {addresses!r}, {layers.seccomp}\nimport socket\ntry:\n{body}\n"
        outcome = host.run(f"{source}except OSError: print('refused')\n", layers, Limits())
        assert outcome.exit_code == 0, outcome.output
    assert host.reached == []


@pytest.mark.skipif(not works(NAMESPACES_ALONE), reason="no namespaces here")
def test_namespaces_alone_cut_the_network(host: Host) -> None:
    with host.listeners() as addresses:
        attempt = f"try: socket.create_connection({addresses['tcp']!r})\nexcept OSError: print('refused')"
        assert host.run(f"import socket\n{attempt}", NAMESPACES_ALONE, Limits()).output == "refused\n"


def test_the_attacks_are_real(host: Host) -> None:
    with host.listeners() as addresses, pytest.raises(AssertionError):
        host.run(f"import socket\nsocket.create_connection({addresses['tcp']!r})", NONE, Limits())
    assert host.reached == ["tcp"]


@every_way()
def test_dangerous_system_calls_are_refused(host: Host, layers) -> None:
    source = f"""
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
column = 0 if os.uname().machine == "x86_64" else 1
for name, (*numbers, arguments) in {CALLS!r}.items():
    result = libc.syscall(numbers[column], *(PARENT if value == "PARENT" else value for value in arguments))
    if result != -1 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS):
        print("HARM", name, result, ctypes.get_errno())
"""
    assert host.run(source, layers, Limits()).exit_code == 0


@every_way()
def test_calls_of_another_architecture_do_not_pass_the_filter(host: Host, layers) -> None:
    source = "import ctypes, os\nif ctypes.CDLL(None).syscall(0x40000000 + 39) != -1: print('HARM')"  # x32's getpid
    assert host.run(source, layers, Limits()).exit_code == 0


@every_way()
def test_shared_memory_without_a_file_is_refused(host: Host, layers) -> None:
    source = "import mmap\ntry: mmap.mmap(-1, 1 << 20); print('HARM')\nexcept OSError: print('refused')"
    assert host.run(source, layers, Limits()).output == "refused\n"
