"use strict";
// Asks the server that serves this page, which decodes and encodes with torch.
const LatentServer = (() => {
  const MOST = 32; // codes that wait; the oldest of more are passed over, as nobody looks at their pictures any longer
  const PASSED = "another picture was wanted by then";
  const token = new URLSearchParams(location.search).get("token") ?? "";

  /** Post bytes and return the answer; an error says what the server says. */
  async function ask(address, body) {
    const headers = { "X-Latentbench-Token": token, "Content-Type": "application/octet-stream" };
    let answer;
    try {
      answer = await fetch(address, { method: "POST", headers, body });
    } catch {
      throw new Error("the server does not answer; start the command again, and open the address that it prints");
    }
    if (!answer.ok) throw new Error((await answer.json()).error);
    return answer;
  }

  /** Return a function from a code to a promise of its pixels; codes that wait go together in one request. */
  function decoder(model, dim) {
    const waiting = [];
    let busy = false;
    async function send() {
      const asked = waiting.splice(0);
      try {
        const codes = new Float32Array(asked.length * dim);
        asked.forEach(({ code }, place) => codes.set(code, place * dim));
        const answer = await ask(`decode?model=${model}`, codes);
        const all = new Float32Array(await answer.arrayBuffer());
        const size = all.length / asked.length;
        asked.forEach(({ resolve }, place) => resolve(all.subarray(place * size, (place + 1) * size)));
      } catch (error) {
        for (const { reject } of asked) reject(error);
      }
      busy = waiting.length > 0;
      if (busy) send();
    }
    return (code) => new Promise((resolve, reject) => {
      waiting.push({ code: Float32Array.from(code), resolve, reject });
      if (waiting.length > MOST) waiting.shift().reject(new Error(PASSED));
      if (!busy) queueMicrotask(send);
      busy = true;
    });
  }

  /** Open a decoder as LatentDecoder.open does, with promises in place of pixels. */
  function open({ served, program }) {
    return { picture: decoder(served, program.dim), difference: 0, words: "torch decodes, on the server of this page" };
  }

  /** Return what a model makes of a file of an image. */
  async function encode(model, file, invert) {
    return (await ask(`encode?model=${model}&invert=${invert ? "yes" : "no"}`, file)).json();
  }

  return { open, encode };
})();
