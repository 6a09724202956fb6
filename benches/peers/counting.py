"""What the client programs in Python share: their arguments, and a count of what came back, over a time.

    PROGRAM PORT CONNECTIONS SIZE IN_FLIGHT WARM_UP SECONDS
"""
import asyncio
import sys
import time
from dataclasses import dataclass


@dataclass
class Task:
    url: str
    connections: int
    payload: bytes
    in_flight: int
    warm_up: float
    seconds: float
    messages: int = 0  # that have come back

    async def measure(self):
        """Waits, counts, and prints what the harness reads."""
        await asyncio.sleep(self.warm_up)
        messages, started, cpu = self.messages, time.monotonic(), time.process_time()
        await asyncio.sleep(self.seconds)
        seconds = time.monotonic() - started
        rate, busy = (self.messages - messages) / seconds, (time.process_time() - cpu) / seconds
        print(f"messages_per_second={rate:.0f} load_cpu={busy:.3f}")


def task_of_arguments():
    port, connections, size, in_flight = map(int, sys.argv[1:5])
    return Task(f"ws://127.0.0.1:{port}/", connections, b"x" * size, in_flight, *map(float, sys.argv[5:7]))
