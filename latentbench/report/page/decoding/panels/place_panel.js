"use strict";
// Decodes the place on a map that the reader clicked at or drags over, and says where its code comes from.
{
  const { planeCode, nearest, shares, usualReach } = LatentPlaces;
  const { paint } = LatentFrames;
  const { element, state } = latentbench;
  const NARROW = matchMedia("(max-width: 60rem)");
  const WAIT = 250; // ms after the last move until the address is written
  const DIGITS = 5; // of a place in the address
  const PLANE = "The exact code of this place: it lies in the plane of the two principal axes; along all others it is the mean.";
  const WHOLE = "The exact code of this place: two dimensions are all there are.";

  class PlacePanel {
    constructor(pair) {
      this.pair = pair;
      this.key = `${pair.key}.place`;
      this.moving = false;
      this.picture = element("canvas", { className: "decoded" });
      this.picture.setAttribute("role", "img");
      this.title = element("h5");
      this.words = element("p", { className: "under" });
      this.items = element("div", { className: "items" });
      this.box = element("div", { className: "place-box", hidden: true }, this.title, this.picture, this.words, this.items);
      pair.beside.prepend(this.box);
      pair.views.forEach((view, side) => {
        view.canvas.addEventListener("chosen", (event) => this.choose(side, event.detail.place));
        view.canvas.addEventListener("lassoed", (event) => event.detail.length || this.forget());
        view.canvas.addEventListener("dragged", (event) => this.choose(side, event.detail, true));
      });
      pair.controls.clear.addEventListener("click", () => this.forget());
      pair.box.addEventListener("shown", () => this.follow());
      this.restore();
    }

    /** Choose a place as it lies on the drawn map of a side. */
    choose(side, drawn, moving = false) {
      const own = side ? this.pair.aligned.back(drawn) : drawn;
      if (!own) return;
      this.at = { side, own, map: this.pair.chosen()[side].value };
      this.moving = moving;
      this.ask();
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.rest(), WAIT);
    }

    /** The place rests: it is written, and what was drawn in part is drawn in full. */
    rest() {
      const { side, own } = this.at;
      state.set(this.key, [side, ...own.map((each) => Number(each.toPrecision(DIGITS)))].join());
      if (this.moving) this.ask();
      this.moving = false;
    }

    restore() {
      const [side, ...own] = state.get(this.key).split(",").map(Number);
      if ((side !== 0 && side !== 1) || own.length !== 2 || !own.every(Number.isFinite)) return;
      this.at = { side, own, map: this.pair.chosen()[side].value };
      this.ask();
    }

    /** Other maps are shown, or the left one moves: the place stays where its map is still there. */
    follow() {
      if (!this.at) return;
      if (this.pair.chosen()[this.at.side].value === this.at.map) this.ask();
      else this.forget();
    }

    forget() {
      this.at = null;
      clearTimeout(this.timer);
      state.set(this.key, "");
      this.pair.views.forEach((view) => this.mark(view, null));
      this.box.hidden = this.picture.hidden = true;
    }

    mark(view, cross) {
      view.cross = cross;
      view.ask();
    }

    ask() {
      this.asked ??= requestAnimationFrame(() => {
        this.asked = undefined;
        if (this.at) this.show();
      });
    }

    show() {
      const { side, own } = this.at;
      const view = this.pair.views[side];
      const map = this.pair.chosen()[side];
      const place = side ? this.pair.aligned.forth(own) : own;
      const near = nearest(view.places, place);
      const exact = map.method === "pca" && (side === 1 || this.pair.share === 0);
      this.mark(this.pair.views[1 - side], null);
      this.mark(view, { place, radius: exact ? 0 : near.at(-1).far });
      this.box.hidden = false;
      this.put(view);
      const decoder = this.decoderOf(map.space);
      this.title.textContent = `Decoded at the cross by ${map.space.name}`;
      if (typeof decoder === "string") this.refuse(map.space, decoder);
      else this.decode(map.space, decoder, near, exact ? planeCode(map.space.plane, own) : null, usualReach(view.places));
    }

    /** Put the picture beside the maps or, where these fill the screen, into the corner that the cross leaves free. */
    put(view) {
      const narrow = NARROW.matches;
      if (narrow) view.canvas.after(this.picture);
      else this.title.after(this.picture);
      this.picture.classList.toggle("inset", narrow);
      this.picture.classList.toggle("left", view.pixelOf(view.cross.place)[0] > view.canvas.width / 2);
    }

    /** Return the decoder of a space, or why nothing is decoded. */
    decoderOf({ decodes, content }) {
      if (!decodes) return content.decoder;
      const { opened, items } = LatentOpening.decoders(this.pair.box.dataset.decoders);
      const { picture, remembered, quick, words } = opened[content.decoder];
      return picture ? { picture: this.moving ? quick : remembered, shape: items.shape } : words;
    }

    refuse({ name }, reason) {
      this.title.textContent = `Nothing is decoded on the map of ${name}`;
      this.picture.hidden = this.items.hidden = true;
      this.words.textContent = `${reason[0].toUpperCase()}${reason.slice(1)}.`;
    }

    decode(space, { picture, shape }, near, exactCode, usual) {
      const parts = shares(near);
      const mean = () => LatentMixing.mean(near.map(({ item }) => space.code(item)), parts);
      this.code = exactCode ?? mean();
      const away = usual > 0 ? near.at(-1).far / usual : 0;
      paint(this.picture, picture(this.code), shape);
      this.picture.hidden = this.items.hidden = false;
      this.picture.classList.toggle("unsure", away > 1);
      this.picture.setAttribute("aria-label", `Picture decoded by ${space.name} at the cross`);
      this.words.replaceChildren(...this.told(space, exactCode, near.length, away));
      this.items.classList.toggle("stale", this.moving);
      if (this.moving) return; // thumbnails are slow
      this.items.replaceChildren(...near.map(({ item }, number) => this.figure(item, exactCode ? "" : `${Math.round(100 * parts[number])} %`)));
    }

    told(space, exactCode, count, away) {
      const exact = space.content.codes.dim <= 2 ? WHOLE : PLANE;
      const from = exactCode
        ? `${exact} Below are the ${count} items nearest on the map.`
        : `A place on this map has no code of its own. This is the mean of the codes of the ${count} nearest items, weighted by 1 / distance; the circle holds them.`;
      const rounded = space.content.rounding >= 0.001 && !exactCode ? ` Rounding of codes changes a pixel by up to ${space.content.rounding.toPrecision(1)} of the range from black to white.` : "";
      const far = `Gray, as it lies off the data: its ${count} nearest items lie up to ${away.toPrecision(2)} times as far away as those of 99 % of the items.`;
      return [from, rounded, ...(away > 1 ? [" ", element("span", { className: "far" }, far)] : [])];
    }

    figure(item, share) {
      const { items } = this.pair;
      const picture = items.thumbnail(item);
      return element("figure", { className: "item" }, ...(picture ? [picture] : []), element("figcaption", {}, [items.thumbnails ? "" : items.name(item), share].filter(Boolean).join(", ")));
    }
  }

  latentbench.part("Decoding on the maps", () => {
    for (const pair of latentbench.pairs ?? []) pair.placePanel = new PlacePanel(pair);
  });
}
