// A charge point written with the npm package ocpp-rpc in its strict mode.
//
// Started as: node charge_point.js <url> <identity> <key as 40 hexadecimal characters>
// One JSON object a line. In: {"id", "do": "call" | "answer" | "upload" | "download", ...}.
// Out: {"id", "done"} or {"id", "failed"}; {"asked": [action, payload]}; {"violation"}; {"open": true}.
"use strict";

const readline = require("node:readline");
const { RPCClient } = require("ocpp-rpc");

const [endpoint, identity, key] = process.argv.slice(2);
const answers = new Map();

function tell(line) {
  process.stdout.write(JSON.stringify(line) + "\n");
}

// ocpp-rpc appends the identity to the endpoint, and sends the key by Basic authentication.
const client = new RPCClient({
  endpoint,
  identity,
  password: Buffer.from(key, "hex"),
  protocols: ["ocpp1.6"],
  strictMode: true,
  reconnect: false,
});

client.on("strictValidationFailure", ({ method, isCall, outbound, error }) => {
  tell({ violation: `${outbound ? "sent" : "received"} ${isCall ? "call" : "answer"} ${method}: ${error.message}` });
});
client.on("badMessage", ({ error }) => tell({ violation: `bad message: ${error.message}` }));
client.on("close", ({ code, reason }) => tell({ closed: `${code} ${reason}` }));

client.handle(({ method, params }) => {
  tell({ asked: [method, params] });
  if (!answers.has(method)) {
    tell({ violation: `no answer is prepared for ${method}` });
    throw new Error(`no answer is prepared for ${method}`);
  }
  return answers.get(method);
});

const tasks = {
  call: ({ action, payload }) => client.call(action, payload),
  answer: async ({ action, payload }) => answers.set(action, payload) && null,
  upload: async ({ url, content }) => {
    const response = await fetch(url, { method: "PUT", body: Buffer.from(content, "base64") });
    return response.status;
  },
  download: async ({ url }) => {
    const response = await fetch(url);
    if (response.status !== 200) throw new Error(`HTTP ${response.status}`);
    return Buffer.from(await response.arrayBuffer()).toString("base64");
  },
};

async function main() {
  const lines = readline.createInterface({ input: process.stdin });
  lines.on("line", async (line) => {
    const task = JSON.parse(line);
    try {
      tell({ id: task.id, done: await tasks[task.do](task) });
    } catch (error) {
      tell({ id: task.id, failed: String(error.cause ?? error) });
    }
  });
  lines.on("close", () => client.close().then(() => process.exit(0)));
  await client.connect();
  tell({ open: true });
}

main().catch((error) => {
  tell({ violation: `no connection: ${error.message}` });
  process.exit(1);
});
