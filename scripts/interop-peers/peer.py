"""Signs and verifies with the standardwebhooks library from PyPI.

Arguments, input and output are those of the Rust example `webhook`."""

import sys
from datetime import datetime, timezone

from standardwebhooks import Webhook, WebhookVerificationError

secret, _, body = sys.stdin.buffer.read().partition(b"\n")
webhook, body = Webhook(secret.decode()), body.decode()
match sys.argv[1:]:
    case ["sign", message_id, timestamp]:
        time = datetime.fromtimestamp(int(timestamp), tz=timezone.utc)
        print(webhook.sign(message_id, time, body))
    case ["verify", message_id, timestamp, signature]:
        headers = {
            "webhook-id": message_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": signature,
        }
        try:
            webhook.verify(body, headers, json_parse=False)
        except WebhookVerificationError as error:
            sys.exit(f"peer.py: {error}")
