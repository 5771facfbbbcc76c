"""A `tercet serve` of the shipped model, in a process that a test may watch, kill and start again."""

import os
import re
import signal
import subprocess
import tempfile
import time
import urllib.request

MODEL = "models/shakespeare.gguf"


class ServerProcess:
    """See the top of this file. `port` 0 is any that is free; started again it is the same one."""

    def __init__(self, binary, *options, port=0):
        self.log = tempfile.TemporaryFile("w+b")
        command = [binary, "serve", MODEL, "--port", str(port), *options]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + 30
        while not (found := re.search(r"^listening at (http://\S+:(\d+))$", self.said(), re.M)):
            assert self.lives() and time.monotonic() < deadline, self.said()
            time.sleep(0.02)
        self.url, self.port = found[1], int(found[2])

    def said(self):
        """All that it has written."""
        return os.pread(self.log.fileno(), 1 << 24, 0).decode(errors="replace")

    def lives(self):
        """Whether it has not ended."""
        return self.process.poll() is None

    def end(self, number=signal.SIGTERM, timeout=60):
        """Sends it a signal and waits for its end; returns its exit status."""
        if self.lives():
            self.process.send_signal(number)
        return self.process.wait(timeout)

    def rss_bytes(self):
        """Memory that it has now."""
        with open(f"/proc/{self.process.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    def files(self):
        """Files and sockets that it has open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def metrics(self):
        """The lines of /metrics."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=30) as answer:
            return answer.read().decode().splitlines()

    def metric(self, name):
        """The sum of those that begin so."""
        return sum(float(line.split(" ")[-1]) for line in self.metrics() if line.startswith(name))
