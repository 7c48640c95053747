/**
 * A hub that a test owns: it may be killed and comes back at the same address, on the same data.
 *
 * SIGNALBOX names the binary; OWNER_EMAIL and OWNER_PASSWORD its first person.
 */
import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** How long a hub may take until it serves, in milliseconds: the first start makes a database. */
const READY = 120_000;

const freePort = () =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

const pause = (milliseconds) => new Promise((resume) => setTimeout(resume, milliseconds));

/** A hub that is not started yet, at an address that will stay its own. */
export async function ownHub() {
  const binary = process.env.SIGNALBOX;
  if (!binary) {
    console.error("SIGNALBOX is not set. Give the path of the hub's binary: this test starts it, kills it and starts it again.");
    process.exit(2);
  }
  const folder = mkdtempSync(join(tmpdir(), "signalbox-e2e-"));
  // As root the hub's servers run as another user: where they cannot enter, their data would lie elsewhere and stay behind.
  chmodSync(folder, 0o711);
  const port = await freePort();
  const log = join(folder, "hub.log");
  const url = `http://127.0.0.1:${port}`;
  let child = null;
  const ended = () => new Promise((resolve) => (child.exitCode !== null || child.signalCode !== null ? resolve() : child.once("exit", resolve)));
  const signal = async (name) => {
    child.kill(name);
    await ended();
  };
  // However this test ends, its hub does not outlive it.
  process.once("exit", () => child?.kill("SIGKILL"));
  for (const name of ["SIGINT", "SIGTERM"]) process.once(name, () => process.exit(1));
  const start = async () => {
    const out = openSync(log, "a");
    const env = { ...process.env, SIGNALBOX__BOOTSTRAP__EMAIL: process.env.OWNER_EMAIL, SIGNALBOX__BOOTSTRAP__PASSWORD: process.env.OWNER_PASSWORD };
    child = spawn(binary, ["serve", "--data", join(folder, "data"), "--listen", `127.0.0.1:${port}`], { env, stdio: ["ignore", out, out] });
    for (const end = Date.now() + READY; ; await pause(100)) {
      const ready = await fetch(`${url}/readyz`).then((answer) => answer.ok, () => false);
      if (ready) return;
      if (child.exitCode !== null || Date.now() > end) throw new Error(`the hub did not start:\n${readFileSync(log, "utf8").slice(-4000)}`);
    }
  };
  return {
    url,
    start,
    /** SIGKILL: nothing is closed, flushed or told. */
    kill: () => signal("SIGKILL"),
    /** Ends the hub and removes its folder; the end of its log where the test failed. */
    end: async (failed) => {
      await signal("SIGTERM");
      if (failed) console.log(readFileSync(log, "utf8").slice(-4000));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
