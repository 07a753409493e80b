"""Programs that multiply, hide, signal and never end."""

import os

import pytest

from sevenb.lab.sandbox import Limits
from tests.lab.sandbox.host import FOR_PROCESSES, QUICK, Host, every_way, linux_only

pytestmark = linux_only

_DAEMON = """
import os, sys, time
for _ in range(2):
    try:
        if os.fork(): os._exit(0)
        os.setsid()
    except OSError: break
for descriptor in range(3):
    try: os.close(descriptor)
    except OSError: pass
time.sleep(600)
"""

PROGRAMS = {
    "fork bomb": """
import os
while True:
    try: os.fork()
    except OSError: pass
""",
    "fork bomb that ends": """
import os
for _ in range(40):
    try: os.fork()
    except OSError: pass
""",
    "daemon": _DAEMON,
    "many daemons": f"""
import os
for _ in range(30):
    try:
        if os.fork(): continue
    except OSError: continue
    exec({_DAEMON!r})
""",
    "children that sleep": """
import os, time
for _ in range(5):
    try: pid = os.fork()
    except OSError: break
    if pid == 0: time.sleep(600)
""",
    "threads": """
import threading, time
threading.stack_size(32768)
started = 0
try:
    for started in range(20000): threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
except (RuntimeError, MemoryError): pass
if started > 5000: print('HARM', started)
""",
    "loop": "while True: pass",
    "loop in a thread": """
import threading
def spin():
    while True: pass
threading.Thread(target=spin).start()
""",
    "sleep": "import time; time.sleep(1e6)",
    "waiting for input": """
import sys, time
sys.stdin.read()
import select
select.select([], [], [])
""",
    "output": "while True: print('x' * 1000)",
    "output without a line": """
import sys
while True: sys.stdout.write('x')
""",
    "output to errors": """
import os
while True: os.write(2, bytes(1 << 16))
""",
    "output not in UTF-8": """
import os
os.write(1, bytes(range(256)) * 1000)
""",
    "signals ignored": """
import signal, time
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
time.sleep(600)
""",
    "signals blocked": """
import signal, time
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
time.sleep(600)
""",
    "stops itself": """
import os, signal, time
os.kill(os.getpid(), signal.SIGSTOP)
time.sleep(600)
""",
    "kills everybody": """
import os, signal
for target in (-1, 0, PARENT, os.getppid(), -PARENT):
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP):
        try: os.kill(target, number)
        except OSError: pass
""",
    "kills by descriptor": """
import os, signal
try:
    signal.pidfd_send_signal(os.pidfd_open(PARENT), signal.SIGKILL)
    print('HARM')
except OSError: pass
""",
    "signals by files": """
import fcntl, os, signal
read, write = os.pipe()
try:
    fcntl.fcntl(read, fcntl.F_SETOWN, PARENT)
    fcntl.fcntl(read, 10, signal.SIGKILL)
    fcntl.fcntl(read, fcntl.F_SETFL, os.O_ASYNC)
except OSError: pass
os.write(write, b'x')
""",
    "another group": """
import os, time
for change in (os.setpgrp, os.setsid):
    try: change()
    except OSError: pass
time.sleep(600)
""",
    "alarm": """
import signal, time
signal.signal(signal.SIGALRM, lambda *_: signal.setitimer(signal.ITIMER_REAL, 0.01))
signal.setitimer(signal.ITIMER_REAL, 0.01)
while True: time.sleep(1)
""",
    "limits raised": """
import resource
for limit in (resource.RLIMIT_AS, resource.RLIMIT_NPROC, resource.RLIMIT_CPU):
    try: resource.setrlimit(limit, (resource.RLIM_INFINITY,) * 2); print('HARM')
    except (ValueError, OSError): pass
""",
    "another's limits": """
import os, resource
for target in (PARENT, os.getppid()):
    try: resource.prlimit(target, resource.RLIMIT_NOFILE, (5, 5)); print('HARM') if target else None
    except OSError: pass
""",
    "shell": """
import os
for shell in ('/bin/sh', '/usr/bin/sh', '/bin/bash', '/bin/busybox'):
    try: os.execv(shell, [shell, '-c', 'sleep 600; : hostile-program'])
    except OSError: pass
""",
    "shell beside it": """
import os
try: os.system('(sleep 600; : hostile-program) & (echo HARM > ' + HOST + '/hostile)')
except OSError: pass
""",
    "subprocess": """
import subprocess, sys
for shell in (True, False):
    try: subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600) # hostile-program'])
    except OSError: pass
""",
    "segmentation fault": "import ctypes; ctypes.string_at(0)",
    "deep recursion": """
import sys
sys.setrecursionlimit(10**9)
def f(): f()
f()
""",
    "billion digits": """
import sys
sys.set_int_max_str_digits(0)
str(10 ** 10**9)
""",
    "huge message": "raise ValueError('x' * 50_000_000)",
    "exit hook": """
import atexit, time
atexit.register(time.sleep, 600)
""",
    "closed descriptors": """
import os, time
os.closerange(0, 64)
time.sleep(600)
""",
    "writing to every descriptor": """
import os
for descriptor in range(3, 1024):
    try: os.write(descriptor, b'forged')
    except OSError: pass
""",
    "another affinity and priority": """
import os
for change in (lambda: os.sched_setaffinity(PARENT, {0}), lambda: os.setpriority(os.PRIO_PROCESS, PARENT, 19)):
    try: change(); print('HARM')
    except OSError: pass
""",
}


@every_way(FOR_PROCESSES)
@pytest.mark.parametrize("name", PROGRAMS)
def test_is_contained(host: Host, layers, name: str) -> None:
    affinity, priority = os.sched_getaffinity(0), os.getpriority(os.PRIO_PROCESS, 0)
    outcome = host.run(PROGRAMS[name], layers, QUICK)
    assert outcome.seconds < 60
    assert len(outcome.output) <= QUICK.output_bytes
    assert (os.sched_getaffinity(0), os.getpriority(os.PRIO_PROCESS, 0)) == (affinity, priority)


@every_way(FOR_PROCESSES)
def test_no_more_processes_begin_than_are_allowed(host: Host, layers) -> None:
    source = """
import os, time
begun = 0
for _ in range(100):
    try:
        if os.fork() == 0: time.sleep(600); os._exit(0)
        begun += 1
    except OSError: break
print(begun)
"""
    begun = int(host.run(source, layers, Limits(seconds=20, processes=8)).output)
    assert begun == (7 if layers.namespaces else 0)
