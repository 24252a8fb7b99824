"""Hooks of schemathesis: sign the requests of relays, sign users in, and fill in test numbers and codes."""

import base64
import hashlib
import hmac
import itertools
import os
import random
import time
import uuid

import requests
import schemathesis
from requests.auth import AuthBase

BASE = os.environ["ARCHETY_BASE_URL"]
RELAY_SECRET = os.environ["ARCHETY_RELAY_SECRET"]
KEY = base64.b64decode(RELAY_SECRET.removeprefix("whsec_"))
METRICS_TOKEN = os.environ["ARCHETY_METRICS_TOKEN"]
# ARCHETY_TEST_NUMBERS: pairs number=code, separated by commas
CODES = dict(pair.split("=") for pair in os.environ["ARCHETY_TEST_NUMBERS"].split(","))

numbers = itertools.cycle(CODES)
signed_in = None


def address():
    """A random client address, so that no address reaches a rate limit. In development the backend serves
    only this machine, and all of 127.0.0.0/8 is this machine."""
    return "127." + ".".join(str(random.randint(1, 254)) for _ in range(3))


def sign_in():
    number = next(numbers)
    body = {"phone": number}
    headers = {"X-Real-IP": address()}
    for step in ("start", "confirm"):
        answer = requests.post(f"{BASE}/auth/verify/{step}", json=body, headers=headers, timeout=30)
        answer.raise_for_status()
        body["code"] = CODES[number]
    return answer.json()


def session():
    """A valid session: the last session, or a new one if a test has ended the last."""
    global signed_in
    if signed_in is not None:
        headers = {"Authorization": f"Bearer {signed_in['access_token']}", "X-Real-IP": address()}
        answer = requests.get(f"{BASE}/auth/session", headers=headers, timeout=30)
        if not answer.json().get("authenticated"):
            signed_in = None
    if signed_in is None:
        signed_in = sign_in()
    return signed_in


def sign(request, id_prefix):
    body = request.body or b""
    body = body.encode() if isinstance(body, str) else body
    webhook_id, now = id_prefix + uuid.uuid4().hex, str(int(time.time()))
    signed = f"{webhook_id}.{now}.".encode() + body
    mac = hmac.new(KEY, signed, hashlib.sha256).digest()
    request.headers["webhook-id"] = webhook_id
    request.headers["webhook-timestamp"] = now
    request.headers["webhook-signature"] = "v1," + base64.b64encode(mac).decode()


class Credentials(AuthBase):
    """Adds the credentials that the request's route requires: a signature or a bearer token."""

    def __call__(self, request):
        path = request.path_url.split("?")[0]
        if path in ("/orchestrator/message", "/edge/message"):
            sign(request, "msg_")
        elif path.startswith("/relay/"):
            sign(request, "pull_")
        elif path in ("/photo/upload", "/edge/ws"):
            request.headers["Authorization"] = f"Bearer {RELAY_SECRET}"
        elif path == "/metrics":
            request.headers["Authorization"] = f"Bearer {METRICS_TOKEN}"
        else:
            request.headers["Authorization"] = f"Bearer {session()['access_token']}"
        return request


schemathesis.auth.set_from_requests(Credentials())


@schemathesis.hook
def before_call(context, case, kwargs):
    case.headers["X-Real-IP"] = address()
    body = case.body
    if isinstance(body, dict) and body.get("wait_seconds") in range(1, 26):
        # The server would wait up to 25 seconds for new messages; zero keeps the run short.
        case.body = {**body, "wait_seconds": 0}


# Whether the next body is filled in.
turns = itertools.cycle([True, False])


@schemathesis.hook
def map_body(context, body):
    """Fills every second body with an existing test number, its code, or a valid refresh token. Random
    text alone would never name an existing user."""
    path = context.operation.path
    if not isinstance(body, dict) or not path.startswith("/auth/") or not next(turns):
        return body
    if path == "/auth/refresh" and isinstance(body.get("refresh_token"), (str, type(None))):
        return {**body, "refresh_token": sign_in()["refresh_token"]}
    if isinstance(body.get("phone"), str):
        number = next(numbers)
        body = {**body, "phone": number}
        if isinstance(body.get("code"), str):
            body["code"] = CODES[number]
    return body


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """A request without credentials may be answered 429 instead of 401, because the address has failed
    too often."""
    return not ("without authentication" in failure.title and response.status_code == 429)
