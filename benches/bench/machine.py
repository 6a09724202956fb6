"""Where it is measured: a network of its own, where the system lets us have one, and what to say of the machine.

Loopback takes the congestion control of the system. Some, bbr among them, pace what is sent by timers, which costs
more or less as the traffic goes; cubic, Linux's default, does not. So the measurements run in a network namespace of
their own, where it is cubic whatever the system says, and where no port is taken.
"""
import fcntl
import os
import platform
import resource
import socket
import struct
import subprocess
import sys

CONGESTION_CONTROL = "/proc/sys/net/ipv4/tcp_congestion_control"
INSIDE = "WSPUSH_BENCH_NETWORK"
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def loudly(text):
    print(f"\n{'!' * 100}\n{text}\n{'!' * 100}\n", file=sys.stderr, flush=True)


def enter_own_network():
    """Starts this program again in a network namespace of its own, and sets that up; goes on as it is if it may not."""
    if INSIDE in os.environ:
        set_up_network()
        return
    for how in ("-n", "-rn"):  # -r, a user namespace, is the way without root
        if succeeds("unshare", how, "true"):
            os.environ[INSIDE] = "own"
            os.execvp("unshare", ["unshare", how, sys.executable, *sys.argv])
    loudly("no network namespace of its own: this system does not let us have one. The figures are taken with "
           f"{congestion_control()} as congestion control, among whatever else uses loopback.")


def set_up_network():
    with socket.socket() as any_socket:
        flags, = struct.unpack_from("16xH", fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("16sH14x", b"lo", 0)))
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))
    try:
        with open(CONGESTION_CONTROL, "w") as file:
            file.write("cubic")
    except OSError as error:
        loudly(f"congestion control stays {congestion_control()}: cubic cannot be set ({error.strerror})")


def succeeds(*command):
    try:
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def congestion_control():
    try:
        with open(CONGESTION_CONTROL) as file:
            return file.read().strip()
    except OSError:
        return "unknown"


def room_for(connections):
    """Raises the limit of descriptors as far as it goes; how many of these connections a process can then hold."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    room = connections if most == resource.RLIM_INFINITY else min(connections, most - 100)
    if room < connections:
        loudly(f"{room} connections instead of {connections}: a process here holds {most} descriptors (ulimit -Hn)")
    return room


def description():
    where = "in a network namespace of its own" if INSIDE in os.environ else "on the system's loopback"
    return f"{os.cpu_count()} × {processor()}, Linux {platform.release()}, TCP {congestion_control()} {where}"


def processor():
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.machine()
