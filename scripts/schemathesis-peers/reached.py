"""Checks that every route answered with 2xx at least once: otherwise its handler was never tested."""

import os
import re
import sys

import requests

url = os.environ["ARCHETY_BASE_URL"]
token = {"Authorization": f"Bearer {os.environ['ARCHETY_METRICS_TOKEN']}"}
paths = requests.get(f"{url}/openapi.json", timeout=30).json()["paths"]
metrics = requests.get(f"{url}/metrics", headers=token, timeout=30).text
answered = set(re.findall(r'^http_requests_total\{route="([^"]+)",status="2..', metrics, re.MULTILINE))
expected = {
    path
    for path, methods in paths.items()
    if any(status.startswith("2") for method in methods.values() for status in method["responses"])
}
if missed := expected - answered:
    sys.exit(f"never answered as they should: {', '.join(sorted(missed))}")
