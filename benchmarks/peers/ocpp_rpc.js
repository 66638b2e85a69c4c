// A central system with the npm package ocpp-rpc in its strict mode. It answers, and stores nothing.
//
// Started as: node ocpp_rpc.js <port>, with the folder of the package in NODE_PATH.
"use strict";

const { RPCServer } = require("ocpp-rpc");

const server = new RPCServer({ protocols: ["ocpp1.6"], strictMode: true });
let transactionId = 0;

const answers = {
  BootNotification: () => ({ currentTime: new Date().toISOString(), interval: 300, status: "Accepted" }),
  Heartbeat: () => ({ currentTime: new Date().toISOString() }),
  MeterValues: () => ({}),
  StartTransaction: () => ({ transactionId: ++transactionId, idTagInfo: { status: "Accepted" } }),
};

server.on("client", (client) => {
  for (const [action, answer] of Object.entries(answers)) client.handle(action, answer);
});
server.listen(Number(process.argv[2]), "127.0.0.1");
