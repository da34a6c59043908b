"use strict";
// Draws many dots fast: each is a small stamp, mixed into the pixels of a picture that is put on the canvas at once.
{
  const FINE = 4; // samples along a pixel, for smooth edges
  const SOLID = 0.8;
  const FAINT = 0.12; // of dots that are not selected

  const INSIDE = {
    circle: (x, y) => x * x + y * y <= 1,
    square: (x, y) => Math.max(Math.abs(x), Math.abs(y)) <= 0.86,
    triangle: (x, y) => y <= 0.75 && y >= 2 * Math.abs(x) - 1.15,
    diamond: (x, y) => Math.abs(x) + Math.abs(y) <= 1.2,
  };

  /** Return how much of each pixel a shape covers: a square of `size` pixels. */
  function stamp(shape, radius) {
    const half = Math.ceil(radius * 1.25);
    const size = 2 * half + 1;
    const cover = new Float32Array(size * size);
    for (let at = 0; at < cover.length; at++) cover[at] = covered(shape, radius, (at % size) - half, Math.floor(at / size) - half);
    return { half, size, cover };
  }

  function covered(shape, radius, x, y) {
    let inside = 0;
    for (let step = 0; step < FINE * FINE; step++) {
      const across = x + ((step % FINE) + 0.5) / FINE - 0.5;
      const down = y + (Math.floor(step / FINE) + 0.5) / FINE - 0.5;
      if (INSIDE[shape](across / radius, down / radius)) inside++;
    }
    return inside / (FINE * FINE);
  }

  class Dots {
    constructor() {
      this.stamps = new Map();
    }

    stampOf(shape, radius) {
      const key = `${shape} ${radius}`;
      if (!this.stamps.has(key)) this.stamps.set(key, stamp(shape, radius));
      return this.stamps.get(key);
    }

    /** Draw dots at `pixels` (x, y, ...) on paper; where some are selected, the others are faint and below. */
    draw(context, pixels, coloring, selected, radius, paper) {
      const { width, height } = context.canvas;
      if (this.picture?.width !== width || this.picture?.height !== height) this.picture = context.createImageData(width, height);
      const ground = 0xff000000 | (paper[2] << 16) | (paper[1] << 8) | paper[0];
      new Uint32Array(this.picture.data.buffer).fill(ground);
      const stamps = coloring.shapes.map((shape) => this.stampOf(shape, radius));
      if (selected) this.pass(pixels, coloring, stamps, FAINT, (item) => !selected[item]);
      this.pass(pixels, coloring, stamps, SOLID, selected ? (item) => selected[item] : () => true);
      context.putImageData(this.picture, 0, 0);
    }

    pass(pixels, { table, of }, stamps, strength, wanted) {
      const { width, height, data } = this.picture;
      for (let item = 0; item < of.length; item++) {
        const x = Math.round(pixels[2 * item]);
        const y = Math.round(pixels[2 * item + 1]);
        const mark = stamps[of[item] % stamps.length];
        if (!(x >= mark.half && y >= mark.half && x < width - mark.half && y < height - mark.half)) continue;
        if (wanted(item)) blend(data, (y - mark.half) * width + x - mark.half, width, mark, table[of[item]], strength);
      }
    }
  }

  function blend(data, start, width, { size, cover }, color, strength) {
    for (let row = 0; row < size; row++) {
      for (let column = 0; column < size; column++) {
        const share = cover[row * size + column] * strength;
        if (share === 0) continue;
        const at = 4 * (start + row * width + column);
        data[at] += (color[0] - data[at]) * share;
        data[at + 1] += (color[1] - data[at + 1]) * share;
        data[at + 2] += (color[2] - data[at + 2]) * share;
      }
    }
  }

  latentbench.Dots = Dots;
}
