import { createHmac } from "node:crypto";

/**
 * Resolves in the first half of a step of 30 seconds: the code of the step before, which is taken until the step ends, then still
 * is when it arrives.
 */
export async function early() {
  const into = Date.now() % 30_000;
  if (into > 15_000) await new Promise((done) => setTimeout(done, 30_050 - into));
}

/** The code that an app with this secret shows `steps` of 30 seconds from now (RFC 6238). */
export function code(secret, steps = 0) {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...secret.replaceAll(/\W/g, "")].map((letter) => letters.indexOf(letter).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps));
  const hash = createHmac("sha1", key).update(counter).digest();
  const number = hash.readUInt32BE(hash.at(-1) & 15) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, "0");
}
