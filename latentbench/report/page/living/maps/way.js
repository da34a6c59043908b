"use strict";
// The move of the left map's dots to where the right map has them.
{
  const SECONDS = 1.5;

  class Way {
    constructor(pair) {
      this.pair = pair;
    }

    /** Show the left map this share of the way to the right one. */
    show(share) {
      const { start, end, views, box } = this.pair;
      views[0].show(start.map((each, at) => each + (end[at] - each) * share), start);
      box.dispatchEvent(new CustomEvent("shown"));
    }

    remember() {
      this.pair.remember("share", this.pair.share ? String(this.pair.share) : "");
    }

    /** Go all the way, or back. */
    run() {
      const from = this.pair.share;
      const to = from < 0.5 ? 1 : 0;
      const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
      const begun = performance.now();
      const frame = (now) => {
        const passed = still ? 1 : Math.min(Math.max((now - begun) / 1000 / SECONDS, 0), 1);
        this.pair.controls.share.value = from + (to - from) * passed * passed * (3 - 2 * passed);
        this.show(this.pair.share);
        if (passed < 1) this.running = requestAnimationFrame(frame);
        else this.remember();
      };
      this.stop();
      this.running = requestAnimationFrame(frame);
    }

    /** Leave the dots where they are. */
    stop() {
      cancelAnimationFrame(this.running);
    }
  }

  latentbench.Way = Way;
}
