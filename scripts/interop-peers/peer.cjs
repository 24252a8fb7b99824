// Signs and verifies with the standardwebhooks library from npm. Arguments, input and output are the same
// as those of the Rust example `webhook`.
const { readFileSync } = require("node:fs");
const { Webhook, WebhookVerificationError } = require("standardwebhooks");

const input = readFileSync(0);
const secretEnd = input.indexOf("\n");
const webhook = new Webhook(input.subarray(0, secretEnd).toString());
const body = input.subarray(secretEnd + 1).toString();
const [command, id, timestamp, signature] = process.argv.slice(2);
if (command === "sign") {
  console.log(webhook.sign(id, new Date(Number(timestamp) * 1000), body));
} else {
  const headers = {
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": signature,
  };
  try {
    webhook.verify(body, headers, { jsonParse: false });
  } catch (error) {
    if (!(error instanceof WebhookVerificationError)) throw error;
    console.error(`peer.cjs: ${error.message}`);
    process.exit(1);
  }
}
