"""llama.cpp's server (`llama-server`, as the `xllamacpp` package has it built) over a model file, until it is told to end.

    python peer.py FILE PORT STREAMS CONTEXT
"""

import signal
import sys

import xllamacpp

path, port, streams, context = sys.argv[1], *map(int, sys.argv[2:5])
params = xllamacpp.CommonParams()
params.model.path = path
params.port = port
params.n_parallel = streams
params.n_ctx = streams * context
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 2
params.n_gpu_layers = 0
server = xllamacpp.Server(params)
print(f"listening at {server.listening_address}", flush=True)
signal.sigwait({signal.SIGTERM, signal.SIGINT})
