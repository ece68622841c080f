// Runs the test of `tests/wasm` in node. Usage: node run.mjs PROGRAM.wasm
import { readFile } from "node:fs/promises";
import { webcrypto } from "node:crypto";

let advanced = 0n;
const micros = (milliseconds) => BigInt(Math.round(milliseconds * 1000)) + advanced;
const { instance } = await WebAssembly.instantiate(await readFile(process.argv[2]), {
  host: {
    wall_micros: () => micros(Date.now()),
    monotonic_micros: () => micros(performance.now()),
    random: () => webcrypto.getRandomValues(new BigUint64Array(1))[0],
    advance: (more) => { advanced += more; },
    print: (text, bytes) => console.log(new TextDecoder().decode(new Uint8Array(instance.exports.memory.buffer, text, bytes))),
  },
});
// A panic is a trap, and node ends with an error.
instance.exports.main(0, 0);
