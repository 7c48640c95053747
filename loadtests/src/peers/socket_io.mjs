// Everybody who connects is a subscriber; what is posted, a JSON object a line, is emitted to all.
import { createServer } from "node:http";
import { createRequire } from "node:module";

const [folder, port] = process.argv.slice(2);
const { Server } = createRequire(`${folder}/`)("socket.io");

const http = createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    for (const line of Buffer.concat(parts).toString().split("\n")) {
      io.emit("p", JSON.parse(line));
    }
    response.writeHead(200, { "content-length": 2 });
    response.end("ok");
  });
});
const io = new Server(http, { transports: ["websocket"], serveClient: false, perMessageDeflate: false });
http.keepAliveTimeout = 3_600_000;
http.listen({ port: Number(port), host: "127.0.0.1", backlog: 4096 });
