/** A door before a hub that a test shuts and opens: the hub lives on behind it, and what goes past the door reaches it. */
import { connect, createServer } from "node:net";

/** Forwards to `port` of this machine. While shut, every connection is broken and none begins. */
export async function gateBefore(port) {
  const open = new Set();
  let shut = false;
  const server = createServer((inside) => {
    if (shut) return inside.destroy();
    const outside = connect(port, "127.0.0.1");
    for (const [socket, other] of [[inside, outside], [outside, inside]]) {
      open.add(socket);
      socket.pipe(other);
      socket.on("error", () => {});
      socket.on("close", () => {
        open.delete(socket);
        other.destroy();
      });
    }
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    shut: () => {
      shut = true;
      for (const socket of open) socket.destroy();
    },
    open: () => {
      shut = false;
    },
    end: () => {
      for (const socket of open) socket.destroy();
      server.close();
    },
  };
}
