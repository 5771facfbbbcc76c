"""lm-evaluation-harness as a client: what it is told of a text must be what `tercet eval` says of the same.

Usage: lm_eval_client.py URL BINARY MODEL-FILE
"""

import json
import subprocess
import sys
import tempfile

import lm_eval
from lm_eval.tasks import TaskManager
from lm_eval.utils import RemoteTokenizer

URL, BINARY, FILE = sys.argv[1:4]
TOLERANCE = 1e-4
arguments = {
    "model": "shakespeare", "base_url": f"{URL}/v1/completions", "tokenizer_backend": "remote",
    "num_concurrent": 8, "max_retries": 1, "max_length": 512,
}
results = lm_eval.simple_evaluate(
    model="local-completions", model_args=arguments, tasks=["tercet_verses"],
    task_manager=TaskManager(include_path="serve/clients/lm_eval_task"), log_samples=True, bootstrap_iters=0,
)
tokenizer = RemoteTokenizer(URL)


def of_eval(text, scored):
    """The log-probability that `tercet eval` gives to the last tokens of a text."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        command = [BINARY, "eval", FILE, "--text", file.name, "--per-token", "--part", "all"]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return sum(json.loads(line)["log_prob"] for line in lines[-scored:])


worst, count, right = 0.0, 0, 0
for sample in results["samples"]["tercet_verses"]:
    context, likelihoods = sample["doc"]["context"], []
    for choice, response in zip(sample["doc"]["choices"], sample["filtered_resps"]):
        whole, before = (tokenizer.encode(text) for text in (context + choice, context))
        scored = len(whole) - len(before)
        assert whole[: len(before)] == before
        likelihoods.append(of_eval(context + choice, scored))
        worst, count = max(worst, abs(float(response[0]) - likelihoods[-1])), count + 1
    right += likelihoods.index(max(likelihoods)) == sample["doc"]["answer"]
assert count == 15 and worst < TOLERANCE, (count, worst)
accuracy = results["results"]["tercet_verses"]["acc,none"]
assert accuracy == right / 5, (accuracy, right)
print(f"lm-eval {lm_eval.__version__}: {count} log-likelihoods as tercet eval has them, the worst {worst:.1e} apart; accuracy {accuracy}")
