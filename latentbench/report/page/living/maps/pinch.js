"use strict";
// Two fingers on a map: it moves with their middle, and comes nearer as they part.
{
  class Pinch {
    constructor(view) {
      this.view = view;
      this.fingers = new Map();
    }

    /** Note where a finger is; return how many there are. */
    down(finger, point) {
      this.fingers.set(finger, point);
      return this.fingers.size;
    }

    /** Note that a finger has left; return how many are there. */
    up(finger) {
      this.fingers.delete(finger);
      return this.fingers.size;
    }

    /** Move the map by what one of two fingers did. */
    move(finger, point) {
      const before = this.measured();
      this.fingers.set(finger, point);
      const after = this.measured();
      const side = this.view.canvas.clientWidth;
      this.view.pan((after.x - before.x) / side, (before.y - after.y) / side);
      if (before.apart > 0 && after.apart > 0) this.view.zoom(after.apart / before.apart, after.x / side - 0.5, 0.5 - after.y / side);
    }

    measured() {
      const [[x, y], [u, v]] = this.fingers.values();
      return { x: (x + u) / 2, y: (y + v) / 2, apart: Math.hypot(x - u, y - v) };
    }
  }

  latentbench.Pinch = Pinch;
}
