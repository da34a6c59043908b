"use strict";
// One map on a canvas: where it looks, what it draws, which item lies at a point. It knows no other map.
{
  const { element, Dots } = latentbench;
  const MARGIN = 0.04; // of the side, around all places
  const REACH = 14; // CSS pixels from a dot within which it is meant
  const AREA = 12_000; // of all dots together, for 400 pixels: fewer are drawn larger
  const CLOSEST = 200;
  const REST = 200; // milliseconds without a move, after which "looked" says where the map looks

  class View {
    constructor(label) {
      this.canvas = element("canvas", { className: "map", tabIndex: 0 });
      this.canvas.setAttribute("role", "img");
      this.label(label);
      this.context = this.canvas.getContext("2d");
      this.dots = new Dots();
      this.camera = [0, 0, 1]; // the middle, in shares of the fitted side, and how much nearer than that
      this.rings = [];
      this.frames = 0;
      new ResizeObserver(() => this.resize()).observe(this.canvas);
    }

    label(text) {
      this.canvas.setAttribute("aria-label", text);
    }

    resize() {
      const side = Math.round(this.canvas.clientWidth * devicePixelRatio);
      if (!side || side === this.canvas.width) return;
      this.canvas.width = this.canvas.height = side;
      this.draw();
    }

    /** Show other places; `fit` are those that fill the map. */
    show(places, fit = places) {
      this.places = places;
      this.pixels = new Float32Array(places.length);
      this.middles = null;
      if (fit !== this.fit) this.frame(fit);
      this.ask();
    }

    frame(fit) {
      this.fit = fit;
      const [left, right, low, high] = latentbench.bounds(fit);
      this.middle = [(left + right) / 2, (low + high) / 2];
      this.side = (Math.max(right - left, high - low) || 1) * (1 + 2 * MARGIN);
    }

    /** Draw with the next frame of the screen, once however often it is asked. */
    ask() {
      this.asked ??= requestAnimationFrame(() => this.draw());
    }

    draw() {
      cancelAnimationFrame(this.asked);
      this.asked = undefined;
      if (!this.places || !this.canvas.width || !this.coloring) return;
      this.project();
      this.dots.draw(this.context, this.pixels, this.coloring, this.selected, this.radius(), paperColor(this.canvas));
      for (const ring of this.rings) this.drawRing(ring);
      this.drawMarks();
      if (this.ways) latentbench.drawWays(this, inkColor(this.canvas), paperColor(this.canvas));
      if (this.cross) latentbench.drawCross(this, inkColor(this.canvas), paperColor(this.canvas));
      if (this.lasso) this.drawLasso();
      this.frames++;
    }

    radius() {
      const side = this.canvas.width;
      const fitting = Math.sqrt((AREA / Math.PI / this.coloring.of.length) * (side / 400) ** 2);
      const near = Math.sqrt(this.camera[2]);
      return Math.round(4 * Math.min(Math.max(fitting * near, 1.1 * devicePixelRatio), 6 * devicePixelRatio)) / 4;
    }

    /** Return what turns places into pixels: how much they grow, and what is added across and down. */
    projection() {
      const { width } = this.canvas;
      const scale = (width * this.camera[2]) / this.side;
      const x = this.middle[0] + this.camera[0] * this.side;
      const y = this.middle[1] + this.camera[1] * this.side;
      return [scale, width / 2 - x * scale, width / 2 + y * scale];
    }

    project() {
      const [scale, across, down] = this.projection();
      for (let at = 0; at < this.places.length; at += 2) {
        this.pixels[at] = across + this.places[at] * scale;
        this.pixels[at + 1] = down - this.places[at + 1] * scale;
      }
    }

    /** Return the pixel of the canvas at which a place on the map lies. */
    pixelOf([x, y]) {
      const [scale, across, down] = this.projection();
      return [across + x * scale, down - y * scale];
    }

    /** Return the place on the map that lies at a point in CSS pixels of the canvas. */
    placeAt(x, y) {
      const [scale, across, down] = this.projection();
      const ratio = this.canvas.width / this.canvas.clientWidth;
      return [(x * ratio - across) / scale, (down - y * ratio) / scale];
    }

    /** Move the map by shares of its side. */
    pan(across, up) {
      const [x, y, near] = this.camera;
      this.look(x - across / near, y - up / near, near);
    }

    /** Come nearer by a factor; the point at shares of the side from the middle stays. */
    zoom(factor, across = 0, up = 0) {
      const [x, y, near] = this.camera;
      const next = Math.min(Math.max(near * factor, 0.5), CLOSEST);
      this.look(x + across / near - across / next, y + up / near - up / next, next);
    }

    look(...camera) {
      this.camera = camera;
      this.ask();
      clearTimeout(this.resting);
      this.resting = setTimeout(() => this.canvas.dispatchEvent(new CustomEvent("looked")), REST);
    }

    /** Return the item nearest to a point in CSS pixels of the canvas, or -1. */
    itemAt(x, y, reach = REACH) {
      const scale = this.canvas.width / this.canvas.clientWidth;
      let [nearest, least] = [-1, (reach * scale) ** 2];
      for (let item = 0; item < this.pixels.length / 2; item++) {
        const distance = (this.pixels[2 * item] - x * scale) ** 2 + (this.pixels[2 * item + 1] - y * scale) ** 2;
        if (distance < least) [nearest, least] = [item, distance];
      }
      return nearest;
    }

    /** Return the items inside a polygon in CSS pixels. */
    itemsIn(polygon) {
      const scale = this.canvas.width / this.canvas.clientWidth;
      const corners = polygon.map(([x, y]) => [x * scale, y * scale]);
      const inside = [];
      for (let item = 0; item < this.pixels.length / 2; item++) {
        if (latentbench.contains(corners, this.pixels[2 * item], this.pixels[2 * item + 1])) inside.push(item);
      }
      return inside;
    }

    drawRing({ item, strong }) {
      this.context.beginPath();
      this.context.arc(this.pixels[2 * item], this.pixels[2 * item + 1], (strong ? 8 : 5) * devicePixelRatio, 0, 7);
      this.context.lineWidth = (strong ? 2.5 : 1.5) * devicePixelRatio;
      this.context.strokeStyle = inkColor(this.canvas);
      this.context.stroke();
    }

    drawLasso() {
      this.context.beginPath();
      for (const [x, y] of this.lasso) this.context.lineTo(x * devicePixelRatio, y * devicePixelRatio);
      this.context.closePath();
      this.context.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
      this.context.lineWidth = 1.5 * devicePixelRatio;
      this.context.strokeStyle = inkColor(this.canvas);
      this.context.stroke();
      this.context.setLineDash([]);
    }

    drawMarks() {
      if (!this.marks) return;
      this.middles ??= latentbench.classMiddles(this.places, this.marks);
      const pixels = this.middles.map((middle) => middle && this.pixelOf(middle));
      latentbench.drawMarks(this.context, this.marks.names, pixels, inkColor(this.canvas), paperColor(this.canvas));
    }
  }

  function paperColor(canvas) {
    return latentbench.colors.rgb(getComputedStyle(canvas).getPropertyValue("--paper").trim());
  }

  function inkColor(canvas) {
    return getComputedStyle(canvas).getPropertyValue("--ink").trim();
  }

  latentbench.View = View;
}
